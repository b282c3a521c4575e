/* SPDX-License-Identifier: GPL-2.0-only */
/* What the policy says of what is not sent to the host: of all of it (nftables alone), or, as a second opinion beside
 * the programs at the ports, of what is opened towards containers from outside and by the host. A chain for whoever may
 * be asked, in it by the sender's stamp one for the pair, in it by the service one for the line that decides; three
 * look-ups, whatever the policy's size. Pairs for which the same holds share a chain, which is named by the first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_judge.h"
#include "gate/nft_zone.h"

#define NOT_YET		 (-1)
#define FLAGS_TOLD_APART 8 /* flags_index() */

/* What holds for a pair without a cell for all services. */
struct by_default {
	bool known;
	struct bh_cell cell;
	int said; /* its chain, or NOT_YET */
};

struct judge {
	struct nft_host *host;
	const struct nft_names *names;
	const struct table *table;
	struct table_walk *walk;
	bool second;	   /* an opinion beside the programs': of what is opened towards containers by others */
	struct map *pairs; /* what holds for a pair → index of its chain + 1 */
	struct pair *sorted;
	size_t count, at;	       /* `at`: the first whose destination is not behind the one in hand */
	struct by_default *by_default; /* all of by_sender */
	int *said;		       /* the chain to the destination in hand, by sender; or NOT_YET */
	struct by_default *by_sender[FLAGS_TOLD_APART]; /* by the destination's flags, and by sender */
	struct by_default by_flags[FLAGS_TOLD_APART];	/* to the destination in hand, by the sender's flags */
	uint32_t *votes;				/* by chain */
	size_t vote_count;
};

/* Two classes that have cells: `count` of the table's, from `first` on. */
struct pair {
	uint32_t src, dst;
	size_t first, count;
};

static struct nft_ruleset *ruleset_of(const struct judge *judge)
{
	return judge->host->ruleset;
}

static uint32_t stamp_of(const struct judge *judge, uint32_t class)
{
	return judge->names->items[class].stamp << judge->host->settings->shift;
}

static bool is_named(const struct judge *judge, uint32_t class)
{
	return class < judge->names->count && judge->names->items[class].name;
}

static struct nft_set *set_of(const struct judge *judge, const char *name)
{
	return (struct nft_set *)nft_table_set(&ruleset_of(judge)->tables[NFT_TABLE_INET], name);
}

static int chain_add(const struct judge *judge, const char *name)
{
	return nft_chain_add(ruleset_of(judge), NFT_TABLE_INET, name);
}

static const char *chain_name(const struct judge *judge, int chain)
{
	return chain < 0 ? NULL : ruleset_of(judge)->tables[NFT_TABLE_INET].chains.items[chain].name;
}

static void rule_begin(const struct judge *judge, struct nft_rule_writer *writer, int chain)
{
	nft_rule_begin(writer, ruleset_of(judge), NFT_TABLE_INET, chain);
}

static void goto_add(const struct judge *judge, int chain, const char *to, const char *comment)
{
	struct nft_rule_writer writer;

	rule_begin(judge, &writer, chain);
	nft_rule_verdict(&writer, NFT_GOTO, to);
	nft_rule_end(&writer, comment, NULL);
}

static void mark_element(const struct judge *judge, struct nft_set *set, uint32_t key, const char *chain, bool jump)
{
	struct nft_element element = {.chain = chain, .jump = jump};

	if (!chain)
		ruleset_of(judge)->failed = true;
	memcpy(element.key, &key, sizeof(key));
	nft_element_add(ruleset_of(judge), set, &element);
}

/* ---- Who opens, who gets answers ---- */

static void opener_render(const struct judge *judge, uint32_t stamp, const char *name)
{
	const struct nft_settings *settings = judge->host->settings;
	char text[NFT_HOST_NAME_MAX + 16];
	struct nft_rule_writer writer;
	int chain;

	snprintf(text, sizeof(text), NFT_OPENED "%s", name);
	chain = chain_add(judge, text);
	rule_begin(judge, &writer, chain);
	nft_rule_flow_stamp(&writer, settings->mask, stamp << settings->shift);
	nft_rule_end(&writer, NULL, NULL);
	mark_element(judge, set_of(judge, NFT_MAP_OPENERS), stamp << settings->shift, chain_name(judge, chain), true);
}

static void back_render(const struct judge *judge, uint32_t class)
{
	const struct nft_settings *settings = judge->host->settings;
	int chain = chain_add(judge, judge->names->items[class].back);
	struct nft_rule_writer writer;

	if (class == BH_CLASS_CONFLICTED || class == BH_CLASS_AMBIGUOUS) {
		goto_add(judge, chain, "not_opened", NULL);
		return;
	}
	rule_begin(judge, &writer, chain);
	nft_rule_flow_mark(&writer, settings->mask, NFT_CMP_NEQ, stamp_of(judge, class));
	nft_rule_verdict(&writer, NFT_GOTO, "not_opened");
	nft_rule_end(&writer, NULL, NULL);
	rule_begin(judge, &writer, chain);
	nft_rule_stamp(&writer, settings->mask, stamp_of(judge, class));
	nft_rule_verdict(&writer, NFT_GOTO, NFT_CHAIN_ASKED);
	nft_rule_end(&writer, "as it asked", NULL);
	mark_element(judge, set_of(judge, NFT_MAP_OPENED), stamp_of(judge, class), chain_name(judge, chain), false);
	/* What it routes for others goes back to addresses that are nobody's here. */
	if (judge->table->class_info[class].flags & BH_CLASS_PERMIT_SPOOF)
		mark_element(judge, set_of(judge, NFT_MAP_RELAYS), stamp_of(judge, class), chain_name(judge, chain),
			     false);
}

static void is_render(const struct judge *judge, uint32_t class)
{
	int chain = chain_add(judge, judge->names->items[class].is);
	struct nft_rule_writer writer;

	rule_begin(judge, &writer, chain);
	nft_rule_stamp(&writer, judge->host->settings->mask, stamp_of(judge, class));
	nft_rule_end(&writer, NULL, NULL);
}

static void ends_render(const struct judge *judge)
{
	for (uint32_t class = BH_CLASS_FIRST; judge->second && class < judge->names->count; class ++)
		if (is_named(judge, class))
			is_render(judge, class);
	if (judge->second)
		return;
	opener_render(judge, BH_CLASS_REMOTE, "remote");
	for (uint32_t class = 0; class < judge->names->count; class ++) {
		if (!is_named(judge, class))
			continue;
		if (class >= BH_CLASS_FIRST) {
			is_render(judge, class);
			continue;
		}
		back_render(judge, class);
		if (class != BH_CLASS_CONFLICTED && class != BH_CLASS_AMBIGUOUS)
			opener_render(judge, class, judge->names->items[class].name);
	}
}

/* ---- Bridges ---- */

static void zone_render(const struct judge *judge, const struct gate_bridge *bridge, uint16_t zone)
{
	char in[NFT_HOST_NAME_MAX + 16], back[NFT_HOST_NAME_MAX + 16];
	struct nft_rule_writer writer;
	int chain;

	nft_host_name(judge->host, in, "on_", bridge->name);
	chain = chain_add(judge, in);
	rule_begin(judge, &writer, chain);
	nft_rule_destination_mac_in(&writer, "bridges");
	nft_rule_zone(&writer, true, zone);
	nft_rule_verdict(&writer, NFT_RETURN, NULL);
	nft_rule_end(&writer, "to the host, or by it", NULL);
	rule_begin(judge, &writer, chain);
	nft_rule_zone(&writer, false, zone);
	nft_rule_end(&writer, NULL, NULL);
	mark_element(judge, set_of(judge, NFT_MAP_ZONES), bridge->ifindex, chain_name(judge, chain), true);
	nft_host_name(judge->host, back, "back_on_", bridge->name);
	chain = chain_add(judge, back);
	rule_begin(judge, &writer, chain);
	nft_rule_flow_zone_not(&writer, zone);
	nft_rule_verdict(&writer, NFT_GOTO, "not_opened");
	nft_rule_end(&writer, NULL, NULL);
	mark_element(judge, set_of(judge, NFT_MAP_ZONES_BACK), bridge->ifindex, chain_name(judge, chain), true);
}

static int zones_render(const struct judge *judge)
{
	const struct gate_desired *desired = judge->host->desired;
	struct nft_zones zones = {0};
	int rc = nft_zones_make(&zones, desired);

	for (size_t i = 0; rc == 0 && i < desired->bridge_count; i++)
		zone_render(judge, &desired->bridges[i], nft_zone_of(&zones, desired->bridges[i].ifindex));
	nft_zones_free(&zones);
	return rc;
}

/* ---- Pairs ---- */

/* What passes, passes, whoever says so and whether or not it is told: the rest is the program's. */
static struct bh_cell cell_second(const struct bh_cell *cell)
{
	struct bh_cell plain = *cell;

	plain.staged_until = 0;
	plain.flags &= (uint8_t) ~(BH_CELL_ALLOW_LOG | BH_CELL_STAGED_DENY);
	if (plain.flags & BH_CELL_AUDIT || (!plain.deny_until && plain.allow_until == BH_FOREVER))
		plain = (struct bh_cell){.flags = BH_CELL_BASE_ALLOW};
	if (plain.flags & BH_CELL_BASE_ALLOW) {
		plain.flags &= (uint8_t)~BH_CELL_BASE_LOG;
		plain.base_decision = plain.base_reason = 0;
	}
	return nft_cell_normal(&plain);
}

static struct bh_cell cell_of(const struct judge *judge, const struct bh_cell *cell)
{
	return judge->second ? cell_second(cell) : nft_cell_normal(cell);
}

static struct bh_cell pair_cell(const struct judge *judge, uint32_t src, uint32_t dst)
{
	struct bh_cell cell = nft_host_cell(judge->table, src, dst, BH_SERVICE_ANY);

	return cell_of(judge, &cell);
}

static int service_add(void *arg, const struct host_service *service)
{
	struct judge *judge = arg;
	struct bh_cell cell = service->cell ? cell_of(judge, service->cell) : judge->host->fallback;

	nft_run_add(judge->host, service, &cell);
	return ruleset_of(judge)->failed ? -ENOMEM : 0;
}

static int answers_chain(const struct judge *judge, int chain, const char *both)
{
	char name[NFT_HOST_NAME_MAX + 16];
	struct nft_rule_writer writer;

	if (judge->second)
		return -1;
	nft_host_name(judge->host, name, "answers_", both);
	rule_begin(judge, &writer, chain);
	nft_rule_reply(&writer);
	nft_rule_verdict(&writer, NFT_GOTO, name);
	nft_rule_end(&writer, NULL, NULL);
	return chain_add(judge, name);
}

/* What it can carry about one service, that service could. */
static void errors_render(const struct judge *judge, int chain, uint32_t src, uint32_t dst)
{
	uint64_t until = nft_cell_passes_until(&judge->host->fallback);
	size_t count;
	const struct cell_entry *cells = table_pair_cells(judge->table, src, dst, &count);

	for (size_t i = 0; i < count; i++) {
		struct bh_cell cell = cell_of(judge, &cells[i].cell);
		uint64_t service = cells[i].key & 0xffff, passes = nft_cell_passes_until(&cell);

		if (service != BH_SERVICE_ANY && service != BH_SERVICE_REACH && passes > until)
			until = passes;
	}
	if (!judge->second)
		nft_errors_render(judge->host, chain, until);
}

/* The chain of a pair with more than a fallback, and that of its answers. */
static int pair_chain(struct judge *judge, uint32_t src, uint32_t dst)
{
	char name[NFT_HOST_NAME_MAX + 16], both[NFT_HOST_NAME_MAX * 2];
	const char *outcome = nft_outcome_name(judge->host, &judge->host->fallback);
	int chain, answers;

	if (!outcome || table_walk_pair(judge->walk, src, dst, service_add, judge) < 0)
		return -ENOMEM;
	snprintf(both, sizeof(both), "%s_to_%s", judge->names->items[src].name, judge->names->items[dst].name);
	nft_host_name(judge->host, name, "", both);
	chain = chain_add(judge, name);
	errors_render(judge, chain, src, dst);
	answers = answers_chain(judge, chain, both);
	nft_runs_render(judge->host, chain, answers, name);
	goto_add(judge, chain, outcome, "all else");
	if (answers >= 0)
		goto_add(judge, answers, outcome, "all else");
	judge->host->runs.count = 0;
	return chain;
}

/* What holds for a pair, as a key: the fallback, then each service with its cell. */
struct content {
	uint64_t service;
	struct bh_cell cell;
};

/* Of a class's flags those that what holds by default depends on (table_lookup()), as an index. */
static uint32_t flags_index(const struct judge *judge, uint32_t class)
{
	uint32_t flags = judge->table->class_info[class].flags;

	return (flags & BH_CLASS_ZONE ? 1 : 0) | (flags & BH_CLASS_AUDIT ? 2 : 0) |
	       (flags & BH_CLASS_LOG_DENIED ? 4 : 0);
}

/* For a pair without a cell for all services. All senders with the same flags have the same, where the destination says
 * which line decides; else each sender has the same to all destinations with the same flags. */
static struct by_default *default_of(struct judge *judge, uint32_t src, uint32_t dst)
{
	bool refused = dst == BH_CLASS_CONFLICTED || dst == BH_CLASS_AMBIGUOUS;
	struct by_default *holds = &judge->by_sender[flags_index(judge, dst)][src];

	if (refused || judge->table->class_info[dst].default_decision)
		holds = &judge->by_flags[flags_index(judge, src)];
	if (!holds->known) {
		holds->cell = pair_cell(judge, src, dst);
		holds->said = NOT_YET;
		holds->known = true;
	}
	return holds;
}

static int default_said(struct judge *judge, uint32_t src, uint32_t dst)
{
	struct by_default *holds = default_of(judge, src, dst);

	if (holds->said == NOT_YET)
		holds->said = nft_outcome_chain(judge->host, &holds->cell);
	return holds->said;
}

/* The chain for a pair with cells. */
static int pair_said(struct judge *judge, const struct pair *pair)
{
	const struct cell_entry *cells = &judge->table->cells.items[pair->first];
	struct content *content = calloc(pair->count + 1, sizeof(*content));
	size_t n = 1;
	int chain;

	if (!content)
		return -1;
	content[0].cell = (cells[0].key & 0xffff) == BH_SERVICE_ANY ? cell_of(judge, &cells[0].cell)
								    : default_of(judge, pair->src, pair->dst)->cell;
	judge->host->fallback = content[0].cell;
	for (size_t i = 0; i < pair->count; i++) {
		uint64_t service = cells[i].key & 0xffff;
		struct bh_cell cell = cell_of(judge, &cells[i].cell);

		if (service == BH_SERVICE_ANY || service == BH_SERVICE_REACH ||
		    memcmp(&cell, &content[0].cell, sizeof(cell)) == 0)
			continue;
		content[n++] = (struct content){service, cell};
	}
	if (n == 1) {
		chain = nft_outcome_chain(judge->host, &content[0].cell);
	} else {
		chain = (int)(uintptr_t)map_get(judge->pairs, content, n * sizeof(*content)) - 1;
		if (chain < 0) {
			chain = pair_chain(judge, pair->src, pair->dst);
			if (chain >= 0 && map_set(judge->pairs, content, n * sizeof(*content),
						  (void *)(uintptr_t)(chain + 1), NULL) < 0)
				chain = -1;
		}
	}
	free(content);
	return chain;
}

/* Those that cells name, by destination. */
static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->dst != y->dst)
		return x->dst < y->dst ? -1 : 1;
	return x->src < y->src ? -1 : x->src > y->src;
}

static int pairs_collect(struct judge *judge)
{
	const struct table *table = judge->table;
	uint64_t last = UINT64_MAX;

	judge->sorted = calloc(table->cells.count + 1, sizeof(*judge->sorted));
	if (!judge->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < table->cells.count; i++) {
		uint64_t pair = table->cells.items[i].key >> 16;

		if (pair != last)
			judge->sorted[judge->count++] = (struct pair){(uint32_t)(pair >> 24), pair & 0xffffff, i, 0};
		judge->sorted[judge->count - 1].count++;
		last = pair;
	}
	qsort(judge->sorted, judge->count, sizeof(*judge->sorted), pair_order);
	return 0;
}

/* Who asks is told by stamp; with the stamps of all who may, but for those to whom the default of the chain applies. */
static bool may_ask(const struct judge *judge, uint32_t src, uint32_t dst)
{
	if (judge->second && src != BH_CLASS_HOST && src < BH_CLASS_FIRST)
		return false;
	/* What is remote and asks for what is not here is not judged. */
	return is_named(judge, src) && src != BH_CLASS_AMBIGUOUS && (src < BH_CLASS_FIRST || dst < BH_CLASS_FIRST);
}

static struct bh_cell conflicted_cell(const struct judge *judge, uint32_t dst)
{
	struct bh_cell cell = {.base_reason = BH_DENY_CONFLICTED};
	struct table_verdict verdict;

	table_lookup(judge->table, BH_CLASS_CONFLICTED, dst, BH_SERVICE_ANY, 0, &verdict);
	cell.base_decision = verdict.decision;
	cell.base_reason = verdict.reason;
	cell.flags = verdict.log ? BH_CELL_BASE_LOG : 0;
	return cell;
}

static int conflicted_said(const struct judge *judge, uint32_t dst)
{
	struct bh_cell cell = conflicted_cell(judge, dst);

	return nft_outcome_chain(judge->host, &cell);
}

/* False: memory is short. */
static bool said_fill(struct judge *judge, uint32_t dst)
{
	bool whole = true;

	for (size_t i = 0; i < FLAGS_TOLD_APART; i++)
		judge->by_flags[i].known = false;
	for (uint32_t src = 0; src < judge->names->count; src++)
		judge->said[src] = NOT_YET;
	while (judge->at < judge->count && judge->sorted[judge->at].dst < dst)
		judge->at++;
	for (; judge->at < judge->count && judge->sorted[judge->at].dst == dst; judge->at++) {
		const struct pair *pair = &judge->sorted[judge->at];

		if (pair->src == BH_CLASS_CONFLICTED || !may_ask(judge, pair->src, dst))
			continue;
		judge->said[pair->src] = pair_said(judge, pair);
		whole = whole && judge->said[pair->src] >= 0;
	}
	for (uint32_t src = 0; whole && src < judge->names->count; src++) {
		if (judge->said[src] != NOT_YET || !may_ask(judge, src, dst))
			continue;
		judge->said[src] =
			src == BH_CLASS_CONFLICTED ? conflicted_said(judge, dst) : default_said(judge, src, dst);
		whole = judge->said[src] >= 0;
	}
	return whole && !ruleset_of(judge)->failed;
}

/* What holds for most, so that few are to be named; NOT_YET: nobody may ask. Whose stamp means nobody does not come
 * here (NFT_SET_ASKERS; NFT_MAP_SOURCES, in which every address is). -ENOMEM */
static int otherwise_find(struct judge *judge, int *ret_chain)
{
	size_t count = ruleset_of(judge)->tables[NFT_TABLE_INET].chains.count;

	if (count > judge->vote_count) {
		free(judge->votes);
		judge->vote_count = count * 2;
		judge->votes = calloc(judge->vote_count, sizeof(*judge->votes));
		if (!judge->votes)
			return -ENOMEM;
	}
	*ret_chain = NOT_YET;
	for (uint32_t src = judge->names->count; src-- > 0;) {
		int said = judge->said[src];

		if (said == NOT_YET)
			continue;
		judge->votes[said]++;
		if (*ret_chain == NOT_YET || judge->votes[said] > judge->votes[*ret_chain])
			*ret_chain = said;
	}
	for (uint32_t src = 0; src < judge->names->count; src++)
		if (judge->said[src] != NOT_YET)
			judge->votes[judge->said[src]] = 0;
	return 0;
}

static int asked_render(struct judge *judge, uint32_t dst)
{
	char name[NFT_HOST_NAME_MAX + 32];
	struct nft_set description = {.name = name,
				      .kind = NFT_SET_VERDICTS,
				      .key_type = NFT_TYPE_MARK,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = "who asks, where not all is as for all else"};
	int chain = chain_add(judge, judge->names->items[dst].to), otherwise;
	struct nft_rule_writer writer;
	struct nft_set *senders;

	snprintf(name, sizeof(name), "%s/askers", judge->names->items[dst].to);
	senders = nft_set_add(ruleset_of(judge), NFT_TABLE_INET, &description);
	if (!said_fill(judge, dst) || otherwise_find(judge, &otherwise) < 0)
		return -ENOMEM;
	for (uint32_t src = 0; src < judge->names->count; src++)
		if (judge->said[src] != NOT_YET && judge->said[src] != otherwise)
			mark_element(judge, senders, stamp_of(judge, src), chain_name(judge, judge->said[src]), false);
	rule_begin(judge, &writer, chain);
	nft_rule_map_mark(&writer, judge->host->settings->mask, name);
	nft_rule_end(&writer, NULL, NULL);
	if (otherwise == NOT_YET) {
		rule_begin(judge, &writer, chain);
		nft_rule_verdict(&writer, NF_DROP, NULL);
		nft_rule_end(&writer, "nobody is there to ask", NULL);
	} else {
		goto_add(judge, chain, chain_name(judge, otherwise), "all else");
	}
	return ruleset_of(judge)->failed ? -ENOMEM : 0;
}

static int said_new(struct judge *judge)
{
	size_t count = judge->names->count;

	judge->said = calloc(count + 1, sizeof(*judge->said));
	judge->by_default = calloc(count * FLAGS_TOLD_APART + 1, sizeof(*judge->by_default));
	if (!judge->said || !judge->by_default)
		return -ENOMEM;
	for (size_t i = 0; i < FLAGS_TOLD_APART; i++)
		judge->by_sender[i] = &judge->by_default[count * i];
	return pairs_collect(judge);
}

static int all_render(struct judge *judge)
{
	int rc = said_new(judge);

	judge->host->whom = judge->second ? NFT_WHOM_SECOND : NFT_WHOM_OTHERS;
	ends_render(judge);
	if (rc == 0 && !judge->second)
		rc = zones_render(judge);
	for (uint32_t dst = 0; rc == 0 && dst < (judge->second ? BH_CLASS_FIRST : judge->names->count); dst++) {
		if (is_named(judge, dst) && dst != BH_CLASS_HOST)
			rc = asked_render(judge, dst);
	}
	return rc == 0 ? nft_judge_prefixes(ruleset_of(judge), judge->table, judge->names) : rc;
}

int nft_judge_render(struct nft_host *host, const struct nft_names *names)
{
	struct judge judge = {.host = host, .names = names, .table = host->table, .second = !host->settings->alone};
	int rc = table_walk_new(host->table, &judge.walk);

	judge.pairs = map_new();
	if (!judge.pairs)
		rc = -ENOMEM;
	if (rc == 0)
		rc = all_render(&judge);
	table_walk_free(judge.walk);
	map_free(judge.pairs, NULL);
	free(judge.sorted);
	free(judge.said);
	free(judge.by_default);
	free(judge.votes);
	return rc;
}
