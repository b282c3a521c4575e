/* SPDX-License-Identifier: GPL-2.0-only */
/* World files: who would be there, so that a policy can be tried without a host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "policy/load.h"
#include "policy/node.h"
#include "policy/world.h"

/* Subnets of all managed bridges together: a host has fewer bridges than a bridge has ports (1,024). Each is held
 * against all others, so the number is bounded. */
#define WORLD_SUBNETS_MAX 4096u

static void container_free(struct container *container)
{
	char *texts[] = {container->name,      container->runtime, container->image,
			 container->namespace, container->cgroup,  container->id};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < container->labels.count; i++) {
		free(container->labels.items[i].key);
		free(container->labels.items[i].value);
	}
	array_free(&container->labels);
}

void world_free(struct world *world)
{
	if (!world)
		return;
	for (size_t i = 0; i < world->containers.count; i++)
		container_free(&world->containers.items[i]);
	array_free(&world->containers);
	for (size_t i = 0; i < world->ports.count; i++) {
		struct world_port *port = &world->ports.items[i];

		free(port->interface);
		free(port->network);
		free(port->bridge);
		array_free(&port->others);
		array_free(&port->addresses);
	}
	array_free(&world->ports);
	for (size_t i = 0; i < world->bridges.count; i++) {
		free(world->bridges.items[i].name);
		array_free(&world->bridges.items[i].subnets);
	}
	array_free(&world->bridges);
	array_free(&world->host_addresses);
}

bool settings_manages(const struct settings *settings, const char *interface)
{
	/* A world file need not name interfaces: what has none can't be ignored by its name. */
	if (!interface)
		return true;
	for (size_t i = 0; i < settings->ignore.count; i++)
		if (glob_match(settings->ignore.items[i], interface))
			return false;
	if (settings->managed_default)
		return true;
	for (size_t i = 0; i < settings->managed.count; i++)
		if (glob_match(settings->managed.items[i], interface))
			return true;
	return false;
}

void world_mark_unpoliced(struct world *world, const struct settings *settings)
{
	for (size_t i = 0; i < world->ports.count; i++)
		world->ports.items[i].unpoliced = !settings_manages(settings, world->ports.items[i].interface);
}

/* ---- Reading ---- */

struct subnet_entry {
	struct prefix prefix;
	struct place place;
};

struct sharer { /* a container that says whose namespace it shares */
	const struct node *with;
	uint32_t container;
};

struct reader {
	struct world world;
	struct diagnostics *diagnostics;
	struct map *domains;   /* network name → its number, from 1 */
	struct map *addresses; /* (domain, address) → the node that gave it first */
	struct {
		ARRAY_OF(struct subnet_entry);
	} subnets;
	struct {
		ARRAY_OF(struct sharer);
	} sharers;
	struct {
		ARRAY_OF(size_t);
	} first_ports; /* of each container: where its ports begin */
	bool no_memory;
};

static char *reader_copy(struct reader *reader, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		reader->no_memory = true;
	return copy;
}

/* A word of its own; NULL when it is not there or was refused. */
static char *read_word(struct reader *reader, const struct node *node, const char *key)
{
	const char *word;

	if (!node || !node_word(node, key, &word, reader->diagnostics))
		return NULL;
	return reader_copy(reader, word);
}

/* The number of a network; the same name is the same L2 domain. */
static uint32_t read_domain(struct reader *reader, const char *network)
{
	uintptr_t domain = (uintptr_t)map_get_text(reader->domains, network);

	if (domain == 0) {
		domain = map_count(reader->domains) + 1;
		if (map_set_text(reader->domains, network, (void *)domain, NULL) < 0)
			reader->no_memory = true;
	}
	return (uint32_t)domain;
}

static void read_addresses(struct reader *reader, const struct node *list, struct addrs *addresses)
{
	const struct node *item;

	for (item = node_first(list); item; item = node_after(list, item)) {
		struct addr addr, *slot;

		if (!node_addr(item, &addr, reader->diagnostics))
			continue;
		slot = array_append(addresses);
		if (!slot) {
			reader->no_memory = true;
			return;
		}
		*slot = addr;
	}
}

/* One address twice in one L2 domain: nobody could say whose it is. */
static void check_address(struct reader *reader, const struct node *item, uint32_t domain)
{
	struct {
		struct addr addr;
		uint32_t domain;
	} key;
	const struct node *first;
	char text[ADDR_TEXT_MAX];

	memset(&key, 0, sizeof(key));
	key.domain = domain;
	if (!node_is_word(item) || addr_parse(item->text, &key.addr) < 0)
		return;
	first = map_get(reader->addresses, &key, sizeof(key));
	if (first) {
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &item->place,
			       "address %s is given twice on one network", addr_format(&key.addr, text));
		diagnostic_add(reader->diagnostics, SEVERITY_NOTE, &first->place, "first given here");
	} else if (map_set(reader->addresses, &key, sizeof(key), (void *)(uintptr_t)item, NULL) < 0) {
		reader->no_memory = true;
	}
}

static void read_port(struct reader *reader, const struct node *node, uint32_t container)
{
	enum { INTERFACE, NETWORK, MAC, ADDRESSES, KEYS };
	static const char *const keys[KEYS] = {"interface", "network", "mac", "addresses"};
	const struct node *values[KEYS], *item;
	struct world_port *port;

	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", "'ports'", reader->diagnostics);
		return;
	}
	node_fields(node, "a port", keys, KEYS, values, NULL, reader->diagnostics);
	port = array_append(&reader->world.ports);
	if (!port) {
		reader->no_memory = true;
		return;
	}
	port->container = container;
	port->interface = read_word(reader, values[INTERFACE], "'interface'");
	port->network = read_word(reader, values[NETWORK], "'network'");
	if (port->network)
		port->domain = read_domain(reader, port->network);
	if (values[MAC])
		node_mac(values[MAC], &port->mac, reader->diagnostics);
	if (!values[ADDRESSES] || node_is_empty(values[ADDRESSES]))
		return;
	read_addresses(reader, values[ADDRESSES], &port->addresses);
	if (port->domain == 0)
		return;
	for (item = node_first(values[ADDRESSES]); item; item = node_after(values[ADDRESSES], item))
		check_address(reader, item, port->domain);
}

static void read_labels(struct reader *reader, const struct node *node, struct container *container)
{
	if (node_is_empty(node))
		return;
	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", "'labels'", reader->diagnostics);
		return;
	}
	for (const struct node *key = node->first; key; key = node_next_key(key)) {
		const struct node *value = key->next;
		struct label *label;

		/* A label's value may be empty. */
		if (key->kind != NODE_WORD || value->kind != NODE_WORD) {
			node_expected(key->kind != NODE_WORD ? key : value, "a word", "'labels'", reader->diagnostics);
			continue;
		}
		label = array_append(&container->labels);
		if (!label) {
			reader->no_memory = true;
			return;
		}
		label->key = reader_copy(reader, key->text);
		label->value = reader_copy(reader, value->text);
	}
}

static void read_ports(struct reader *reader, const struct node *list, uint32_t container)
{
	const struct node *item;

	if (node_is_empty(list))
		return;
	for (item = node_first(list); item; item = node_after(list, item))
		read_port(reader, item, container);
}

/* Whose it is, is found when all containers are known. */
static void read_shares(struct reader *reader, const struct node *node, const struct node *ports, uint32_t container)
{
	struct sharer *sharer;
	const char *word;

	if (!node_word(node, "'shares'", &word, reader->diagnostics))
		return;
	if (ports && !node_is_empty(ports)) {
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &node->place,
			       "a container that shares another's ports has none of its own");
		return;
	}
	sharer = array_append(&reader->sharers);
	if (!sharer)
		reader->no_memory = true;
	else
		*sharer = (struct sharer){.with = node, .container = container};
}

static void share_ports(struct reader *reader, const struct sharer *sharer, uint32_t with)
{
	size_t end =
		with + 1 < reader->first_ports.count ? reader->first_ports.items[with + 1] : reader->world.ports.count;
	size_t at = reader->first_ports.items[with];

	if (at == end)
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &sharer->with->place,
			       "'%s' has no ports of its own that could be shared", sharer->with->text);
	for (; at < end; at++) {
		struct world_port *port = &reader->world.ports.items[at];
		uint32_t *slot;

		if (port->others.count == WORLD_SHARES_MAX) {
			diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &sharer->with->place,
				       "more than %u containers share the ports of '%s'", WORLD_SHARES_MAX,
				       sharer->with->text);
			return;
		}
		slot = array_append(&port->others);
		if (!slot) {
			reader->no_memory = true;
			return;
		}
		*slot = sharer->container;
	}
}

static void resolve_shares(struct reader *reader)
{
	struct map *names = reader->sharers.count ? map_new() : NULL;

	for (uint32_t i = 0; names && i < reader->world.containers.count; i++) {
		const char *name = reader->world.containers.items[i].name;

		/* The value is the index plus one, since a map holds no NULL. The first of a name counts. */
		if (name && !map_get_text(names, name) &&
		    map_set_text(names, name, (void *)(uintptr_t)(i + 1), NULL) < 0)
			reader->no_memory = true;
	}
	for (size_t i = 0; names && i < reader->sharers.count; i++) {
		const struct sharer *sharer = &reader->sharers.items[i];
		uintptr_t with = (uintptr_t)map_get_text(names, sharer->with->text);

		if (with)
			share_ports(reader, sharer, (uint32_t)with - 1);
		else
			diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &sharer->with->place,
				       "there is no container '%s'", sharer->with->text);
	}
	reader->no_memory |= reader->sharers.count && !names;
	map_free(names, NULL);
}

static void read_container(struct reader *reader, const struct node *node)
{
	enum { NAME, RUNTIME, IMAGE, NAMESPACE, CGROUP, ID, LABELS, PORTS, SHARES, KEYS };
	static const char *const keys[KEYS] = {"name", "runtime", "image", "namespace", "cgroup",
					       "id",   "labels",  "ports", "shares"};
	const struct node *values[KEYS];
	struct container *container;
	size_t *first_port;
	uint32_t index = (uint32_t)reader->world.containers.count;

	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", "'containers'", reader->diagnostics);
		return;
	}
	node_fields(node, "a container", keys, KEYS, values, NULL, reader->diagnostics);
	container = array_append(&reader->world.containers);
	first_port = array_append(&reader->first_ports);
	if (!container || !first_port) {
		reader->no_memory = true;
		return;
	}
	*first_port = reader->world.ports.count;
	if (!values[NAME])
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &node->place, "a container needs a 'name'");
	container->name = read_word(reader, values[NAME], "'name'");
	container->runtime = read_word(reader, values[RUNTIME], "'runtime'");
	container->image = read_word(reader, values[IMAGE], "'image'");
	container->namespace = read_word(reader, values[NAMESPACE], "'namespace'");
	container->cgroup = read_word(reader, values[CGROUP], "'cgroup'");
	container->id = read_word(reader, values[ID], "'id'");
	if (values[LABELS])
		read_labels(reader, values[LABELS], container);
	if (values[PORTS])
		read_ports(reader, values[PORTS], index);
	if (values[SHARES])
		read_shares(reader, values[SHARES], values[PORTS], index);
}

static void read_containers(struct reader *reader, const struct node *list)
{
	const struct node *item;

	if (node_is_empty(list))
		return;
	for (item = node_first(list); item && !reader->no_memory; item = node_after(list, item)) {
		if (reader->world.containers.count == WORLD_CONTAINERS_MAX) {
			diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &item->place, "more than %u containers",
				       WORLD_CONTAINERS_MAX);
			return;
		}
		read_container(reader, item);
	}
	if (!reader->no_memory)
		resolve_shares(reader);
}

static bool subnet_is_free(struct reader *reader, const struct node *item, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < reader->subnets.count; i++) {
		const struct subnet_entry *other = &reader->subnets.items[i];

		if (!prefix_overlaps(&other->prefix, prefix))
			continue;
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &item->place, "subnets of bridges overlap at %s",
			       prefix_format(prefix->length > other->prefix.length ? prefix : &other->prefix, text));
		diagnostic_add(reader->diagnostics, SEVERITY_NOTE, &other->place, "the other subnet is here");
		return false;
	}
	return true;
}

static void read_subnet(struct reader *reader, const struct node *item, struct world_bridge *bridge)
{
	struct prefix prefix, *slot;
	struct subnet_entry *entry;

	if (!node_prefix(item, &prefix, reader->diagnostics) || !subnet_is_free(reader, item, &prefix))
		return;
	slot = array_append(&bridge->subnets);
	entry = array_append(&reader->subnets);
	if (!slot || !entry) {
		reader->no_memory = true;
		return;
	}
	*slot = prefix;
	*entry = (struct subnet_entry){.prefix = prefix, .place = item->place};
}

static void read_bridges(struct reader *reader, const struct node *node)
{
	if (node_is_empty(node))
		return;
	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", "'bridges'", reader->diagnostics);
		return;
	}
	for (const struct node *key = node->first; key && !reader->no_memory; key = node_next_key(key)) {
		const struct node *list = key->next, *item;
		struct world_bridge *bridge = array_append(&reader->world.bridges);

		if (!bridge) {
			reader->no_memory = true;
			return;
		}
		bridge->name = read_word(reader, key, "'bridges'");
		if (!bridge->name)
			continue;
		bridge->domain = read_domain(reader, bridge->name);
		for (item = node_first(list); item; item = node_after(list, item)) {
			if (reader->subnets.count == WORLD_SUBNETS_MAX) {
				diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &item->place,
					       "more than %u subnets of bridges", WORLD_SUBNETS_MAX);
				return;
			}
			read_subnet(reader, item, bridge);
		}
	}
}

static void read_host(struct reader *reader, const struct node *node)
{
	enum { ADDRESSES, BRIDGES, KEYS };
	static const char *const keys[KEYS] = {"addresses", "bridges"};
	const struct node *values[KEYS];

	if (node_is_empty(node))
		return;
	if (node->kind != NODE_MAPPING) {
		node_expected(node, "a mapping", "'host'", reader->diagnostics);
		return;
	}
	node_fields(node, "'host'", keys, KEYS, values, NULL, reader->diagnostics);
	if (values[ADDRESSES] && !node_is_empty(values[ADDRESSES]))
		read_addresses(reader, values[ADDRESSES], &reader->world.host_addresses);
	if (values[BRIDGES])
		read_bridges(reader, values[BRIDGES]);
}

static void read_world(struct reader *reader, const struct node *root)
{
	enum { VERSION, HOST, CONTAINERS, KEYS };
	static const char *const keys[KEYS] = {"version", "host", "containers"};
	const struct node *values[KEYS];

	if (root->kind != NODE_MAPPING) {
		node_expected(root, "a mapping", "a world file", reader->diagnostics);
		return;
	}
	node_fields(root, "a world file", keys, KEYS, values, NULL, reader->diagnostics);
	node_version(root, values[VERSION], reader->diagnostics);
	if (values[HOST])
		read_host(reader, values[HOST]);
	if (values[CONTAINERS])
		read_containers(reader, values[CONTAINERS]);
}

static void read_document(struct reader *reader, const struct document *document, uint32_t file)
{
	const struct place start = {.file = file, .line = 1, .column = 1, .width = 1};

	if (document->roots.count == 0)
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &start, "the world file is empty");
	else if (document->roots.count > 1)
		diagnostic_add(reader->diagnostics, SEVERITY_ERROR, &document->roots.items[1]->place,
			       "a world file is one YAML document");
	else
		read_world(reader, document->roots.items[0]);
}

static int world_parse(const struct sources *sources, uint32_t file, struct world *ret_world,
		       struct diagnostics *diagnostics)
{
	struct reader reader = {.diagnostics = diagnostics, .domains = map_new(), .addresses = map_new()};
	struct node_budget budget = {.left = POLICY_NODES_MAX, .limit = POLICY_NODES_MAX};
	size_t errors = diagnostics->errors;
	struct document document = {0};
	int r = -ENOMEM;

	if (!reader.domains || !reader.addresses)
		goto out;
	r = document_parse(sources, file, POLICY_DEPTH_MAX, &budget, &document, diagnostics);
	if (r < 0 && (r != -EINVAL || document.roots.count == 0))
		goto out;
	read_document(&reader, &document, file);
	if (reader.no_memory)
		r = -ENOMEM;
	else if (diagnostics->errors > errors)
		r = -EINVAL;
	if (r < 0)
		goto out;
	*ret_world = reader.world;
	reader.world = (struct world){0};
out:
	world_free(&reader.world);
	document_free(&document);
	array_free(&reader.subnets);
	array_free(&reader.sharers);
	array_free(&reader.first_ports);
	map_free(reader.addresses, NULL);
	map_free(reader.domains, NULL);
	return r;
}

/* Takes `text` over. */
static int world_load_owned(const char *name, char *text, size_t size, struct world *ret_world, struct sources *sources,
			    struct diagnostics *diagnostics, struct error *error)
{
	uint32_t file = (uint32_t)sources->count;
	struct source *source = array_append(sources);
	int r;

	if (!source) {
		free(text);
		return error_set(error, -ENOMEM, "out of memory");
	}
	source->text = text;
	source->size = size;
	source->path = strdup(name);
	if (!source->path)
		return error_set(error, -ENOMEM, "out of memory");
	r = world_parse(sources, file, ret_world, diagnostics);
	if (r == -ENOMEM)
		return error_set(error, r, "out of memory");
	if (r < 0) {
		char escaped[256];

		return error_set(error, r, "the world file '%s' has errors",
				 text_escape(escaped, sizeof(escaped), name));
	}
	return 0;
}

int world_load(const char *path, struct world *ret_world, struct sources *sources, struct diagnostics *diagnostics,
	       struct error *error)
{
	char *text;
	size_t size;
	int r = file_read(path, POLICY_FILE_SIZE_MAX, &text, &size, error);

	return r < 0 ? r : world_load_owned(path, text, size, ret_world, sources, diagnostics, error);
}

int world_load_text(const char *name, const char *text, size_t size, struct world *ret_world, struct sources *sources,
		    struct diagnostics *diagnostics, struct error *error)
{
	char *copy;

	if (size > POLICY_FILE_SIZE_MAX)
		return error_set(error, -EFBIG, "the world file is larger than %u bytes", POLICY_FILE_SIZE_MAX);
	copy = malloc(size + 1);
	if (!copy)
		return error_set(error, -ENOMEM, "out of memory");
	memcpy(copy, text, size);
	copy[size] = '\0';
	return world_load_owned(name, copy, size, ret_world, sources, diagnostics, error);
}
