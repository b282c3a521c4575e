/* SPDX-License-Identifier: GPL-2.0-only */
/* What must come of a frame, as the documents say. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/naive.h"
#include "tests/bpf/differ.h"

uint16_t differ_fault;

struct question {
	const struct differ_case *made;
	const struct differ_frame *frame;
	const struct world_port *port;
	const struct plain_packet *plain;
	struct differ_answer *answer;
};

static bool permitted(const struct question *question, uint32_t permit)
{
	return question->made->permits[question->frame->port] & permit;
}

static void expect_that(struct question *question, enum differ_expected expected, const char *why)
{
	question->answer->expected = expected;
	snprintf(question->answer->why, sizeof(question->answer->why), "%s", why);
}

static bool addrs_hold(const struct addr *items, size_t count, const struct addr *addr)
{
	for (size_t i = 0; i < count; i++)
		if (addr_equal(&items[i], addr))
			return true;
	return false;
}

static bool port_has(const struct world_port *port, const struct addr *addr)
{
	return addrs_hold(port->addresses.items, port->addresses.count, addr);
}

/* Does a zone's subnet hold it that is as narrow as a prefix of this length? */
static bool is_of_a_zone(const struct policy *policy, const struct addr *addr, uint8_t length)
{
	for (size_t i = 0; i < policy->zones.count; i++) {
		const struct prefixes *subnets = &policy->zones.items[i].subnets;

		for (size_t j = 0; j < subnets->count; j++)
			if (subnets->items[j].length >= length && prefix_holds(&subnets->items[j], addr))
				return true;
	}
	return false;
}

/* docs/policy.md: the last IPv4 address of a managed bridge's subnet, if it is neither a zone's nor metadata. */
static bool is_broadcast(const struct differ_case *made, const struct addr *addr)
{
	const struct world *in = made->world;
	const struct addrs *metadata = &made->policy->settings.metadata;

	if (addr->family != ADDR_V4 || addrs_hold(metadata->items, metadata->count, addr))
		return false;
	for (size_t i = 0; i < in->bridges.count; i++) {
		const struct world_bridge *bridge = &in->bridges.items[i];

		for (size_t j = 0; j < bridge->subnets.count; j++) {
			const struct prefix *subnet = &bridge->subnets.items[j];
			struct addr broadcast = prefix_last(subnet);

			if (addr_equal(&broadcast, addr) && !is_of_a_zone(made->policy, addr, subnet->length))
				return true;
		}
	}
	return false;
}

/* docs/reasons.md: the address of a container, or of this host. Loopback addresses are nobody's, but special-use. */
static bool is_of_this_host(const struct world *in, const struct addr *addr)
{
	if (addr->family == ADDR_V4 && addr->bytes[0] == 127)
		return false;
	if (addrs_hold(in->host_addresses.items, in->host_addresses.count, addr))
		return true;
	for (size_t i = 0; i < in->ports.count; i++)
		if (!in->ports.items[i].unpoliced && port_has(&in->ports.items[i], addr))
			return true;
	return false;
}

/* docs/policy.md: an IPv4 address inside an IPv6 one by NAT64 is that IPv4 address. */
static struct addr without_nat64(const struct differ_case *made, const struct addr *addr)
{
	for (size_t i = 0; addr->family == ADDR_V6 && i < made->table->nat64.count; i++)
		if (prefix_holds(&made->table->nat64.items[i], addr))
			return addr_from_bytes(4, addr->bytes + 12);
	return *addr;
}

/* Whose port has an identity; UINT32_MAX: nobody's. */
static uint32_t stamped_port(const struct differ_case *made, uint32_t stamp)
{
	for (uint32_t i = 0; i < made->table->ports.count; i++)
		if (made->table->ports.items[i].identity == stamp && stamp != BH_CLASS_NONE)
			return i;
	return UINT32_MAX;
}

/* The sender of a packet to a port, by its stamp. False: nobody may send it. A port that is UINT32_MAX: an identity
 * that no port has now. */
static bool sender_find(struct question *question, struct party *ret_party)
{
	const struct differ_frame *frame = question->frame;
	struct addr source = without_nat64(question->made, &question->plain->source);

	*ret_party = (struct party){0};
	if (!frame->received && frame->stamp != BH_CLASS_HOST) {
		expect_that(question, DIFFER_DROP, "no interface has received it, and yet it is not the host's");
		return false;
	}
	switch (frame->stamp) {
	case BH_CLASS_HOST:
		ret_party->kind = PARTY_HOST;
		return true;
	case BH_CLASS_REMOTE:
		ret_party->kind = PARTY_ADDRESS;
		ret_party->addr = question->plain->source;
		ret_party->domain = question->port->domain;
		if (!is_of_this_host(question->made->world, &source) &&
		    !is_of_this_host(question->made->world, &question->plain->source))
			return true;
		expect_that(question, DIFFER_DROP, "from outside, with an address of this host");
		return false;
	default:
		ret_party->kind = PARTY_PORT;
		ret_party->port = stamped_port(question->made, frame->stamp);
		return true;
	}
}

/* The same for any packet, with who it is: the guards. False: expected is said. */
static bool ends_find(struct question *question, struct party *from, struct party *to)
{
	const struct plain_packet *plain = question->plain;

	*to = (struct party){.kind = PARTY_PORT, .port = question->frame->port};
	if (plain_source_is_martian(&plain->source) || plain_target_is_martian(&plain->target)) {
		expect_that(question, DIFFER_DROP, "an address that can't stand there");
		return false;
	}
	if (question->frame->from_port) {
		*from = *to;
		*to = (struct party){.kind = PARTY_ADDRESS, .addr = plain->target, .domain = question->port->domain};
		if (port_has(question->port, &plain->source) || permitted(question, PERMIT_SPOOF))
			return true;
		expect_that(question, DIFFER_DROP, "from an address that is not its own");
		return false;
	}
	if (!permitted(question, PERMIT_ROUTER) && !port_has(question->port, &plain->target) &&
	    !plain_target_is_group(&plain->target) &&
	    (!is_broadcast(question->made, &plain->target) || is_of_this_host(question->made->world, &plain->target))) {
		expect_that(question, DIFFER_DROP, "to an address that is not its own");
		return false;
	}
	return sender_find(question, from);
}

static uint32_t class_of_party(const struct differ_case *made, const struct party *party)
{
	switch (party->kind) {
	case PARTY_PORT:
		return made->table->ports.items[party->port].identity;
	case PARTY_HOST:
		return BH_CLASS_HOST;
	case PARTY_ADDRESS:
		break;
	}
	return table_class(made->table, &party->addr, party->domain);
}

/* ICMP in a packet of the other family is a protocol by its number. */
static uint32_t service_class(const struct table *table, const struct plain_packet *plain)
{
	bool v4 = plain->source.family == ADDR_V4;

	if (plain->protocol == (v4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return table->services[BH_ROW_PROTO].class[plain->protocol];
	return table_service(table, &plain->service);
}

/* Whoever had that identity may reach nobody, though an audit may let it pass. */
static void expect_nobody(struct question *question, const struct party *to)
{
	struct table_verdict compiled;

	table_lookup(question->made->table, question->frame->stamp, class_of_party(question->made, to),
		     service_class(question->made->table, question->plain), question->made->now, &compiled);
	expect_that(question, compiled.audit ? DIFFER_EITHER : DIFFER_DROP, "an identity that no port has");
	question->answer->expected_reason = compiled.audit ? BH_REASON_NONE : compiled.reason;
}

static bool datagram_is(const struct differ_past *past, const struct question *question)
{
	const struct differ_frame *first = past->first, *frame = question->frame;
	const struct plain_packet *one = &past->plain, *other = question->plain;

	return first && first->port == frame->port && first->from_port == frame->from_port &&
	       (first->from_port || first->stamp == frame->stamp) && one->fragment_id == other->fragment_id &&
	       addr_equal(&one->source, &other->source) && addr_equal(&one->target, &other->target) &&
	       (one->source.family == ADDR_V6 || one->protocol == other->protocol);
}

/* A flow's first packet: what the naive reading says, and the table with it. */
static void expect_flow(struct question *question, const struct differ_past *past)
{
	struct naive naive = {.policy = question->made->policy, .world = question->made->world};
	const struct service_point *service = &question->plain->service;
	const struct table *table = question->made->table;
	struct differ_answer *answer = question->answer;
	struct table_verdict compiled;
	struct verdict verdict = {0};
	struct party from, to;

	if (!ends_find(question, &from, &to))
		return;
	if (from.kind == PARTY_PORT && from.port == UINT32_MAX)
		return expect_nobody(question, &to);
	if (question->frame->from_port && port_has(question->port, &question->plain->target))
		return expect_that(question, DIFFER_EITHER, "to itself");
	assert_int_equal(naive_judge(&naive, &from, &to, service, question->made->now, &verdict), 0);
	if (verdict.unpoliced)
		return expect_that(question, DIFFER_EITHER, "unpoliced");
	table_lookup(table, class_of_party(question->made, &from), class_of_party(question->made, &to),
		     service_class(table, question->plain), question->made->now, &compiled);
	answer->flow = true;
	answer->allow = verdict.allow;
	answer->audit = !verdict.allow && verdict.audit;
	answer->expected = verdict.allow || verdict.audit ? DIFFER_PASS : DIFFER_DROP;
	answer->expected_reason = !compiled.allow && compiled.audit ? BH_ALLOW_FLOW : compiled.reason;
	snprintf(answer->why, sizeof(answer->why), "protocol %u, %u: naive %s%s by %s, table %s%s", service->protocol,
		 service->port, verdict.allow ? "allows" : "denies", answer->audit ? " in audit" : "",
		 reason_names[verdict.reason], compiled.allow ? "allows" : "denies",
		 !compiled.allow && compiled.audit ? " in audit" : "");
	if (past->others && answer->expected == DIFFER_PASS)
		answer->expected_reason = BH_REASON_NONE; /* of an open flow, perhaps */
	if (question->plain->first && datagram_is(past, question) && answer->expected == DIFFER_PASS)
		answer->expected = DIFFER_EITHER; /* whether the one before is over is left open */
	if (compiled.allow != verdict.allow || (!verdict.allow && compiled.audit != verdict.audit))
		answer->expected_reason = BH_REASON_MAX; /* no program can be right */
	if (differ_fault && service->protocol == IPPROTO_TCP && service->port == differ_fault &&
	    verdict.reason == REASON_RULE) {
		answer->expected = answer->expected == DIFFER_PASS ? DIFFER_DROP : DIFFER_PASS;
		answer->expected_reason = BH_REASON_NONE;
	}
	verdict_free(&verdict);
}

/* May the sender of a packet to the port be a router or a DHCP server? */
static bool sender_may_serve(const struct question *question)
{
	uint32_t port = stamped_port(question->made, question->frame->stamp);

	return question->frame->stamp < BH_CLASS_UNASSIGNED ||
	       (port != UINT32_MAX && question->made->permits[port] & (PERMIT_ROUTER | PERMIT_DHCP_SERVER));
}

/* What a port needs to live has rules of its own (test_neighbour.c): here, what must never pass. */
static void expect_life(struct question *question)
{
	const struct plain_packet *plain = question->plain;
	bool unspecified = memcmp(plain->source.bytes, (const uint8_t[16]){0}, 16) == 0;
	bool v4_advertisement = plain->protocol == IPPROTO_ICMP && plain->source.family == ADDR_V4;

	expect_that(question, DIFFER_EITHER, "what a port needs to live");
	if (question->frame->from_port) {
		if (plain->server && !permitted(question, PERMIT_ROUTER | PERMIT_DHCP_SERVER | PERMIT_SPOOF))
			expect_that(question, DIFFER_DROP, "only a router, a DHCP server or a forger sends this");
		else if (!unspecified && !port_has(question->port, &plain->source) &&
			 !permitted(question, PERMIT_SPOOF))
			expect_that(question, DIFFER_DROP, "from an address that is not its own");
	} else if (plain->server && !v4_advertisement && !plain->arp && !sender_may_serve(question)) {
		expect_that(question, DIFFER_DROP, "only a router or a DHCP server sends this, and this one may not");
	}
}

static bool datagram_overlaps(const struct differ_past *past, const struct plain_packet *plain)
{
	for (size_t i = 0; i < past->parts; i++)
		if (plain->begin < past->end[i] && past->begin[i] < plain->end)
			return true;
	return false;
}

static void expect_later(struct question *question, struct differ_past *past)
{
	if (!datagram_is(past, question))
		return expect_that(question, DIFFER_DROP, "a part of a datagram whose first has not passed");
	if (past->over)
		return expect_that(question, DIFFER_DROP, "a part of a datagram that is over");
	if (datagram_overlaps(past, question->plain)) {
		past->over = true;
		return expect_that(question, DIFFER_DROP, "a part that overlaps another");
	}
	if (question->plain->begin == past->end[past->parts - 1] && !past->odd)
		return expect_that(question, DIFFER_PASS, "the next part of a datagram whose first has passed");
	past->odd = true;
	expect_that(question, DIFFER_EITHER, "a part out of order");
}

static void expect_frame(struct question *question, struct differ_past *past)
{
	const struct plain_packet *plain = question->plain;
	const struct differ_frame *frame = question->frame;

	if (plain->kind == PLAIN_BAD)
		return expect_that(question, DIFFER_DROP, plain->why);
	if (plain->tagged && !permitted(question, PERMIT_VLAN))
		return expect_that(question, DIFFER_DROP, "a VLAN tag");
	if (frame->from_port && !permitted(question, PERMIT_SPOOF) &&
	    memcmp(plain->source_mac, question->port->mac.bytes, 6) != 0)
		return expect_that(question, DIFFER_DROP, "from a MAC that is not its own");
	if (!frame->from_port && !permitted(question, PERMIT_SPOOF) &&
	    memcmp(plain->target_mac, question->port->mac.bytes, 6) != 0 && !(plain->target_mac[0] & 1))
		return expect_that(question, DIFFER_DROP, "to a MAC that is not its own");
	if (!frame->from_port && frame->stamp < BH_IDENTITY_FIRST && frame->stamp != BH_CLASS_HOST &&
	    frame->stamp != BH_CLASS_REMOTE && frame->stamp != BH_CLASS_UNASSIGNED &&
	    frame->stamp != BH_CLASS_CONFLICTED)
		return expect_that(question, DIFFER_DROP, "a stamp that says nobody");
	if (!frame->from_port && !frame->received && frame->stamp != BH_CLASS_HOST)
		return expect_that(question, DIFFER_DROP, "the host has made it, with another's stamp");
	if (plain->first && datagram_is(past, question) && !past->over && !past->odd) {
		past->over = true;
		return expect_that(question, DIFFER_DROP, "a second first part");
	}
	switch (plain->kind) {
	case PLAIN_BAD:
		break;
	case PLAIN_OPENS:
		return expect_flow(question, past);
	case PLAIN_STRAY:
		return expect_that(question, DIFFER_DROP, "belongs to no flow");
	case PLAIN_LATER:
		return expect_later(question, past);
	case PLAIN_LIFE:
		return expect_life(question);
	}
}

void differ_expect(const struct differ_case *made, const struct differ_frame *frame, const struct plain_packet *plain,
		   struct differ_past *past, struct differ_answer *answer)
{
	struct question question = {made, frame, &made->world->ports.items[frame->port], plain, answer};

	expect_frame(&question, past);
}
