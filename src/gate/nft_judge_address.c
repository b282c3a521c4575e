/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses as maps: exact ones to the chain of whoever has them, prefixes to that of their class. Where equal
 * addresses are on several bridges, who has one depends on the bridge; asked for from elsewhere it is ambiguous, and
 * refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_judge.h"

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

const char *nft_family_of(char buffer[NFT_FAMILY_NAME_MAX], const char *name, uint8_t nfproto)
{
	snprintf(buffer, NFT_FAMILY_NAME_MAX, "%s_%c", name, nfproto == NFPROTO_IPV4 ? '4' : '6');
	return buffer;
}

static size_t size_of(uint8_t nfproto)
{
	return nfproto == NFPROTO_IPV4 ? 4 : 16;
}

static bool is_family(const struct addr *addr, uint8_t nfproto)
{
	return addr->family == (nfproto == NFPROTO_IPV4 ? ADDR_V4 : ADDR_V6);
}

/* ---- Exact addresses ---- */

struct maps {
	struct nft_ruleset *ruleset;
	const struct nft_names *names;
	uint8_t nfproto;
	bool second; /* containers alone, as who is asked */
	struct nft_set *addresses, *addresses_here, *owners, *owners_here, *containers, *ends;
};

static struct nft_set *set_of(const struct maps *maps, const char *name, bool here, enum nft_set_kind kind,
			      const char *comment)
{
	uint32_t type = maps->nfproto == NFPROTO_IPV4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR;
	char buffer[NFT_FAMILY_NAME_MAX];
	struct nft_set description = {
		.name = (char *)nft_family_of(buffer, name, maps->nfproto),
		.kind = kind,
		.key_type = here ? NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, type) : type,
		.key_size = (uint8_t)(size_of(maps->nfproto) + (here ? sizeof(uint32_t) : 0)),
		.by_world = kind == NFT_SET_VERDICTS,
		.comment = comment,
	};

	return nft_set_add(maps->ruleset, NFT_TABLE_INET, &description);
}

static void maps_make(struct maps *maps)
{
	uint32_t type = maps->nfproto == NFPROTO_IPV4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR;
	char buffer[NFT_FAMILY_NAME_MAX];
	struct nft_set ends = {.name = (char *)nft_family_of(buffer, NFT_SET_ENDS, maps->nfproto),
			       .key_type = NFT_TYPE_CONCAT(type, type),
			       .key_size = (uint8_t)(2 * size_of(maps->nfproto)),
			       .comment = "each container's address twice: two fields are one"};

	maps->addresses = set_of(maps, NFT_MAP_ADDRESSES, false, NFT_SET_VERDICTS, "who has an address");
	maps->addresses_here =
		set_of(maps, NFT_MAP_ADDRESSES_HERE, true, NFT_SET_VERDICTS, "who has an address that others have too");
	if (maps->second)
		return;
	maps->owners = set_of(maps, NFT_MAP_OWNERS, false, NFT_SET_VERDICTS, "who may have asked");
	maps->owners_here = set_of(maps, NFT_MAP_OWNERS_HERE, true, NFT_SET_VERDICTS,
				   "who may have asked, of those with one address");
	maps->containers = set_of(maps, NFT_SET_CONTAINERS, false, NFT_SET_PLAIN, "containers' addresses");
	maps->ends = nft_set_add(maps->ruleset, NFT_TABLE_INET, &ends);
}

static void address_put(const struct maps *maps, struct nft_set *set, uint32_t link, const struct addr *addr,
			const char *chain)
{
	struct nft_element element = {.chain = chain};
	size_t at = link ? sizeof(link) : 0;

	if (link)
		memcpy(element.key, &link, sizeof(link));
	memcpy(element.key + at, addr->bytes, size_of(maps->nfproto));
	nft_element_add(maps->ruleset, set, &element);
}

static void end_put(const struct maps *maps, const struct addr *addr)
{
	size_t size = size_of(maps->nfproto);
	struct nft_element element = {0};

	memcpy(element.key, addr->bytes, size);
	memcpy(element.key + size, addr->bytes, size);
	nft_element_add(maps->ruleset, maps->ends, &element);
}

static bool is_group(const struct table *table, uint32_t class)
{
	return class < table->class_count && table->class_info[class].flags & BH_CLASS_GROUP;
}

/* As seen by NAT64: table_class() looks there for the IPv4 address. */
static void address_translate(const struct maps *maps, const struct table *table, const struct addr *addr,
			      const char *chain)
{
	for (size_t i = 0; addr->family == ADDR_V4 && i < table->nat64.count; i++) {
		struct addr mapped = table->nat64.items[i].addr;

		memcpy(mapped.bytes + 12, addr->bytes, 4);
		address_put(maps, maps->addresses, 0, &mapped, chain);
	}
}

static void entry_render(const struct maps *maps, const struct table *table, const struct address_entry *entry)
{
	const struct address_entry *general = entry->domain ? table_address(table, 0, &entry->addr) : NULL;
	const char *to, *back;

	if (entry->class >= maps->names->count || !maps->names->items[entry->class].name ||
	    (maps->second && (entry->class == BH_CLASS_HOST || entry->class >= BH_CLASS_FIRST)))
		return;
	to = maps->names->items[entry->class].to;
	back = maps->names->items[entry->class].back;
	if (entry->domain) {
		if (is_family(&entry->addr, maps->nfproto) && (!general || general->class != entry->class)) {
			address_put(maps, maps->addresses_here, entry->domain, &entry->addr, to);
			if (!maps->second)
				address_put(maps, maps->owners_here, entry->domain, &entry->addr, back);
		}
		return;
	}
	if (maps->nfproto == NFPROTO_IPV6 && !maps->second)
		address_translate(maps, table, &entry->addr, to);
	if (!is_family(&entry->addr, maps->nfproto))
		return;
	address_put(maps, maps->addresses, 0, &entry->addr, to);
	if (maps->second || is_group(table, entry->class))
		return;
	address_put(maps, maps->owners, 0, &entry->addr, back);
	if (entry->class == BH_CLASS_HOST)
		return;
	address_put(maps, maps->containers, 0, &entry->addr, NULL);
	end_put(maps, &entry->addr);
}

static void prefix_map(struct nft_ruleset *ruleset, const char *name, uint8_t nfproto, const char *comment)
{
	char buffer[NFT_FAMILY_NAME_MAX];
	struct nft_set description = {.name = (char *)nft_family_of(buffer, name, nfproto),
				      .kind = NFT_SET_VERDICTS,
				      .key_type = nfproto == NFPROTO_IPV4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR,
				      .key_size = (uint8_t)size_of(nfproto),
				      .interval = true,
				      .comment = comment};

	nft_set_add(ruleset, NFT_TABLE_INET, &description);
}

void nft_judge_addresses(struct nft_ruleset *ruleset, const struct nft_door *door, bool second)
{
	for (size_t f = 0; f < sizeof(families); f++) {
		struct maps maps = {.ruleset = ruleset, .names = door->names, .nfproto = families[f], .second = second};

		maps_make(&maps);
		for (size_t i = 0; door->table && door->names && i < door->table->addresses.count; i++)
			entry_render(&maps, door->table, &door->table->addresses.items[i]);
		if (!second)
			prefix_map(ruleset, NFT_MAP_PREFIXES, families[f], "all other addresses");
		prefix_map(ruleset, NFT_MAP_SOURCES, families[f], "who is remote");
	}
}

/* ---- Prefixes ---- */

struct piece {
	struct prefix prefix;
	uint32_t class;
};
struct pieces {
	ARRAY_OF(struct piece);
};

static bool is_translated(const struct table *table, const struct prefix *prefix)
{
	for (size_t i = 0; i < table->nat64.count; i++)
		if (prefix_covers(&table->nat64.items[i], prefix))
			return true;
	return false;
}

static int piece_add(struct pieces *pieces, const struct prefix *prefix, uint32_t class)
{
	struct piece *piece = array_append(pieces);

	if (!piece)
		return -ENOMEM;
	*piece = (struct piece){*prefix, class};
	return 0;
}

/* IPv4 inside NAT64 prefixes counts as IPv4, whatever IPv6 prefixes say. */
static int pieces_translate(const struct table *table, const struct prefix_entry *entry, struct pieces *pieces)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < table->nat64.count; i++) {
		struct prefix mapped = table->nat64.items[i];

		memcpy(mapped.addr.bytes + 12, entry->prefix.addr.bytes, 4);
		mapped.length = (uint8_t)(96 + entry->prefix.length);
		rc = piece_add(pieces, &mapped, entry->class);
	}
	return rc;
}

static int piece_order(const void *a, const void *b)
{
	return prefix_compare(&((const struct piece *)a)->prefix, &((const struct piece *)b)->prefix);
}

static int pieces_collect(const struct table *table, uint8_t nfproto, struct pieces *pieces)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < table->prefixes.count; i++) {
		const struct prefix_entry *entry = &table->prefixes.items[i];
		bool v4 = entry->prefix.addr.family == ADDR_V4;

		if (v4 && nfproto == NFPROTO_IPV6)
			rc = pieces_translate(table, entry, pieces);
		else if (v4 == (nfproto == NFPROTO_IPV4) && (v4 || !is_translated(table, &entry->prefix)))
			rc = piece_add(pieces, &entry->prefix, entry->class);
	}
	if (rc == 0 && pieces->count > 1)
		qsort(pieces->items, pieces->count, sizeof(*pieces->items), piece_order);
	return rc;
}

/* Where another class begins. Ascending; neighbours of one class are one. */
struct boundaries {
	struct nft_ruleset *ruleset;
	const struct nft_names *names;
	struct nft_set *to, *is; /* `to` may be NULL */
	size_t size;
	uint32_t class; /* from the last boundary on; BH_CLASS_NONE: none yet */
	struct addr last;
	size_t count;
};

static void boundary_put(struct boundaries *to, struct nft_set *set, const struct addr *addr, const char *chain,
			 bool end, bool jump)
{
	struct nft_element element = {.chain = end ? NULL : chain, .interval_end = end, .jump = jump};

	if (!set)
		return;
	memcpy(element.key, addr->bytes, to->size);
	nft_element_add(to->ruleset, set, &element);
}

static void boundary_add(struct boundaries *to, const struct addr *addr, uint32_t class)
{
	if (to->count && addr_equal(&to->last, addr)) {
		/* Something longer begins at the same address: it decides. */
		if (to->to)
			to->to->elements.count -= to->count > 1 ? 2 : 1;
		to->is->elements.count -= to->count > 1 ? 2 : 1;
		to->count--;
	}
	if (to->count) {
		boundary_put(to, to->to, addr, NULL, true, false);
		boundary_put(to, to->is, addr, NULL, true, false);
	}
	boundary_put(to, to->to, addr, to->names->items[class].to, false, false);
	boundary_put(to, to->is, addr, to->names->items[class].is, false, true);
	to->last = *addr;
	to->class = class;
	to->count++;
}

/* The first address behind the prefix; false: there is none. */
static bool prefix_next(const struct prefix *prefix, struct addr *ret_next)
{
	struct addr next = prefix_last(prefix);

	for (int i = addr_bits(&next) / 8 - 1; i >= 0; i--) {
		if (++next.bytes[i] != 0) {
			*ret_next = next;
			return true;
		}
	}
	return false;
}

/* Prefixes nest: a stack of those around the present address tells what goes on behind one that ends. */
static void pieces_flatten(const struct pieces *pieces, struct boundaries *to)
{
	const struct piece *stack[130];
	size_t depth = 0;
	struct addr next;

	for (size_t i = 0; i <= pieces->count; i++) {
		const struct piece *piece = i < pieces->count ? &pieces->items[i] : NULL;

		while (depth && (!piece || !prefix_covers(&stack[depth - 1]->prefix, &piece->prefix))) {
			depth--;
			if (depth && prefix_next(&stack[depth]->prefix, &next) &&
			    prefix_holds(&stack[depth - 1]->prefix, &next))
				boundary_add(to, &next, stack[depth - 1]->class);
		}
		if (!piece || depth == sizeof(stack) / sizeof(*stack))
			continue;
		boundary_add(to, &piece->prefix.addr, piece->class);
		stack[depth++] = piece;
	}
}

int nft_judge_prefixes(struct nft_ruleset *ruleset, const struct table *table, const struct nft_names *names)
{
	const struct nft_table *inet = &ruleset->tables[NFT_TABLE_INET];
	int rc = 0;

	for (size_t f = 0; rc == 0 && f < sizeof(families); f++) {
		char to[NFT_FAMILY_NAME_MAX], is[NFT_FAMILY_NAME_MAX];
		struct boundaries boundaries = {
			.ruleset = ruleset,
			.names = names,
			.to = (struct nft_set *)nft_table_set(inet, nft_family_of(to, NFT_MAP_PREFIXES, families[f])),
			.is = (struct nft_set *)nft_table_set(inet, nft_family_of(is, NFT_MAP_SOURCES, families[f])),
			.size = size_of(families[f]),
		};
		struct pieces pieces = {0};

		rc = boundaries.is ? pieces_collect(table, families[f], &pieces) : -ENOMEM;
		if (rc == 0)
			pieces_flatten(&pieces, &boundaries);
		array_free(&pieces);
	}
	return rc;
}
