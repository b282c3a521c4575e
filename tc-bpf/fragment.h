/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments follow their first: only that one has the ports by which a datagram is judged. Of each datagram one extent
 * is kept, so parts must come in ascending order; one that begins before what was seen overlaps, and ends the datagram
 * (RFC 1858; RFC 5722, 4). A first part too short for its transport header never gets here (parse.h).
 *
 * A port has BH_FRAGMENTS_PER_PORT places; two datagrams at one place cost the older one its tail. */
#ifndef BULKHEAD_BPF_FRAGMENT_H
#define BULKHEAD_BPF_FRAGMENT_H

#include "packet.h"

#define FRAGMENT_DATAGRAM_MAX 65535u /* RFC 791: the total length has 16 bits */

/* Fowler, Noll, Vo (FNV-1a), by 64-bit words: a container that finds collisions finds its own. */
static __always_inline __u32 fragment_place(const struct fragment_key *key, __u32 index)
{
	const __u64 *words = (const __u64 *)key;
	__u64 hash = 0xcbf29ce484222325ull;

	for (__u32 i = 0; i < sizeof(*key) / sizeof(*words); i++)
		hash = (hash ^ words[i]) * 0x100000001b3ull;
	hash ^= hash >> 32;
	return index * BH_FRAGMENTS_PER_PORT + ((__u32)hash & (BH_FRAGMENTS_PER_PORT - 1));
}
_Static_assert(sizeof(struct fragment_key) % sizeof(__u64) == 0, "fragment_place reads whole words");

static __always_inline void fragment_key_fill(struct fragment_key *key, struct packet *packet,
					      const struct bh_port *port)
{
	address_copy(key->source, packet_source(packet));
	address_copy(key->destination, packet_destination(packet));
	key->id = packet->fragment_id;
	key->port_id = port->id;
	key->protocol = packet->key.family == 4 ? packet->key.protocol : 0;
	key->family = packet->key.family;
	key->direction = packet->direction;
	__builtin_memset(key->pad, 0, sizeof(key->pad));
}

static __always_inline bool fragment_key_equal(const struct fragment_key *a, const struct fragment_key *b)
{
	const __u64 *left = (const __u64 *)a, *right = (const __u64 *)b;
	__u64 differ = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*left); i++)
		differ |= left[i] ^ right[i];
	return !differ;
}

/* Asked before the policy is: what can't be part of a datagram opens no flow. */
static __always_inline int fragment_length_check(const struct packet *packet)
{
	__u32 size = packet->fragment_end - packet->fragment_offset;

	if (packet->fragment_end <= packet->fragment_offset || packet->fragment_end > FRAGMENT_DATAGRAM_MAX)
		return BH_DROP_MALFORMED;
	return packet->more_fragments && size & 7 ? BH_DROP_MALFORMED : BH_REASON_NONE;
}

/* A first part that may pass: its followers may, too. BH_DROP_FRAGMENT_OVERLAP: a second first of a datagram. */
__noinline int fragment_note(struct packet *packet, const struct bh_port *port)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct fragment_key key;
	struct fragment *entry;
	bool again;
	__u32 place;

	if (!packet || !port)
		return BH_DROP_INTERNAL;
	fragment_key_fill(&key, packet, port);
	place = fragment_place(&key, port->index);
	entry = bpf_map_lookup_elem(&fragments, &place);
	if (!entry)
		return BH_DROP_INTERNAL;
	bpf_spin_lock(&entry->lock);
	again = entry->expires > now && fragment_key_equal(&entry->key, &key);
	entry->key = key;
	entry->stamp = packet->stamp;
	entry->decision = packet->decision;
	entry->next = packet->fragment_end;
	entry->expires = again ? 0 : now + BH_TIMEOUT_FRAGMENT * NS_PER_SEC;
	bpf_spin_unlock(&entry->lock);
	return again ? BH_DROP_FRAGMENT_OVERLAP : BH_REASON_NONE;
}

__noinline int fragment_follow(struct packet *packet, const struct bh_port *port)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct fragment_key key;
	struct fragment *entry;
	__u32 place, decision;
	int reason;

	if (!packet || !port)
		return BH_DROP_INTERNAL;
	fragment_key_fill(&key, packet, port);
	place = fragment_place(&key, port->index);
	entry = bpf_map_lookup_elem(&fragments, &place);
	if (!entry)
		return BH_DROP_INTERNAL;
	reason = BH_ALLOW_FLOW;
	bpf_spin_lock(&entry->lock);
	decision = entry->decision;
	if (entry->expires <= now || entry->stamp != packet->stamp || !fragment_key_equal(&entry->key, &key)) {
		reason = BH_DROP_FRAGMENT;
	} else if (packet->fragment_offset < entry->next) {
		reason = BH_DROP_FRAGMENT_OVERLAP;
		entry->expires = 0;
	} else {
		entry->next = packet->fragment_end;
		if (!packet->more_fragments)
			entry->expires = 0; /* nothing can follow the last */
	}
	bpf_spin_unlock(&entry->lock);
	if (reason == BH_ALLOW_FLOW)
		packet->decision = decision;
	return reason;
}

#endif
