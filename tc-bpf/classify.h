/* SPDX-License-Identifier: GPL-2.0-only */
/* Who, whom, what: addresses and stamps to classes, services to service classes, and the cell that says what happens.
 * The number of look-ups does not depend on the policy (recursive flow classification, Gupta and McKeown, SIGCOMM
 * 1999). In order:
 *
 *   address → class      addresses[domain], addresses[0], NAT64 (then as IPv4), longest prefix
 *   protocol, port → service class                                services
 *   (source, destination, service class) → cell                   cells; then (source, destination, any)
 *   no cell: denied by default; the classes' flags say by what decision, and whether it is audited or reported
 *
 * src/table mirrors these look-ups in table_class(), table_service() and table_lookup(). */
#ifndef BULKHEAD_BPF_CLASSIFY_H
#define BULKHEAD_BPF_CLASSIFY_H

#include "packet.h"

static __always_inline struct bh_class_info *class_info(__u32 slot, __u32 class)
{
	void *inner = bpf_map_lookup_elem(&classes, &slot);

	return inner ? bpf_map_lookup_elem(inner, &class) : NULL;
}

/* enum bh_class_flag; 0 when nothing is known of the class: permits nothing. */
static __always_inline __u32 class_flags(__u32 slot, __u32 class)
{
	struct bh_class_info *info = class_info(slot, class);

	return info ? info->flags : 0;
}

static __always_inline bool class_is_identity(__u32 class)
{
	return class >= BH_IDENTITY_FIRST && class < BH_IDENTITY_MAX;
}

static __always_inline struct bh_addr *address_exact(struct bh_addr_key *key, __u32 domain)
{
	struct bh_addr *found;

	key->domain = domain;
	found = bpf_map_lookup_elem(&addresses, key);
	if (found || !domain)
		return found;
	key->domain = 0;
	return bpf_map_lookup_elem(&addresses, key);
}

/* The class of an address seen from a domain; BH_CLASS_NONE when a table is missing. Takes its own copy of the key: an
 * argument of a global function may not be a map's key before Linux 6.2. One key at a time: the stack is short. */
__noinline int class_of(const struct bh_addr_key *where, __u32 slot)
{
	union {
		struct bh_addr_key exact;
		struct bh_nat64_key nat64;
		struct bh_lpm6_key prefix6;
		struct bh_lpm4_key prefix4;
	} key = {};
	__u32 *class, v4_at = 0;
	struct bh_addr *exact;
	void *inner;

	if (!where || slot > 1)
		return BH_CLASS_NONE;
	key.exact = *where;
	exact = address_exact(&key.exact, where->domain);
	if (exact)
		return exact->class[slot & 1];
	if (where->family == 6) {
		__builtin_memcpy(key.nat64.prefix, where->addr, sizeof(key.nat64.prefix));
		if (!bpf_map_lookup_elem(&nat64, &key.nat64)) {
			key.prefix6.length = 128;
			__builtin_memcpy(key.prefix6.addr, where->addr, sizeof(key.prefix6.addr));
			inner = bpf_map_lookup_elem(&prefixes6, &slot);
			class = inner ? bpf_map_lookup_elem(inner, &key.prefix6) : NULL;
			return class ? *class : BH_CLASS_NONE;
		}
		v4_at = 12;
		__builtin_memset(&key.exact, 0, sizeof(key.exact));
		key.exact.family = 4;
		__builtin_memcpy(key.exact.addr, where->addr + 12, 4);
		exact = address_exact(&key.exact, where->domain);
		if (exact)
			return exact->class[slot & 1];
	}
	key.prefix4.length = 32;
	__builtin_memcpy(key.prefix4.addr, v4_at ? where->addr + 12 : where->addr, sizeof(key.prefix4.addr));
	inner = bpf_map_lookup_elem(&prefixes4, &slot);
	class = inner ? bpf_map_lookup_elem(inner, &key.prefix4) : NULL;
	return class ? *class : BH_CLASS_NONE;
}

static __always_inline __u32 packet_class_of(const struct packet *packet, const struct bh_port *port, const __u8 *addr)
{
	struct bh_addr_key key = {.domain = port->domain, .family = packet->key.family};

	address_copy(key.addr, addr);
	return class_of(&key, packet->slot);
}

/* Does the address have an entry of its own: a container's, the host's, a bridge's broadcast address? */
static __noinline bool address_listed(const struct bh_port *port, __u32 family, const __u8 *addr)
{
	struct bh_addr_key key = {.family = family};

	address_copy(key.addr, addr);
	return address_exact(&key, port->domain);
}

/* The service class of a flow, from its key; the destination is the end that did not open it. */
static __always_inline int service_of(const struct bh_flow_key *key, __u32 flow_direction, __u32 slot)
{
	__u16 port = bpf_ntohs(flow_direction == BH_FLOW_OUT ? key->remote_port : key->own_port);
	__u32 row = BH_ROW_PROTO, column = key->protocol;
	struct bh_service_row *found;
	void *inner;

	switch (key->protocol) {
	case IPPROTO_TCP:
		row = BH_ROW_TCP + (port >> 8);
		column = port & 0xff;
		break;
	case IPPROTO_UDP:
		row = BH_ROW_UDP + (port >> 8);
		column = port & 0xff;
		break;
	case PROTOCOL_SCTP:
		row = BH_ROW_SCTP + (port >> 8);
		column = port & 0xff;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((key->protocol == IPPROTO_ICMP) != (key->family == 4))
			break; /* by number: it is not this family's */
		port = bpf_ntohs(key->remote_port);
		if (!port)
			port = key->family == 4 ? 8 << 8 : 128 << 8;
		row = (key->family == 4 ? BH_ROW_ICMP : BH_ROW_ICMPV6) + (port >> 8);
		column = port & 0xff;
		break;
	default:
		break;
	}
	inner = bpf_map_lookup_elem(&services, &slot);
	found = inner ? bpf_map_lookup_elem(inner, &row) : NULL;
	return found ? found->class[column & 0xff] : -1;
}

/* Is `until` still ahead? Reads the clock at most once, and only for times that pass. */
static __always_inline bool until_ahead(__u64 until, __u64 *now)
{
	if (!until)
		return false;
	if (until == BH_FOREVER)
		return true;
	if (!*now)
		*now = bpf_ktime_get_tai_ns();
	return until > *now;
}

static __always_inline bool reason_allows(__u32 reason)
{
	return reason < BH_DENY_RULE;
}

static __always_inline int cell_decide(struct packet *packet, const struct bh_cell *cell)
{
	__u64 now = 0;
	__u32 reason, log;

	if (until_ahead(cell->staged_until, &now)) {
		packet->staged = cell->staged_decision;
		if (cell->flags & BH_CELL_STAGED_DENY)
			packet->flags |= PACKET_STAGED_DENY;
	}
	packet->valid_until = BH_FOREVER;
	if (until_ahead(cell->deny_until, &now)) {
		reason = BH_DENY_RULE;
		log = cell->flags & BH_CELL_DENY_LOG;
		packet->decision = cell->deny_decision;
		packet->valid_until = cell->deny_until;
	} else if (until_ahead(cell->allow_until, &now)) {
		reason = BH_ALLOW_RULE;
		log = cell->flags & BH_CELL_ALLOW_LOG;
		packet->decision = cell->allow_decision;
		packet->valid_until = cell->allow_until;
	} else {
		reason = cell->base_reason;
		log = cell->flags & BH_CELL_BASE_LOG;
		packet->decision = cell->base_decision;
		if (reason_allows(reason) != !!(cell->flags & BH_CELL_BASE_ALLOW) || reason == BH_REASON_NONE)
			return BH_DROP_INTERNAL; /* a cell that contradicts itself */
	}
	if (log)
		packet->flags |= PACKET_LOG;
	if (!reason_allows(reason) && cell->flags & BH_CELL_AUDIT)
		packet->flags |= PACKET_AUDITED;
	return reason;
}

/* No cell: step 6 of the policy's order. */
static __always_inline int default_decide(struct packet *packet, const struct bh_class_info *src,
					  const struct bh_class_info *dst)
{
	__u32 either = src->flags | dst->flags, speaks;
	bool src_enforced = (src->flags & (BH_CLASS_ZONE | BH_CLASS_AUDIT)) == BH_CLASS_ZONE;
	bool dst_enforced = (dst->flags & (BH_CLASS_ZONE | BH_CLASS_AUDIT)) == BH_CLASS_ZONE;

	packet->valid_until = BH_FOREVER;
	packet->decision = dst->default_decision ? dst->default_decision : src->default_decision;
	speaks = dst->flags & BH_CLASS_ZONE ? dst->flags : src->flags & BH_CLASS_ZONE ? src->flags : either;
	if (speaks & BH_CLASS_LOG_DENIED)
		packet->flags |= PACKET_LOG;
	if (either & BH_CLASS_AUDIT && !src_enforced && !dst_enforced)
		packet->flags |= PACKET_AUDITED;
	return BH_DENY_DEFAULT;
}

/* What the policy says of a flow between two classes. Returns a reason of policy, allow or deny, or BH_DROP_INTERNAL;
 * sets decision, valid_until, staged, src_class, dst_class, PACKET_LOG, PACKET_AUDITED, PACKET_STAGED_DENY. */
__noinline int policy_judge(struct packet *packet, __u32 src, __u32 dst, __u32 service)
{
	struct bh_class_info *src_info, *dst_info;
	struct bh_cell *cell;
	void *inner;
	__u32 slot;
	__u64 key;

	if (!packet)
		return BH_DROP_INTERNAL;
	slot = packet->slot;
	packet->src_class = src;
	packet->dst_class = dst;
	packet->decision = 0;
	packet->staged = 0;
	packet->flags &= ~(PACKET_LOG | PACKET_AUDITED | PACKET_STAGED_DENY | PACKET_DEFERRED);
	if (src == BH_CLASS_CONFLICTED || dst == BH_CLASS_CONFLICTED || src == BH_CLASS_AMBIGUOUS ||
	    dst == BH_CLASS_AMBIGUOUS) {
		bool conflicted = src == BH_CLASS_CONFLICTED || dst == BH_CLASS_CONFLICTED;

		src_info = class_info(slot, conflicted ? BH_CLASS_CONFLICTED : BH_CLASS_AMBIGUOUS);
		packet->decision = src_info ? src_info->default_decision : 0;
		packet->flags |= PACKET_LOG;
		return conflicted ? BH_DENY_CONFLICTED : BH_DENY_AMBIGUOUS;
	}
	inner = bpf_map_lookup_elem(&cells, &slot);
	if (!inner)
		return BH_DROP_INTERNAL;
	key = BH_CELL_KEY(src, dst, service);
	cell = bpf_map_lookup_elem(inner, &key);
	if (!cell && service != BH_SERVICE_ANY) {
		key = BH_CELL_KEY(src, dst, BH_SERVICE_ANY);
		cell = bpf_map_lookup_elem(inner, &key);
	}
	if (cell)
		return cell_decide(packet, cell);
	src_info = class_info(slot, src);
	dst_info = class_info(slot, dst);
	if (!src_info || !dst_info)
		return BH_DROP_INTERNAL;
	return default_decide(packet, src_info, dst_info);
}

/* May the two have anything to say to one another, one way or the other? For ARP and neighbour discovery. */
__noinline int policy_reaches(__u32 slot, __u32 one, __u32 other)
{
	struct bh_class_info *one_info, *other_info;
	bool one_enforced, other_enforced;
	void *inner;
	__u64 key;

	if (one == BH_CLASS_CONFLICTED || other == BH_CLASS_CONFLICTED)
		return false;
	inner = bpf_map_lookup_elem(&cells, &slot);
	if (!inner)
		return false;
	key = BH_CELL_KEY(one, other, BH_SERVICE_REACH);
	if (bpf_map_lookup_elem(inner, &key))
		return true;
	key = BH_CELL_KEY(other, one, BH_SERVICE_REACH);
	if (bpf_map_lookup_elem(inner, &key))
		return true;
	/* What is audited passes, so its addresses must be found. */
	one_info = class_info(slot, one);
	other_info = class_info(slot, other);
	if (!one_info || !other_info)
		return false;
	one_enforced = (one_info->flags & (BH_CLASS_ZONE | BH_CLASS_AUDIT)) == BH_CLASS_ZONE;
	other_enforced = (other_info->flags & (BH_CLASS_ZONE | BH_CLASS_AUDIT)) == BH_CLASS_ZONE;
	return (one_info->flags | other_info->flags) & BH_CLASS_AUDIT && !one_enforced && !other_enforced;
}

#endif
