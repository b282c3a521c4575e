/* SPDX-License-Identifier: GPL-2.0-only */
/* `networks`: named sets of prefixes. */
#include <stdlib.h>

#include "policy/loader.h"

enum key { KEY_CIDRS, KEY_EXCEPT, KEY_FILE, KEY_NAMES, KEY_MAX };
static const char *const key_names[] = {
	[KEY_CIDRS] = "cidrs", [KEY_EXCEPT] = "except", [KEY_FILE] = "file", [KEY_NAMES] = "names"};
_Static_assert(sizeof(key_names) / sizeof(key_names[0]) == KEY_MAX, "a name for each key");

static void load_files(struct loader *loader, const struct node *node, struct prefixes *prefixes)
{
	if (!node_is_words(node, "'file'", loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item))
		load_list(loader, item, prefixes);
}

static void load_mapping(struct loader *loader, const struct node *key, struct network *network)
{
	const struct node *values[KEY_MAX], *keys[KEY_MAX];
	char where[SHOWN_MAX];
	bool whole;

	snprintf(where, sizeof(where), "network '%s'", network->name);
	whole = node_fields(key->next, where, key_names, KEY_MAX, values, keys, loader->diagnostics);
	loader_unsupported(loader, keys[KEY_NAMES]);
	if (values[KEY_CIDRS])
		load_prefixes(loader, values[KEY_CIDRS], "'cidrs'", &network->cidrs);
	if (values[KEY_EXCEPT])
		load_prefixes(loader, values[KEY_EXCEPT], "'except'", &network->except);
	if (values[KEY_FILE])
		load_files(loader, values[KEY_FILE], &network->cidrs);
	if (whole && !values[KEY_CIDRS] && !values[KEY_FILE] && !values[KEY_NAMES])
		loader_error(loader, &key->place, "network '%s' has neither 'cidrs' nor 'file'", network->name);
}

static void load_network(struct loader *loader, const struct node *key)
{
	struct end end = {.kind = END_NETWORK, .index = (uint32_t)loader->policy->networks.count, .place = key->place};
	struct network *network;

	if (!name_check(loader, key, "network") || !name_enter(loader, key->text, "network", &end))
		return;
	network = array_append(&loader->policy->networks);
	if (!network) {
		loader_no_memory(loader);
		return;
	}
	network->place = key->place;
	network->name = loader_copy(loader, key->text);
	if (!network->name)
		return;
	if (key->next->kind == NODE_MAPPING)
		load_mapping(loader, key, network);
	else
		load_prefixes(loader, key->next, "a network", &network->cidrs);
	prefixes_sort(&network->cidrs);
	prefixes_sort(&network->except);
}

void load_networks(struct loader *loader, const struct node *networks)
{
	if (networks->kind != NODE_MAPPING) {
		node_expected(networks, "a mapping of names to networks", "'networks'", loader->diagnostics);
		return;
	}
	for (const struct node *key = networks->first; key && !loader->failure; key = node_next_key(key))
		load_network(loader, key);
}
