/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of zones, groups and networks, and what an end of a rule may be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])? */
static bool name_is_good(const char *name, size_t length)
{
	if (!length || length > POLICY_NAME_MAX || !is_letter_or_digit(name[0]) ||
	    !is_letter_or_digit(name[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_letter_or_digit(name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

bool name_check(struct loader *loader, const struct node *key, const char *what)
{
	struct addr addr;

	if (!name_is_good(key->text, key->count)) {
		loader_error(
			loader, &key->place,
			"bad name '%s' for a %s: a to z, 0 to 9, inside also '_', '.' and '-', at most %u characters",
			SHOWN(key->text), what, POLICY_NAME_MAX);
		return false;
	}
	if (addr_parse(key->text, &addr) == 0) {
		loader_error(loader, &key->place, "bad name '%s' for a %s: it is an address", SHOWN(key->text), what);
		return false;
	}
	return true;
}

static int enter(struct loader *loader, const char *name, const struct end *end)
{
	struct definition *definition = calloc(1, sizeof(*definition));

	if (!definition)
		return -ENOMEM;
	definition->end = *end;
	if (map_set_text(loader->ends, name, definition, NULL) < 0) {
		free(definition);
		return -ENOMEM;
	}
	return 0;
}

int names_enter_builtins(struct loader *loader)
{
	for (unsigned int kind = 0; kind < END_ZONE; kind++) {
		struct end end = {.kind = (enum end_kind)kind};
		int r = enter(loader, end_kind_names[kind], &end);

		if (r < 0)
			return r;
	}
	return 0;
}

bool name_enter(struct loader *loader, const char *name, const char *what, const struct end *end)
{
	const struct definition *old = map_get_text(loader->ends, name);

	if (!old) {
		if (enter(loader, name, end) == 0)
			return true;
		loader_no_memory(loader);
		return false;
	}
	if (!old->end.place.line) {
		loader_error(loader, &end->place, "'%s' is built in: no %s can have its name", name, what);
		return false;
	}
	if (old->end.kind == end->kind)
		loader_error(loader, &end->place, "%s '%s' is defined twice", what, name);
	else
		loader_error(loader, &end->place, "'%s' is a %s already: zones and networks share their names", name,
			     end_kind_names[old->end.kind]);
	loader_note(loader, &old->end.place, "first defined here");
	return false;
}

static void unknown_end(struct loader *loader, const struct node *word, const char *key)
{
	const char *what = strchr(word->text, '/') ? "zone" : "zone or network";
	size_t count = map_count(loader->ends), used = 0;
	const char **names = NULL, **texts = NULL;
	char hint[NODE_HINT_MAX] = "";
	const void *name;

	if (loader->incomplete)
		return; /* it may stand in the file that could not be read */
	if (loader->diagnostics->errors < DIAGNOSTICS_MAX)
		names = calloc(count, sizeof(*names));
	texts = names;
	/* Keys of the map are copies with their NUL: they were entered as text. */
	for (size_t i = 0; names && used < count && map_next(loader->ends, &i, &name, NULL, NULL);)
		texts[used++] = name;
	if (names)
		node_hint(hint, word->text, names, used);
	loader_error(loader, &word->place, "unknown %s '%s' in %s%s", what, SHOWN(word->text), key, hint);
	free(names);
}

/* A prefix without a name: equal ones are one network. */
static bool literal_network(struct loader *loader, const struct node *word, struct end *ret_end)
{
	struct end end = {.kind = END_NETWORK, .index = (uint32_t)loader->policy->networks.count, .place = word->place};
	char text[PREFIX_TEXT_MAX];
	const struct definition *old;
	struct network *network;
	struct prefix prefix, *slot;

	if (!node_prefix(word, &prefix, loader->diagnostics))
		return false;
	prefix_format(&prefix, text);
	old = map_get_text(loader->ends, text);
	if (old) {
		end.index = old->end.index;
		*ret_end = end;
		return true;
	}
	if (!load_count_prefix(loader, &word->place))
		return false;
	network = array_append(&loader->policy->networks);
	slot = network ? array_append(&network->cidrs) : NULL;
	if (!slot || enter(loader, text, &end) < 0) {
		loader_no_memory(loader);
		return false;
	}
	*slot = prefix;
	network->place = word->place;
	*ret_end = end;
	return true;
}

/* What can only have been meant as an address. */
static bool looks_like_address(const char *word)
{
	return strchr(word, ':') || (word[0] >= '0' && word[0] <= '9' && strpbrk(word, "./"));
}

bool end_resolve(struct loader *loader, const struct node *word, const char *key, struct end *ret_end)
{
	const struct definition *definition;
	struct prefix prefix;
	const char *text;
	bool host_bits;

	if (!node_word(word, key, &text, loader->diagnostics))
		return false;
	if (prefix_parse(text, &prefix, &host_bits) == 0)
		return literal_network(loader, word, ret_end);
	definition = map_get_text(loader->ends, text);
	if (definition) {
		*ret_end = definition->end;
		ret_end->place = word->place;
		return true;
	}
	if (looks_like_address(text))
		node_prefix(word, &prefix, loader->diagnostics); /* says what is wrong with it */
	else
		unknown_end(loader, word, key);
	return false;
}
