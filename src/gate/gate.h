/* SPDX-License-Identifier: GPL-2.0-only */
/* The two gates as one (or the nft gate alone, without eBPF): makes the kernel equal to what is desired, in an order in
 * which nothing ever opens early.
 *
 * gate_apply() is idempotent and level-triggered: start-up, change, crash recovery and repair are the same call. */
#ifndef BULKHEAD_GATE_GATE_H
#define BULKHEAD_GATE_GATE_H

#include <net/if.h>

#include "base/addr.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/steward.h"
#include "policy/model.h"
#include "table/table.h"
#include "tc-bpf/abi.h"

struct gate; /* opaque */

struct gate_options {
	const char *pin_dir;  /* a directory on a bpffs, made if missing: "/sys/fs/bpf/bulkhead" */
	uint32_t stamp_shift; /* BH_STAMP_SHIFT_DEFAULT */
	uint32_t flow_quota;  /* flows that a port may open: BH_FLOWS_PER_PORT_DEFAULT */
	uint16_t log_group;   /* NFLOG group of the door's events */
	bool no_owner;	      /* never own the nft tables, even where the kernel could (tests, old kernels) */
	bool no_tcx;	      /* use clsact even where tcx is there (tests, old kernels) */
	bool nft_alone;	      /* no eBPF: nftables judges all (`gates: [ nft ]`) */
	/* Where a small process listens that keeps the nft tables owned when the daemon is dead; NULL: there is none.
	 * The calling program must become that process when its only word is NFT_HOLDER_WORD (nft_holder.h). */
	const char *holder_dir;
	bool no_holder; /* end the one that is there, and start none */
};
#define GATE_LOG_GROUP_DEFAULT 4252

/* A port as the gates need it. */
struct gate_port {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	uint32_t domain;   /* the bridge's ifindex; 0: none */
	uint64_t key;	   /* of the interface: another one that gets its number has another key; 0: not known */
	struct mac mac;	   /* the container's end */
	bool open;	   /* false: kept closed; of name, ifindex, key and domain it is made ready, to open at once */
	uint32_t identity; /* class number of the table: an identity, BH_CLASS_UNASSIGNED or BH_CLASS_CONFLICTED */
	const struct addr *addresses;
	size_t address_count;
	const struct addr *gateways; /* the runtime's gateway addresses for this port */
	size_t gateway_count;
	const struct gate_seed
		*seeds; /* flows that were open before Bulkhead came; used only when the port is first opened */
	size_t seed_count;
	/* Filled by gate_apply(): */
	int ret_result;	       /* 0, or why it could not be opened */
	char ret_problem[160]; /* the sentence for it; "" */
};
struct gate_seed {
	uint8_t protocol;
	enum bh_flow_direction direction; /* who opened it, as far as it can be told; a listening port's: BH_FLOW_IN */
	struct addr own, remote;
	uint16_t own_port, remote_port; /* host order */
};
/* A veth that is not policed: its packets enter as `remote`. */
struct gate_ignored {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	bool patch; /* both ends in the host's namespace: stamps are kept across it */
};
/* Zone subnets believed only on some interfaces (`via`). */
struct gate_via {
	const char *zone;
	const struct prefix *subnets;
	size_t subnet_count;
	const char *const *interfaces;
	size_t interface_count;
};
struct gate_bridge { /* a bridge with ports */
	char name[IFNAMSIZ];
	uint32_t ifindex;
};
/* What comes to the host's `input` for such a port is for a process that relays it (docker-proxy), or for nobody, since
 * the runtime holds the port: it is judged as the container behind it. */
struct gate_published {
	uint32_t identity;	       /* of that container; BH_CLASS_NONE: not known */
	uint16_t port, container_port; /* host order */
	uint8_t protocol;
	struct prefix at; /* the host's address that it is published on; with length 0 all of its family */
};

struct gate_desired {
	const struct table *table; /* must stay alive until the next gate_apply() has returned */
	struct gate_port *ports;
	size_t port_count;
	bool doubt; /* events of the kernel were lost: nothing is believed without a look */
	const struct gate_ignored *ignored;
	size_t ignored_count;
	const struct gate_via *via;
	size_t via_count;
	const struct gate_bridge *bridges;
	size_t bridge_count;
	const struct gate_published *published;
	size_t published_count;
	/* Filled by gate_apply(): all is in force, but for a detail that could not be done: to be applied again soon.
	 */
	bool ret_unfinished;
	bool reject; /* `refuse: reject`: who sends what the policy refuses is told */
};

/* What an earlier daemon left in this network namespace. */
enum gate_found { GATE_FOUND_NONE, GATE_FOUND_TC, GATE_FOUND_NFT_ALONE };
enum gate_found gate_find(const struct gate_options *options);

/* Loads the programs, or takes over those that are pinned (same ABI version; a newer one is refused, both named), and
 * finds our nft tables. Changes nothing that polices: until the first gate_apply() what was in force stays in force.
 * The closed door (nft) is put up at once if there is none.
 * Another mode than that of a daemon before (options.nft_alone): what that one left polices until the first
 * gate_apply() has succeeded; what is not needed any more goes after it. */
int gate_open(const struct gate_options *options, struct gate **ret_gate, struct error *error);
/* For the steward: mounts the BPF file system at its usual place, if there is none. */
int gate_mount_task(const struct steward_order *order);
void gate_close(struct gate *gate); /* lets go; the kernel keeps enforcing. NULL is fine */

bool gate_is_nft_alone(const struct gate *gate);

/* The generation in force (0: none yet), as the kernel keeps it. */
uint32_t gate_generation(const struct gate *gate);

/* Calls `fn` for each identity number that the policy in force knows, retired ones too: those that packets and flows
 * may carry. 0 or -errno. */
int gate_identities(struct gate *gate, void (*fn)(void *arg, uint32_t number), void *arg);

/* Makes the kernel equal to `desired`. Order: ports that go leave the door's set first, then their programs' entries;
 * the idle slot is filled, addresses and ports written, programs attached, the nft transaction committed (with the
 * ports that may open), and last one store flips the slot. nft alone: the nft transaction is all. On failure (-errno)
 * the policy in force is exactly the old one. Problems of single ports are in ret_result/ret_problem and don't fail the
 * call. */
int gate_apply(struct gate *gate, struct gate_desired *desired, struct error *error);

/* Looks whether the kernel still is as the last gate_apply() left it (programs attached and ours, first in line; nft
 * tables as rendered; maps pinned). What differs is marked, so that the next gate_apply() repairs it. *ret_drift: what
 * was found, a sentence a line (caller frees by text_free). 0 when whole, 1 when there is drift, -errno. */
int gate_check(struct gate *gate, struct text *ret_drift);

/* Event-driven: calls `on_drift` when the kernel tells of a change to our filters or tables by someone else (what and
 * who, as far as the kernel says), and `on_event` for each report of the gates. */
struct gate_callbacks {
	void (*on_event)(void *arg, const struct bh_event *event);
	void (*on_drift)(void *arg, const char *what, const char *who); /* then call gate_check() and gate_apply() */
	void *arg;
};
int gate_watch(struct gate *gate, struct loop *loop, const struct gate_callbacks *callbacks, struct error *error);

/* Counters, summed over CPUs. `decision` and `ifindex` that have none read as zero. Of ports and reasons nft alone
 * knows none: -ENOTSUP. */
int gate_rule_counter(struct gate *gate, uint32_t decision, struct bh_counter *ret_counter); /* both gates together */
int gate_port_counters(struct gate *gate, uint32_t ifindex, struct bh_port_counters *ret_counters);
int gate_reason_counter(struct gate *gate, enum bh_reason reason, struct bh_counter *ret_counter);
uint32_t gate_port_flows(struct gate *gate, uint32_t ifindex); /* open flows, counted; walks the port's own map */

/* ---- Open flows ---- */

/* One as it stands at a port. A flow between two ports stands at both. nft alone: as conntrack has it, with the opener
 * as `own` and without a port; `domain` tells more of where the opener is, when several have its address. */
struct gate_flow {
	uint32_t ifindex; /* 0: see above */
	uint32_t domain;  /* 0: not known */
	struct addr own, remote;
	uint16_t own_port, remote_port; /* host order; ICMP and others: as in struct bh_flow_key */
	uint8_t protocol;
	enum bh_flow_direction direction; /* who opened it: BH_FLOW_OUT, the port */
	uint32_t opener;		  /* class of who opened it, as it was judged */
	bool peer_local; /* the far end is the host or a container for certain: `opener` is what it was stamped with */
};

/* Calls `fn` for each flow that is open, or that was ended by a policy of a later generation than `since`, until it
 * returns an error. One may come twice. It may return GATE_FLOW_END for what is to be ended at once, where it would not
 * end wholly by itself (nft alone). Takes its time: it is for a copy of the process (child.h), which needs the
 * descriptors that gate_flows_fds() gives (how many). */
#define GATE_FLOW_END 1
int gate_flows_walk(struct gate *gate, uint32_t since, int (*fn)(void *arg, const struct gate_flow *flow), void *arg);
#define GATE_FLOWS_FDS 2u
size_t gate_flows_fds(const struct gate *gate, int fds[GATE_FLOWS_FDS]);

/* What both gates can tell of themselves: features used (tcx or clsact, owned tables), what the kernel supports,
 * foreign filters and mark writers found, health. A new object for `status` and `version`: see docs/json.md. */
json_t *gate_status(struct gate *gate);

/* Takes every trace out of the kernel: tables, links or filters, pins, bridge settings that we changed. Needs no open
 * gate. Calls `report` with a line for each thing removed. */
int gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		   struct error *error);

#endif
