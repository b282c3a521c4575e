/* SPDX-License-Identifier: GPL-2.0-only */
/* The question and the answer that the naive reading and the compiled table share. */
#ifndef BULKHEAD_POLICY_VERDICT_H
#define BULKHEAD_POLICY_VERDICT_H

#include "policy/model.h"
#include "policy/world.h"

enum party_kind { PARTY_PORT, PARTY_HOST, PARTY_ADDRESS };
struct party {
	enum party_kind kind;
	uint32_t port;	  /* PARTY_PORT: index in world.ports */
	struct addr addr; /* PARTY_ADDRESS: judged as the policy page says ('An address is, in this order'); it may be a
			   * container's or the host's */
	uint32_t domain;  /* PARTY_ADDRESS: the L2 domain from which it is seen; 0: anywhere */
};
/* One service: protocol and port, or ICMP type and code. */
struct service_point {
	uint8_t protocol;
	uint16_t port; /* tcp, udp, sctp: destination port. icmp, icmpv6: type << 8 | code. Others: 0 */
};

enum reason { /* what decided, by the policy's order of judgement */
	      REASON_RULE,
	      REASON_GROUP,
	      REASON_ZONE,
	      REASON_HOST,
	      REASON_UNASSIGNED,
	      REASON_CONFLICTED,
	      REASON_DEFAULT,
	      REASON_MAX
};
extern const char *const reason_names[REASON_MAX]; /* "rule", "group", … */

struct verdict {
	bool unpoliced; /* neither end is a policed port: nothing below is meant */
	bool allow;
	bool audit; /* the flow is audited: reported, and let pass */
	enum reason reason;
	int rule;	    /* index in policy.rules when reason is REASON_RULE; -1 otherwise */
	struct place place; /* of the rule, zone or setting that decided; line 0: a default that nobody wrote */
	struct {
		ARRAY_OF(uint32_t);
	} staged; /* rules with mode audit that match, ascending; free with verdict_free */
};
void verdict_free(struct verdict *verdict);

/* How both readings are asked. `now`: ns since the epoch. 0, -ENOMEM, -EINVAL (an index out of range). */
typedef int (*judge_fn)(void *context, const struct party *from, const struct party *to,
			const struct service_point *service, int64_t now, struct verdict *ret_verdict);

#endif
