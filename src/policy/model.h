/* SPDX-License-Identifier: GPL-2.0-only */
/* The checked meaning of a policy. Built by load.h, read by everyone else, never changed after. */
#ifndef BULKHEAD_POLICY_MODEL_H
#define BULKHEAD_POLICY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "policy/diagnostic.h"

enum mode { MODE_ENFORCE, MODE_AUDIT, MODE_MAX };
enum log_what { LOG_WHAT_UNSET, LOG_WHAT_NONE, LOG_WHAT_DENIED, LOG_WHAT_ALL, LOG_WHAT_MAX };
enum permit { PERMIT_SPOOF = 1 << 0, PERMIT_DHCP_SERVER = 1 << 1, PERMIT_ROUTER = 1 << 2, PERMIT_VLAN = 1 << 3 };

struct strings {
	ARRAY_OF(char *);
};
struct prefixes {
	ARRAY_OF(struct prefix);
};
struct addrs {
	ARRAY_OF(struct addr);
};

/* One member mapping: all that is set must match. */
struct label_match {
	char *key;
	char *glob; /* NULL: the label must be there, whatever its value */
};
struct member {
	struct place place;
	char *name, *image, *network, *runtime, *namespace, *interface, *cgroup; /* globs; NULL: not asked */
	struct {
		ARRAY_OF(struct label_match);
	} labels;
	struct member * not ; /* NULL: not asked */
};
struct members {
	ARRAY_OF(struct member);
};

struct group {
	char *name;	/* within the zone; "" for the one group of a zone without `groups` */
	char *fullname; /* "shop/front", or "build" for the one group of a zone without `groups` */
	uint32_t zone;	/* index */
	struct place place;
	struct members members;
};

struct zone {
	char *name;
	char *description; /* or NULL */
	struct place place;
	bool has_groups;		   /* `groups` was written; otherwise one implicit group */
	uint32_t group_first, group_count; /* in policy.groups */
	bool within_deny;
	bool between_groups_allow;
	struct place within_place, between_place; /* where it was written; line 0: default */
	struct prefixes subnets;
	struct strings via;
	enum mode mode;
	enum log_what log;
	uint32_t permit; /* enum permit bits */
};

struct network {
	char *name; /* NULL: a literal address or prefix at an end of a rule */
	struct place place;
	struct prefixes cidrs;	/* those of `cidrs` and `file` together, sorted, no duplicates */
	struct prefixes except; /* sorted */
};

/* One indivisible piece of a service. */
enum service_kind { SERVICE_ALL, SERVICE_PROTOCOL, SERVICE_PORTS, SERVICE_ICMP, SERVICE_KIND_MAX };
struct service_atom {
	enum service_kind kind;
	uint8_t protocol;     /* IP protocol number; not used by SERVICE_ALL */
	uint16_t low, high;   /* PORTS: port range. ICMP: low = type, high = code or SERVICE_CODE_ANY */
	bool without_tunnels; /* in an allow: `all` and `udp` (proto/17) do not reach the tunnels' services */
};
#define SERVICE_CODE_ANY 0xffff
struct service_atoms {
	ARRAY_OF(struct service_atom);
};
struct service {
	char *name;
	struct place place;
	struct service_atoms atoms; /* flattened; without_tunnels false */
};

enum end_kind {
	END_ANY,
	END_HOST,
	END_WORLD,
	END_INTERNET,
	END_PRIVATE,
	END_METADATA,
	END_MULTICAST,
	END_UNASSIGNED,
	END_ZONE,    /* index: zone */
	END_GROUP,   /* index: group (of policy.groups) */
	END_NETWORK, /* index: network, named or literal */
	END_KIND_MAX
};
struct end {
	enum end_kind kind;
	uint32_t index;
	struct place place;
};
struct ends {
	ARRAY_OF(struct end);
};

#define TIME_NEVER INT64_MAX

struct rule {
	char *name; /* or NULL */
	struct place place;
	struct ends from, to;
	bool deny;
	struct service_atoms services; /* flattened, without_tunnels set where it applies */
	char *services_text;	       /* as written, for people: "web, tcp/9443" */
	int64_t expires;	       /* ns since the epoch, UTC; TIME_NEVER */
	enum mode mode;		       /* MODE_AUDIT: staged */
	enum log_what log;
};

enum unassigned { UNASSIGNED_DENY, UNASSIGNED_ALLOW };
/* What the hooks do with a container's start when the daemon does not open its port in time. */
enum start_without { START_WITHOUT_FAIL, START_WITHOUT_CLOSED, START_WITHOUT_MAX };
/* What polices: eBPF programs at the ports with nftables behind them, or nftables alone. */
enum gates { GATES_TC_NFT, GATES_NFT, GATES_MAX };

struct settings {
	struct place place; /* of the settings mapping; line 0 when there is none */
	enum mode mode;
	struct strings managed, ignore; /* globs on host-side interface names; managed_default: none was written */
	bool managed_default;
	enum unassigned unassigned;
	bool host_to_containers; /* true: allow */
	bool reject;		 /* the sender of what is refused is told */
	enum log_what log;	 /* LOG_WHAT_DENIED by default */
	struct addrs metadata;	 /* the built-in ones and the added ones */
	struct prefixes nat64;	 /* 64:ff9b::/96 and the added ones */
	enum start_without start_without_daemon;
	enum gates gates;
	struct place mode_place, unassigned_place, host_place, gates_place; /* line 0: default */
};

struct policy {
	struct sources sources;
	struct strings watched; /* every file and directory whose change asks for a new load */
	struct settings settings;
	struct {
		ARRAY_OF(struct zone);
	} zones;
	struct {
		ARRAY_OF(struct group);
	} groups; /* those of one zone stand together */
	struct {
		ARRAY_OF(struct network);
	} networks;
	struct {
		ARRAY_OF(struct service);
	} services; /* the policy's own; built-ins by service_builtin() */
	struct {
		ARRAY_OF(struct rule);
	} rules;
};

void policy_free(struct policy *policy); /* NULL is fine */

/* String tables; names as the language spells them. */
extern const char *const end_kind_names[END_KIND_MAX]; /* "any", "host", …, "zone", "group", "network" */
extern const char *const log_what_names[LOG_WHAT_MAX];
extern const char *const mode_names[MODE_MAX];
extern const char *const start_without_names[START_WITHOUT_MAX]; /* "fail", "closed" */
extern const char *const gates_names[GATES_MAX];		 /* "[ tc, nft ]", "[ nft ]" */

/* Zone, network, service by name; -1 when there is none. group_find takes "zone/group". */
int zone_find(const struct policy *policy, const char *name);
int group_find(const struct policy *policy, const char *fullname);
int network_find(const struct policy *policy, const char *name);

/* SERVICE as a rule may write it ("tcp/5432", "web", "icmp/echo-request", "dns"): appended flattened to `ret_atoms`.
 * `policy` may be NULL (built-ins only). -EINVAL with the reason in `error`. */
int service_parse(const struct policy *policy, const char *word, struct service_atoms *ret_atoms, struct error *error);
/* "tcp/5432", "icmp/echo-request", "all", … */
void service_atom_format(const struct service_atom *atom, struct text *text);

#endif
