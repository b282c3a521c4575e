/* SPDX-License-Identifier: GPL-2.0-only */
/* Values that several sections of a policy share. */
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"

static bool fits(struct loader *loader, const struct node *node, const char *key)
{
	if (node->count <= POLICY_TEXT_MAX)
		return true;
	loader_error(loader, &node->place, "the text in %s is longer than %u bytes", key, POLICY_TEXT_MAX);
	return false;
}

bool load_text(struct loader *loader, const struct node *node, const char *key, char **ret_text)
{
	const char *word;
	char *copy;

	if (!node_word(node, key, &word, loader->diagnostics) || !fits(loader, node, key))
		return false;
	copy = loader_copy(loader, word);
	if (!copy)
		return false;
	*ret_text = copy;
	return true;
}

bool load_glob(struct loader *loader, const struct node *node, const char *key, char **ret_glob)
{
	const char *word, *problem;

	if (!node_word(node, key, &word, loader->diagnostics))
		return false;
	problem = glob_check(word);
	if (problem) {
		loader_error(loader, &node->place, "bad glob '%s' in %s: %s", SHOWN(word), key, problem);
		return false;
	}
	return load_text(loader, node, key, ret_glob);
}

void load_globs(struct loader *loader, const struct node *node, const char *key, struct strings *strings)
{
	if (!node_is_words(node, key, loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		char *glob = NULL;
		char **slot;

		if (!load_glob(loader, item, key, &glob))
			continue;
		slot = array_append(strings);
		if (slot)
			*slot = glob;
		else
			free(glob), loader_no_memory(loader);
	}
}

void load_mode(struct loader *loader, const struct node *node, enum mode *mode)
{
	unsigned int index;

	if (node_choice(node, "'mode'", mode_names, MODE_MAX, &index, loader->diagnostics))
		*mode = (enum mode)index;
}

void load_log(struct loader *loader, const struct node *node, enum log_what *log)
{
	unsigned int index;

	/* the names without "unset", which is not the language's */
	if (node_choice(node, "'log'", log_what_names + LOG_WHAT_NONE, LOG_WHAT_MAX - LOG_WHAT_NONE, &index,
			loader->diagnostics))
		*log = (enum log_what)(index + LOG_WHAT_NONE);
}

void load_allow_deny(struct loader *loader, const struct node *node, const char *key, bool *allow)
{
	static const char *const words[] = {"allow", "deny"};
	unsigned int index;

	if (node_choice(node, key, words, 2, &index, loader->diagnostics))
		*allow = index == 0;
}

bool load_count_prefix(struct loader *loader, const struct place *place)
{
	if (loader->prefixes < POLICY_PREFIXES_MAX) {
		loader->prefixes++;
		return true;
	}
	if (loader->prefixes == POLICY_PREFIXES_MAX) {
		loader->prefixes++; /* told once */
		loader_error(loader, place, "the policy has more than %u prefixes", POLICY_PREFIXES_MAX);
	}
	return false;
}

void load_prefixes(struct loader *loader, const struct node *node, const char *key, struct prefixes *prefixes)
{
	if (node->kind == NODE_MAPPING || node_is_empty(node)) {
		node_expected(node, "a prefix or a list of prefixes", key, loader->diagnostics);
		return;
	}
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		struct prefix prefix, *slot;

		if (!node_prefix(item, &prefix, loader->diagnostics))
			continue;
		if (!load_count_prefix(loader, &item->place))
			return;
		slot = array_append(prefixes);
		if (slot)
			*slot = prefix;
		else
			loader_no_memory(loader);
	}
}

static int prefix_order(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

void prefixes_sort(struct prefixes *prefixes)
{
	size_t kept = 0, sorted = 1;

	while (sorted < prefixes->count && prefix_compare(&prefixes->items[sorted - 1], &prefixes->items[sorted]) <= 0)
		sorted++;
	if (sorted < prefixes->count)
		qsort(prefixes->items, prefixes->count, sizeof(*prefixes->items), prefix_order);
	for (size_t i = 0; i < prefixes->count; i++)
		if (!kept || prefix_compare(&prefixes->items[kept - 1], &prefixes->items[i]) != 0)
			prefixes->items[kept++] = prefixes->items[i];
	prefixes->count = kept;
}
