/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions: what policy and world hold, and the judged pairs summed up. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "table/explain_private.h"

/* ---- What is known of policy and world ---- */

/* Ports of one membership, family and domain are alike. */
struct port_key {
	uint32_t state, zone, other_zone, domain, families, groups[];
};

static int port_side_add(struct explain *explain, uint32_t index, struct map *known)
{
	const struct world_port *port = &explain->world->ports.items[index];
	const struct membership *membership = &explain->ports[index].membership;
	size_t size = sizeof(struct port_key) + membership->groups.count * sizeof(uint32_t);
	struct side side = explain_port_side(explain, index), *slot;
	struct port_key *key = calloc(1, size);
	uintptr_t at;
	int r = 0;

	if (!key)
		return -ENOMEM;
	*key = (struct port_key){
		.state = membership->state,
		.zone = membership->zone,
		.other_zone = membership->other_zone,
		.domain = port->domain,
		.families = side.families,
	};
	if (membership->groups.count)
		memcpy(key->groups, membership->groups.items, membership->groups.count * sizeof(uint32_t));
	at = (uintptr_t)map_get(known, key, size);
	if (at) {
		slot = &explain->port_sides.items[at - 1];
		slot->members++;
		if (slot->sample_count == 1 &&
		    (port->container == WORLD_NOBODY || port->container != slot->owners[0])) {
			slot->samples[1] = side.samples[0];
			slot->owners[1] = port->container;
			slot->sample_count = 2;
		}
	} else {
		slot = array_append(&explain->port_sides);
		if (slot)
			*slot = side;
		r = slot ? map_set(known, key, size, (void *)(uintptr_t)explain->port_sides.count, NULL) : -ENOMEM;
	}
	free(key);
	return r;
}

static int explain_find_ports(struct explain *explain)
{
	const struct world *world = explain->world;
	struct map *known = map_new();
	int r = known ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < world->ports.count && r == 0; i++) {
		struct party party = {.kind = PARTY_PORT, .port = i};

		r = standing_find(explain->policy, world, &party, &explain->ports[i]);
		if (r == 0 && !world->ports.items[i].unpoliced)
			r = port_side_add(explain, i, known);
	}
	map_free(known, NULL);
	return r;
}

static void explain_find_protocols(struct explain *explain)
{
	static const uint8_t always[] = {IPPROTO_ICMP, IPPROTO_IPIP, IPPROTO_TCP,    IPPROTO_UDP,
					 IPPROTO_IPV6, IPPROTO_GRE,  IPPROTO_ICMPV6, IPPROTO_SCTP};

	for (size_t i = 0; i < sizeof(always); i++)
		explain->protocols[always[i]] = true;
	for (size_t i = 0; i < explain->policy->rules.count; i++) {
		const struct service_atoms *atoms = &explain->policy->rules.items[i].services;

		for (size_t j = 0; j < atoms->count; j++)
			if (atoms->items[j].kind != SERVICE_ALL)
				explain->protocols[atoms->items[j].protocol] = true;
	}
}

int explain_new(const struct policy *policy, const struct world *world, judge_fn judge, void *context,
		struct explain **ret_explain, struct error *error)
{
	struct explain *explain = calloc(1, sizeof(*explain));
	int r = -ENOMEM;

	if (!explain)
		return error_set(error, r, "out of memory");
	explain->policy = policy;
	explain->world = world;
	explain->judge = judge;
	explain->context = context;
	explain->ports = calloc(world->ports.count + 1, sizeof(*explain->ports));
	if (explain->ports)
		r = explain_find_ports(explain);
	if (r < 0) {
		explain_free(explain);
		return error_set(error, r, r == -ENOMEM ? "out of memory" : "the world is not whole");
	}
	explain_find_protocols(explain);
	*ret_explain = explain;
	return 0;
}

void explain_free(struct explain *explain)
{
	if (!explain)
		return;
	for (size_t i = 0; explain->ports && i < explain->world->ports.count; i++)
		standing_free(&explain->ports[i]);
	free(explain->ports);
	array_free(&explain->port_sides);
	address_classes_free(&explain->classes);
	free(explain);
}

/* ---- Summing up ---- */

static bool rule_has_service(const struct rule *rule, const struct service_point *point)
{
	for (size_t i = 0; i < rule->services.count; i++)
		if (service_atom_matches(&rule->services.items[i], point))
			return true;
	return false;
}

static void tally_rules(struct tally *tally, const struct finding *finding)
{
	struct service_point point = {.protocol = finding->span.protocol, .port = finding->span.low};

	/* A conflicted end is judged before any rule. */
	if (finding->verdict->reason == REASON_CONFLICTED)
		return;
	for (size_t i = 0; i < finding->rules->count; i++) {
		uint32_t index = finding->rules->items[i];
		const struct rule *rule = &tally->policy->rules.items[index];

		if (rule_has_service(rule, &point))
			tally->rules[index] |= rule->mode == MODE_AUDIT ? MARK_STAGED : MARK_MATCHES;
	}
	if (finding->verdict->reason == REASON_RULE)
		tally->rules[finding->verdict->rule] |= MARK_DECIDES;
}

static bool way_is(const struct way *way, const struct verdict *verdict)
{
	return way->allow == verdict->allow && way->audit == verdict->audit && way->reason == verdict->reason &&
	       way->rule == verdict->rule && way->place.file == verdict->place.file &&
	       way->place.line == verdict->place.line;
}

static int tally_add(void *arg, const struct finding *finding)
{
	struct tally *tally = arg;
	const struct verdict *verdict = finding->verdict;
	struct way *way;

	if (verdict->unpoliced) {
		tally->unpoliced = true;
		tally->unpoliced_enforced |= !finding->audit;
		return 0;
	}
	if (verdict->reason == REASON_RULE &&
	    (verdict->rule < 0 || (size_t)verdict->rule >= tally->policy->rules.count))
		return -EINVAL;
	tally->allowed |= verdict->allow;
	tally->denied |= !verdict->allow;
	tally->enforced |= !verdict->audit;
	tally_rules(tally, finding);
	for (size_t i = 0; i < tally->ways.count; i++)
		if (way_is(&tally->ways.items[i], verdict))
			return 0;
	if (tally->ways.count == EXPLAIN_CASES_MAX)
		return 0;
	way = array_append(&tally->ways);
	if (!way)
		return -ENOMEM;
	*way = (struct way){
		.allow = verdict->allow,
		.audit = verdict->audit,
		.reason = verdict->reason,
		.rule = verdict->rule,
		.place = verdict->place,
		.from = finding->from,
		.to = finding->to,
		.from_party = *finding->from_party,
		.to_party = *finding->to_party,
		.span = finding->span,
	};
	return 0;
}

/* ---- Questions ---- */

static int asked_parse(struct asked *asked, struct explain *explain, struct error *error)
{
	int r = selection_parse(explain, asked->from, &asked->from_selection, error);

	if (r == 0)
		r = selection_parse(explain, asked->to, &asked->to_selection, error);
	if (r == 0)
		r = service_parse(explain->policy, asked->service, &asked->atoms, error);
	return r;
}

static void asked_free(struct asked *asked)
{
	selection_free(&asked->from_selection);
	selection_free(&asked->to_selection);
	array_free(&asked->atoms);
}

static int explain_ask(struct explain *explain, struct asked *asked, int64_t now, bool details, json_t **ret_answer,
		       struct error *error)
{
	struct tally tally = {.policy = explain->policy};
	struct survey survey = {
		.explain = explain,
		.from = &asked->from_selection.sides,
		.to = &asked->to_selection.sides,
		.atoms = &asked->atoms,
		.now = now,
		.work_max = EXPLAIN_WORK_MAX,
		.work_left = EXPLAIN_WORK_MAX,
		.found = tally_add,
		.arg = &tally,
	};
	int r;

	tally.rules = calloc(explain->policy->rules.count + 1, 1);
	if (!tally.rules)
		return error_set(error, -ENOMEM, "out of memory");
	r = survey_run(&survey, error);
	if (r == 0) {
		json_t *answer = tally_json(explain, &tally, asked, details);

		if (answer)
			*ret_answer = answer;
		else
			r = error_set(error, -ENOMEM, "out of memory");
	}
	array_free(&tally.ways);
	free(tally.rules);
	return r;
}

static int explain_words(struct explain *explain, const char *from, const char *to, const char *service, int64_t now,
			 bool details, json_t **ret_answer, struct error *error)
{
	struct asked asked = {.from = from, .to = to, .service = service};
	int r = asked_parse(&asked, explain, error);

	if (r == 0)
		r = explain_ask(explain, &asked, now, details, ret_answer, error);
	asked_free(&asked);
	return r;
}

int explain_query(struct explain *explain, const char *from, const char *to, const char *service, int64_t now,
		  json_t **ret_answer, struct error *error)
{
	return explain_words(explain, from, to, service, now, true, ret_answer, error);
}

/* Splits in place. Returns how many words there are; four stand for more than three. */
static size_t line_split(char *line, char *words[4])
{
	static const char blanks[] = " \t\r\n\v\f";
	size_t count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, blanks, &rest); word && count < 4; word = strtok_r(NULL, blanks, &rest))
		words[count++] = word;
	return count;
}

int explain_batch_line(struct explain *explain, const char *line, int64_t now, json_t **ret_answer)
{
	struct error error = {0};
	json_t *answer = NULL;
	char *words[4], *copy;
	size_t count;
	int r;

	if (strlen(line) > EXPLAIN_LINE_MAX) {
		r = error_set(&error, -EINVAL, "a line of more than %u bytes is no question", EXPLAIN_LINE_MAX);
		goto failed;
	}
	copy = strdup(line);
	if (!copy)
		return -ENOMEM;
	count = line_split(copy, words);
	if (count == 0) {
		*ret_answer = NULL;
		r = 0;
	} else if (count != 3) {
		r = error_set(&error, -EINVAL, "expected FROM TO SERVICE");
	} else {
		r = explain_words(explain, words[0], words[1], words[2], now, false, &answer, &error);
		if (r == 0)
			*ret_answer = answer;
	}
	free(copy);
	if (r == 0)
		return 0;
failed:
	if (r == -ENOMEM)
		return r;
	answer = json_pack("{s:s}", "error", error.text); /* its words are escaped */
	if (!answer)
		return -ENOMEM;
	*ret_answer = answer;
	return r;
}
