/* SPDX-License-Identifier: GPL-2.0-only */
/* What is sent where, as rules: look-ups by protocol and port (or ICMP type and code, or protocol number) that lead to
 * the chain of the line that decides. */
#include <string.h>

#include "gate/nft_host.h"

void nft_run_add(struct nft_host *host, const struct host_service *service, const struct bh_cell *cell)
{
	struct nft_run *run;

	if (service->low > service->high || memcmp(cell, &host->fallback, sizeof(*cell)) == 0)
		return;
	run = array_append(&host->runs);
	if (run)
		*run = (struct nft_run){service->protocol, service->low, service->high, nft_outcome_name(host, cell)};
	if (!run || !run->outcome)
		host->ruleset->failed = true;
}

enum service_map { MAP_PORTS, MAP_ICMP, MAP_ICMPV6, MAP_PROTOCOLS, MAP_COUNT };
static const struct {
	const char *suffix; /* '/' is in no other name */
	uint32_t key_type;
	uint8_t key_size, fields[2];
	const char *comment;
} service_maps[MAP_COUNT] = {
	[MAP_PORTS] = {"/ports",
		       NFT_TYPE_CONCAT(NFT_TYPE_INET_PROTOCOL, NFT_TYPE_INET_SERVICE),
		       8,
		       {1, 2},
		       "what is not decided as all else"},
	[MAP_ICMP] = {"/icmp", NFT_TYPE_CONCAT(NFT_TYPE_ICMP, NFT_TYPE_ICMP_CODE), 8, {1, 1}, NULL},
	[MAP_ICMPV6] = {"/icmpv6", NFT_TYPE_CONCAT(NFT_TYPE_ICMPV6, NFT_TYPE_ICMPV6_CODE), 8, {1, 1}, NULL},
	[MAP_PROTOCOLS] = {"/protocols", NFT_TYPE_INET_PROTOCOL, 1, {0, 0}, NULL},
};

static enum service_map map_of(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return MAP_PORTS;
	case IPPROTO_ICMP:
		return MAP_ICMP;
	case IPPROTO_ICMPV6:
		return MAP_ICMPV6;
	}
	return MAP_PROTOCOLS;
}

/* Each field of a concatenated key fills 4 bytes. */
static void pair_add(struct nft_host *host, struct nft_set *map, const char *outcome, const uint8_t low[2][2],
		     const uint8_t high[2][2])
{
	struct nft_element element = {.chain = outcome};

	for (size_t i = 0; i < 2; i++) {
		memcpy(element.key + 4 * i, low[i], map->fields[i]);
		memcpy(element.key_end + 4 * i, high[i], map->fields[i]);
	}
	/* Both ends also where they are one: nft(8) takes an element without an end for the start of a range. */
	element.range = true;
	nft_element_add(host->ruleset, map, &element);
}

static void ports_add(struct nft_host *host, struct nft_set *map, const struct nft_run *run)
{
	const uint8_t low[2][2] = {{run->protocol}, {(uint8_t)(run->low >> 8), (uint8_t)run->low}};
	const uint8_t high[2][2] = {{run->protocol}, {(uint8_t)(run->high >> 8), (uint8_t)run->high}};

	pair_add(host, map, run->outcome, low, high);
}

/* A run of type << 8 | code is up to three rectangles: the rest of the first type, whole types, the start of the last.
 */
static void types_add(struct nft_host *host, struct nft_set *map, const struct nft_run *run)
{
	uint32_t low = run->low, end = run->high + 1u;

	while (low < end) {
		uint32_t next = low & 0xff ? (low | 0xff) + 1 : end & ~0xffu;

		if (next > end || next <= low)
			next = end;
		{
			const uint8_t from[2][2] = {{(uint8_t)(low >> 8)}, {(uint8_t)low}};
			const uint8_t to[2][2] = {{(uint8_t)((next - 1) >> 8)}, {(uint8_t)(next - 1)}};

			pair_add(host, map, run->outcome, from, to);
		}
		low = next;
	}
}

static void protocol_add(struct nft_host *host, struct nft_set *map, const struct nft_run *run)
{
	struct nft_element element = {.chain = run->outcome};

	element.key[0] = (uint8_t)run->low;
	nft_element_add(host->ruleset, map, &element);
}

static struct nft_set *map_add(struct nft_host *host, enum service_map which, const char *name_of, bool answers)
{
	char name[NFT_HOST_NAME_MAX + 32];
	struct nft_set description = {.name = name,
				      .kind = NFT_SET_VERDICTS,
				      .key_type = service_maps[which].key_type,
				      .key_size = service_maps[which].key_size,
				      .interval = which != MAP_PROTOCOLS,
				      .fields = {service_maps[which].fields[0], service_maps[which].fields[1]},
				      .comment = answers ? "answers to what is asked" : service_maps[which].comment};

	snprintf(name, sizeof(name), "%s%s%s", name_of, service_maps[which].suffix, answers ? "/answers" : "");
	return nft_set_add(host->ruleset, NFT_TABLE_INET, &description);
}

static void run_render(struct nft_host *host, enum service_map which, struct nft_set *map, const struct nft_run *run)
{
	if (which == MAP_PORTS)
		ports_add(host, map, run);
	else if (which == MAP_PROTOCOLS)
		protocol_add(host, map, run);
	else
		types_add(host, map, run);
}

/* An answer has a type of its own, and the code of what it answers (nf_conntrack_proto_icmp.c, _icmpv6.c). */
static const struct {
	uint8_t protocol, asked, answer;
} icmp_answers[] = {
	{IPPROTO_ICMP, 8, 0},	{IPPROTO_ICMP, 13, 14},	    {IPPROTO_ICMP, 15, 16},
	{IPPROTO_ICMP, 17, 18}, {IPPROTO_ICMPV6, 128, 129}, {IPPROTO_ICMPV6, 139, 140},
};

static void answers_add(struct nft_host *host, enum service_map which, struct nft_set **map, const char *name,
			const struct nft_run *run)
{
	for (size_t i = 0; i < sizeof(icmp_answers) / sizeof(*icmp_answers); i++) {
		uint32_t first = icmp_answers[i].asked << 8, last = first | 0xff;
		struct nft_run answer = *run;

		if (run->protocol != icmp_answers[i].protocol || run->low > last || run->high < first)
			continue;
		answer.low = (uint16_t)(icmp_answers[i].answer << 8 | (run->low > first ? run->low & 0xff : 0));
		answer.high = (uint16_t)(icmp_answers[i].answer << 8 | (run->high < last ? run->high & 0xff : 0xff));
		if (!*map)
			*map = map_add(host, which, name, true);
		if (*map)
			types_add(host, *map, &answer);
	}
}

static void rule_add(struct nft_host *host, int chain, enum service_map which, const char *map, bool answers)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
	switch (which) {
	case MAP_PORTS:
		nft_rule_map_ports(&writer, map, answers);
		break;
	case MAP_ICMP:
	case MAP_ICMPV6:
		nft_rule_map_types(&writer, which == MAP_ICMP ? IPPROTO_ICMP : IPPROTO_ICMPV6, map);
		break;
	case MAP_PROTOCOLS:
	case MAP_COUNT:
		nft_rule_map_protocol(&writer, map);
		break;
	}
	nft_rule_end(&writer, NULL, NULL);
}

void nft_runs_render(struct nft_host *host, int chain, int answers, const char *name)
{
	struct nft_set *maps[MAP_COUNT] = {0}, *back[MAP_COUNT] = {0};

	for (size_t i = 0; i < host->runs.count; i++) {
		const struct nft_run *run = &host->runs.items[i];
		enum service_map which = map_of(run->protocol);

		if (!maps[which])
			maps[which] = map_add(host, which, name, false);
		if (!maps[which])
			return;
		run_render(host, which, maps[which], run);
		if (answers >= 0 && (which == MAP_ICMP || which == MAP_ICMPV6))
			answers_add(host, which, &back[which], name, run);
	}
	for (size_t i = 0; i < MAP_COUNT; i++) {
		bool types = i == MAP_ICMP || i == MAP_ICMPV6;

		if (maps[i] && i != MAP_PROTOCOLS)
			nft_set_name_by_content(host->ruleset, NFT_TABLE_INET, maps[i]);
		if (back[i])
			nft_set_name_by_content(host->ruleset, NFT_TABLE_INET, back[i]);
		if (maps[i])
			rule_add(host, chain, (enum service_map)i, maps[i]->name, false);
		if (answers >= 0 && (types ? back[i] : maps[i]))
			rule_add(host, answers, (enum service_map)i, types ? back[i]->name : maps[i]->name, true);
	}
}
