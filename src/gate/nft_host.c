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

/* ---- A sender ---- */

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

static void goto_render(struct nft_host *host, int chain, const char *to, const char *comment)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
	nft_rule_verdict(&writer, NFT_GOTO, to);
	nft_rule_end(&writer, comment, NULL);
}

/* What the host answers: beside the tc gate the program at the port knows its flows. */
static int answers_chain(struct nft_host *host, int chain)
{
	char name[NFT_HOST_NAME_MAX + 16];
	struct nft_rule_writer writer;
	int answers;

	if (!host->settings->alone)
		return -1;
	nft_host_name(host, name, "answers_to_", host->identity->name);
	answers = nft_chain_add(host->ruleset, NFT_TABLE_INET, name);
	nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
	nft_rule_reply(&writer);
	nft_rule_verdict(&writer, NFT_GOTO, name);
	nft_rule_end(&writer, NULL, NULL);
	return answers;
}

/* The sender in hand is complete. */
static void sender_end(struct nft_host *host)
{
	const char *outcome, *sender;
	int chain, answers;

	if (!host->identity)
		return;
	chain = sender_chain(host, host->identity);
	answers = answers_chain(host, chain);
	outcome = nft_outcome_name(host, &host->fallback);
	if (chain >= 0 && outcome) {
		/* By index: nft_outcome_name() may have moved the chains. */
		sender = host->ruleset->tables[NFT_TABLE_INET].chains.items[chain].name;
		permits_render(host, chain);
		nft_published_render(host, chain, answers, sender);
		if (answers >= 0) {
			nft_errors_render(host, chain, host->errors_until);
			nft_errors_render(host, answers, host->errors_until);
		}
		nft_runs_render(host, chain, answers, sender);
		goto_render(host, chain, outcome, "all else");
		if (answers >= 0)
			goto_render(host, answers, outcome, "all else");
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
		host->errors_until = nft_cell_passes_until(&host->fallback);
	}
	cell = service->cell ? nft_cell_normal(service->cell)
			     : nft_host_cell(host->table, service->identity, BH_CLASS_HOST, BH_SERVICE_ANY);
	nft_errors_note(host, &cell);
	nft_run_add(host, service, &cell);
	return host->ruleset->failed ? -ENOMEM : 0;
}

static void conflicted_render(struct nft_host *host)
{
	const struct identity *identity = identity_find(host->table, BH_CLASS_CONFLICTED);
	struct table_verdict verdict;
	struct bh_cell cell = {.base_reason = BH_DENY_CONFLICTED};
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
	goto_render(host, chain, outcome, NULL);
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
		    const struct gate_desired *desired, const struct nft_names *names, struct error *error)
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
			rc = names ? nft_judge_render(&host, names) : 0;
		}
	}
	if (rc == 0 && ruleset->failed)
		rc = -ENOMEM;
	map_free(host.outcomes, NULL);
	map_free(host.names, NULL);
	array_free(&host.runs);
	array_free(&host.published);
	return rc == 0 ? 0 : error_set(error, rc, "rendering the rules: %s", strerror(-rc));
}
