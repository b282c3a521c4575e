/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a packet to the host: each cell of the table is a chain, named and commented by the line that
 * decides. Senders share chains. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

#define COMMENT_MAX	128
#define COUNTER_NO_RULE "unknown_published"

const char *nft_counter_name(char buffer[NFT_COUNTER_NAME_MAX], uint32_t decision)
{
	snprintf(buffer, NFT_COUNTER_NAME_MAX, "rule_%u", decision);
	return buffer;
}

uint32_t nft_counter_decision(const char *name)
{
	char *end;
	unsigned long number;

	if (strncmp(name, "rule_", 5) != 0 || name[5] < '1' || name[5] > '9')
		return 0;
	number = strtoul(name + 5, &end, 10);
	return *end || number >= BH_DECISIONS_MAX ? 0 : (uint32_t)number;
}

/* ---- Words ---- */

/* "shop.yaml:31"; "" when nobody wrote it. */
static void origin_of(const struct decision *decision, char *buffer, size_t size)
{
	const char *file = decision && decision->file ? decision->file : NULL;
	const char *slash = file ? strrchr(file, '/') : NULL;

	buffer[0] = '\0';
	if (file && decision->place.line)
		snprintf(buffer, size, "%s:%u", slash ? slash + 1 : file, decision->place.line);
}

/* A comment that nft(8) can print and read back: no quotes, no control characters, whole UTF-8, 127 bytes. */
static void comment_of(const struct decision *decision, char buffer[COMMENT_MAX])
{
	char origin[COMMENT_MAX];
	size_t length;

	origin_of(decision, origin, sizeof(origin));
	length = (size_t)snprintf(buffer, COMMENT_MAX, "%s%s%s", origin, *origin ? " " : "",
				  decision && decision->text ? decision->text
							     : "a container that is not known is behind it");
	if (length >= COMMENT_MAX) {
		length = COMMENT_MAX - 1;
		while (length && !text_is_utf8(buffer, length))
			length--;
		buffer[length] = '\0';
	}
	for (size_t i = 0; i < length; i++) {
		if (buffer[i] == '"')
			buffer[i] = '\'';
		else if ((unsigned char)buffer[i] < ' ' || buffer[i] == 0x7f)
			buffer[i] = '?';
	}
}

void nft_host_name(struct nft_host *host, char buffer[NFT_HOST_NAME_MAX + 16], const char *prefix, const char *text)
{
	size_t length;

	nft_identifier(buffer, NFT_HOST_NAME_MAX, prefix, text);
	length = strlen(buffer);
	for (unsigned int i = 2; map_get_text(host->names, buffer); i++)
		snprintf(buffer + length, 16, "_%u", i);
	if (map_set_text(host->names, buffer, host, NULL) < 0)
		host->ruleset->failed = true;
}

/* ---- Outcomes: a cell as a chain ---- */

struct stage { /* one of a cell's judgements */
	uint64_t until;
	bool deny, audit, log;
	uint8_t reason;
	uint32_t decision;
};

static const char *counter_of(struct nft_host *host, uint32_t decision, char buffer[NFT_COUNTER_NAME_MAX])
{
	char comment[COMMENT_MAX];
	struct nft_counter counter = {.name = buffer, .comment = comment};

	if (decision) {
		nft_counter_name(buffer, decision);
		comment_of(table_decision(host->table, decision), comment);
	} else {
		strcpy(buffer, COUNTER_NO_RULE);
		strcpy(comment, "published by containers that are not known");
	}
	nft_counter_add(host->ruleset, NFT_TABLE_INET, &counter);
	return buffer;
}

static struct nft_rule_writer *rule_until(struct nft_host *host, struct nft_rule_writer *writer, int chain,
					  uint64_t until)
{
	nft_rule_begin(writer, host->ruleset, NFT_TABLE_INET, chain);
	if (until != BH_FOREVER)
		nft_rule_before(writer, until);
	return writer;
}

/* Which packets a report is of. */
enum seen { SEEN_ALL, SEEN_FIRST, SEEN_LATER };

static void report_render(struct nft_host *host, int chain, const struct stage *stage, const char *verdict,
			  enum seen seen, bool own, const char *origin)
{
	char prefix[NFT_LOG_PREFIX_MAX];
	struct nft_rule_writer writer;

	snprintf(prefix, sizeof(prefix), "bulkhead %s r=%u d=%u%s", verdict, stage->reason, stage->decision,
		 own ? " out" : "");
	rule_until(host, &writer, chain, stage->until);
	if (own)
		nft_rule_mark(&writer, host->settings->mask, NFT_CMP_EQ, BH_CLASS_HOST << host->settings->shift);
	if (seen == SEEN_LATER)
		nft_rule_state(&writer, NFT_STATE_ESTABLISHED);
	else if (seen == SEEN_FIRST && host->settings->features.conntrack)
		nft_rule_state(&writer, NFT_STATE_NEW | NFT_STATE_RELATED | NFT_STATE_UNTRACKED | NFT_STATE_INVALID);
	nft_rule_sample(&writer, own ? NFT_SAMPLE_OUTPUT : NFT_SAMPLE_SENDER);
	nft_rule_log(&writer, prefix, host->settings->log_group, NFT_LOG_SNAPLEN);
	nft_rule_end(&writer, NULL, origin);
}

/* The report: every refused packet may be seen, of what passes only the first of a flow; both sampled. What is sent to
 * others than the host: of an open flow that is refused it is told that it was; and the host is a sender too, which has
 * no MAC address to be sampled by. */
static void log_render(struct nft_host *host, int chain, const struct stage *stage, const char *verdict,
		       bool first_only, const char *origin)
{
	struct stage later = *stage;

	if (!host->settings->features.log)
		return;
	if (host->whom == NFT_WHOM_HOST) {
		report_render(host, chain, stage, verdict, first_only ? SEEN_FIRST : SEEN_ALL, false, origin);
		return;
	}
	later.reason = BH_DROP_REVOKED;
	for (int own = 0; own < 2; own++) {
		report_render(host, chain, stage, verdict, SEEN_FIRST, own, origin);
		if (!first_only)
			report_render(host, chain, &later, verdict, SEEN_LATER, own, origin);
	}
}

/* What the program at the port would refuse is refused here already. With `refuse: reject` the host's own processes are
 * told, and nobody outside. */
static void second_render(struct nft_host *host, int chain, const struct stage *stage, const char *comment,
			  const char *origin)
{
	char prefix[NFT_LOG_PREFIX_MAX], counter[NFT_COUNTER_NAME_MAX];
	struct nft_rule_writer writer;

	if (stage->deny && stage->log && host->settings->features.log) {
		snprintf(prefix, sizeof(prefix), "bulkhead deny r=%u d=%u out", stage->reason, stage->decision);
		rule_until(host, &writer, chain, stage->until);
		nft_rule_sample(&writer, NFT_SAMPLE_OUTPUT);
		nft_rule_log(&writer, prefix, host->settings->log_group, NFT_LOG_SNAPLEN);
		nft_rule_end(&writer, NULL, origin);
	}
	if (stage->deny && host->desired->reject) {
		rule_until(host, &writer, chain, stage->until);
		nft_rule_mark(&writer, host->settings->mask, NFT_CMP_EQ, BH_CLASS_HOST << host->settings->shift);
		nft_rule_counter(&writer, counter_of(host, stage->decision, counter));
		nft_rule_refuse(&writer, host->settings, true);
		nft_rule_end(&writer, comment, origin);
	}
	rule_until(host, &writer, chain, stage->until);
	if (stage->deny)
		nft_rule_counter(&writer, counter_of(host, stage->decision, counter));
	nft_rule_verdict(&writer, stage->deny ? NF_DROP : NFT_RETURN, NULL);
	nft_rule_end(&writer, comment, origin);
}

static void stage_render(struct nft_host *host, int chain, const struct stage *stage)
{
	const struct decision *decision = table_decision(host->table, stage->decision);
	char counter[NFT_COUNTER_NAME_MAX], comment[COMMENT_MAX], origin[COMMENT_MAX];
	struct nft_rule_writer writer;

	origin_of(decision, origin, sizeof(origin));
	comment_of(decision, comment);
	if (host->whom == NFT_WHOM_SECOND) {
		second_render(host, chain, stage, comment, origin);
		return;
	}
	if (stage->deny && stage->audit)
		log_render(host, chain, stage, "would-deny", true, origin);
	else if (stage->log)
		log_render(host, chain, stage, stage->deny ? "deny" : "allow", !stage->deny, origin);
	rule_until(host, &writer, chain, stage->until);
	nft_rule_counter(&writer, counter_of(host, stage->decision, counter));
	if (stage->deny && !stage->audit) {
		nft_rule_refuse(&writer, host->settings, host->desired->reject);
	} else {
		if (host->settings->judged)
			nft_rule_stamp(&writer, host->settings->judged, host->settings->judged);
		nft_rule_verdict(&writer, NF_ACCEPT, NULL);
	}
	nft_rule_end(&writer, comment, origin);
}

/* A staged rule decides nothing: it is reported where it would have. */
static void staged_render(struct nft_host *host, int chain, const struct bh_cell *cell)
{
	struct stage stage = {.until = cell->staged_until, .decision = cell->staged_decision};
	char counter[NFT_COUNTER_NAME_MAX], comment[COMMENT_MAX], origin[COMMENT_MAX];
	struct nft_rule_writer writer;

	origin_of(table_decision(host->table, stage.decision), origin, sizeof(origin));
	comment_of(table_decision(host->table, stage.decision), comment);
	log_render(host, chain, &stage, "staged", true, origin);
	rule_until(host, &writer, chain, stage.until);
	nft_rule_counter(&writer, counter_of(host, stage.decision, counter));
	nft_rule_end(&writer, comment, origin);
}

static int outcome_chain(struct nft_host *host, const struct bh_cell *cell)
{
	bool base_allow = cell->flags & BH_CELL_BASE_ALLOW;
	bool deny = cell->deny_until || (!cell->allow_until && !base_allow);
	uint32_t number = cell->deny_until    ? cell->deny_decision
			  : cell->allow_until ? cell->allow_decision
					      : cell->base_decision;
	char origin[COMMENT_MAX], name[NFT_HOST_NAME_MAX + 16];

	origin_of(table_decision(host->table, number), origin, sizeof(origin));
	nft_host_name(host, name,
		      !deny			    ? "allow_"
		      : cell->flags & BH_CELL_AUDIT ? "would_deny_"
						    : "deny_",
		      *origin ? origin : "default");
	return nft_chain_add(host->ruleset, NFT_TABLE_INET, name);
}

/* Judged in the order of the ABI: deny, allow, base; each holds until its time. */
static void outcome_render(struct nft_host *host, int chain, const struct bh_cell *cell)
{
	bool audit = cell->flags & BH_CELL_AUDIT;
	struct stage stages[] = {
		{cell->deny_until, true, audit, cell->flags & BH_CELL_DENY_LOG, BH_DENY_HOST, cell->deny_decision},
		{cell->allow_until, false, false, cell->flags & BH_CELL_ALLOW_LOG, BH_ALLOW_RULE, cell->allow_decision},
		{BH_FOREVER, !(cell->flags & BH_CELL_BASE_ALLOW), audit, cell->flags & BH_CELL_BASE_LOG,
		 cell->base_reason, cell->base_decision},
	};

	/* To the host, the reason is that it was refused at its door. */
	if (host->whom != NFT_WHOM_HOST)
		stages[0].reason = BH_DENY_RULE;
	else if (stages[2].deny)
		stages[2].reason = BH_DENY_HOST;
	if (cell->staged_until)
		staged_render(host, chain, cell);
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
		if (stages[i].until)
			stage_render(host, chain, &stages[i]);
		if (stages[i].until == BH_FOREVER)
			break;
	}
}

struct bh_cell nft_cell_normal(const struct bh_cell *cell)
{
	struct bh_cell normal = *cell;

	if (normal.deny_until == BH_FOREVER)
		normal.allow_until = 0;
	if (!normal.deny_until) {
		normal.deny_decision = 0;
		normal.flags &= (uint8_t)~BH_CELL_DENY_LOG;
	}
	if (!normal.allow_until) {
		normal.allow_decision = 0;
		normal.flags &= (uint8_t)~BH_CELL_ALLOW_LOG;
	}
	if (normal.deny_until == BH_FOREVER || normal.allow_until == BH_FOREVER) {
		normal.base_decision = 0;
		normal.base_reason = 0;
		normal.flags &= (uint8_t) ~(BH_CELL_BASE_ALLOW | BH_CELL_BASE_LOG);
	}
	if (!normal.deny_until && (normal.allow_until == BH_FOREVER || normal.flags & BH_CELL_BASE_ALLOW))
		normal.flags &= (uint8_t)~BH_CELL_AUDIT;
	normal.flags &= (uint8_t)~BH_CELL_STAGED_DENY; /* the decision says it */
	if (!normal.staged_until)
		normal.staged_decision = 0;
	memset(normal.pad, 0, sizeof(normal.pad));
	return normal;
}

struct nft_outcome {
	struct bh_cell cell;
	uint64_t whom;
};

int nft_outcome_chain(struct nft_host *host, const struct bh_cell *cell)
{
	struct nft_outcome key = {*cell, host->whom};
	int chain = (int)(uintptr_t)map_get(host->outcomes, &key, sizeof(key)) - 1;

	if (chain >= 0)
		return chain;
	chain = outcome_chain(host, cell);
	if (chain < 0 || map_set(host->outcomes, &key, sizeof(key), (void *)(uintptr_t)(chain + 1), NULL) < 0) {
		host->ruleset->failed = true;
		return -1;
	}
	outcome_render(host, chain, cell);
	return chain;
}

const char *nft_outcome_name(struct nft_host *host, const struct bh_cell *cell)
{
	int chain = nft_outcome_chain(host, cell);

	return chain < 0 ? NULL : host->ruleset->tables[NFT_TABLE_INET].chains.items[chain].name;
}

uint64_t nft_cell_passes_until(const struct bh_cell *cell)
{
	if (cell->flags & BH_CELL_AUDIT)
		return BH_FOREVER;
	if (cell->deny_until)
		return 0;
	return cell->flags & BH_CELL_BASE_ALLOW ? BH_FOREVER : cell->allow_until;
}

void nft_errors_note(struct nft_host *host, const struct bh_cell *cell)
{
	uint64_t until = nft_cell_passes_until(cell);

	if (until > host->errors_until)
		host->errors_until = until;
}

void nft_errors_render(struct nft_host *host, int chain, uint64_t until)
{
	for (int v6 = 0; until && v6 < 2; v6++) {
		struct nft_rule_writer writer;

		rule_until(host, &writer, chain, until);
		nft_rule_state(&writer, NFT_STATE_RELATED);
		nft_rule_family(&writer, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
		nft_rule_protocol(&writer, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		nft_rule_verdict(&writer, NFT_GOTO, NFT_CHAIN_JUDGED);
		nft_rule_end(&writer, NULL, NULL);
	}
}
