/* SPDX-License-Identifier: GPL-2.0-only */
/* How explain and matrix ask about sets: ends that policy and world can't tell apart are one side, services that the
 * rules between two sides can't tell apart are one span, and each pair of sides is judged once a span. */
#ifndef BULKHEAD_TABLE_EXPLAIN_PRIVATE_H
#define BULKHEAD_TABLE_EXPLAIN_PRIVATE_H

#include "policy/judge.h"
#include "table/explain.h"

enum { FAMILY_V4 = 1, FAMILY_V6 = 2, FAMILY_BOTH = 3 };

/* A network that reaches an address: its index, and how. */
struct reach {
	uint32_t network; /* index in policy.networks */
	bool allow;	  /* false: only in a deny */
};
struct reaches {
	ARRAY_OF(struct reach);
};

/* Ends alike. Two samples, so that a member is not asked about itself. */
struct side {
	struct standing standing; /* its membership is borrowed */
	struct reaches reaches;	  /* borrowed; addresses only */
	uint8_t families;
	uint8_t sample_count; /* 1, 2 */
	struct party samples[2];
	uint32_t owners[2]; /* of the samples: containers; WORLD_NOBODY */
	uint32_t members;   /* ports: how many; addresses: 1 */
	uint32_t domain;    /* ports: their L2 domain */
	bool ambiguous;	    /* one of several ports that have the address that was asked about */
};
struct sides {
	ARRAY_OF(struct side);
};

/* One kind of address: any address of it stands for all. */
struct address_class {
	struct standing standing; /* of its first address */
	struct reaches reaches;
};
struct address_classes {
	ARRAY_OF(struct address_class);
};

struct explain {
	const struct policy *policy;
	const struct world *world;
	judge_fn judge;
	void *context;
	struct standing *ports; /* one for each world.ports item; `membership` is owned here */
	struct sides port_sides;
	struct address_classes classes;
	bool classes_known;
	bool protocols[256]; /* protocols that need a span of their own */
};

/* explain_class.c: every kind of address there is; `extra` (NULL: none) is one more network that tells apart. */
int address_classes_find(const struct policy *policy, const struct world *world, const struct network *extra,
			 struct address_classes *ret_classes, struct error *error);
void address_classes_free(struct address_classes *classes);
/* The networks that reach one address. */
int reaches_find(const struct policy *policy, const struct standing *standing, struct reaches *ret_reaches);

/* explain_word.c: who is meant. */
struct selection {
	struct sides sides;
	struct address_classes classes; /* of a prefix that no network of the policy names */
	struct {
		ARRAY_OF(struct reaches);
	} reaches;	/* of single addresses */
	struct text is; /* in words, when it is more than one end */
};
int selection_parse(struct explain *explain, const char *word, struct selection *ret_selection, struct error *error);
/* Every port, address and the host that an end of a rule reaches in an allow. */
int selection_of_end(struct explain *explain, const struct end *end, struct selection *ret_selection,
		     struct error *error);
void selection_free(struct selection *selection);
/* "web-1", "web-1@shop_net", "host", "10.0.0.2" */
void party_name(const struct explain *explain, const struct party *party, struct text *text);
/* "container web-1 (docker), zone shop, group front" */
void side_describe(const struct explain *explain, const struct side *side, struct text *text);

/* One policed port as a side. */
struct side explain_port_side(const struct explain *explain, uint32_t index);

/* explain_judge.c: judging sets. */
struct span { /* services alike */
	uint8_t protocol;
	uint16_t low, high; /* ports; ICMP: type << 8 | code; otherwise 0 */
	bool rest;	    /* stands for all protocols that no rule names */
};
/* "tcp/80", "tcp/80-90", "icmp/echo-request", "udp"; ICMP only as a whole, by type or by type and code. */
void span_format(const struct span *span, struct text *text);
struct spans {
	ARRAY_OF(struct span);
};
struct rule_list { /* indices in policy.rules, ascending */
	ARRAY_OF(uint32_t);
};
/* What the atoms cover, cut wherever one of the rules begins or ends. Of SERVICE_ALL: protocols ascending, ports
 * ascending, the span for all other protocols last. */
int spans_find(const struct explain *explain, const struct service_atoms *atoms, const struct rule_list *rules,
	       struct spans *ret_spans);

struct finding { /* one judged question */
	const struct side *from, *to;
	const struct party *from_party, *to_party;
	struct span span;
	const struct rule_list *rules; /* those whose ends match and that have not expired */
	const struct verdict *verdict;
	bool audit; /* also where the verdict is unpoliced */
};
struct survey {
	struct explain *explain;
	const struct sides *from, *to;
	const struct service_atoms *atoms;
	int64_t now;
	size_t work_max;  /* questions that may be asked */
	size_t work_left; /* … still; counted down */
	int (*found)(void *arg, const struct finding *finding);
	void *arg;
};
/* Judges every pair. 0; what `found` returned; -E2BIG, -ENOMEM, -EINVAL (from the judge). */
int survey_run(struct survey *survey, struct error *error);
/* All rules that could decide between any two of the sides. */
int survey_rules(const struct survey *survey, struct rule_list *ret_rules);

struct asked {
	const char *from, *to, *service;
	struct selection from_selection, to_selection;
	struct service_atoms atoms;
};

/* explain_json.c: answers.
 *
 * One way in which something was decided, and the first question that was. */
struct way {
	bool allow, audit;
	enum reason reason;
	int rule;
	struct place place;
	const struct side *from, *to;
	struct party from_party, to_party;
	struct span span;
};
enum rule_mark { MARK_MATCHES = 1, MARK_DECIDES = 2, MARK_STAGED = 4 };
struct tally {
	const struct policy *policy;
	struct {
		ARRAY_OF(struct way);
	} ways;		/* at most EXPLAIN_CASES_MAX; the first decided first */
	uint8_t *rules; /* by rule: enum rule_mark */
	bool allowed, denied;
	bool enforced, unpoliced_enforced; /* some flow was not audited */
	bool unpoliced;
};
/* The whole answer; the part that a batch has, when `details` is false. NULL when memory is short. */
json_t *tally_json(const struct explain *explain, const struct tally *tally, const struct asked *asked, bool details);

#endif
