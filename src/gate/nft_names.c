/* SPDX-License-Identifier: GPL-2.0-only */
/* What classes are called in chains' names, and the numbers that stand for classes of outside addresses in a stamp.
 * Both follow from the table alone, so that sets can be rendered without the rules that they belong to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

static char *text_of(const char *beginning, const char *name)
{
	char *text = malloc(strlen(beginning) + strlen(name) + 1);

	return text ? strcat(strcpy(text, beginning), name) : NULL;
}

static int name_add(struct nft_names *names, struct map *taken, const struct table *table, uint32_t class)
{
	char name[NFT_CLASS_NAME_MAX + 16];
	size_t length;

	if (class >= names->count || names->items[class].name)
		return 0;
	nft_identifier(name, NFT_CLASS_NAME_MAX, "", table_class_name(table, class));
	length = strlen(name);
	for (unsigned int i = 2; map_get_text(taken, name); i++)
		snprintf(name + length, 16, "_%u", i);
	names->items[class].name = strdup(name);
	names->items[class].to = text_of(NFT_TO, name);
	names->items[class].back = text_of(NFT_BACK, name);
	names->items[class].is = text_of(NFT_IS, name);
	if (!names->items[class].name || !names->items[class].to || !names->items[class].back ||
	    !names->items[class].is)
		return -ENOMEM;
	return map_set_text(taken, name, names, NULL);
}

/* Stamps that no packet or flow can carry: neither in use nor resting. */
static uint32_t number_below(const struct table *table, uint32_t number)
{
	while (number > BH_IDENTITY_FIRST &&
	       (number >= BH_IDENTITY_MAX || (number < table->class_count && table->class_info[number].flags)))
		number--;
	return number;
}

static int names_fill(struct nft_names *names, const struct table *table, struct map *taken, struct error *error)
{
	static const uint32_t always[] = {BH_CLASS_HOST, BH_CLASS_UNASSIGNED, BH_CLASS_CONFLICTED, BH_CLASS_AMBIGUOUS};
	uint32_t number = BH_IDENTITY_MAX;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(always) / sizeof(*always); i++) {
		rc = name_add(names, taken, table, always[i]);
		names->items[always[i]].stamp = always[i];
	}
	for (size_t i = 0; rc == 0 && i < table->identities.count; i++) {
		uint32_t class = table->identities.items[i].number;

		rc = name_add(names, taken, table, class);
		names->items[class].stamp = class;
	}
	for (uint32_t class = BH_CLASS_FIRST; rc == 0 && class < names->count; class ++) {
		number = number_below(table, number - 1);
		if (number <= BH_IDENTITY_FIRST)
			return error_set(
				error, -E2BIG,
				"nftables alone tells at most %u zones with their groups and classes of addresses "
				"apart",
				BH_IDENTITY_MAX - BH_IDENTITY_FIRST);
		rc = name_add(names, taken, table, class);
		names->items[class].stamp = number;
	}
	return rc == -ENOMEM ? error_set(error, rc, "nftables: memory is short") : rc;
}

int nft_names_make(const struct table *table, struct nft_names **ret_names, struct error *error)
{
	struct nft_names *names;
	struct map *taken;
	int rc = -ENOMEM;

	if (table->prefixes.count > NFT_PREFIXES_MAX)
		return error_set(error, -E2BIG,
				 "the policy's addresses are %zu prefixes: nftables alone takes at most %u",
				 table->prefixes.count, NFT_PREFIXES_MAX);
	names = calloc(1, sizeof(*names));
	taken = map_new();
	if (names)
		names->items = calloc(table->class_count, sizeof(*names->items));
	if (names && names->items && taken) {
		names->count = table->class_count;
		rc = names_fill(names, table, taken, error);
	} else {
		error_set(error, rc, "nftables: memory is short");
	}
	map_free(taken, NULL);
	if (rc < 0)
		nft_names_free(names);
	else
		*ret_names = names;
	return rc;
}

void nft_names_free(struct nft_names *names)
{
	if (!names)
		return;
	for (uint32_t class = 0; class < names->count; class ++) {
		free(names->items[class].name);
		free(names->items[class].to);
		free(names->items[class].back);
		free(names->items[class].is);
	}
	free(names->items);
	free(names);
}

uint32_t nft_names_class(const struct nft_names *names, uint32_t stamp)
{
	for (uint32_t class = BH_CLASS_FIRST; names && class < names->count; class ++)
		if (names->items[class].stamp == stamp)
			return class;
	return stamp;
}
