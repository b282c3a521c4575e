/* SPDX-License-Identifier: GPL-2.0-only */
/* `members`: who belongs to a zone or group. */
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"

enum key {
	KEY_NAME,
	KEY_IMAGE,
	KEY_NETWORK,
	KEY_RUNTIME,
	KEY_NAMESPACE,
	KEY_INTERFACE,
	KEY_CGROUP,
	KEY_LABEL,
	KEY_NOT,
	KEY_MAX
};
static const char *const key_names[] = {
	[KEY_NAME] = "name",	   [KEY_IMAGE] = "image",	  [KEY_NETWORK] = "network",
	[KEY_RUNTIME] = "runtime", [KEY_NAMESPACE] = "namespace", [KEY_INTERFACE] = "interface",
	[KEY_CGROUP] = "cgroup",   [KEY_LABEL] = "label",	  [KEY_NOT] = "not",
};
_Static_assert(sizeof(key_names) / sizeof(key_names[0]) == KEY_MAX, "a name for each key");

/* ---- labels ---- */

static void add_label(struct loader *loader, const struct node *node, const char *key, size_t key_length,
		      const char *glob, struct member *member)
{
	const char *problem = glob ? glob_check(glob) : NULL;
	struct label_match *label;

	if (!key_length) {
		loader_error(loader, &node->place, "bad label '%s': it has no key", SHOWN(node->text));
		return;
	}
	if (problem) {
		loader_error(loader, &node->place, "bad glob '%s' in 'label': %s", SHOWN(glob), problem);
		return;
	}
	if (node->count > POLICY_TEXT_MAX) {
		loader_error(loader, &node->place, "the text in 'label' is longer than %u bytes", POLICY_TEXT_MAX);
		return;
	}
	label = array_append(&member->labels);
	if (label)
		label->key = strndup(key, key_length);
	if (label && glob)
		label->glob = strdup(glob);
	if (!label || !label->key || (glob && !label->glob))
		loader_no_memory(loader);
}

/* `key` or `key=glob` */
static void label_word(struct loader *loader, const struct node *node, struct member *member)
{
	const char *equals = strchr(node->text, '=');

	add_label(loader, node, node->text, equals ? (size_t)(equals - node->text) : node->count,
		  equals ? equals + 1 : NULL, member);
}

static void label_mapping(struct loader *loader, const struct node *node, struct member *member)
{
	if (!node->first)
		loader_error(loader, &node->place, "no label in 'label'");
	for (const struct node *key = node->first; key && !loader->failure; key = node_next_key(key)) {
		if (!node_is_word(key->next))
			node_expected(key->next, "a glob", "'label'", loader->diagnostics);
		else if (!key->count)
			loader_error(loader, &key->place, "an empty word in 'label'");
		else if (key->count > POLICY_TEXT_MAX)
			loader_error(loader, &key->place, "the text in 'label' is longer than %u bytes",
				     POLICY_TEXT_MAX);
		else
			add_label(loader, key->next, key->text, key->count, key->next->text, member);
	}
}

static void load_label(struct loader *loader, const struct node *node, struct member *member)
{
	if (node->kind == NODE_MAPPING) {
		label_mapping(loader, node, member);
		return;
	}
	if (!node_is_words(node, "'label'", loader->diagnostics))
		return;
	if (!node_first(node))
		loader_error(loader, &node->place, "no label in 'label'");
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item))
		label_word(loader, item, member);
}

/* ---- member mappings ---- */

static void warn_runtime(struct loader *loader, const struct node *node)
{
	static const char *const names[] = {"docker", "podman", "containerd", "crio",  "lxc", "incus", "lxd",
					    "nspawn", "runc",	"crun",	      "netns", "cni", "oci",   "adopt"};
	const size_t count = sizeof(names) / sizeof(names[0]);
	char hint[NODE_HINT_MAX];

	if (!node_is_word(node) || strpbrk(node->text, "*?[\\"))
		return;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(node->text, names[i]))
			return;
	loader_warning(loader, &node->place, "no runtime is called '%s'%s", SHOWN(node->text),
		       node_hint(hint, node->text, names, count));
}

static bool load_member(struct loader *loader, const struct node *node, const char *where, struct member *member);

static void load_not(struct loader *loader, const struct node *node, struct member *member)
{
	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a member mapping", "'not'", loader->diagnostics);
		return;
	}
	member->not = calloc(1, sizeof(*member->not ));
	if (!member->not )
		loader_no_memory(loader);
	else
		load_member(loader, node, "'not'", member->not ); /* as deep as the YAML: POLICY_DEPTH_MAX */
}

static bool load_member(struct loader *loader, const struct node *node, const char *where, struct member *member)
{
	const struct node *values[KEY_MAX];
	char **const globs[] = {
		[KEY_NAME] = &member->name,	      [KEY_IMAGE] = &member->image,
		[KEY_NETWORK] = &member->network,     [KEY_RUNTIME] = &member->runtime,
		[KEY_NAMESPACE] = &member->namespace, [KEY_INTERFACE] = &member->interface,
		[KEY_CGROUP] = &member->cgroup,
	};
	char quoted[sizeof("'interface'") + 8];

	member->place = node->place;
	if (!node_fields(node, where, key_names, KEY_MAX, values, NULL, loader->diagnostics))
		return false;
	if (!node->first) {
		loader_error(loader, &node->place,
			     "an empty mapping in %s would match everything: say { interface: \"*\" } if that is meant",
			     where);
		return false;
	}
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
		snprintf(quoted, sizeof(quoted), "'%s'", key_names[i]);
		if (values[i])
			load_glob(loader, values[i], quoted, globs[i]);
	}
	if (values[KEY_RUNTIME])
		warn_runtime(loader, values[KEY_RUNTIME]);
	if (values[KEY_LABEL])
		load_label(loader, values[KEY_LABEL], member);
	if (values[KEY_NOT])
		load_not(loader, values[KEY_NOT], member);
	return true;
}

void load_members(struct loader *loader, const struct node *node, const char *where, struct members *members)
{
	char words[SHOWN_MAX * 2];

	if (node->kind == NODE_WORD) {
		node_expected(node, "a mapping or a list of mappings", "'members'", loader->diagnostics);
		return;
	}
	snprintf(words, sizeof(words), "a member of %s", where);
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		struct member *member = array_append(members);

		if (member)
			load_member(loader, item, words, member);
		else
			loader_no_memory(loader);
	}
}
