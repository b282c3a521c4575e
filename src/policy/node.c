/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/node.h"

#include <stdio.h>
#include <string.h>

bool node_is_empty(const struct node *node)
{
	return node->kind == NODE_WORD && node->plain && !node->count;
}

bool node_is_word(const struct node *node)
{
	return node->kind == NODE_WORD && !node_is_empty(node);
}

void node_expected(const struct node *node, const char *expected, const char *where, struct diagnostics *diagnostics)
{
	static const char *const found[] = {
		[NODE_WORD] = "a word", [NODE_LIST] = "a list", [NODE_MAPPING] = "a mapping"};

	_Static_assert(sizeof(found) / sizeof(found[0]) == NODE_KIND_MAX, "a word for each kind of node");
	diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "expected %s%s%s, found %s", expected,
		       where ? " for " : "", where ? where : "", node_is_empty(node) ? "nothing" : found[node->kind]);
}

const char *node_hint(char buffer[NODE_HINT_MAX], const char *word, const char *const *candidates, size_t count)
{
	const char *nearest = text_nearest(word, candidates, count);
	size_t length = strlen(word);

	/* Of short words, everything is near. */
	if (nearest && 2 * text_distance(word, nearest, (unsigned int)length) < length)
		snprintf(buffer, NODE_HINT_MAX, " (did you mean '%s'?)", SHOWN(nearest));
	else
		buffer[0] = '\0';
	return buffer;
}

static int key_index(const struct node *key, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(key->text, keys[i]))
			return (int)i;
	return -1;
}

bool node_fields(const struct node *node, const char *where, const char *const *keys, size_t count,
		 const struct node **ret_values, const struct node **ret_keys, struct diagnostics *diagnostics)
{
	char hint[NODE_HINT_MAX];
	bool good = true;

	memset(ret_values, 0, count * sizeof(*ret_values));
	if (ret_keys)
		memset(ret_keys, 0, count * sizeof(*ret_keys));
	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", where, diagnostics);
		return false;
	}
	for (const struct node *key = node->first; key; key = node_next_key(key)) {
		int index = key_index(key, keys, count);

		if (index < 0) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, &key->place, "unknown key '%s' in %s%s",
				       SHOWN(key->text), where, node_hint(hint, key->text, keys, count));
			good = false;
			continue;
		}
		ret_values[index] = key->next;
		if (ret_keys)
			ret_keys[index] = key;
	}
	return good;
}

const struct node *node_first(const struct node *node)
{
	return node->kind == NODE_LIST ? node->first : node;
}

const struct node *node_after(const struct node *node, const struct node *item)
{
	return node->kind == NODE_LIST ? item->next : NULL;
}

const struct node *node_next_key(const struct node *key)
{
	return key->next->next;
}

bool node_word(const struct node *node, const char *key, const char **ret_word, struct diagnostics *diagnostics)
{
	if (!node_is_word(node)) {
		node_expected(node, "a word", key, diagnostics);
		return false;
	}
	if (!node->count) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "an empty word in %s", key);
		return false;
	}
	*ret_word = node->text;
	return true;
}

/* "enforce or audit", "docker, podman or lxc" */
static void choices_append(struct text *text, const char *const *choices, size_t count)
{
	for (size_t i = 0; i < count; i++)
		text_appendf(text, "%s%s", !i ? "" : i + 1 == count ? " or " : ", ", choices[i]);
}

bool node_choice(const struct node *node, const char *key, const char *const *choices, size_t count,
		 unsigned int *ret_index, struct diagnostics *diagnostics)
{
	struct text expected = {0};
	char hint[NODE_HINT_MAX];
	const char *word;

	if (!node_word(node, key, &word, diagnostics))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, choices[i]) != 0)
			continue;
		*ret_index = (unsigned int)i;
		return true;
	}
	choices_append(&expected, choices, count);
	diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "'%s' in %s: expected %s%s", SHOWN(word), key,
		       text_string(&expected), node_hint(hint, word, choices, count));
	text_free(&expected);
	return false;
}

bool node_addr(const struct node *node, struct addr *ret_addr, struct diagnostics *diagnostics)
{
	if (!node_is_word(node)) {
		node_expected(node, "an address", NULL, diagnostics);
		return false;
	}
	if (addr_parse(node->text, ret_addr) == 0)
		return true;
	diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "bad address '%s'", SHOWN(node->text));
	return false;
}

bool node_prefix(const struct node *node, struct prefix *ret_prefix, struct diagnostics *diagnostics)
{
	char text[PREFIX_TEXT_MAX];
	bool host_bits = false;

	if (!node_is_word(node)) {
		node_expected(node, "a prefix", NULL, diagnostics);
		return false;
	}
	if (prefix_parse(node->text, ret_prefix, &host_bits) < 0) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "bad prefix '%s'", SHOWN(node->text));
		return false;
	}
	if (host_bits)
		diagnostic_add(diagnostics, SEVERITY_WARNING, &node->place,
			       "host bits are set in prefix '%s': it is read as %s", SHOWN(node->text),
			       prefix_format(ret_prefix, text));
	return true;
}

bool node_mac(const struct node *node, struct mac *ret_mac, struct diagnostics *diagnostics)
{
	const char *word;

	if (!node_word(node, "'mac'", &word, diagnostics))
		return false;
	if (mac_parse(word, ret_mac) == 0)
		return true;
	diagnostic_add(diagnostics, SEVERITY_ERROR, &node->place, "bad MAC address '%s'", SHOWN(word));
	return false;
}

bool node_is_words(const struct node *node, const char *key, struct diagnostics *diagnostics)
{
	const char *word;
	bool good = true;

	if (node->kind == NODE_MAPPING || node_is_empty(node)) {
		node_expected(node, "a word or a list of words", key, diagnostics);
		return false;
	}
	for (const struct node *item = node_first(node); item; item = node_after(node, item))
		good = node_word(item, key, &word, diagnostics) && good;
	return good;
}

bool node_version(const struct node *document, const struct node *version, struct diagnostics *diagnostics)
{
	if (!version) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, &document->place,
			       "'version: 1' is missing in this document");
		return false;
	}
	if (node_is_word(version) && !strcmp(version->text, "1"))
		return true;
	if (node_is_word(version))
		diagnostic_add(diagnostics, SEVERITY_ERROR, &version->place,
			       "version '%s' is not supported: this is version 1", SHOWN(version->text));
	else
		node_expected(version, "1", "'version'", diagnostics);
	return false;
}
