/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bpf/random_frame.h"

#include <netinet/in.h>
#include <string.h>

#define COUNT(array)	    (sizeof(array) / sizeof((array)[0]))
#define PICK(random, array) ((array)[random_below(random, (uint32_t)COUNT(array))])
#define HEADERS_MAX	    96 /* bytes of options or extension headers */
#define SAME_PORT	    75 /* percent */
#define SHAPE_PARTS	    10 /* percent */

/* What a sequence is made of. */
struct draft {
	struct random_state *random;
	const struct differ_case *made;
	uint32_t port;
	bool from_port, received;
	uint32_t stamp;
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], forged_mac[MAC_TEXT_MAX];
	uint8_t headers[HEADERS_MAX];
	struct frame frame;
};

static const struct world_port *draft_port(const struct draft *draft)
{
	return &draft->made->world->ports.items[draft->port];
}

/* ---- Ends ---- */

static const struct addr *address_of(const struct world_port *port, uint8_t family)
{
	for (size_t i = 0; i < port->addresses.count; i++)
		if (port->addresses.items[i].family == family)
			return &port->addresses.items[i];
	return NULL;
}

/* A policed port with an address. */
static bool port_choose(struct draft *draft)
{
	const struct world *in = draft->made->world;
	uint32_t start = in->ports.count ? random_below(draft->random, (uint32_t)in->ports.count) : 0;

	for (uint32_t i = 0; i < in->ports.count; i++) {
		draft->port = (start + i) % (uint32_t)in->ports.count;
		if (draft_port(draft)->addresses.count &&
		    draft->made->table->ports.items[draft->port].identity != BH_CLASS_NONE)
			return true;
	}
	return false;
}

/* An address of the family, if a few tries find one. */
static void peer_address(struct draft *draft, uint8_t family, struct addr *ret_addr)
{
	for (int i = 0; i < 8; i++) {
		random_addr(draft->random, draft->made->world, ret_addr);
		if (ret_addr->family == family)
			return;
	}
	addr_parse(family == ADDR_V4 ? "8.8.8.9" : "2606:4700::9", ret_addr);
}

/* Stamps that nobody has, or that nobody may have here. */
static uint32_t stamp_forged(struct draft *draft)
{
	static const uint32_t stamps[] = {BH_CLASS_NONE,     BH_CLASS_REFUSED,	 BH_CLASS_REMOTE, BH_CLASS_AMBIGUOUS, 7,
					  BH_IDENTITY_FIRST, BH_IDENTITY_MAX - 1};

	return PICK(draft->random, stamps);
}

/* Who sends to the port: a port, the host, or somebody outside. */
static void sender_choose(struct draft *draft, uint8_t family, struct addr *ret_source)
{
	const struct world *in = draft->made->world;
	const struct addr *known;
	struct party party;

	random_party(draft->random, in, &party);
	peer_address(draft, family, ret_source);
	draft->received = true;
	draft->stamp = BH_CLASS_REMOTE;
	if (party.kind == PARTY_HOST) {
		draft->stamp = BH_CLASS_HOST;
		draft->received = random_chance(draft->random, 50);
	} else if (party.kind == PARTY_PORT && draft->made->table->ports.items[party.port].identity != BH_CLASS_NONE) {
		known = address_of(&in->ports.items[party.port], family);
		draft->stamp = draft->made->table->ports.items[party.port].identity;
		if (known)
			*ret_source = *known;
	}
	if (random_chance(draft->random, 4))
		draft->stamp = stamp_forged(draft);
	if (random_chance(draft->random, 2))
		draft->received = !draft->received;
}

static void ends_choose(struct draft *draft)
{
	const struct world_port *port = draft_port(draft);
	const struct addr *own = &port->addresses.items[random_below(draft->random, (uint32_t)port->addresses.count)];
	struct addr peer;

	draft->from_port = random_chance(draft->random, 55);
	draft->frame.from = draft->from;
	draft->frame.to = draft->to;
	if (draft->from_port)
		peer_address(draft, own->family, &peer);
	else
		sender_choose(draft, own->family, &peer);
	addr_format(own, draft->from_port ? draft->from : draft->to);
	addr_format(&peer, draft->from_port ? draft->to : draft->from);
	/* Somebody else's address where its own should stand. */
	if (random_chance(draft->random, 3)) {
		peer_address(draft, own->family, &peer);
		addr_format(&peer, draft->from_port ? draft->from : draft->to);
	}
	if (random_chance(draft->random, 2)) {
		mac_format(&(struct mac){{2, 0, 0, 0, 9, 9}}, draft->forged_mac);
		*(draft->from_port ? &draft->frame.from_mac : &draft->frame.to_mac) = draft->forged_mac;
	}
}

/* ---- What is in it ---- */

static void service_choose(struct draft *draft)
{
	struct frame *frame = &draft->frame;
	struct service_point service;

	random_service(draft->random, &service);
	frame->protocol = service.protocol;
	frame->dport = service.port;
	frame->payload = random_below(draft->random, 4) * 12;
	frame->flags = SYN;
	if (random_chance(draft->random, 10))
		frame->flags = (uint8_t)random_below(draft->random, 64);
	if (random_chance(draft->random, 10))
		frame->seq = random_below(draft->random, 3);
	if (random_chance(draft->random, 10))
		frame->chunk = (uint8_t)(1 + random_below(draft->random, 16));
	if (random_chance(draft->random, 3))
		frame->sport = PICK(draft->random, ((const uint16_t[]){53, 67, 68, 546, 547}));
	if (random_chance(draft->random, 2))
		frame->dport = PICK(draft->random, ((const uint16_t[]){67, 68, 546, 547}));
	if (frame->protocol == ICMP || frame->protocol == ICMP6) {
		frame->icmp_type = service.port >> 8;
		frame->icmp_code = service.port & 0xff;
		if (random_chance(draft->random, 10))
			frame->icmp_type = (uint8_t)random_below(draft->random, 256);
		frame->id = (uint16_t)random_below(draft->random, 65536);
	}
	if (random_chance(draft->random, 3))
		frame->protocol = (uint8_t)random_below(draft->random, 256);
	if (random_chance(draft->random, 20))
		frame->scale = (uint8_t)(1 + random_below(draft->random, 15));
	frame->fragment_id = random_below(draft->random, 65536);
}

/* ---- Options and extension headers ---- */

static void ipv4_options(struct draft *draft)
{
	static const uint8_t kinds[] = {0, 1, 1, 1, 7, 68, 130, 131, 136, 137, 148};
	uint8_t size = (uint8_t)(4 * (1 + random_below(draft->random, 10))), at = 0;

	memset(draft->headers, 0, sizeof(draft->headers));
	while (at < size && random_chance(draft->random, 85)) {
		uint8_t kind = PICK(draft->random, kinds), length = 1;

		/* Source routes are rare, or they would hide the others. */
		if ((kind == 131 || kind == 137) && random_chance(draft->random, 70))
			kind = 7;
		draft->headers[at] = kind;
		if (kind > 1) {
			length = (uint8_t)(2 + random_below(draft->random, 6));
			draft->headers[at + 1] =
				random_chance(draft->random, 92) ? length : (uint8_t)random_below(draft->random, 256);
		}
		at += length;
	}
	draft->frame.options_size = size;
	draft->frame.options = draft->headers;
}

static size_t extension_size(uint8_t kind)
{
	return kind == IPPROTO_AH ? 12 : 8;
}

/* A chain of up to ten, which frame_build hangs `end` on. */
static void ipv6_extensions(struct draft *draft, uint8_t end)
{
	static const uint8_t kinds[] = {IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,  IPPROTO_ROUTING,
					IPPROTO_AH,	 IPPROTO_FRAGMENT, IPPROTO_HOPOPTS};
	uint32_t count = random_chance(draft->random, 30) ? 7 + random_below(draft->random, 4)
							  : 1 + random_below(draft->random, 4);
	uint8_t chain[12];
	size_t at = 0;

	memset(draft->headers, 0, sizeof(draft->headers));
	chain[0] = random_chance(draft->random, 40) ? IPPROTO_HOPOPTS : IPPROTO_DSTOPTS;
	for (uint32_t i = 1; i < count; i++)
		chain[i] = random_chance(draft->random, 60) ? IPPROTO_DSTOPTS : PICK(draft->random, kinds);
	chain[count] = end;
	for (uint32_t i = 0; i < count && at + extension_size(chain[i]) <= HEADERS_MAX; i++) {
		uint8_t *header = draft->headers + at;

		header[0] = chain[i + 1];
		header[1] = chain[i] == IPPROTO_AH;
		if (chain[i] == IPPROTO_ROUTING) {
			header[2] = random_chance(draft->random, 70) ? 2 : (uint8_t)random_below(draft->random, 5);
			header[3] = random_chance(draft->random, 70) ? 0 : 1;
		}
		if (random_chance(draft->random, 2))
			header[1] = (uint8_t)random_below(draft->random, 256);
		at += extension_size(chain[i]);
	}
	draft->frame.next_header = chain[0];
	draft->frame.options_size = (uint8_t)at;
	draft->frame.options = draft->headers;
}

/* ---- Shapes ---- */

static void frame_make(const struct draft *draft, struct differ_frame *frame)
{
	struct port port = {0};
	size_t size;

	memcpy(port.map.mac, draft_port(draft)->mac.bytes, sizeof(port.map.mac));
	*frame = (struct differ_frame){
		.port = draft->port, .from_port = draft->from_port, .received = draft->received, .stamp = draft->stamp};
	size = frame_build(&draft->frame, &port, draft->from_port, frame->data);
	frame->size = (uint32_t)size;
}

/* The kernel runs no program on less than an IP header this way: test_live.c sends those. */
static uint32_t size_least(const struct differ_frame *frame)
{
	return frame->data[12] == 0x86 && frame->data[13] == 0xdd ? 14 + 40 : 14 + 20;
}

static void shape_cut(struct draft *draft, struct differ_frame *frame)
{
	uint32_t least, cut;

	frame_make(draft, frame);
	least = size_least(frame);
	if (frame->size <= least)
		return;
	cut = 1 + random_below(draft->random, frame->size - least);
	draft->frame.cut = cut;
	/* Half of them own to being so short. */
	if (random_chance(draft->random, 50))
		draft->frame.length_error = -(int32_t)cut;
	frame_make(draft, frame);
}

static void shape_lengths(struct draft *draft, struct differ_frame *frame)
{
	switch (random_below(draft->random, 4)) {
	case 0:
		draft->frame.version = (uint8_t)random_below(draft->random, 16);
		break;
	case 1:
		draft->frame.header_length = (uint8_t)random_below(draft->random, 16);
		break;
	case 2:
		draft->frame.length_error = (int32_t)random_below(draft->random, 80) - 60;
		break;
	default:
		draft->frame.tag = random_chance(draft->random, 70) ? VLAN : QINQ;
		draft->frame.tag2 = random_chance(draft->random, 30) ? VLAN : 0;
		break;
	}
	frame_make(draft, frame);
}

static void shape_bytes(struct draft *draft, struct differ_frame *frame)
{
	frame_make(draft, frame);
	for (uint32_t i = 1 + random_below(draft->random, 3); i > 0; i--) {
		uint32_t bound = random_chance(draft->random, 75) && frame->size > 64 ? 64 : frame->size;
		uint32_t at = random_below(draft->random, bound);

		if (random_chance(draft->random, 50))
			frame->data[at] ^= (uint8_t)(1 << random_below(draft->random, 8));
		else
			frame->data[at] = (uint8_t)random_below(draft->random, 256);
	}
	if (frame->size < size_least(frame)) /* it has become IPv6 */
		frame_make(draft, frame);
}

static void shape_ethernet(struct draft *draft, struct differ_frame *frame)
{
	static const uint16_t types[] = {ARP, ARP, ARP, PPPOE, 0x88e5, 0x0842, 0x88cc, 0x8847};

	if (strchr(draft->from, ':') || strchr(draft->to, ':')) {
		frame_make(draft, frame);
		return;
	}
	draft->frame.type = PICK(draft->random, types);
	draft->frame.operation = (uint16_t)(1 + random_below(draft->random, 2));
	draft->frame.payload = 0;
	if (random_chance(draft->random, 10))
		draft->frame.arp_mac = "02:00:00:00:08:08";
	frame_make(draft, frame);
}

/* A datagram in parts: mostly as they should be, at times without the first, out of order, or one over another. */
static size_t shape_parts(struct draft *draft, struct differ_frame *frames)
{
	uint32_t count = 2 + random_below(draft->random, RANDOM_FRAMES_MAX - 2), at = 0;
	bool honest = random_chance(draft->random, 50);
	size_t made = 0;

	draft->frame.payload = random_chance(draft->random, 90) ? 8 * (3 + random_below(draft->random, 4)) : 0;
	for (uint32_t i = 0; i < count; i++) {
		bool odd = !honest && random_chance(draft->random, 30);

		draft->frame.fragment = (uint16_t)at;
		draft->frame.more = i + 1 < count;
		/* Behind the first there is no transport header, but the same number of bytes. */
		draft->frame.none = false;
		if (odd && random_chance(draft->random, 40))
			draft->frame.fragment = (uint16_t)(8 * random_below(draft->random, 12));
		if (odd && random_chance(draft->random, 20))
			draft->frame.payload += 1 + random_below(draft->random, 7);
		if (odd && random_chance(draft->random, 10))
			draft->frame.fragment = 65528;
		if (odd && random_chance(draft->random, 10))
			draft->frame.fragment_id++;
		frame_make(draft, &frames[made]);
		at += frames[made].size - size_least(&frames[made]) - (strchr(draft->from, ':') ? 8u : 0u) -
		      draft->frame.options_size;
		at &= ~7u;
		made += !(odd && i == 0 && random_chance(draft->random, 50));
	}
	return made;
}

size_t random_frames(struct random_state *random, const struct differ_case *made, uint32_t *port,
		     struct differ_frame frames[RANDOM_FRAMES_MAX])
{
	struct draft draft = {.random = random, .made = made, .port = *port};
	uint32_t shape = random_below(random, 100);

	if ((*port == UINT32_MAX || !random_chance(random, SAME_PORT)) && !port_choose(&draft))
		return 0;
	*port = draft.port;
	ends_choose(&draft);
	service_choose(&draft);
	if (random_chance(random, 15) && strchr(draft.from, ':'))
		ipv6_extensions(&draft, shape < SHAPE_PARTS ? IPPROTO_FRAGMENT : draft.frame.protocol);
	else if (random_chance(random, 15) && !strchr(draft.from, ':'))
		ipv4_options(&draft);
	if (shape < SHAPE_PARTS)
		return shape_parts(&draft, frames);
	if (shape < 20)
		shape_cut(&draft, frames);
	else if (shape < 30)
		shape_bytes(&draft, frames);
	else if (shape < 34)
		shape_lengths(&draft, frames);
	else if (shape < 36)
		shape_ethernet(&draft, frames);
	else
		frame_make(&draft, frames);
	return 1;
}
