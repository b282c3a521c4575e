/* SPDX-License-Identifier: GPL-2.0-only */
/* `rules`: who may, or may never, open a flow to whom. */
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"
#include "policy/service.h"

enum key { KEY_NAME, KEY_FROM, KEY_TO, KEY_ALLOW, KEY_DENY, KEY_EXPIRES, KEY_MODE, KEY_LOG, KEY_MAX };
static const char *const key_names[] = {
	[KEY_NAME] = "name", [KEY_FROM] = "from",	[KEY_TO] = "to",     [KEY_ALLOW] = "allow",
	[KEY_DENY] = "deny", [KEY_EXPIRES] = "expires", [KEY_MODE] = "mode", [KEY_LOG] = "log",
};
_Static_assert(sizeof(key_names) / sizeof(key_names[0]) == KEY_MAX, "a name for each key");

/* `mapping` is the rule, NULL when it has an unknown key: what seems to be missing may be just that. */
static void load_ends(struct loader *loader, const struct node *mapping, const struct node *node, const char *key,
		      struct ends *ends)
{
	if (!node) {
		if (mapping)
			loader_error(loader, &mapping->place, "this rule has no %s", key);
		return;
	}
	if (!node_is_words(node, key, loader->diagnostics))
		return;
	if (!node_first(node))
		loader_error(loader, &node->place, "nobody in %s", key);
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		struct end end, *slot;

		if (!end_resolve(loader, item, key, &end))
			continue;
		slot = array_append(ends);
		if (slot)
			*slot = end;
		else
			loader_no_memory(loader);
	}
}

static void services_text(struct loader *loader, const struct node *words, struct rule *rule)
{
	struct text text = {0};

	for (const struct node *word = node_first(words); word; word = node_after(words, word)) {
		if (word->kind == NODE_WORD)
			text_appendf(&text, "%s%s", text.length ? ", " : "", word->text);
	}
	if (text.failed)
		loader_no_memory(loader);
	else if (text.length)
		rule->services_text = text_take(&text);
	text_free(&text);
}

static void load_what(struct loader *loader, const struct node *mapping, const struct node *const *values,
		      const struct node *const *keys, struct rule *rule)
{
	const struct node *words = values[KEY_DENY] ? values[KEY_DENY] : values[KEY_ALLOW];

	if (!words) {
		if (mapping)
			loader_error(loader, &mapping->place, "this rule has neither 'allow' nor 'deny'");
		return;
	}
	if (values[KEY_ALLOW] && values[KEY_DENY]) {
		loader_error(loader, &keys[KEY_DENY]->place, "this rule has both 'allow' and 'deny'");
		loader_note(loader, &keys[KEY_ALLOW]->place, "the other is here");
	}
	rule->deny = values[KEY_DENY];
	load_service_words(loader, words, rule->deny ? "'deny'" : "'allow'", &rule->services);
	if (!rule->deny)
		service_atoms_without_tunnels(&rule->services);
	services_text(loader, words, rule);
}

static void load_expires(struct loader *loader, const struct node *node, struct rule *rule)
{
	const char *word;

	if (!node_word(node, "'expires'", &word, loader->diagnostics))
		return;
	if (time_parse(word, &rule->expires) < 0) {
		loader_error(loader, &node->place,
			     "bad time '%s' in 'expires': it is written as 2027-01-31T18:00:00Z or with an offset such "
			     "as +01:00",
			     SHOWN(word));
		return;
	}
	if (rule->expires <= loader->now)
		loader_warning(loader, &node->place, "this rule has expired");
}

static void load_rule(struct loader *loader, const struct node *node)
{
	const struct node *values[KEY_MAX], *keys[KEY_MAX];
	size_t errors = loader->diagnostics->errors;
	struct rule *rule;
	bool whole;

	whole = node_fields(node, "a rule", key_names, KEY_MAX, values, keys, loader->diagnostics);
	if (node->kind != NODE_MAPPING)
		return;
	rule = array_append(&loader->policy->rules);
	if (!rule) {
		loader_no_memory(loader);
		return;
	}
	rule->place = node->place;
	rule->expires = TIME_NEVER;
	if (values[KEY_NAME])
		load_text(loader, values[KEY_NAME], "'name'", &rule->name);
	load_ends(loader, whole ? node : NULL, values[KEY_FROM], "'from'", &rule->from);
	load_ends(loader, whole ? node : NULL, values[KEY_TO], "'to'", &rule->to);
	load_what(loader, whole ? node : NULL, values, keys, rule);
	if (values[KEY_EXPIRES])
		load_expires(loader, values[KEY_EXPIRES], rule);
	if (values[KEY_MODE])
		load_mode(loader, values[KEY_MODE], &rule->mode);
	if (values[KEY_LOG])
		load_log(loader, values[KEY_LOG], &rule->log);
	if (loader->diagnostics->errors > errors)
		rule->from.count = 0; /* not whole: nothing is to be concluded from it */
}

void load_rules(struct loader *loader, const struct node *rules)
{
	if (rules->kind != NODE_LIST) {
		node_expected(rules, "a list of rules", "'rules'", loader->diagnostics);
		return;
	}
	for (const struct node *item = rules->first; item && !loader->failure; item = item->next) {
		if (loader->policy->rules.count >= POLICY_RULES_MAX) {
			loader_error(loader, &item->place, "the policy has more than %u rules", POLICY_RULES_MAX);
			return;
		}
		load_rule(loader, item);
	}
}
