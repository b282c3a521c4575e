/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_subnet.h"

#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* nft's limit on a name is 255; zones' names have at most 63 bytes. */
#define NAME_MAX_HERE 96

const char *nft_identifier(char *buffer, size_t size, const char *prefix, const char *text)
{
	size_t length = (size_t)snprintf(buffer, size, "%s%s", prefix, text);

	for (size_t i = 0; i < length && i < size - 1; i++) {
		char c = buffer[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		      c == '-'))
			buffer[i] = '_';
	}
	return buffer;
}

/* The first address after the prefix; false when there is none. */
static bool prefix_end(const struct prefix *prefix, struct addr *ret_end)
{
	struct addr end = prefix_last(prefix);

	for (int i = addr_bits(&end) / 8 - 1; i >= 0; i--) {
		if (++end.bytes[i] != 0) {
			*ret_end = end;
			return true;
		}
	}
	return false;
}

static void boundary_add(struct nft_ruleset *ruleset, struct nft_set *set, const struct addr *addr, bool end)
{
	struct nft_element element = {.interval_end = end};

	memcpy(element.key, addr->bytes, addr_bits(addr) / 8);
	nft_element_add(ruleset, set, &element);
}

static int order(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

void nft_subnet_set_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name, uint8_t nfproto,
			const char *comment, const struct prefix *prefixes, size_t count)
{
	bool v4 = nfproto == NFPROTO_IPV4;
	struct nft_set description = {.name = (char *)name,
				      .key_type = v4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR,
				      .key_size = v4 ? 4 : 16,
				      .interval = true,
				      .comment = comment};
	struct nft_set *set = nft_set_add(ruleset, table, &description);
	struct prefix *mine = calloc(count + 1, sizeof(*mine));
	struct addr end;
	bool open = false; /* an interval whose end is not written yet: neighbours become one */
	size_t n = 0;

	if (!mine || !set) {
		ruleset->failed = true;
		free(mine);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (prefixes[i].addr.family == (v4 ? ADDR_V4 : ADDR_V6))
			mine[n++] = prefixes[i];
	}
	qsort(mine, n, sizeof(*mine), order);
	for (size_t i = 0, last = 0; i < n; i++) {
		/* Sorted: a prefix is within the last one taken, or starts after it. */
		if (i > 0 && prefix_covers(&mine[last], &mine[i]))
			continue;
		last = i;
		if (open && !addr_equal(&end, &mine[i].addr)) {
			boundary_add(ruleset, set, &end, true);
			open = false;
		}
		if (!open)
			boundary_add(ruleset, set, &mine[i].addr, false);
		open = prefix_end(&mine[i], &end);
	}
	if (open)
		boundary_add(ruleset, set, &end, true);
	free(mine);
}

static void name_add(struct nft_ruleset *ruleset, struct nft_set *set, const char *name)
{
	struct nft_element element = {0};

	memcpy(element.key, name, strnlen(name, IFNAMSIZ - 1));
	for (size_t i = 0; set && i < set->elements.count; i++) {
		if (memcmp(set->elements.items[i].key, element.key, sizeof(element.key)) == 0)
			return;
	}
	nft_element_add(ruleset, set, &element);
}

/* Ports of a bridge that are no containers'. */
static void uplinks_add(struct nft_ruleset *ruleset, struct nft_set *set, const struct nft_links *links,
			uint32_t bridge)
{
	for (size_t i = 0; i < links->count; i++) {
		if (links->items[i].master == bridge && !links->items[i].veth)
			name_add(ruleset, set, links->items[i].name);
	}
}

static void interfaces_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name,
			   const struct gate_via *via, const struct nft_links *links)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_IFNAME,
				      .key_size = IFNAMSIZ,
				      .host_order = true,
				      .comment = "interfaces on which the zone's subnets are believed"};
	struct nft_set *set = nft_set_add(ruleset, table, &description);

	for (size_t i = 0; i < via->interface_count; i++) {
		const struct nft_link_info *link = links ? nft_link_named(links, via->interfaces[i]) : NULL;
		const struct nft_link_info *master;

		name_add(ruleset, set, via->interfaces[i]);
		if (!link)
			continue;
		master = link->port ? nft_link_find(links, link->master) : NULL;
		if (table == NFT_TABLE_BRIDGE && link->bridge)
			uplinks_add(ruleset, set, links, link->ifindex);
		else if (table == NFT_TABLE_INET && master)
			name_add(ruleset, set, master->name);
	}
}

void nft_via_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, enum nft_table_index table,
		    int chain, const struct gate_via *via, const struct nft_links *links, const char *counter)
{
	static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
	char zone[NAME_MAX_HERE], name[NAME_MAX_HERE + 8], on[NAME_MAX_HERE + 8], comment[NAME_MAX_HERE + 32];

	if (!via->subnet_count || !via->interface_count)
		return;
	nft_identifier(zone, sizeof(zone), "zone_", via->zone);
	snprintf(on, sizeof(on), "%s_on", zone);
	interfaces_add(ruleset, table, on, via, links);
	snprintf(comment, sizeof(comment), "subnets of zone %.63s", via->zone);
	for (size_t i = 0; i < 2; i++) {
		struct nft_rule_writer writer;

		snprintf(name, sizeof(name), "%s_%c", zone, i ? '6' : '4');
		nft_subnet_set_add(ruleset, table, name, families[i], "subnets that are believed on some interfaces",
				   via->subnets, via->subnet_count);
		for (size_t log = settings->features.log ? 0 : 1; log < 2; log++) {
			nft_rule_begin(&writer, ruleset, table, chain);
			if (table == NFT_TABLE_BRIDGE)
				nft_rule_ethertype(&writer, i ? ETH_P_IPV6 : ETH_P_IP);
			else
				nft_rule_family(&writer, families[i]);
			nft_rule_address_in(&writer, families[i], false, name);
			nft_rule_interface_name_in(&writer, true, on);
			if (log == 0) {
				char prefix[NFT_LOG_PREFIX_MAX];

				snprintf(prefix, sizeof(prefix), "bulkhead deny r=%d d=0", BH_DROP_SPOOFED_REMOTE);
				nft_rule_sample(&writer, NFT_SAMPLE_INPUT);
				nft_rule_log(&writer, prefix, settings->log_group, NFT_LOG_SNAPLEN);
			} else {
				nft_rule_counter(&writer, counter);
				nft_rule_verdict(&writer, NF_DROP, NULL);
			}
			nft_rule_end(&writer, log ? comment : NULL, NULL);
		}
	}
}
