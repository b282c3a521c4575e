/* SPDX-License-Identifier: GPL-2.0-only */
/* The decision table: policy × world, compiled so that a packet's verdict is a fixed number of exact look-ups.
 *
 * Recursive flow classification (Gupta and McKeown, SIGCOMM 1999): senders and addresses become classes, protocol and
 * port a service class, and one exact-match table of cells says what happens. Pure: no kernel, no I/O. The gates copy
 * what stands here; its cells, keys and class numbers are those of the ABI (tc-bpf/abi.h). */
#ifndef BULKHEAD_TABLE_TABLE_H
#define BULKHEAD_TABLE_TABLE_H

#include "base/array.h"
#include "policy/verdict.h"
#include "table/registry.h"
#include "tc-bpf/abi.h"

/* Limits; going over one is an error that names it. */
#define TABLE_CELLS_MAX		  4000000u
#define TABLE_SERVICE_CLASSES_MAX 65534u

/* What a decision number means: a rule, a zone's or group's step, a setting, a state. */
struct decision {
	uint32_t number; /* from the registry; also the index of its counter */
	bool fresh;	 /* its counter must be zeroed before this table is in force */
	enum reason reason;
	int rule;	    /* index in policy.rules, or -1 */
	struct place place; /* line 0: a default that nobody wrote */
	char *file;	    /* path of the place, or NULL; a copy, so that decisions outlive their policy */
	char *text; /* the rule's name, or what it says in short: "shop/front → shop/db allow tcp/5432", "zone shop:
		       within deny" */
	bool deny;
};

struct identity {
	uint32_t number;
	char *name;    /* "shop/front+db", "build", "unassigned", "conflicted" */
	uint32_t zone; /* index, or UINT32_MAX */
	struct {
		ARRAY_OF(uint32_t);
	} groups;
	uint32_t flags; /* BH_CLASS_PERMIT_* and others of the class */
	uint32_t port_count;
};

struct class_entry { /* what is not an identity */
	char *name;  /* for people: "internet", "office+world", "subnets of partners", "multicast" … */
	struct bh_class_info info;
};

struct prefix_entry {
	struct prefix prefix;
	uint32_t class;
};
struct address_entry {	 /* exact: containers', the host's, bridges' broadcast */
	uint32_t domain; /* 0: anywhere */
	struct addr addr;
	uint32_t class;
};
struct cell_entry {
	uint64_t key; /* BH_CELL_KEY */
	struct bh_cell cell;
};
struct port_entry {	   /* one for each world.ports item, in order */
	uint32_t identity; /* BH_CLASS_UNASSIGNED, BH_CLASS_CONFLICTED, or a number; BH_CLASS_NONE: unpoliced */
};

struct table {
	uint32_t generation; /* set by the caller of table_compile */
	struct {
		ARRAY_OF(struct decision);
	} decisions; /* ascending by number */
	struct {
		ARRAY_OF(struct identity);
	} identities; /* ascending by number; with UNASSIGNED and CONFLICTED; those of the world's ports and no others
		       */
	struct {
		ARRAY_OF(struct class_entry);
	} classes;			  /* index i is class BH_CLASS_FIRST + i */
	struct bh_class_info *class_info; /* by class: class_count = BH_CLASS_FIRST + classes.count of them */
	uint32_t class_count;
	uint32_t service_class_count;
	struct bh_service_row *services; /* BH_SERVICE_ROWS of them */
	struct {
		ARRAY_OF(struct prefix_entry);
	} prefixes; /* every prefix where the class changes; both /0 among them; redundant ones (same class as the next
		       shorter) left out */
	struct {
		ARRAY_OF(struct address_entry);
	} addresses; /* ascending by domain, then address */
	struct {
		ARRAY_OF(struct prefix);
	} nat64;
	struct {
		ARRAY_OF(struct cell_entry);
	} cells; /* ascending by key */
	struct {
		ARRAY_OF(struct port_entry);
	} ports;
	uint32_t *prefix_parents; /* private to table/: for each prefix the index of the next shorter, or UINT32_MAX */
};

/* Compiles. `now_s` is for the registry only: a table holds every rule that can still matter, expired ones left out by
 * `now_s` too. Identities of earlier tables that no port has now get BH_CLASS_RETIRED in class_info.
 * 0: *ret_table is the caller's. -E2BIG/-ENOSPC: over a limit (`error` names it). -ENOMEM. `policy` and `world` must
 * stay alive only during the call. */
int table_compile(const struct policy *policy, const struct world *world, struct registry *registry, int64_t now_s,
		  struct table **ret_table, struct error *error);
void table_free(struct table *table); /* NULL is fine */
/* Frees what only judging needs (most of it): from now on only table_class_name(), table_decision() and table_free()
 * may be called. For tables that are no longer in force, whose events may still come. */
void table_keep_names(struct table *table);

/* ---- Asking the table, by the very look-ups that the eBPF program makes ---- */

/* Class of an address seen from `domain` (its entry, then that of 0, then NAT64, then the longest prefix). */
uint32_t table_class(const struct table *table, const struct addr *addr, uint32_t domain);
/* The exact entry of this domain (0: that of anywhere), in logarithmic time; NULL: there is none. */
const struct address_entry *table_address(const struct table *table, uint32_t domain, const struct addr *addr);
uint32_t table_service(const struct table *table, const struct service_point *service);
const struct bh_cell *table_cell(const struct table *table, uint64_t key); /* by BH_CELL_KEY; NULL: there is none */
/* What the cell for (src, dst, service) says at `now` (ns since the epoch). Mirrors tc-bpf/classify.h. */
struct table_verdict {
	bool allow, audit, log;
	uint8_t reason;	   /* enum bh_reason: BH_ALLOW_… or BH_DENY_… */
	uint32_t decision; /* number; 0: none */
	uint32_t staged;   /* number of the staged rule to report; 0: none */
	bool staged_deny;
	uint64_t valid_until; /* ns since the epoch; BH_FOREVER */
};
void table_lookup(const struct table *table, uint32_t src, uint32_t dst, uint32_t service, int64_t now,
		  struct table_verdict *ret_verdict);
const struct decision *table_decision(const struct table *table, uint32_t number); /* NULL when it has none */
/* "shop/front", "host", "internet": what a class is called. Never NULL. */
const char *table_class_name(const struct table *table, uint32_t class);

/* A judge_fn over the table; `context` is a struct table_judge. Fills verdict.staged with the one staged rule of the
 * cell when its time has not passed (naive lists all). */
struct table_judge {
	const struct table *table;
	const struct policy *policy;
	const struct world *world;
};
int table_judge(void *context, const struct party *from, const struct party *to, const struct service_point *service,
		int64_t now, struct verdict *ret_verdict);

/* The host's door, for the nft gate: for each identity (and UNASSIGNED) what it may send to the host, as maximal runs
 * of services with one verdict. Ports: protocol tcp/udp/sctp, low..high; ICMP: protocol 1 or 58, low/high = type << 8 |
 * code; other protocols: low = high = protocol number, protocol 255 standing for 'by number'. Calls `fn` in ascending
 * order; stops and returns its result when it is not 0. */
#define HOST_SERVICE_BY_NUMBER 255
struct host_service {
	uint32_t identity;
	uint8_t protocol;
	uint16_t low, high;
	const struct bh_cell *cell; /* NULL: denied by default */
};
int table_host_services(const struct table *table, int (*fn)(void *arg, const struct host_service *service), void *arg);

/* The same of any source class (`identity` of the runs) and any destination class, for the nft gate where it judges
 * alone. A walk holds what is alike for all pairs. -ENOMEM */
struct table_walk;
int table_walk_new(const struct table *table, struct table_walk **ret_walk);
void table_walk_free(struct table_walk *walk); /* NULL is fine */
int table_walk_pair(struct table_walk *walk, uint32_t src, uint32_t dst,
		    int (*fn)(void *arg, const struct host_service *service), void *arg);
/* The cells that two classes have, by service; NULL: none. */
const struct cell_entry *table_pair_cells(const struct table *table, uint32_t src, uint32_t dst, size_t *ret_count);

#endif
