/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"

static const char *const section_names[] = {
	[SECTION_VERSION] = "version",	 [SECTION_SETTINGS] = "settings", [SECTION_ZONES] = "zones",
	[SECTION_NETWORKS] = "networks", [SECTION_SERVICES] = "services", [SECTION_RULES] = "rules",
	[SECTION_ASSERT] = "assert",
};
_Static_assert(sizeof(section_names) / sizeof(section_names[0]) == SECTION_MAX, "a key for each section");

/* ---- what all parts use ---- */

void loader_no_memory(struct loader *loader)
{
	loader->failure = -ENOMEM;
}

char *loader_copy(struct loader *loader, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		loader_no_memory(loader);
	return copy;
}

static void add_finding(struct loader *loader, enum severity severity, const struct place *place, const char *format,
			va_list arguments)
{
	char *message = NULL;

	if (vasprintf(&message, format, arguments) < 0) {
		loader_no_memory(loader);
		return;
	}
	diagnostic_add(loader->diagnostics, severity, place, "%s", message);
	free(message);
}

void loader_error(struct loader *loader, const struct place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_finding(loader, SEVERITY_ERROR, place, format, arguments);
	va_end(arguments);
}

void loader_warning(struct loader *loader, const struct place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_finding(loader, SEVERITY_WARNING, place, format, arguments);
	va_end(arguments);
}

void loader_note(struct loader *loader, const struct place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_finding(loader, SEVERITY_NOTE, place, format, arguments);
	va_end(arguments);
}

void loader_unsupported(struct loader *loader, const struct node *key)
{
	if (key)
		loader_error(loader, &key->place, "'%s' is not supported yet", SHOWN(key->text));
}

/* ---- documents ---- */

static const struct node *find_key(const struct node *mapping, const char *name)
{
	for (const struct node *key = mapping->first; key; key = node_next_key(key))
		if (!strcmp(key->text, name))
			return key;
	return NULL;
}

/* Files a root under the native documents, unless it is of another kind or another version. */
static void add_native(struct loader *loader, const struct node *root)
{
	struct native native = {0};
	const struct node *foreign = root->kind == NODE_MAPPING ? find_key(root, "apiVersion") : NULL;
	const struct node *version;
	struct native *slot;

	if (foreign) {
		loader_error(loader, &foreign->place,
			     "documents with 'apiVersion' are not supported yet: a native document has 'version: 1'");
		loader->incomplete = true;
		return;
	}
	if (root->kind == NODE_MAPPING) {
		version = find_key(root, "version");
		if (!node_version(root, version ? version->next : NULL, loader->diagnostics) && version) {
			loader->incomplete = true; /* who knows what it says */
			return;
		}
	}
	node_fields(root, "the document", section_names, SECTION_MAX, native.sections, native.keys,
		    loader->diagnostics);
	if (root->kind != NODE_MAPPING)
		return;
	loader_unsupported(loader, native.keys[SECTION_ASSERT]);
	slot = array_append(&loader->natives);
	if (slot)
		*slot = native;
	else
		loader_no_memory(loader);
}

int load_document(struct loader *loader, uint32_t file)
{
	struct document *document = array_append(&loader->documents);
	size_t errors = loader->diagnostics->errors;
	int r;

	if (!document)
		return -ENOMEM;
	r = document_parse(&loader->policy->sources, file, POLICY_DEPTH_MAX, &loader->budget, document,
			   loader->diagnostics);
	if (r == -ENOMEM)
		return r;
	if (loader->diagnostics->errors > errors && !document->roots.count)
		loader->incomplete = true;
	for (size_t i = 0; i < document->roots.count; i++)
		add_native(loader, document->roots.items[i]);
	return loader->failure;
}

/* ---- the passes: names first, then what refers to them ---- */

typedef void (*section_fn)(struct loader *loader, const struct node *section);

static void each_section(struct loader *loader, enum section section, section_fn fn)
{
	for (size_t i = 0; i < loader->natives.count && !loader->failure; i++) {
		const struct node *value = loader->natives.items[i].sections[section];

		if (value && !node_is_empty(value)) /* `zones:` with all below it commented out */
			fn(loader, value);
	}
}

static void load_sections(struct loader *loader)
{
	for (size_t i = 0; i < loader->natives.count && !loader->failure; i++)
		load_settings(loader, &loader->natives.items[i]);
	each_section(loader, SECTION_ZONES, load_zones);
	each_section(loader, SECTION_NETWORKS, load_networks);
	each_section(loader, SECTION_SERVICES, load_services);
	if (!loader->failure)
		load_services_resolve(loader);
	each_section(loader, SECTION_RULES, load_rules);
	if (!loader->failure)
		policy_check(loader);
}

static int loader_start(struct loader *loader, struct diagnostics *diagnostics, int64_t now)
{
	*loader = (struct loader){
		.diagnostics = diagnostics,
		.now = now,
		.budget = {.left = POLICY_NODES_MAX, .limit = POLICY_NODES_MAX},
		.policy = calloc(1, sizeof(*loader->policy)),
		.ends = map_new(),
		.services = map_new(),
	};
	if (!loader->policy || !loader->ends || !loader->services)
		return -ENOMEM;
	if (names_enter_builtins(loader) < 0 || settings_defaults(loader) < 0)
		return -ENOMEM;
	return 0;
}

static void loader_end(struct loader *loader)
{
	for (size_t i = 0; i < loader->documents.count; i++)
		document_free(&loader->documents.items[i]);
	array_free(&loader->documents);
	array_free(&loader->natives);
	array_free(&loader->subnets);
	map_free(loader->ends, free);
	map_free(loader->services, free);
	policy_free(loader->policy);
}

/* After errors: only what it takes to print them and to know when to try again. */
static int keep_sources(struct loader *loader)
{
	struct policy *bare = calloc(1, sizeof(*bare));

	if (!bare)
		return -ENOMEM;
	bare->sources = loader->policy->sources;
	bare->watched = loader->policy->watched;
	loader->policy->sources.items = NULL;
	loader->policy->sources.count = 0;
	loader->policy->watched.items = NULL;
	loader->policy->watched.count = 0;
	policy_free(loader->policy);
	loader->policy = bare;
	return 0;
}

/* `r` is what reading the files gave. */
static int loader_finish(struct loader *loader, int r, size_t errors_before, struct policy **ret_policy,
			 struct error *error)
{
	bool flawed;

	if (r == 0)
		load_sections(loader);
	if (r == 0)
		r = loader->failure;
	flawed = loader->diagnostics->errors > errors_before;
	if (r == 0 && flawed)
		r = keep_sources(loader);
	if (r == 0) {
		*ret_policy = loader->policy;
		loader->policy = NULL;
		if (flawed)
			r = error_set(error, -EINVAL, "the policy has errors");
	} else if (r == -ENOMEM) {
		error_set(error, r, "out of memory while loading the policy");
	}
	loader_end(loader);
	return r;
}

int policy_load(const char *const *paths, size_t path_count, int64_t now, struct policy **ret_policy,
		struct diagnostics *diagnostics, struct error *error)
{
	size_t errors = diagnostics->errors;
	struct loader loader;
	int r = loader_start(&loader, diagnostics, now);

	*ret_policy = NULL;
	if (r == 0)
		r = load_paths(&loader, paths, path_count, error);
	return loader_finish(&loader, r, errors, ret_policy, error);
}

int policy_load_text(const char *name, const char *text, size_t size, int64_t now, struct policy **ret_policy,
		     struct diagnostics *diagnostics, struct error *error)
{
	size_t errors = diagnostics->errors;
	struct loader loader;
	int r = loader_start(&loader, diagnostics, now);
	char *copy = malloc(size + 1);
	uint32_t file;

	*ret_policy = NULL;
	loader.in_memory = true;
	if (copy) {
		memcpy(copy, text, size);
		copy[size] = '\0';
	} else {
		r = -ENOMEM;
	}
	if (r == 0)
		r = load_source(&loader, name, copy, size, &file);
	else
		free(copy);
	if (r == 0)
		r = load_document(&loader, file);
	return loader_finish(&loader, r, errors, ret_policy, error);
}
