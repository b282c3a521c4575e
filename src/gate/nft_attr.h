/* SPDX-License-Identifier: GPL-2.0-only */
/* Attributes of the kernel's answers. NULL goes in where one was not found, and comes out. */
#ifndef BULKHEAD_GATE_NFT_ATTR_H
#define BULKHEAD_GATE_NFT_ATTR_H

#include <string.h>

#include "gate/nft_model.h"

static inline const struct nlattr *attr_find(const void *data, size_t size, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each_payload(data, size)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static inline const struct nlattr *attr_nested(const struct nlattr *nest, uint16_t type)
{
	return nest ? attr_find(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), type) : NULL;
}

static inline const struct nlattr *attr_of(const struct nlmsghdr *message, uint16_t type)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return NULL;
	return attr_find(mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg)),
			 mnl_nlmsg_get_payload_len(message) - sizeof(struct nfgenmsg), type);
}

/* A text; NULL when it is not there, or does not end. */
static inline const char *attr_text(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attr) : NULL;
}

/* A number in network order; 0 when it is not there. */
static inline uint32_t attr_number(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

/* Is it about something in a table of our name? The name is attribute 1 of chains, rules, sets, objects and lists of
 * elements. */
static inline bool answer_is_ours(const struct nlmsghdr *answer)
{
	const char *table = attr_text(attr_of(answer, NFTA_RULE_TABLE));

	return table && strcmp(table, NFT_GATE_TABLE) == 0;
}

#endif
