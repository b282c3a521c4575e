/* SPDX-License-Identifier: GPL-2.0-only */
/* What can decide, and its number. A decision's key is what it says, not where it stands: a rule that moves within its
 * file keeps its counter. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "table/compile.h"

/* Takes `decision` but its number, file and freshness; `text` is copied. */
static int decision_add(struct compile *compile, const char *key, const struct decision *decision, const char *text,
			uint32_t *ret_number)
{
	const struct policy *policy = compile->policy;
	struct decision made = *decision;
	struct decision *slot;
	int r = registry_decision(compile->registry, key, compile->now_s, &made.number, &made.fresh);

	if (r == -ENOSPC)
		return error_set(compile->error, r,
				 "no number is left for '%s': a policy and the one before it have at "
				 "most %u rules together",
				 text, BH_DECISIONS_MAX - 1);
	slot = r < 0 ? NULL : array_append(&compile->table->decisions);
	if (!slot)
		return compile_out_of_memory(compile);
	made.text = strdup(text);
	made.file = NULL;
	if (made.place.line && made.place.file < policy->sources.count)
		made.file = strdup(policy->sources.items[made.place.file].path);
	else
		made.place = (struct place){0};
	*slot = made;
	if (!made.text || (made.place.line && !made.file))
		return compile_out_of_memory(compile);
	*ret_number = made.number;
	return 0;
}

/* ---- Rules ---- */

static void decision_text_end(const struct policy *policy, const struct end *end, struct text *text)
{
	char buffer[PREFIX_TEXT_MAX];

	switch (end->kind) {
	case END_ZONE:
		text_append(text, policy->zones.items[end->index].name);
		return;
	case END_GROUP:
		text_append(text, policy->groups.items[end->index].fullname);
		return;
	case END_NETWORK: {
		const struct network *network = &policy->networks.items[end->index];

		if (network->name)
			text_append(text, network->name);
		else if (network->cidrs.count)
			text_append(text, prefix_format(&network->cidrs.items[0], buffer));
		return;
	}
	case END_ANY:
	case END_HOST:
	case END_WORLD:
	case END_INTERNET:
	case END_PRIVATE:
	case END_METADATA:
	case END_MULTICAST:
	case END_UNASSIGNED:
		text_append(text, end_kind_names[end->kind]);
		return;
	case END_KIND_MAX:
		return;
	}
}

static void decision_text_ends(const struct policy *policy, const struct ends *ends, struct text *text)
{
	for (size_t i = 0; i < ends->count; i++) {
		if (i > 0)
			text_append(text, ", ");
		decision_text_end(policy, &ends->items[i], text);
	}
}

/* "shop/front → shop/db allow tcp/5432" */
static void decision_text_rule(const struct policy *policy, const struct rule *rule, struct text *text)
{
	decision_text_ends(policy, &rule->from, text);
	text_append(text, " → ");
	decision_text_ends(policy, &rule->to, text);
	text_append(text, rule->deny ? " deny " : " allow ");
	text_append(text, rule->services_text ? rule->services_text : "");
}

/* Rules that say the same get numbers of their own, the second "#2". */
static int decision_key_rule(struct compile *compile, const struct rule *rule, const char *says, struct text *key)
{
	uintptr_t count;

	/* The name is free text: its length keeps it apart from what follows. */
	text_appendf(key, "rule:%s:%zu:%s:%s", rule->mode == MODE_AUDIT ? "staged" : "",
		     rule->name ? strlen(rule->name) : 0, rule->name ? rule->name : "", says);
	if (key->failed)
		return -ENOMEM;
	count = (uintptr_t)map_get_text(compile->decision_keys, text_string(key)) + 1;
	if (map_set_text(compile->decision_keys, text_string(key), (void *)count, NULL) < 0)
		return -ENOMEM;
	if (count > 1)
		text_appendf(key, "#%zu", (size_t)count);
	return key->failed ? -ENOMEM : 0;
}

int compile_rule_decision(struct compile *compile, uint32_t rule_index, uint32_t *ret_number)
{
	const struct rule *rule = &compile->policy->rules.items[rule_index];
	struct decision decision = {
		.reason = REASON_RULE, .rule = (int)rule_index, .place = rule->place, .deny = rule->deny};
	struct text says = {0}, key = {0};
	int r;

	decision_text_rule(compile->policy, rule, &says);
	r = says.failed ? -ENOMEM : decision_key_rule(compile, rule, text_string(&says), &key);
	if (r == 0)
		r = decision_add(compile, text_string(&key), &decision, rule->name ? rule->name : text_string(&says),
				 ret_number);
	else
		r = compile_out_of_memory(compile);
	text_free(&says);
	text_free(&key);
	return r;
}

/* ---- Steps 3 to 6 ---- */

/* "KIND NAME: WORDS" is both text and key. `memo`: the number, once it has one. */
static int decision_step(struct compile *compile, uint32_t *memo, const char *kind, const char *name, const char *words,
			 const struct decision *decision, uint32_t *ret_number)
{
	struct text text = {0};
	int r = 0;

	if (!*memo) {
		text_appendf(&text, "%s %s: %s", kind, name, words);
		r = text.failed ? compile_out_of_memory(compile)
				: decision_add(compile, text_string(&text), decision, text_string(&text), memo);
		text_free(&text);
	}
	if (r == 0)
		*ret_number = *memo;
	return r;
}

int compile_zone_otherwise(struct compile *compile, uint32_t zone_index, uint32_t *ret_number)
{
	const struct zone *zone = &compile->policy->zones.items[zone_index];
	struct decision decision = {.reason = REASON_DEFAULT, .rule = -1, .place = zone->place, .deny = true};

	return decision_step(compile, &compile->zone_decisions[zone_index].otherwise, "zone", zone->name,
			     "nothing allows it", &decision, ret_number);
}

int compile_zone_within(struct compile *compile, uint32_t zone_index, uint32_t *ret_number)
{
	const struct zone *zone = &compile->policy->zones.items[zone_index];
	struct decision decision = {.reason = REASON_DEFAULT, .rule = -1, .place = zone->within_place, .deny = true};

	return decision_step(compile, &compile->zone_decisions[zone_index].within, "zone", zone->name, "within deny",
			     &decision, ret_number);
}

int compile_zone_between(struct compile *compile, uint32_t zone_index, uint32_t *ret_number)
{
	const struct zone *zone = &compile->policy->zones.items[zone_index];
	bool allow = zone->between_groups_allow;
	struct decision decision = {.reason = allow ? REASON_ZONE : REASON_DEFAULT,
				    .rule = -1,
				    .place = zone->between_place,
				    .deny = !allow};

	return decision_step(compile, &compile->zone_decisions[zone_index].between, "zone", zone->name,
			     allow ? "between_groups allow" : "between_groups deny", &decision, ret_number);
}

int compile_group(struct compile *compile, uint32_t group_index, uint32_t *ret_number)
{
	const struct group *group = &compile->policy->groups.items[group_index];
	struct decision decision = {.reason = REASON_GROUP, .rule = -1, .place = group->place};

	return decision_step(compile, &compile->group_decisions[group_index], "group", group->fullname,
			     "members reach one another", &decision, ret_number);
}

int compile_setting(struct compile *compile, enum setting_decision setting, uint32_t *ret_number)
{
	const struct settings *settings = &compile->policy->settings;
	static const struct {
		const char *name, *words;
		enum reason reason;
		bool deny;
	} says[SETTING_MAX] = {
		[SETTING_HOST_ALLOW] = {"host_to_containers", "allow", REASON_HOST, false},
		[SETTING_HOST_DENY] = {"host_to_containers", "deny", REASON_DEFAULT, true},
		[SETTING_UNASSIGNED_ALLOW] = {"unassigned", "allow", REASON_UNASSIGNED, false},
		[SETTING_UNASSIGNED_DENY] = {"unassigned", "deny", REASON_UNASSIGNED, true},
		[SETTING_UNASSIGNED_OTHERWISE] = {"unassigned", "not to this end", REASON_DEFAULT, true},
		[SETTING_CONFLICTED] = {"conflicted", "a port that matches two zones", REASON_CONFLICTED, true},
		[SETTING_AMBIGUOUS] = {"ambiguous", "an address that containers of several bridges have",
				       REASON_CONFLICTED, true},
	};
	struct decision decision = {.reason = says[setting].reason, .rule = -1, .deny = says[setting].deny};

	if (setting == SETTING_HOST_ALLOW || setting == SETTING_HOST_DENY)
		decision.place = settings->host_place;
	else if (setting != SETTING_CONFLICTED && setting != SETTING_AMBIGUOUS)
		decision.place = settings->unassigned_place;
	return decision_step(compile, &compile->setting_decisions[setting],
			     setting < SETTING_CONFLICTED ? "setting" : "state", says[setting].name,
			     says[setting].words, &decision, ret_number);
}

static int decision_compare(const void *a, const void *b)
{
	const struct decision *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

void compile_decisions_sort(struct compile *compile)
{
	array_sort(&compile->table->decisions, decision_compare);
}
