/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc gate's programs, unchanged, as functions of this process: the helpers that they call are kernel.h's. Included
 * once, by the fuzzer. */
#ifndef BULKHEAD_TESTS_FUZZ_GATE_USER_H
#define BULKHEAD_TESTS_FUZZ_GATE_USER_H

#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdint.h>
#include <stdlib.h>

#include <bpf/bpf_helpers.h>

#include "kernel.h"
#include "must.h"
#include "tc-bpf/abi.h"

/* What the programs' world is made of beside the maps. */
static struct gate_user {
	struct kernel_packet packet;
	uint64_t boot_ns, tai_ns;
	uint32_t ring_room;    /* events that the ring still takes */
	uint32_t reserved;     /* of them, handed out and not yet submitted */
	struct bh_event event; /* the last one */
	uint32_t events;
	uint64_t packets;    /* judged since the world was made anew */
	uint32_t redirected; /* ifindex; 0: not */
	bool written;	     /* the packet is another one now */
	bool locked;
} user;

/* The map behind one of the programs' own, or `map` itself when it is an inner one. */
static struct kernel_map *user_map(void *map);

/* Nothing may be called with a lock held: the verifier refuses it. */
static void *user_map_lookup(void *map, const void *key)
{
	must(!user.locked);
	return kernel_map_lookup(user_map(map), key);
}

static long user_map_update(void *map, const void *key, const void *value, uint64_t flags)
{
	must(!user.locked);
	return kernel_map_update(user_map(map), key, value, flags);
}

static long user_map_delete(void *map, const void *key)
{
	must(!user.locked);
	return kernel_map_delete(user_map(map), key);
}

static long user_map_each(void *map, void *each, void *arg, uint64_t flags)
{
	must(!user.locked && !flags);
	return kernel_map_each(user_map(map), (long (*)(void *, const void *, void *, void *))each, arg);
}

static long user_loop(uint32_t count, void *step, void *arg, uint64_t flags)
{
	uint32_t i = 0;

	must(!user.locked && !flags);
	while (i < count)
		if (((long (*)(uint32_t, void *))step)(i++, arg))
			break;
	return i;
}

static long user_load_bytes(const void *skb, uint32_t offset, void *to, uint32_t size)
{
	(void)skb;
	must(!user.locked && size > 0);
	return kernel_packet_load(&user.packet, offset, to, size);
}

static long user_pull_data(struct __sk_buff *skb, uint32_t size)
{
	(void)skb;
	must(!user.locked);
	return kernel_packet_pull(&user.packet, size);
}

static long user_store_bytes(struct __sk_buff *skb, uint32_t offset, const void *from, uint32_t size, uint64_t flags)
{
	(void)skb;
	must(!user.locked && !(flags & ~(uint64_t)(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH)));
	user.written = true;
	return kernel_packet_store(&user.packet, offset, from, size);
}

static long user_change_tail(struct __sk_buff *skb, uint32_t size, uint64_t flags)
{
	long error = kernel_packet_change_tail(&user.packet, size);

	must(!user.locked && !flags);
	user.written = true;
	skb->len = (uint32_t)user.packet.size;
	return error;
}

static long user_adjust_room(struct __sk_buff *skb, int32_t by, uint32_t mode, uint64_t flags)
{
	long error;

	must(!user.locked && !flags && mode == BPF_ADJ_ROOM_MAC && by < 0 && by >= -0xfff);
	error = kernel_packet_shrink(&user.packet, (size_t)-by);
	skb->len = (uint32_t)user.packet.size;
	return error;
}

static int64_t user_csum_diff(const void *from, uint32_t from_size, const void *to, uint32_t to_size, uint32_t seed)
{
	must(!from && !from_size);
	return kernel_csum_diff(to, to_size, seed);
}

static long user_redirect(uint32_t ifindex, uint64_t flags)
{
	must(!flags);
	user.redirected = ifindex;
	return TC_ACT_REDIRECT;
}

static void *user_reserve(void *ring, uint64_t size, uint64_t flags)
{
	(void)ring;
	must(!user.locked && size == sizeof(struct bh_event) && !flags);
	if (!user.ring_room)
		return NULL;
	user.ring_room--;
	user.reserved++;
	return malloc(size); /* what stood there before is not zero either */
}

static void user_submit(void *event, uint64_t flags)
{
	(void)flags;
	memcpy(&user.event, event, sizeof(user.event));
	free(event);
	user.reserved--;
	user.events++;
}

static void user_lock(struct bpf_spin_lock *lock)
{
	must(!user.locked && !lock->val);
	user.locked = true;
	lock->val = 1;
}

static void user_unlock(struct bpf_spin_lock *lock)
{
	must(user.locked && lock->val);
	user.locked = false;
	lock->val = 0;
}

#define bpf_map_lookup_elem			     user_map_lookup
#define bpf_map_update_elem			     user_map_update
#define bpf_map_delete_elem			     user_map_delete
#define bpf_for_each_map_elem(map, each, arg, flags) user_map_each(map, (void *)(each), arg, flags)
#define bpf_loop(count, step, arg, flags)	     user_loop(count, (void *)(step), arg, flags)
#define bpf_skb_load_bytes			     user_load_bytes
#define bpf_skb_store_bytes			     user_store_bytes
#define bpf_skb_change_tail			     user_change_tail
#define bpf_skb_adjust_room			     user_adjust_room
#define bpf_csum_diff				     user_csum_diff
#define bpf_redirect				     user_redirect
#define bpf_skb_pull_data			     user_pull_data
#define bpf_ringbuf_reserve			     user_reserve
#define bpf_ringbuf_submit			     user_submit
#define bpf_spin_lock(lock)			     user_lock(lock)
#define bpf_spin_unlock(lock)			     user_unlock(lock)
#define bpf_ktime_get_boot_ns()			     (user.boot_ns)
#define bpf_ktime_get_tai_ns()			     (user.tai_ns)
#define bpf_jiffies64()				     (user.boot_ns / 4000000) /* 250 a second */

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#pragma clang diagnostic ignored "-Wunused-parameter"
#pragma clang diagnostic ignored "-Wshadow"
#include "tc-bpf/bulkhead.bpf.c" /* NOLINT(bugprone-suspicious-include) */
#pragma clang diagnostic pop

void *packet_data(struct __sk_buff *skb)
{
	(void)skb;
	return kernel_packet_data(&user.packet);
}

void *packet_data_end(struct __sk_buff *skb)
{
	(void)skb;
	return kernel_packet_data(&user.packet) + user.packet.linear;
}

/* The value's size is that of the type in the map's definition, so the two can't differ. */
#define USER_TABLE(name, how, max)                                                                           \
	{                                                                                                    \
		&(name),                                                                                     \
		{                                                                                            \
			.kind = (how), .key_size = sizeof(*(name).key), .value_size = sizeof(*(name).value), \
			.entries_max = (max)                                                                 \
		}                                                                                            \
	}
#define USER_OUTER(name, max)                                                                                \
	{                                                                                                    \
		&(name),                                                                                     \
		{                                                                                            \
			.kind = KERNEL_OUTER, .key_size = sizeof(*(name).key), .value_size = sizeof(void *), \
			.entries_max = (max)                                                                 \
		}                                                                                            \
	}

static struct user_table {
	const void *of;
	struct kernel_map map;
} user_tables[] = {
	USER_TABLE(config, KERNEL_ARRAY, 1),
	USER_TABLE(ports, KERNEL_HASH, BH_PORTS_MAX),
	USER_TABLE(own, KERNEL_HASH, BH_ADDRS_MAX),
	USER_TABLE(addresses, KERNEL_HASH, BH_ADDRS_MAX),
	USER_TABLE(nat64, KERNEL_HASH, BH_NAT64_MAX),
	USER_TABLE(published, KERNEL_HASH, PUBLISHED_MAX),
	USER_TABLE(port_state, KERNEL_ARRAY, BH_PORTS_MAX),
	USER_TABLE(fragments, KERNEL_ARRAY, BH_PORTS_MAX *BH_FRAGMENTS_PER_PORT),
	USER_TABLE(revoked, KERNEL_LRU, 16),
	USER_TABLE(answers, KERNEL_ARRAY, BH_PORTS_MAX),
	USER_TABLE(answer_space, KERNEL_ARRAY, 1),
	USER_TABLE(rule_counters, KERNEL_ARRAY, BH_DECISIONS_MAX),
	USER_TABLE(port_counters, KERNEL_ARRAY, BH_PORTS_MAX),
	USER_TABLE(reason_counters, KERNEL_ARRAY, BH_REASON_MAX),
	USER_OUTER(cells, 2),
	USER_OUTER(classes, 2),
	USER_OUTER(services, 2),
	USER_OUTER(prefixes4, 2),
	USER_OUTER(prefixes6, 2),
	USER_OUTER(flows, BH_PORTS_MAX),
};

static struct kernel_map *user_map(void *map)
{
	for (size_t i = 0; i < sizeof(user_tables) / sizeof(*user_tables); i++)
		if (user_tables[i].of == map)
			return &user_tables[i].map;
	return map;
}

#endif
