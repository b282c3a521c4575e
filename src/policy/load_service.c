/* SPDX-License-Identifier: GPL-2.0-only */
/* `services`: names for sets of protocol/port, which may name one another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"
#include "policy/service.h"

/* Services that name services that name …: more levels than anyone would follow, few enough for the stack. */
#define SERVICE_LEVELS_MAX 32u

static void define_service(struct loader *loader, const struct node *key, const struct service_draft *old)
{
	struct service_draft *draft;
	struct service *service;

	if (old) {
		loader_error(loader, &key->place, "service '%s' is defined twice", key->text);
		loader_note(loader, &loader->policy->services.items[old->index].place, "first defined here");
		return;
	}
	if (loader->policy->services.count >= POLICY_SERVICES_MAX) {
		loader_error(loader, &key->place, "the policy has more than %u services", POLICY_SERVICES_MAX);
		return;
	}
	service = array_append(&loader->policy->services);
	draft = service ? calloc(1, sizeof(*draft)) : NULL;
	if (!draft) {
		loader_no_memory(loader);
		return;
	}
	draft->node = key->next;
	draft->index = (uint32_t)loader->policy->services.count - 1;
	service->place = key->place;
	service->name = loader_copy(loader, key->text);
	if (!service->name || map_set_text(loader->services, key->text, draft, NULL) < 0) {
		free(draft);
		loader_no_memory(loader);
	}
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < service_reserved_count; i++)
		if (!strcmp(service_reserved_names[i], name))
			return true;
	return false;
}

void load_services(struct loader *loader, const struct node *services)
{
	if (services->kind != NODE_MAPPING) {
		node_expected(services, "a mapping of names to services", "'services'", loader->diagnostics);
		return;
	}
	for (const struct node *key = services->first; key && !loader->failure; key = node_next_key(key)) {
		if (!name_check(loader, key, "service"))
			continue;
		if (is_reserved(key->text))
			loader_error(loader, &key->place, "'%s' is built in: no service can have its name", key->text);
		else
			define_service(loader, key, map_get_text(loader->services, key->text));
	}
}

/* ---- members ---- */

static void unknown_service(struct loader *loader, const struct node *word, const char *key)
{
	size_t count = map_count(loader->services) + service_builtin_count, used = 0;
	char hint[NODE_HINT_MAX] = "";
	const char **names = NULL;
	const void *name;

	if (loader->incomplete)
		return; /* it may stand in the file that could not be read */
	if (loader->diagnostics->errors < DIAGNOSTICS_MAX)
		names = calloc(count, sizeof(*names));
	if (names) {
		while (used < service_builtin_count) {
			names[used] = service_reserved_names[used];
			used++;
		}
		for (size_t i = 0; used < count && map_next(loader->services, &i, &name, NULL, NULL);)
			names[used++] = name;
		node_hint(hint, word->text, names, used);
	}
	if (strspn(word->text, "0123456789") == word->count) /* `allow: 22` */
		snprintf(hint, sizeof(hint), " (did you mean 'tcp/%s'?)", SHOWN(word->text));
	loader_error(loader, &word->place, "unknown service '%s' in %s%s", SHOWN(word->text), key, hint);
	free(names);
}

static bool count_atoms(struct loader *loader, size_t more, const struct place *place)
{
	bool told = loader->atoms > POLICY_ATOMS_MAX;

	loader->atoms += more;
	if (loader->atoms > POLICY_ATOMS_MAX && !told)
		loader_error(loader, place, "the services of this policy have more than %u pieces", POLICY_ATOMS_MAX);
	return loader->atoms <= POLICY_ATOMS_MAX;
}

static void copy_atoms(struct loader *loader, const struct service_atoms *from, struct service_atoms *atoms,
		       const struct place *place)
{
	if (!count_atoms(loader, from->count, place) || !from->count)
		return;
	if (array_reserve(atoms, atoms->count + from->count) < 0) {
		loader_no_memory(loader);
		return;
	}
	memcpy(atoms->items + atoms->count, from->items, from->count * sizeof(*from->items));
	atoms->count += from->count;
}

/* `level` 0: from a rule, when all services are done; otherwise how deep in services we are. */
static void add_words(struct loader *loader, const struct node *words, const char *key, unsigned int level,
		      struct service_atoms *atoms, unsigned int *height);

/* Fills a service in, those that it names first. */
static void resolve(struct loader *loader, struct service_draft *draft, const struct node *word, unsigned int level)
{
	const struct service *service = &loader->policy->services.items[draft->index];
	struct service_atoms atoms = {0};
	char key[POLICY_NAME_MAX + sizeof("service ''")];

	if (draft->state == DRAFT_DONE)
		return;
	if (draft->state == DRAFT_OPEN) {
		loader_error(loader, &word->place, "service '%s' names itself", service->name);
		loader_note(loader, &service->place, "defined here");
		return;
	}
	if (level > SERVICE_LEVELS_MAX) {
		loader_error(loader, &word->place, "services name one another more than %u deep", SERVICE_LEVELS_MAX);
		draft->state = DRAFT_DONE;
		draft->height = 0; /* told once */
		return;
	}
	draft->state = DRAFT_OPEN;
	draft->height = 1;
	snprintf(key, sizeof(key), "service '%s'", service->name);
	add_words(loader, draft->node, key, level, &atoms, &draft->height);
	draft->state = DRAFT_DONE;
	service_atoms_unique(&atoms);
	loader->policy->services.items[draft->index].atoms = atoms;
	if (draft->height > SERVICE_LEVELS_MAX)
		loader_error(loader, &service->place, "services name one another more than %u deep",
			     SERVICE_LEVELS_MAX);
}

static void add_word(struct loader *loader, const struct node *word, const char *key, unsigned int level,
		     struct service_atoms *atoms, unsigned int *height)
{
	struct service_draft *draft = map_get(loader->services, word->text, word->count);
	size_t before = atoms->count;
	struct error error = {0};
	int r;

	if (draft) {
		resolve(loader, draft, word, level + 1);
		if (draft->height + 1 > *height)
			*height = draft->height + 1;
		copy_atoms(loader, &loader->policy->services.items[draft->index].atoms, atoms, &word->place);
		return;
	}
	r = service_word_parse(word->text, atoms, &error);
	if (r == -ENOENT)
		unknown_service(loader, word, key);
	else if (r == -ENOMEM)
		loader_no_memory(loader);
	else if (r < 0)
		loader_error(loader, &word->place, "%s", error.text);
	else
		count_atoms(loader, atoms->count - before, &word->place);
}

static void add_words(struct loader *loader, const struct node *words, const char *key, unsigned int level,
		      struct service_atoms *atoms, unsigned int *height)
{
	if (!node_is_words(words, key, loader->diagnostics))
		return;
	if (!node_first(words))
		loader_error(loader, &words->place, "no service in %s", key);
	for (const struct node *word = node_first(words); word && !loader->failure; word = node_after(words, word)) {
		if (loader->atoms > POLICY_ATOMS_MAX)
			return;
		add_word(loader, word, key, level, atoms, height);
	}
}

void load_service_words(struct loader *loader, const struct node *words, const char *key, struct service_atoms *atoms)
{
	unsigned int height = 0;

	add_words(loader, words, key, 0, atoms, &height);
	service_atoms_unique(atoms);
}

void load_services_resolve(struct loader *loader)
{
	void *value;

	for (size_t i = 0; !loader->failure && map_next(loader->services, &i, NULL, NULL, &value);) {
		struct service_draft *draft = value;

		resolve(loader, draft, draft->node, 1);
	}
}
