/* SPDX-License-Identifier: GPL-2.0-only */
/* What the stages of the compiler share. Private to table/; the method is told in compile.c. */
#ifndef BULKHEAD_TABLE_COMPILE_H
#define BULKHEAD_TABLE_COMPILE_H

#include "base/map.h"
#include "table/table.h"

#define COMPILE_NONE UINT32_MAX

/* Bounds on memory in between, for policies whose parts overlap beyond reason. */
#define COMPILE_COVERS_MAX     (1u << 24) /* networks that hold a region, summed over regions: 128 MiB */
#define COMPILE_SETS_MAX       (1u << 25) /* service classes of a service set, summed over sets: 128 MiB */
#define COMPILE_ENDS_MAX       (1u << 25) /* classes that an end of rules matches, summed over ends: 128 MiB */
#define COMPILE_INCIDENCES_MAX (1u << 24) /* rules that hold for one source, summed over destinations: 64 MiB */

/* All that bounds a table. Tests reach the edges with smaller ones. */
struct compile_limits {
	uint32_t cells, service_classes, prefixes, classes;
	uint32_t covers, sets, ends, incidences;
};
extern const struct compile_limits compile_limits_default;

/* qsort(3) of an array of base/array.h, which may be empty. */
#define array_sort(array, compare)                                                                 \
	do {                                                                                       \
		if ((array)->count > 1)                                                            \
			qsort((array)->items, (array)->count, sizeof(*(array)->items), (compare)); \
	} while (0)

struct numbers {
	ARRAY_OF(uint32_t);
};
/* Lists of numbers one behind the other: list i is numbers[starts[i]] up to numbers[starts[i + 1]]. */
struct lists {
	struct numbers starts, numbers;
};
int lists_begin(struct lists *lists);		     /* before the first list is added */
int lists_add(struct lists *lists, uint32_t number); /* to the list that is not closed yet */
int lists_close(struct lists *lists);		     /* the next list begins */
size_t lists_count(const struct lists *lists);	     /* closed ones */
const uint32_t *lists_get(const struct lists *lists, size_t index, size_t *ret_count);
void lists_free(struct lists *lists);
int numbers_add(struct numbers *numbers, uint32_t number);
void numbers_sort(struct numbers *numbers); /* ascending, duplicates removed */

/* What an end of a judged flow can be, as the rules see it; one for each class that can have cells. They stand in the
 * order of their classes: the host, unassigned ports, identities, then the classes of addresses. */
enum subject_kind {
	SUBJECT_HOST,
	SUBJECT_UNASSIGNED, /* ports in no zone */
	SUBJECT_IDENTITY,
	SUBJECT_NEIGHBOUR, /* unknown addresses in a managed bridge's subnet: unassigned too */
	SUBJECT_SUBNET,	   /* of a zone */
	SUBJECT_OUTSIDE,
	SUBJECT_KIND_MAX
};
enum subject_trait { /* of SUBJECT_OUTSIDE */
		     TRAIT_WORLD = 1 << 0,
		     TRAIT_INTERNET = 1 << 1,
		     TRAIT_PRIVATE = 1 << 2,
		     TRAIT_METADATA = 1 << 3,
		     TRAIT_GROUP = 1 << 4, /* multicast and broadcast */
};
struct subject {
	enum subject_kind kind;
	uint32_t class;
	uint32_t zone; /* index, or COMPILE_NONE */
	uint32_t traits;
	uint32_t signature; /* SUBJECT_OUTSIDE: list in compile.signatures; otherwise COMPILE_NONE */
	struct numbers groups;
};
#define SIGNATURE_DENY		 (1u << 31)
#define SUBJECT_INDEX_HOST	 0
#define SUBJECT_INDEX_LOCAL	 1 /* unassigned ports; identities follow */
#define SUBJECT_INDEX_UNASSIGNED 1

/* A rule that can still matter. Their order is that in which rules decide: those that never expire by their places,
 * then the others, the last to expire first. So of the rules of a kind that match, the first decides. */
struct ranked {
	uint32_t rule;		     /* index in policy.rules */
	uint32_t from, to, services; /* of the interned ends and service sets */
	uint32_t decision;
};

/* Some ends of rules, as one: ANY and NETWORK mean different things in allow and deny. */
struct end_key {
	uint32_t deny, kind, index;
};
struct end_list {
	struct end_key *keys;
	size_t count;
};

struct zone_decisions { /* 0: not numbered yet */
	uint32_t otherwise, within, between;
};
enum setting_decision {
	SETTING_HOST_ALLOW,
	SETTING_HOST_DENY,
	SETTING_UNASSIGNED_ALLOW,
	SETTING_UNASSIGNED_DENY,
	SETTING_UNASSIGNED_OTHERWISE,
	SETTING_CONFLICTED,
	SETTING_AMBIGUOUS,
	SETTING_MAX
};

struct compile {
	const struct policy *policy;
	const struct world *world;
	struct registry *registry;
	int64_t now_s;
	const struct compile_limits *limits;
	struct error *error;
	struct table *table; /* what is being made */

	struct {
		ARRAY_OF(struct ranked);
	} rules;
	uint32_t *network_first; /* by network: the first that holds the same addresses */
	struct {
		ARRAY_OF(struct end_list);
	} ends;
	struct map *end_index;	  /* keys → index + 1 */
	uint32_t *holders[2];	  /* [deny], by network: which ends of rules name it, interned; 0: none */
	struct lists subjects_of; /* by end list: the subjects it matches, ascending */

	struct {
		ARRAY_OF(struct subject);
	} subjects;
	uint32_t local_end;	 /* subjects [SUBJECT_INDEX_LOCAL, local_end) have ports here */
	struct lists signatures; /* of outside classes: holders of allows, holders of denies with SIGNATURE_DENY */
	struct map *class_index; /* what a class is → subject + 1 */

	struct lists sets;	  /* by service set: ranges low, high of service points (service.c) */
	struct map *set_index;	  /* ranges → index + 1 */
	struct lists set_classes; /* by service set: its classes; of a set that holds class 0: all that it lacks */
	bool *set_holds_any;	  /* by service set: it holds class 0 */

	struct zone_decisions *zone_decisions; /* by zone */
	uint32_t *group_decisions;	       /* by group */
	uint32_t setting_decisions[SETTING_MAX];
	struct map *decision_keys; /* keys of rules → how many have it, so that each has its own number */
};

/* table_compile() within `limits`. */
int compile_table(const struct policy *policy, const struct world *world, struct registry *registry, int64_t now_s,
		  const struct compile_limits *limits, struct table **ret_table, struct error *error);

/* The stages, in order. Each returns 0 or -errno with `error` set; on failure what is half made is freed with the
 * compile. */
int compile_rules(struct compile *compile);	 /* rank.c: ranks the rules, interns their ends */
int compile_identities(struct compile *compile); /* identity.c: host, unassigned, identities; table.ports */
int compile_prefixes(struct compile *compile);	 /* prefix.c: classes of addresses; table.prefixes */
int compile_addresses(struct compile *compile);	 /* address.c: table.addresses, table.nat64 */
int compile_ends(struct compile *compile);	 /* rank.c: which subjects each end matches */
int compile_services(struct compile *compile);	 /* service.c: service classes; table.services */
int compile_cells(struct compile *compile);	 /* cell.c */
int compile_classes(struct compile *compile);	 /* identity.c: table.class_info */

/* ---- What stages ask of one another ---- */

/* service.c: the set of a rule's services. */
int compile_service_set(struct compile *compile, const struct service_atoms *atoms, uint32_t *ret_set);

/* class.c: the class of addresses that are `kind` (NEIGHBOUR, SUBNET of `zone`, OUTSIDE with traits and holders), made
 * on first use. `holders`: as in compile.signatures, sorted. `names`: of a new class, for people. */
int compile_class(struct compile *compile, enum subject_kind kind, uint32_t zone, uint32_t traits,
		  const struct numbers *holders, const char *name, uint32_t *ret_subject);

/* decision.c: numbers of what decides, given on first use. */
int compile_rule_decision(struct compile *compile, uint32_t rule, uint32_t *ret_number);
int compile_zone_otherwise(struct compile *compile, uint32_t zone, uint32_t *ret_number);
int compile_zone_within(struct compile *compile, uint32_t zone, uint32_t *ret_number);
int compile_zone_between(struct compile *compile, uint32_t zone, uint32_t *ret_number);
int compile_group(struct compile *compile, uint32_t group, uint32_t *ret_number);
int compile_setting(struct compile *compile, enum setting_decision setting, uint32_t *ret_number);
void compile_decisions_sort(struct compile *compile);

/* step.c: steps 3 to 6 of the policy's order, for a pair of subjects. */
struct base {
	uint8_t reason; /* enum bh_reason */
	bool allow;
	bool plain; /* just what the gates do when there is no cell */
	bool audit;
	enum log_what log; /* for the base and rules that do not say it themselves */
	uint32_t decision;
};
int compile_base(struct compile *compile, const struct subject *source, const struct subject *destination,
		 struct base *ret_base);
bool compile_denial_logged(const struct compile *compile, uint32_t zone); /* BH_CLASS_LOG_DENIED of a class of zone */

int compile_out_of_memory(struct compile *compile); /* -ENOMEM, said */

#endif
