/* SPDX-License-Identifier: GPL-2.0-only */
/* `settings`: what holds for the whole policy, and its defaults. */
#include <errno.h>
#include <string.h>

#include "policy/loader.h"

#define NAT64_LENGTH 96 /* the one length of RFC 6052 that leaves no gap in the IPv4 address */

/* The clouds' credential services, as the policy language lists them. */
static const char *const metadata_addresses[] = {
	"169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16",
	"192.0.0.192",	   "fd00:ec2::254", "fd00:ec2::23",   "fd20:ce::254",	 "fe80::a9fe:a9fe",
};
static const char nat64_prefix[] = "64:ff9b::/96"; /* RFC 6052, the well-known prefix */

enum key {
	KEY_MODE,
	KEY_MANAGED,
	KEY_IGNORE,
	KEY_UNASSIGNED,
	KEY_REFUSE,
	KEY_HOST_TO_CONTAINERS,
	KEY_LOG,
	KEY_METADATA,
	KEY_NAT64,
	KEY_START_WITHOUT_DAEMON,
	KEY_GATES,
	KEY_MAX
};
static const char *const key_names[] = {
	[KEY_MODE] = "mode",	 [KEY_MANAGED] = "managed",
	[KEY_IGNORE] = "ignore", [KEY_UNASSIGNED] = "unassigned",
	[KEY_REFUSE] = "refuse", [KEY_HOST_TO_CONTAINERS] = "host_to_containers",
	[KEY_LOG] = "log",	 [KEY_METADATA] = "metadata",
	[KEY_NAT64] = "nat64",	 [KEY_START_WITHOUT_DAEMON] = "start_without_daemon",
	[KEY_GATES] = "gates",
};
_Static_assert(sizeof(key_names) / sizeof(key_names[0]) == KEY_MAX, "a name for each key");

int settings_defaults(struct loader *loader)
{
	struct settings *settings = &loader->policy->settings;
	struct prefix *prefix;
	bool host_bits;

	settings->mode = MODE_ENFORCE;
	settings->managed_default = true;
	settings->unassigned = UNASSIGNED_DENY;
	settings->host_to_containers = true;
	settings->log = LOG_WHAT_DENIED;
	for (size_t i = 0; i < sizeof(metadata_addresses) / sizeof(metadata_addresses[0]); i++) {
		struct addr *addr = array_append(&settings->metadata);

		if (!addr)
			return -ENOMEM;
		addr_parse(metadata_addresses[i], addr);
	}
	prefix = array_append(&settings->nat64);
	return prefix ? prefix_parse(nat64_prefix, prefix, &host_bits) : -ENOMEM;
}

static bool is_metadata(const struct settings *settings, const struct addr *addr)
{
	for (size_t i = 0; i < settings->metadata.count; i++)
		if (addr_equal(&settings->metadata.items[i], addr))
			return true;
	return false;
}

static void load_metadata(struct loader *loader, const struct node *node)
{
	struct settings *settings = &loader->policy->settings;

	if (node->kind == NODE_MAPPING || node_is_empty(node)) {
		node_expected(node, "a list of addresses", "'metadata'", loader->diagnostics);
		return;
	}
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		struct addr addr, *slot;

		if (!node_addr(item, &addr, loader->diagnostics) || is_metadata(settings, &addr))
			continue;
		if (settings->metadata.count >= POLICY_METADATA_MAX) {
			loader_error(loader, &item->place, "more than %u metadata addresses", POLICY_METADATA_MAX);
			return;
		}
		slot = array_append(&settings->metadata);
		if (slot)
			*slot = addr;
		else
			loader_no_memory(loader);
	}
}

static void load_nat64(struct loader *loader, const struct node *node)
{
	struct settings *settings = &loader->policy->settings;

	if (!node_is_words(node, "'nat64'", loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		struct prefix prefix, *slot;

		if (!node_prefix(item, &prefix, loader->diagnostics))
			continue;
		if (prefix.addr.family != ADDR_V6 || prefix.length != NAT64_LENGTH) {
			loader_error(loader, &item->place, "bad prefix '%s' in 'nat64': an IPv6 prefix of length %u",
				     SHOWN(item->text), NAT64_LENGTH);
			continue;
		}
		if (settings->nat64.count >= POLICY_NAT64_MAX) {
			loader_error(loader, &item->place, "more than %u NAT64 prefixes", POLICY_NAT64_MAX);
			break;
		}
		slot = array_append(&settings->nat64);
		if (slot)
			*slot = prefix;
		else
			loader_no_memory(loader);
	}
	prefixes_sort(&settings->nat64);
}

static void load_refuse(struct loader *loader, const struct node *node)
{
	static const char *const words[] = {"drop", "reject"};
	unsigned int index = 0;

	if (node_choice(node, "'refuse'", words, 2, &index, loader->diagnostics))
		loader->policy->settings.reject = index == 1;
}

static void load_start_without(struct loader *loader, const struct node *node)
{
	unsigned int index;

	if (node_choice(node, "'start_without_daemon'", start_without_names, START_WITHOUT_MAX, &index,
			loader->diagnostics))
		loader->policy->settings.start_without_daemon = (enum start_without)index;
}

/* The door is always there: without it a port that nobody knows yet would be open. */
static void load_gates(struct loader *loader, const struct node *node)
{
	static const char *const words[] = {"tc", "nft"};
	bool named[2] = {false};

	if (!node_is_words(node, "'gates'", loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item; item = node_after(node, item)) {
		unsigned int index;

		if (!node_choice(item, "'gates'", words, 2, &index, loader->diagnostics))
			return;
		named[index] = true;
	}
	if (!named[1])
		loader_error(loader, &node->place, "'gates' without nft: expected [ tc, nft ] or [ nft ]");
	loader->policy->settings.gates = named[0] ? GATES_TC_NFT : GATES_NFT;
}

static bool is_second(struct loader *loader, const struct node *key)
{
	if (!loader->settings_key) {
		loader->settings_key = key;
		loader->policy->settings.place = key->place;
		return false;
	}
	loader_error(loader, &key->place, "'settings' stands twice in this policy");
	loader_note(loader, &loader->settings_key->place, "first here");
	return true;
}

void load_settings(struct loader *loader, const struct native *native)
{
	const struct node *node = native->sections[SECTION_SETTINGS];
	const struct node *values[KEY_MAX], *keys[KEY_MAX];
	struct settings *settings = &loader->policy->settings;
	bool unassigned_allow = false;

	if (!node || is_second(loader, native->keys[SECTION_SETTINGS]) || node_is_empty(node))
		return;
	node_fields(node, "'settings'", key_names, KEY_MAX, values, keys, loader->diagnostics);
	if (values[KEY_MODE]) {
		load_mode(loader, values[KEY_MODE], &settings->mode);
		settings->mode_place = keys[KEY_MODE]->place;
	}
	if (values[KEY_MANAGED]) {
		load_globs(loader, values[KEY_MANAGED], "'managed'", &settings->managed);
		settings->managed_default = false;
	}
	if (values[KEY_IGNORE])
		load_globs(loader, values[KEY_IGNORE], "'ignore'", &settings->ignore);
	if (values[KEY_UNASSIGNED]) {
		load_allow_deny(loader, values[KEY_UNASSIGNED], "'unassigned'", &unassigned_allow);
		settings->unassigned = unassigned_allow ? UNASSIGNED_ALLOW : UNASSIGNED_DENY;
		settings->unassigned_place = keys[KEY_UNASSIGNED]->place;
	}
	if (values[KEY_REFUSE])
		load_refuse(loader, values[KEY_REFUSE]);
	if (values[KEY_HOST_TO_CONTAINERS]) {
		load_allow_deny(loader, values[KEY_HOST_TO_CONTAINERS], "'host_to_containers'",
				&settings->host_to_containers);
		settings->host_place = keys[KEY_HOST_TO_CONTAINERS]->place;
	}
	if (values[KEY_LOG])
		load_log(loader, values[KEY_LOG], &settings->log);
	if (values[KEY_METADATA])
		load_metadata(loader, values[KEY_METADATA]);
	if (values[KEY_NAT64])
		load_nat64(loader, values[KEY_NAT64]);
	if (values[KEY_START_WITHOUT_DAEMON])
		load_start_without(loader, values[KEY_START_WITHOUT_DAEMON]);
	if (values[KEY_GATES]) {
		load_gates(loader, values[KEY_GATES]);
		settings->gates_place = keys[KEY_GATES]->place;
	}
}
