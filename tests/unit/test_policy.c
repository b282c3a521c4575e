/* SPDX-License-Identifier: GPL-2.0-only */
/* YAML → model: what each word of the language becomes. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "policy_text.h"

static void assert_prefixes(const struct prefixes *prefixes, const char *expected)
{
	char text[PREFIX_TEXT_MAX];
	struct text all = {0};

	for (size_t i = 0; i < prefixes->count; i++)
		text_appendf(&all, "%s%s", i ? " " : "", prefix_format(&prefixes->items[i], text));
	assert_string_equal(text_string(&all), expected);
	text_free(&all);
}

/* "kind:name" of each end; a literal network by its prefix. */
static void assert_ends(const struct policy *policy, const struct ends *ends, const char *expected)
{
	struct text all = {0};
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < ends->count; i++) {
		const struct end *end = &ends->items[i];

		text_appendf(&all, "%s%s", i ? " " : "", end_kind_names[end->kind]);
		if (end->kind == END_ZONE)
			text_appendf(&all, ":%s", policy->zones.items[end->index].name);
		if (end->kind == END_GROUP)
			text_appendf(&all, ":%s", policy->groups.items[end->index].fullname);
		if (end->kind == END_NETWORK && policy->networks.items[end->index].name)
			text_appendf(&all, ":%s", policy->networks.items[end->index].name);
		else if (end->kind == END_NETWORK)
			text_appendf(&all, ":%s", prefix_format(policy->networks.items[end->index].cidrs.items, text));
	}
	assert_string_equal(text_string(&all), expected);
	text_free(&all);
}

static void assert_place(const struct place *place, uint32_t line, uint32_t column, uint32_t width)
{
	assert_int_equal(place->line, line);
	assert_int_equal(place->column, column);
	assert_int_equal(place->width, width);
}

static void test_settings_by_default(void **state)
{
	struct policy *policy = policy_of("version: 1\n");
	const struct settings *settings = &policy->settings;

	(void)state;
	assert_int_equal(settings->mode, MODE_ENFORCE);
	assert_true(settings->managed_default);
	assert_int_equal(settings->managed.count, 0);
	assert_int_equal(settings->ignore.count, 0);
	assert_int_equal(settings->unassigned, UNASSIGNED_DENY);
	assert_false(settings->reject);
	assert_true(settings->host_to_containers);
	assert_int_equal(settings->log, LOG_WHAT_DENIED);
	assert_int_equal(settings->start_without_daemon, START_WITHOUT_FAIL);
	assert_int_equal(settings->gates, GATES_TC_NFT);
	assert_int_equal(settings->gates_place.line, 0);
	assert_int_equal(settings->metadata.count, 10);
	assert_prefixes(&settings->nat64, "64:ff9b::/96");
	assert_int_equal(settings->place.line, 0);
	assert_int_equal(settings->mode_place.line, 0);
	policy_free(policy);
}

static void test_settings_as_written(void **state)
{
	struct policy *policy = policy_of("version: 1\n"
					  "settings:\n"
					  "  mode: audit\n"
					  "  managed: [ \"veth*\", \"lxc?\" ]\n"
					  "  ignore: \"veth-mgmt*\"\n"
					  "  unassigned: allow\n"
					  "  refuse: reject\n"
					  "  host_to_containers: deny\n"
					  "  log: none\n"
					  "  start_without_daemon: closed\n"
					  "  metadata: [ 192.0.2.254, \"2001:db8::254\", 169.254.169.254 ]\n"
					  "  nat64: \"2001:db8:64::/96\"\n"
					  "  gates: nft\n");
	const struct settings *settings = &policy->settings;
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(settings->mode, MODE_AUDIT);
	assert_false(settings->managed_default);
	assert_int_equal(settings->managed.count, 2);
	assert_string_equal(settings->managed.items[1], "lxc?");
	assert_int_equal(settings->ignore.count, 1);
	assert_string_equal(settings->ignore.items[0], "veth-mgmt*");
	assert_int_equal(settings->unassigned, UNASSIGNED_ALLOW);
	assert_true(settings->reject);
	assert_false(settings->host_to_containers);
	assert_int_equal(settings->log, LOG_WHAT_NONE);
	assert_int_equal(settings->start_without_daemon, START_WITHOUT_CLOSED);
	assert_int_equal(settings->gates, GATES_NFT);
	assert_int_equal(settings->metadata.count, 12);
	assert_string_equal(addr_format(&settings->metadata.items[10], text), "192.0.2.254");
	assert_prefixes(&settings->nat64, "64:ff9b::/96 2001:db8:64::/96");
	assert_place(&settings->place, 2, 1, 8);
	assert_place(&settings->mode_place, 3, 3, 4);
	assert_place(&settings->unassigned_place, 6, 3, 10);
	assert_place(&settings->host_place, 8, 3, 18);
	assert_place(&settings->gates_place, 13, 3, 5);
	policy_free(policy);
}

static void test_a_zone_with_groups(void **state)
{
	struct policy *policy =
		policy_of("version: 1\n"
			  "zones:\n"
			  "  lone: { members: { name: x } }\n"
			  "  shop:\n"
			  "    description: the shop\n"
			  "    between_groups: allow\n"
			  "    groups:\n"
			  "      front: { members: [ { label: \"tier=front\" }, { name: \"web-*\" } ] }\n"
			  "      db: { members: { image: \"postgres*\" } }\n"
			  "    subnets: [ 192.0.2.128/25, \"2001:db8::/64\", 192.0.2.128/25 ]\n"
			  "    via: [ eth1, eth1.100 ]\n"
			  "    mode: audit\n"
			  "    log: all\n"
			  "    permit: [ router, spoof, dhcp-server, vlan ]\n");
	const struct zone *zone = &policy->zones.items[1];
	const struct group *front = &policy->groups.items[1];

	(void)state;
	assert_int_equal(zone_find(policy, "shop"), 1);
	assert_string_equal(zone->description, "the shop");
	assert_true(zone->has_groups);
	assert_int_equal(zone->group_first, 1);
	assert_int_equal(zone->group_count, 2);
	assert_string_equal(front->name, "front");
	assert_string_equal(front->fullname, "shop/front");
	assert_int_equal(front->zone, 1);
	assert_int_equal(front->members.count, 2);
	assert_place(&front->place, 8, 7, 5);
	assert_place(&front->members.items[1].place, 8, 52, 17);
	assert_int_equal(group_find(policy, "shop/db"), 2);
	assert_false(zone->within_deny);
	assert_int_equal(zone->within_place.line, 0);
	assert_true(zone->between_groups_allow);
	assert_place(&zone->between_place, 6, 5, 14);
	assert_prefixes(&zone->subnets, "192.0.2.128/25 2001:db8::/64");
	assert_int_equal(zone->via.count, 2);
	assert_string_equal(zone->via.items[1], "eth1.100");
	assert_int_equal(zone->mode, MODE_AUDIT);
	assert_int_equal(zone->log, LOG_WHAT_ALL);
	assert_int_equal(zone->permit, PERMIT_SPOOF | PERMIT_DHCP_SERVER | PERMIT_ROUTER | PERMIT_VLAN);
	assert_place(&zone->place, 4, 3, 4);
	policy_free(policy);
}

static void test_a_zone_without_groups_is_one_group(void **state)
{
	struct policy *policy = policy_of("version: 1\n"
					  "zones:\n"
					  "  build: { members: [ { network: ci_default } ], within: deny }\n"
					  "  partners: { subnets: 192.0.2.0/25 }\n");
	const struct zone *zone = &policy->zones.items[0];
	const struct group *group = &policy->groups.items[zone->group_first];

	(void)state;
	assert_false(zone->has_groups);
	assert_int_equal(zone->group_count, 1);
	assert_string_equal(group->name, "");
	assert_string_equal(group->fullname, "build");
	assert_int_equal(group->members.count, 1);
	assert_true(zone->within_deny);
	assert_place(&zone->within_place, 3, 50, 6);
	assert_int_equal(zone->mode, MODE_ENFORCE);
	assert_int_equal(zone->log, LOG_WHAT_UNSET);
	assert_int_equal(zone->permit, 0);
	assert_int_equal(group_find(policy, "build"), -1); /* it goes by the zone's name */
	assert_int_equal(policy->zones.items[1].group_count, 1);
	policy_free(policy);
}

static void test_members_by_every_key(void **state)
{
	struct policy *policy = policy_of("version: 1\n"
					  "zones:\n"
					  "  z:\n"
					  "    members:\n"
					  "      - name: a*\n"
					  "        image: b\n"
					  "        network: c\n"
					  "        runtime: docker\n"
					  "        namespace: d\n"
					  "        interface: e\n"
					  "        cgroup: /f/*\n"
					  "        label: [ g, h=i, \"j==k\", l= ]\n"
					  "        not: { label: { m: n, \"o=p\": \"[q]\" }, not: { name: r } }\n");
	const struct member *member = &policy->groups.items[0].members.items[0];

	(void)state;
	assert_string_equal(member->name, "a*");
	assert_string_equal(member->image, "b");
	assert_string_equal(member->network, "c");
	assert_string_equal(member->runtime, "docker");
	assert_string_equal(member->namespace, "d");
	assert_string_equal(member->interface, "e");
	assert_string_equal(member->cgroup, "/f/*");
	assert_int_equal(member->labels.count, 4);
	assert_string_equal(member->labels.items[0].key, "g");
	assert_null(member->labels.items[0].glob);
	assert_string_equal(member->labels.items[1].key, "h");
	assert_string_equal(member->labels.items[1].glob, "i");
	assert_string_equal(member->labels.items[2].key, "j");
	assert_string_equal(member->labels.items[2].glob, "=k");
	assert_string_equal(member->labels.items[3].glob, "");
	assert_string_equal(member->not ->labels.items[1].key, "o=p");
	assert_string_equal(member->not ->labels.items[1].glob, "[q]");
	assert_string_equal(member->not ->not ->name, "r");
	assert_null(member->not ->name);
	policy_free(policy);
}

static void test_networks(void **state)
{
	struct policy *policy =
		policy_of("version: 1\n"
			  "networks:\n"
			  "  one: 10.0.0.1\n"
			  "  office: [ 203.0.113.0/24, \"2001:db8:1::/48\", 10.0.0.0/8, 203.0.113.0/24 ]\n"
			  "  corp: { cidrs: [ 10.0.0.0/8 ], except: [ 10.66.0.0/16, 10.1.0.0/16 ] }\n"
			  "  none: []\n");

	(void)state;
	assert_int_equal(policy->networks.count, 4);
	assert_string_equal(policy->networks.items[0].name, "one");
	assert_prefixes(&policy->networks.items[0].cidrs, "10.0.0.1/32");
	assert_prefixes(&policy->networks.items[1].cidrs, "10.0.0.0/8 203.0.113.0/24 2001:db8:1::/48");
	assert_prefixes(&policy->networks.items[2].cidrs, "10.0.0.0/8");
	assert_prefixes(&policy->networks.items[2].except, "10.1.0.0/16 10.66.0.0/16");
	assert_int_equal(network_find(policy, "corp"), 2);
	assert_int_equal(network_find(policy, "crop"), -1);
	assert_place(&policy->networks.items[2].place, 5, 3, 4);
	policy_free(policy);
}

static void test_ends_of_every_kind(void **state)
{
	struct policy *policy =
		policy_of("version: 1\n"
			  "zones:\n"
			  "  shop: { groups: { front: { members: { name: x } } } }\n"
			  "networks: { office: 203.0.113.0/24 }\n"
			  "rules:\n"
			  "  - from: [ any, host, world, internet, private, metadata, multicast, unassigned ]\n"
			  "    to: [ shop, shop/front, office, 10.0.0.0/8, \"2001:db8::1\", 10.0.0.1 ]\n"
			  "    allow: all\n"
			  "  - { from: 10.0.0.1/32, to: \"2001:0db8::0:1\", allow: all }\n");
	const struct rule *rules = policy->rules.items;

	(void)state;
	assert_ends(policy, &rules[0].from, "any host world internet private metadata multicast unassigned");
	assert_ends(policy, &rules[0].to,
		    "zone:shop group:shop/front network:office network:10.0.0.0/8 network:2001:db8::1/128 "
		    "network:10.0.0.1/32");
	/* equal literals are one network, wherever they stand */
	assert_int_equal(policy->networks.count, 4);
	assert_int_equal(rules[0].to.items[5].index, rules[1].from.items[0].index);
	assert_int_equal(rules[0].to.items[4].index, rules[1].to.items[0].index);
	assert_place(&rules[0].to.items[1].place, 7, 17, 10);
	assert_place(&rules[1].from.items[0].place, 9, 13, 11);
	policy_free(policy);
}

static void test_rules_as_written(void **state)
{
	struct policy *policy = policy_of("version: 1\n"
					  "services: { web: [ http, https ] }\n"
					  "rules:\n"
					  "  - name: first\n"
					  "    from: any\n"
					  "    to: host\n"
					  "    allow: [ web, tcp/9443, http ]\n"
					  "    expires: 2027-01-31T19:00:00+01:00\n"
					  "    mode: audit\n"
					  "    log: none\n"
					  "  - { from: any, to: host, deny: dns }\n");
	const struct rule *rule = &policy->rules.items[0], *second = &policy->rules.items[1];

	(void)state;
	assert_string_equal(rule->name, "first");
	assert_place(&rule->place, 4, 5, 4);
	assert_false(rule->deny);
	assert_string_equal(rule->services_text, "web, tcp/9443, http");
	assert_int_equal(rule->services.count, 4); /* http once */
	assert_true(rule->expires == INT64_C(1801418400) * 1000000000);
	assert_int_equal(rule->mode, MODE_AUDIT);
	assert_int_equal(rule->log, LOG_WHAT_NONE);
	assert_null(second->name);
	assert_true(second->deny);
	assert_true(second->expires == TIME_NEVER);
	assert_int_equal(second->mode, MODE_ENFORCE);
	assert_int_equal(second->log, LOG_WHAT_UNSET);
	assert_place(&second->place, 11, 5, 34);
	policy_free(policy);
}

static void test_an_instant_is_expired_when_it_comes(void **state)
{
	static const char text[] = "version: 1\n"
				   "rules: [ { from: any, to: host, allow: dns, expires: 1970-01-01T00:00:01Z } ]\n";
	struct diagnostics diagnostics = {0};
	struct policy *policy;

	(void)state;
	assert_int_equal(policy_load_text("t", text, strlen(text), 999999999, &policy, &diagnostics, NULL), 0);
	assert_int_equal(diagnostics.warnings, 0);
	policy_free(policy);
	assert_int_equal(policy_load_text("t", text, strlen(text), 1000000000, &policy, &diagnostics, NULL), 0);
	assert_int_equal(diagnostics.warnings, 1);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

static void test_errors_leave_only_the_sources(void **state)
{
	static const char text[] = "version: 1\nzones: { a: { members: { name: x } } }\nrules: [ { from: b } ]\n";
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy = NULL;

	(void)state;
	assert_int_equal(policy_load_text("t.yaml", text, strlen(text), 0, &policy, &diagnostics, &error), -EINVAL);
	assert_int_equal(error.code, -EINVAL);
	assert_int_equal(diagnostics.errors, 3);
	assert_non_null(policy);
	assert_int_equal(policy->zones.count, 0);
	assert_int_equal(policy->rules.count, 0);
	assert_int_equal(policy->sources.count, 1);
	assert_string_equal(policy->sources.items[0].path, "t.yaml");
	assert_string_equal(policy->sources.items[0].text, text);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

static void test_memory_has_no_lists_beside_it(void **state)
{
	static const char text[] = "version: 1\nnetworks: { a: { file: /etc/hostname } }\n";

	(void)state;
	assert_string_equal(finding_of(text, strlen(text)), "2:24: 'file' needs a policy that is read from files");
}

/* ---- files ---- */

struct folder {
	char path[64];
};

static void folder_make(struct folder *folder)
{
	strcpy(folder->path, "/tmp/bulkhead-policy-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
}

static void folder_remove(const struct folder *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder->path);
	assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

static const char *folder_file(const struct folder *folder, const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
	return path;
}

static void folder_write(const struct folder *folder, const char *name, const char *text)
{
	FILE *file = fopen(folder_file(folder, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int load(const char *path, struct policy **ret_policy, struct diagnostics *diagnostics, struct error *error)
{
	return policy_load(&path, 1, 0, ret_policy, diagnostics, error);
}

static void test_a_directory_is_read_in_name_order(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct folder folder;
	struct policy *policy;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "b.yml", "version: 1\nzones: { second: { members: { name: x } } }\n");
	folder_write(&folder, "a.yaml", "version: 1\nzones: { first: { members: { name: x } } }\n");
	folder_write(&folder, "B.yaml", "version: 1\nzones: { zeroth: { members: { name: x } } }\n");
	folder_write(&folder, ".c.yaml", "{");
	folder_write(&folder, "c.yaml~", "{");
	folder_write(&folder, "#c.yaml#", "{");
	folder_write(&folder, "c.txt", "{");
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), 0);
	assert_int_equal(policy->zones.count, 3);
	assert_string_equal(policy->zones.items[0].name, "zeroth");
	assert_string_equal(policy->zones.items[1].name, "first");
	assert_string_equal(policy->zones.items[2].name, "second");
	assert_int_equal(policy->zones.items[2].place.file, 2);
	assert_string_equal(policy->sources.items[1].path, folder_file(&folder, "a.yaml"));
	policy_free(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

static void test_lists_are_read_and_watched(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct folder folder;
	struct policy *policy;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "a.yaml",
		     "version: 1\nnetworks: { t: { file: [ l1, l2 ], cidrs: 192.0.2.0/24, except: 10.0.0.1 } }\n");
	folder_write(&folder, "l1", "# comment\n\n 10.0.0.0/8 # x\r\n2001:db8::/32\n192.0.2.0/24\n10.0.0.0/8");
	folder_write(&folder, "l2",
		     "\xef\xbb\xbf"
		     "172.16.0.0/12\n");
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), 0);
	assert_prefixes(&policy->networks.items[0].cidrs, "10.0.0.0/8 172.16.0.0/12 192.0.2.0/24 2001:db8::/32");
	assert_prefixes(&policy->networks.items[0].except, "10.0.0.1/32");
	assert_int_equal(policy->watched.count, 4);
	assert_string_equal(policy->watched.items[0], folder.path);
	assert_string_equal(policy->watched.items[1], folder_file(&folder, "a.yaml"));
	assert_string_equal(policy->watched.items[2], folder_file(&folder, "l1"));
	assert_string_equal(policy->watched.items[3], folder_file(&folder, "l2"));
	assert_null(policy->sources.items[1].text); /* a list's text is not kept */
	policy_free(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

static void test_what_is_missing_is_watched_too(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct folder folder;
	struct policy *policy;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "a.yaml", "version: 1\nnetworks: { t: { file: sub/none } }\n");
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), -EINVAL);
	assert_int_equal(policy->watched.count, 3);
	assert_string_equal(policy->watched.items[2], folder_file(&folder, "sub/none"));
	policy_free(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

static void test_links_are_followed_and_pipes_refused(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct folder folder;
	struct policy *policy;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "real", "version: 1\nzones: { linked: { members: { name: x } } }\n");
	assert_int_equal(symlink("real", folder_file(&folder, "a.yaml")), 0);
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), 0);
	assert_int_equal(zone_find(policy, "linked"), 0);
	policy_free(policy);
	assert_int_equal(mkfifo(folder_file(&folder, "b.yaml"), 0600), 0);
	assert_int_equal(symlink("nowhere", folder_file(&folder, "c.yaml")), 0);
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), -EINVAL);
	assert_int_equal(diagnostics.errors, 2);
	assert_string_equal(diagnostics.items[0].message, "not a regular file");
	assert_int_equal(diagnostics.items[0].place.line, 0);
	assert_string_equal(policy->sources.items[diagnostics.items[0].place.file].path,
			    folder_file(&folder, "b.yaml"));
	assert_string_equal(diagnostics.items[1].message, "can't be read: No such file or directory");
	policy_free(policy);
	assert_int_equal(load(folder_file(&folder, "b.yaml"), &policy, &diagnostics, &error), -ENOTSUP);
	assert_null(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

static void test_several_paths_are_one_policy(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct folder folder;
	struct policy *policy;
	const char *paths[2];

	(void)state;
	folder_make(&folder);
	assert_int_equal(mkdir(folder_file(&folder, "d"), 0700), 0);
	folder_write(&folder, "d/z.yaml", "version: 1\nzones: { z: { members: { name: x } } }\n");
	folder_write(&folder, "rules", "version: 1\nrules: [ { from: z, to: host, allow: dns } ]\n");
	paths[0] = folder_file(&folder, "rules"); /* a file that is named may have any name */
	paths[1] = folder_file(&folder, "d/");
	assert_int_equal(policy_load(paths, 2, 0, &policy, &diagnostics, &error), 0);
	assert_ends(policy, &policy->rules.items[0].from, "zone:z");
	assert_string_equal(policy->sources.items[1].path, folder_file(&folder, "d/z.yaml"));
	policy_free(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

static void test_nothing_to_read(void **state)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy = NULL;
	struct folder folder;

	(void)state;
	folder_make(&folder);
	assert_int_equal(load(folder_file(&folder, "none"), &policy, &diagnostics, &error), -ENOENT);
	assert_null(policy);
	assert_non_null(strstr(error.text, "/none': No such file or directory"));
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), -ENOENT);
	assert_non_null(strstr(error.text, "' has no *.yaml or *.yml file"));
	assert_int_equal(diagnostics.errors, 0);
	folder_write(&folder, "a.yaml", "# all commented out\n");
	assert_int_equal(load(folder.path, &policy, &diagnostics, &error), 0);
	assert_int_equal(policy->zones.count, 0);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_by_default),
		cmocka_unit_test(test_settings_as_written),
		cmocka_unit_test(test_a_zone_with_groups),
		cmocka_unit_test(test_a_zone_without_groups_is_one_group),
		cmocka_unit_test(test_members_by_every_key),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_ends_of_every_kind),
		cmocka_unit_test(test_rules_as_written),
		cmocka_unit_test(test_an_instant_is_expired_when_it_comes),
		cmocka_unit_test(test_errors_leave_only_the_sources),
		cmocka_unit_test(test_memory_has_no_lists_beside_it),
		cmocka_unit_test(test_a_directory_is_read_in_name_order),
		cmocka_unit_test(test_lists_are_read_and_watched),
		cmocka_unit_test(test_what_is_missing_is_watched_too),
		cmocka_unit_test(test_links_are_followed_and_pipes_refused),
		cmocka_unit_test(test_several_paths_are_one_policy),
		cmocka_unit_test(test_nothing_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
