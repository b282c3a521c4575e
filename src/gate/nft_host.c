/* SPDX-License-Identifier: GPL-2.0-only */
/* What containers may send to the host: one chain a sender, found by its stamp; in it one look-up by protocol and port
 * (or ICMP type and code, or protocol number) that leads to the chain of the line that decides. The number of look-ups
 * does not depend on the policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_host.h"

/* ---- What the table says ---- */

struct bh_cell nft_host_cell(const struct table *table, uint32_t from, uint32_t to, uint32_t service)
{
	struct bh_cell made = {0};
	struct table_verdict verdict;
	const struct bh_cell *cell = NULL;

	if (to != BH_CLASS_CONFLICTED && to != BH_CLASS_AMBIGUOUS) {
		cell = table_cell(table, BH_CELL_KEY(from, to, service));
		if (!cell)
			cell = table_cell(table, BH_CELL_KEY(from, to, BH_SERVICE_ANY));
	}
	if (cell)
		return nft_cell_normal(cell);
	table_lookup(table, from, to, service, 0, &verdict);
	made.base_decision = verdict.decision;
	made.base_reason = verdict.reason;
	made.flags = (uint8_t)((verdict.allow ? BH_CELL_BASE_ALLOW : 0) | (verdict.audit ? BH_CELL_AUDIT : 0) |
			       (verdict.log ? BH_CELL_BASE_LOG : 0));
	return nft_cell_normal(&made);
}

static void run_add(struct nft_host *host, uint8_t protocol, uint32_t low, uint32_t high, const struct bh_cell *cell)
{
	struct nft_run *run;

	if (low > high || memcmp(cell, &host->fallback, sizeof(*cell)) == 0)
		return;
	run = array_append(&host->runs);
	if (run)
		*run = (struct nft_run){protocol, (uint16_t)low, (uint16_t)high, nft_outcome_name(host, cell)};
	if (!run || !run->outcome)
		host->ruleset->failed = true;
}

/* ---- A sender ---- */

enum sender_map { MAP_PORTS, MAP_ICMP, MAP_ICMPV6, MAP_PROTOCOLS, MAP_COUNT };
static const struct {
	const char *suffix; /* '/' is in no other name */
	uint32_t key_type;
	uint8_t key_size, fields[2];
	const char *comment;
} sender_maps[MAP_COUNT] = {
	[MAP_PORTS] = {"/ports",
		       NFT_TYPE_CONCAT(NFT_TYPE_INET_PROTOCOL, NFT_TYPE_INET_SERVICE),
		       8,
		       {1, 2},
		       "what is not decided as all else"},
	[MAP_ICMP] = {"/icmp", NFT_TYPE_CONCAT(NFT_TYPE_ICMP, NFT_TYPE_ICMP_CODE), 8, {1, 1}, NULL},
	[MAP_ICMPV6] = {"/icmpv6", NFT_TYPE_CONCAT(NFT_TYPE_ICMPV6, NFT_TYPE_ICMPV6_CODE), 8, {1, 1}, NULL},
	[MAP_PROTOCOLS] = {"/protocols", NFT_TYPE_INET_PROTOCOL, 1, {0, 0}, NULL},
};

static enum sender_map map_of(uint8_t protocol)
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

static struct nft_set *sender_map(struct nft_host *host, enum sender_map which, const char *sender)
{
	char name[NFT_HOST_NAME_MAX + 32];
	struct nft_set description = {.name = name,
				      .kind = NFT_SET_VERDICTS,
				      .key_type = sender_maps[which].key_type,
				      .key_size = sender_maps[which].key_size,
				      .interval = which != MAP_PROTOCOLS,
				      .fields = {sender_maps[which].fields[0], sender_maps[which].fields[1]},
				      .comment = sender_maps[which].comment};

	snprintf(name, sizeof(name), "%s%s", sender, sender_maps[which].suffix);
	return nft_set_add(host->ruleset, NFT_TABLE_INET, &description);
}

static void sender_maps_render(struct nft_host *host, int chain, const char *sender)
{
	struct nft_set *maps[MAP_COUNT] = {0};
	struct nft_rule_writer writer;

	for (size_t i = 0; i < host->runs.count; i++) {
		const struct nft_run *run = &host->runs.items[i];
		enum sender_map which = map_of(run->protocol);

		if (!maps[which])
			maps[which] = sender_map(host, which, sender);
		if (!maps[which])
			return;
		if (which == MAP_PORTS)
			ports_add(host, maps[which], run);
		else if (which == MAP_PROTOCOLS)
			protocol_add(host, maps[which], run);
		else
			types_add(host, maps[which], run);
	}
	for (size_t i = 0; i < MAP_COUNT; i++) {
		if (!maps[i])
			continue;
		if (i != MAP_PROTOCOLS)
			nft_set_name_by_content(host->ruleset, NFT_TABLE_INET, maps[i]);
		nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
		if (i == MAP_PORTS)
			nft_rule_map_ports(&writer, maps[i]->name);
		else if (i == MAP_PROTOCOLS)
			nft_rule_map_protocol(&writer, maps[i]->name);
		else
			nft_rule_map_types(&writer, i == MAP_ICMP ? IPPROTO_ICMP : IPPROTO_ICMPV6, maps[i]->name);
		nft_rule_end(&writer, NULL, NULL);
	}
}

/* `permit: [ router, dhcp-server ]`: the host may be such a container's neighbour or client. */
static void permits_render(struct nft_host *host, int chain)
{
	static const uint16_t dhcp[][2] = {{67, 68}, {547, 546}}; /* RFC 2131, 8415: server to client */
	struct nft_rule_writer writer;

	if (host->identity->flags & BH_CLASS_PERMIT_ROUTER) {
		nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
		nft_rule_family(&writer, NFPROTO_IPV6);
		nft_rule_protocol(&writer, IPPROTO_ICMPV6);
		nft_rule_type(&writer, 134, 134); /* RFC 4861: router advertisement */
		nft_rule_verdict(&writer, NF_ACCEPT, NULL);
		nft_rule_end(&writer, "permit: router", NULL);
	}
	for (size_t i = 0; i < 2 && host->identity->flags & BH_CLASS_PERMIT_DHCP_SERVER; i++) {
		nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
		nft_rule_protocol(&writer, IPPROTO_UDP);
		nft_rule_ports(&writer, dhcp[i][0], dhcp[i][1]);
		nft_rule_verdict(&writer, NF_ACCEPT, NULL);
		nft_rule_end(&writer, "permit: dhcp-server", NULL);
	}
}

static int sender_chain(struct nft_host *host, const struct identity *identity)
{
	struct nft_element element = {0};
	uint32_t stamp = identity->number << host->settings->shift;
	char name[NFT_HOST_NAME_MAX + 16];
	int chain;

	nft_host_name(host, name, "from_", identity->name);
	chain = nft_chain_add(host->ruleset, NFT_TABLE_INET, name);
	if (chain < 0)
		return chain;
	memcpy(element.key, &stamp, sizeof(stamp));
	element.chain = host->ruleset->tables[NFT_TABLE_INET].chains.items[chain].name;
	nft_element_add(host->ruleset, host->senders, &element);
	return chain;
}

/* The sender in hand is complete. */
static void sender_end(struct nft_host *host)
{
	const char *outcome, *sender;
	struct nft_rule_writer writer;
	int chain;

	if (!host->identity)
		return;
	chain = sender_chain(host, host->identity);
	outcome = nft_outcome_name(host, &host->fallback);
	if (chain >= 0 && outcome) {
		/* By index: nft_outcome_name() may have moved the chains. */
		sender = host->ruleset->tables[NFT_TABLE_INET].chains.items[chain].name;
		permits_render(host, chain);
		nft_published_render(host, chain, sender);
		sender_maps_render(host, chain, sender);
		nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
		nft_rule_verdict(&writer, NFT_GOTO, outcome);
		nft_rule_end(&writer, "all else", NULL);
	}
	host->runs.count = 0;
	host->identity = NULL;
}

static const struct identity *identity_find(const struct table *table, uint32_t number)
{
	for (size_t i = 0; i < table->identities.count; i++) {
		if (table->identities.items[i].number == number)
			return &table->identities.items[i];
	}
	return NULL;
}

static int service_add(void *arg, const struct host_service *service)
{
	struct nft_host *host = arg;
	struct bh_cell cell;

	if (!host->identity || host->identity->number != service->identity) {
		sender_end(host);
		host->identity = identity_find(host->table, service->identity);
		if (!host->identity)
			return -EINVAL;
		host->fallback = nft_host_cell(host->table, service->identity, BH_CLASS_HOST, BH_SERVICE_ANY);
	}
	cell = service->cell ? nft_cell_normal(service->cell)
			     : nft_host_cell(host->table, service->identity, BH_CLASS_HOST, BH_SERVICE_ANY);
	run_add(host, service->protocol, service->low, service->high, &cell);
	return host->ruleset->failed ? -ENOMEM : 0;
}

static void conflicted_render(struct nft_host *host)
{
	const struct identity *identity = identity_find(host->table, BH_CLASS_CONFLICTED);
	struct table_verdict verdict;
	struct bh_cell cell = {.base_reason = BH_DENY_CONFLICTED};
	struct nft_rule_writer writer;
	const char *outcome;
	int chain;

	if (!identity)
		return;
	table_lookup(host->table, BH_CLASS_CONFLICTED, BH_CLASS_HOST, BH_SERVICE_ANY, 0, &verdict);
	cell.base_decision = verdict.decision;
	cell.flags = verdict.log ? BH_CELL_BASE_LOG : 0;
	chain = sender_chain(host, identity);
	outcome = nft_outcome_name(host, &cell);
	if (chain < 0 || !outcome)
		return;
	nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
	nft_rule_verdict(&writer, NFT_GOTO, outcome);
	nft_rule_end(&writer, NULL, NULL);
}

/* The door's own names must not be taken twice. */
static void names_take(struct nft_host *host)
{
	const struct nft_table *table = &host->ruleset->tables[NFT_TABLE_INET];

	for (size_t i = 0; i < table->chains.count; i++) {
		if (map_set_text(host->names, table->chains.items[i].name, host, NULL) < 0)
			host->ruleset->failed = true;
	}
	for (size_t i = 0; i < table->sets.count; i++) {
		if (strcmp(table->sets.items[i]->name, NFT_MAP_SENDERS) == 0)
			host->senders = table->sets.items[i];
	}
}

int nft_host_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
		    const struct gate_desired *desired, struct error *error)
{
	struct nft_host host = {.ruleset = ruleset, .settings = settings, .desired = desired, .table = desired->table};
	int rc = -ENOMEM;

	host.outcomes = map_new();
	host.names = map_new();
	if (host.outcomes && host.names) {
		names_take(&host);
		nft_published_collect(&host);
		rc = table_host_services(desired->table, service_add, &host);
		if (rc == 0) {
			sender_end(&host);
			conflicted_render(&host);
		}
	}
	if (rc == 0 && ruleset->failed)
		rc = -ENOMEM;
	map_free(host.outcomes, NULL);
	map_free(host.names, NULL);
	array_free(&host.runs);
	array_free(&host.published);
	return rc == 0 ? 0 : error_set(error, rc, "rendering the host's rules: %s", strerror(-rc));
}
