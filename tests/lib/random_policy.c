/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/load.h"
#include "tests/lib/random_policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ZONES	     4
#define GROUPS	     3
#define NETWORKS     5
#define SERVICES     4
#define BRIDGES	     3
#define CONTAINERS   10

/* xorshift64* (Vigna, 2016). */
static uint64_t random_next(struct random_state *random)
{
	uint64_t x = random->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

void random_seed(struct random_state *random, uint64_t seed)
{
	random->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	if (random->state == 0)
		random->state = 1;
	for (int i = 0; i < 8; i++)
		random_next(random);
}

uint32_t random_below(struct random_state *random, uint32_t bound)
{
	return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

bool random_chance(struct random_state *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}

#define PICK(random, array) ((array)[random_below(random, (uint32_t)COUNT(array))])

static const struct {
	const char *text;
	int64_t ns;
} expiries[] = {
	{"2026-06-01T00:00:00Z", INT64_C(1780272000000000000)},
	{"2026-06-01T02:00:00.5+02:00", INT64_C(1780272000500000000)},
	{"2026-07-01T00:00:00Z", INT64_C(1782864000000000000)},
	{"2027-01-01T00:00:00Z", INT64_C(1798761600000000000)},
};

int64_t random_now(struct random_state *random)
{
	uint32_t which = random_below(random, (uint32_t)COUNT(expiries) * 2);

	if (which < COUNT(expiries))
		return RANDOM_NOW_FIRST;
	return expiries[which - COUNT(expiries)].ns + (int64_t)random_below(random, 3) - 1;
}

size_t random_expiries(const int64_t **ret_expiries)
{
	static int64_t instants[COUNT(expiries)];

	for (size_t i = 0; i < COUNT(expiries); i++)
		instants[i] = expiries[i].ns;
	*ret_expiries = instants;
	return COUNT(expiries);
}

/* ---- Words ---- */

static const char *const prefixes[] = {
	"0.0.0.0/0",
	"8.0.0.0/7",
	"8.8.8.0/24",
	"8.8.8.8",
	"10.0.0.0/8",
	"10.0.0.0/16",
	"10.0.1.0/24",
	"10.0.1.5",
	"10.0.1.128/25",
	"10.0.2.0/24",
	"10.9.0.0/16",
	"10.9.9.9",
	"172.16.0.0/12",
	"172.20.1.0/24",
	"192.168.0.0/16",
	"100.64.0.0/10",
	"100.100.100.200",
	"100.100.100.0/24",
	"169.254.0.0/16",
	"169.254.169.254",
	"169.254.169.0/24",
	"168.63.129.16",
	"168.63.0.0/16",
	"224.0.0.0/4",
	"224.0.0.0/3",
	"224.0.0.251",
	"255.255.255.255",
	"240.0.0.0/4",
	"127.0.0.0/8",
	"203.0.113.0/24",
	"198.18.0.0/15",
	"198.51.100.0/24",
	"198.51.100.0/25",
	"192.0.0.0/24",
	"192.0.0.192",
	"192.0.2.0/24",
	"192.0.2.1",
	"0.0.0.0/8",
	"192.88.99.0/24",
	"::/0",
	"2000::/3",
	"2001:db8::/32",
	"2001:db8:5:1::/64",
	"2001:db8:5:1::7",
	"2001:db8:1::/64",
	"2001:db8:1::5",
	"fd00::/8",
	"fd00:ec2::254",
	"fd00:ec2::/32",
	"fe80::/10",
	"fe80::/9",
	"fe80::a9fe:a9fe",
	"ff00::/8",
	"ff02::1",
	"2606:4700::/32",
	"2606:4700::1111",
	"64:ff9b::/96",
	"64:ff9b::808:808",
	"64:ff9b:1::/48",
	"2001:db8:64::/96",
	"::ffff:0:0/96",
	"::/96",
	"2001::/32",
	"2002::/16",
	"3fff::/20",
	"4000::/3",
	"100::/64",
	"fc00::/7",
	"2001:db8:64::a09:909",
};

/* Apart from one another; some lie in, or are, a bridge's subnet, some hold metadata addresses. */
static const char *const zone_subnets[] = {
	"10.0.1.128/25",     "10.0.2.0/24",	     "10.9.0.0/16",    "100.100.100.0/24",
	"198.51.100.0/25",   "192.0.2.128/25",	     "8.8.8.0/24",     "168.63.129.0/24",
	"2001:db8:5:1::/64", "2001:db8:1::8000/113", "2606:4700::/32", "fd00:ec2::/32",
};

static const struct {
	const char *name, *v4, *v6;
} bridges[BRIDGES] = {
	{"b0", "10.0.0.0/24", "fd00:b0::/64"},
	{"b1", "10.0.1.0/24", "2001:db8:1::/64"},
	{"b2", "10.0.2.0/24", NULL},
};

static const char *const container_addresses[] = {
	"10.0.0.2",	   "10.0.0.3",	       "10.0.0.4",	   "10.0.1.2",	      "10.0.1.5",   "10.0.1.130",
	"10.0.2.2",	   "10.0.2.3",	       "10.9.9.9",	   "8.8.8.8",	      "192.0.2.1",  "fd00:b0::2",
	"fd00:b0::3",	   "2001:db8:1::5",    "2001:db8:1::8005", "2606:4700::1111", "172.20.1.9", "10.0.0.255",
	"169.254.169.254", "64:ff9b::808:808", "127.0.0.9",
};

static const char *const host_addresses[] = {
	"192.0.2.1", "10.0.0.1", "10.0.1.1", "fd00:b0::1", "10.0.2.255", "2001:db8:1::1", "203.0.113.9", "127.0.0.1",
};

static const char *const service_words[] = {
	"all",
	"all",
	"tcp",
	"udp",
	"sctp",
	"icmp",
	"dns",
	"http",
	"https",
	"ssh",
	"ntp",
	"ping",
	"tunnels",
	"tcp/80",
	"tcp/8000-8100",
	"tcp/1-65535",
	"tcp/443",
	"udp/53",
	"udp/4000-5000",
	"udp/4789",
	"udp/8472-9000",
	"sctp/80",
	"icmp/echo-request",
	"icmp/3/1",
	"icmp/3",
	"icmpv6/128",
	"icmpv6/1/4",
	"proto/47",
	"proto/4",
	"proto/17",
	"proto/6",
	"proto/253",
	"proto/58",
	"s0",
	"s1",
	"s2",
	"s3",
};

static const char *const builtin_ends[] = {
	"any", "any", "host", "world", "internet", "private", "metadata", "multicast", "unassigned",
};

static const char *const permits[] = {"spoof", "dhcp-server", "router", "vlan"};

static const char *const logs[] = {"none", "denied", "all"};

/* ---- The policy ---- */

static void write_list(struct random_state *random, struct text *text, const char *const *words, size_t count,
		       uint32_t most)
{
	uint32_t wanted = 1 + random_below(random, most);

	text_append(text, "[ ");
	for (uint32_t i = 0; i < wanted; i++)
		text_appendf(text, "%s\"%s\"", i ? ", " : "", words[random_below(random, (uint32_t)count)]);
	text_append(text, " ]");
}

static void write_settings(struct random_state *random, struct text *text)
{
	if (random_chance(random, 20))
		return;
	text_append(text, "settings:\n  ignore: [ \"vx*\" ]\n");
	if (random_chance(random, 25))
		text_appendf(text, "  mode: %s\n", random_chance(random, 60) ? "audit" : "enforce");
	if (random_chance(random, 60))
		text_appendf(text, "  unassigned: %s\n", random_chance(random, 60) ? "allow" : "deny");
	if (random_chance(random, 60))
		text_appendf(text, "  host_to_containers: %s\n", random_chance(random, 50) ? "allow" : "deny");
	if (random_chance(random, 40))
		text_appendf(text, "  log: %s\n", PICK(random, logs));
	if (random_chance(random, 30))
		text_append(text, "  refuse: reject\n");
	if (random_chance(random, 30))
		text_append(text, "  metadata: [ 10.9.9.9, \"2001:db8:5:1::7\", 10.0.1.77 ]\n");
	if (random_chance(random, 50))
		text_append(text, "  nat64: [ \"2001:db8:64::/96\" ]\n");
}

/* Containers are labelled z=zN, g=gN; names and networks match across zones, so that some are in conflict. */
static void write_member(struct random_state *random, struct text *text, uint32_t zone, int group)
{
	switch (random_below(random, 10)) {
	case 0:
		text_appendf(text, "{ name: \"c%u*\" }", random_below(random, CONTAINERS));
		return;
	case 1:
		text_appendf(text, "{ network: b%u, label: \"z=z%u\" }", random_below(random, BRIDGES), zone);
		return;
	case 2:
		text_appendf(text, "{ label: \"z=z%u\", not: { image: \"i%u*\" } }", zone, random_below(random, 3));
		return;
	default:
		if (group >= 0)
			text_appendf(text, "{ label: [ \"z=z%u\", \"%s\" ] }", zone,
				     (const char *[]){"g=*0*", "g=*1*", "g=*2*"}[group]);
		else
			text_appendf(text, "{ label: \"z=z%u\" }", zone);
	}
}

static void write_zone_switches(struct random_state *random, struct text *text)
{
	if (random_chance(random, 30))
		text_appendf(text, "    within: %s\n", random_chance(random, 70) ? "deny" : "allow");
	if (random_chance(random, 35))
		text_appendf(text, "    mode: %s\n", random_chance(random, 80) ? "audit" : "enforce");
	if (random_chance(random, 40))
		text_appendf(text, "    log: %s\n", PICK(random, logs));
	if (random_chance(random, 25)) {
		text_append(text, "    permit: ");
		write_list(random, text, permits, COUNT(permits), 2);
		text_append(text, "\n");
	}
}

static void write_zones(struct random_state *random, struct text *text)
{
	uint32_t next_subnet = 0;

	text_append(text, "zones:\n");
	for (uint32_t zone = 0; zone < ZONES; zone++) {
		bool has_groups = zone % 2 == 0;

		text_appendf(text, "  z%u:\n", zone);
		write_zone_switches(random, text);
		if (has_groups && random_chance(random, 50))
			text_appendf(text, "    between_groups: %s\n", random_chance(random, 70) ? "allow" : "deny");
		if (has_groups)
			text_append(text, "    groups:\n");
		for (int group = 0; has_groups && group < GROUPS; group++) {
			text_appendf(text, "      g%d: { members: [ ", group);
			write_member(random, text, zone, group);
			text_append(text, " ] }\n");
		}
		if (!has_groups) {
			text_append(text, "    members: [ ");
			write_member(random, text, zone, -1);
			text_append(text, " ]\n");
		}
		if (random_chance(random, 60)) {
			text_append(text, "    subnets: [ ");
			for (uint32_t i = 1 + random_below(random, 3); i > 0; i--)
				text_appendf(text, "\"%s\"%s", zone_subnets[next_subnet++], i > 1 ? ", " : "");
			text_append(text, " ]\n");
		}
	}
}

static void write_networks(struct random_state *random, struct text *text)
{
	text_append(text, "networks:\n");
	for (uint32_t i = 0; i < NETWORKS; i++) {
		if (random_chance(random, 50)) {
			text_appendf(text, "  n%u: ", i);
			write_list(random, text, prefixes, COUNT(prefixes), 4);
		} else {
			text_appendf(text, "  n%u: { cidrs: ", i);
			write_list(random, text, prefixes, COUNT(prefixes), 4);
			text_append(text, ", except: ");
			write_list(random, text, prefixes, COUNT(prefixes), 2);
			text_append(text, " }");
		}
		text_append(text, "\n");
	}
	text_append(text, "services:\n");
	for (uint32_t i = 0; i < SERVICES; i++) {
		text_appendf(text, "  s%u: ", i);
		/* Those before the policy's own, and one of these: nothing names itself. */
		write_list(random, text, service_words, COUNT(service_words) - SERVICES + i, 3);
		text_append(text, "\n");
	}
}

/* Arguments are worked out in any order, so that each number has a line of its own: a seed is the same everywhere. */
static void write_group_end(struct random_state *random, struct text *text)
{
	uint32_t zone = random_below(random, ZONES / 2) * 2;
	uint32_t group = random_below(random, GROUPS);

	text_appendf(text, "z%u/g%u", zone, group);
}

static void write_end(struct random_state *random, struct text *text)
{
	uint32_t which = random_below(random, 10);

	if (which < 3)
		text_appendf(text, "%s", PICK(random, builtin_ends));
	else if (which < 6)
		text_appendf(text, "z%u", random_below(random, ZONES));
	else if (which < 7)
		write_group_end(random, text);
	else if (which < 9)
		text_appendf(text, "n%u", random_below(random, NETWORKS));
	else
		text_appendf(text, "\"%s\"", PICK(random, prefixes));
}

static void write_ends(struct random_state *random, struct text *text)
{
	uint32_t count = random_chance(random, 70) ? 1 : 2 + random_below(random, 2);

	text_append(text, "[ ");
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			text_append(text, ", ");
		write_end(random, text);
	}
	text_append(text, " ]");
}

static void write_rules(struct random_state *random, struct text *text)
{
	uint32_t count = 1 + random_below(random, random_chance(random, 60) ? 15 : 60);

	text_append(text, "rules:\n");
	for (uint32_t i = 0; i < count; i++) {
		text_append(text, "  - { ");
		if (random_chance(random, 40))
			text_appendf(text, "name: rule %u, ", random_below(random, 4));
		text_append(text, "from: ");
		write_ends(random, text);
		text_append(text, ", to: ");
		write_ends(random, text);
		text_appendf(text, ", %s: ", random_chance(random, 30) ? "deny" : "allow");
		if (random_chance(random, 30))
			text_append(text, "all");
		else
			write_list(random, text, service_words, COUNT(service_words), 4);
		if (random_chance(random, 30))
			text_appendf(text, ", expires: \"%s\"",
				     expiries[random_below(random, (uint32_t)COUNT(expiries))].text);
		if (random_chance(random, 20))
			text_appendf(text, ", mode: %s", random_chance(random, 80) ? "audit" : "enforce");
		if (random_chance(random, 30))
			text_appendf(text, ", log: %s", PICK(random, logs));
		text_append(text, " }\n");
	}
}

char *random_policy_text(struct random_state *random)
{
	struct text text = {0};

	text_append(&text, "version: 1\n");
	write_settings(random, &text);
	write_zones(random, &text);
	write_networks(random, &text);
	write_rules(random, &text);
	return text_take(&text);
}

/* ---- The world ---- */

/* Who has which address where: a network's addresses are each given once. */
struct random_taken {
	bool taken[BRIDGES + 1][COUNT(container_addresses)];
};

static void write_addresses(struct random_state *random, struct text *text, bool *taken)
{
	uint32_t wanted = 1 + random_below(random, 2), written = 0;

	text_append(text, ", addresses: [ ");
	for (uint32_t i = 0; i < wanted; i++) {
		uint32_t which = random_below(random, (uint32_t)COUNT(container_addresses));

		if (taken[which])
			continue;
		taken[which] = true;
		text_appendf(text, "%s\"%s\"", written++ ? ", " : "", container_addresses[which]);
	}
	text_append(text, " ]");
}

static void write_port(struct random_state *random, struct text *text, uint32_t container, uint32_t port,
		       struct random_taken *taken)
{
	bool ignored = random_chance(random, 10);
	uint32_t bridge = random_chance(random, 85) ? random_below(random, BRIDGES) : BRIDGES;

	text_appendf(text, "      - { interface: %s%u-%u, mac: \"02:00:00:00:%02x:%02x\"", ignored ? "vx" : "ve",
		     container, port, container, port);
	if (bridge < BRIDGES)
		text_appendf(text, ", network: %s", bridges[bridge].name);
	if (random_chance(random, 95))
		write_addresses(random, text, taken->taken[bridge]);
	text_append(text, " }\n");
}

static void write_labels(struct random_state *random, struct text *text)
{
	static const char *const groups[] = {"0", "1", "2", "01", "12", "012", "012", "01", "12", ""};
	uint32_t zone = random_below(random, random_chance(random, 40) ? ZONES + 1 : ZONES);

	text_appendf(text, "    labels: { z: z%u, g: \"%s\" }\n", zone, PICK(random, groups));
}

char *random_world_text(struct random_state *random)
{
	struct random_taken taken = {0};
	struct text text = {0};
	uint32_t containers = 2 + random_below(random, CONTAINERS - 1);

	text_append(&text, "version: 1\nhost:\n  addresses: ");
	write_list(random, &text, host_addresses, COUNT(host_addresses), 4);
	text_append(&text, "\n  bridges:\n");
	for (uint32_t i = 0; i < BRIDGES; i++)
		if (i == 0 || random_chance(random, 80))
			text_appendf(&text, "    %s: [ %s%s%s%s%s ]\n", bridges[i].name, bridges[i].v4,
				     bridges[i].v6 ? ", " : "", bridges[i].v6 ? "\"" : "",
				     bridges[i].v6 ? bridges[i].v6 : "", bridges[i].v6 ? "\"" : "");
	text_append(&text, "containers:\n");
	for (uint32_t i = 0; i < containers; i++) {
		uint32_t ports = random_chance(random, 75) ? 1 : 2;

		text_appendf(&text, "  - name: c%u\n    runtime: docker\n    image: i%u:latest\n", i,
			     random_below(random, 3));
		write_labels(random, &text);
		text_append(&text, "    ports:\n");
		for (uint32_t port = 0; port < ports; port++)
			write_port(random, &text, i, port, &taken);
	}
	/* Some share the namespace of one of these. */
	for (uint32_t i = 0; i < containers; i++) {
		if (!random_chance(random, 20))
			continue;
		text_appendf(&text, "  - name: s%u\n    runtime: docker\n    shares: c%u\n", i,
			     random_below(random, containers));
		write_labels(random, &text);
	}
	return text_take(&text);
}

/* ---- Both ---- */

static int case_load(struct random_case *made, struct diagnostics *diagnostics, struct error *error)
{
	int r = policy_load_text("random.yaml", made->policy_text, strlen(made->policy_text), RANDOM_NOW_FIRST,
				 &made->policy, diagnostics, error);

	if (r < 0) {
		if (made->policy)
			diagnostics_print(diagnostics, &made->policy->sources, false, stderr);
		return r;
	}
	r = world_load_text("world.yaml", made->world_text, strlen(made->world_text), &made->world, &made->sources,
			    diagnostics, error);
	if (r < 0)
		diagnostics_print(diagnostics, &made->sources, false, stderr);
	else
		world_mark_unpoliced(&made->world, &made->policy->settings);
	return r;
}

int random_case_new(uint64_t seed, struct random_case *ret_case, struct random_state *random)
{
	struct diagnostics diagnostics = {0};
	struct random_case made = {.seed = seed};
	struct error error = {0};
	int r = -ENOMEM;

	random_seed(random, seed);
	made.policy_text = random_policy_text(random);
	made.world_text = random_world_text(random);
	if (made.policy_text && made.world_text)
		r = case_load(&made, &diagnostics, &error);
	if (r < 0) {
		fprintf(stderr, "seed %llu does not load: %s\n%s\n%s\n", (unsigned long long)seed, error.text,
			made.policy_text ? made.policy_text : "", made.world_text ? made.world_text : "");
		random_case_free(&made);
	} else {
		*ret_case = made;
	}
	diagnostics_free(&diagnostics);
	return r;
}

void random_case_free(struct random_case *made)
{
	free(made->policy_text);
	free(made->world_text);
	policy_free(made->policy);
	world_free(&made->world);
	for (size_t i = 0; i < made->sources.count; i++) {
		free(made->sources.items[i].path);
		free(made->sources.items[i].text);
	}
	array_free(&made->sources);
	*made = (struct random_case){0};
}

/* ---- Questions ---- */

static void addr_in_prefix(struct random_state *random, const struct prefix *prefix, struct addr *ret_addr)
{
	uint32_t which = random_below(random, 3);

	*ret_addr = which == 0 ? prefix_last(prefix) : prefix->addr;
	if (which != 2)
		return;
	for (unsigned int bit = prefix->length; bit < addr_bits(&prefix->addr); bit++)
		if (random_chance(random, 50))
			ret_addr->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

void random_addr(struct random_state *random, const struct world *world, struct addr *ret_addr)
{
	static const char *const nat64[] = {"64:ff9b::", "2001:db8:64::"};
	struct prefix prefix;

	if (world->ports.count && random_chance(random, 40)) {
		const struct world_port *port = &world->ports.items[random_below(random, (uint32_t)world->ports.count)];

		if (port->addresses.count) {
			*ret_addr = port->addresses.items[random_below(random, (uint32_t)port->addresses.count)];
			goto embed;
		}
	}
	if (random_chance(random, 10)) {
		addr_parse(PICK(random, host_addresses), ret_addr);
	} else {
		const char *word = random_chance(random, 70) ? PICK(random, prefixes) : PICK(random, zone_subnets);

		if (random_chance(random, 20))
			word = bridges[random_below(random, BRIDGES)].v4;
		prefix_parse(word, &prefix, NULL);
		addr_in_prefix(random, &prefix, ret_addr);
	}
embed:
	if (ret_addr->family == ADDR_V4 && random_chance(random, 10)) {
		struct addr inner = *ret_addr;

		addr_parse(PICK(random, nat64), ret_addr);
		memcpy(ret_addr->bytes + 12, inner.bytes, 4);
	}
}

void random_party(struct random_state *random, const struct world *world, struct party *ret_party)
{
	struct party party = {0};
	uint32_t which = random_below(random, 10);

	if (which < 5 && world->ports.count) {
		party.kind = PARTY_PORT;
		party.port = random_below(random, (uint32_t)world->ports.count);
		/* Judged as its address, of which it has none: no question. */
		if (world->ports.items[party.port].unpoliced && !world->ports.items[party.port].addresses.count)
			party = (struct party){.kind = PARTY_HOST};
	} else if (which < 6) {
		party.kind = PARTY_HOST;
	} else {
		party.kind = PARTY_ADDRESS;
		random_addr(random, world, &party.addr);
		party.domain = random_chance(random, 60) ? 0 : random_below(random, BRIDGES + 2);
	}
	*ret_party = party;
}

void random_service(struct random_state *random, struct service_point *ret_service)
{
	static const struct service_point points[] = {
		{6, 80},	{6, 443},	  {6, 22},	{6, 8000},	{6, 8101},	 {6, 53},
		{6, 1},		{6, 0},		  {6, 65535},	{17, 53},	{17, 123},	 {17, 443},
		{17, 4789},	{17, 8472},	  {17, 6081},	{17, 4500},	{17, 9000},	 {17, 0},
		{132, 80},	{132, 81},	  {1, 8 << 8},	{1, 3 << 8},	{1, 3 << 8 | 1}, {1, 0},
		{58, 128 << 8}, {58, 1 << 8 | 4}, {58, 1 << 8}, {58, 135 << 8}, {47, 0},	 {4, 0},
		{41, 0},	{253, 0},	  {50, 0},	{255, 0},	{0, 0},
	};

	*ret_service = PICK(random, points);
}
