/* SPDX-License-Identifier: GPL-2.0-only */
/* YAML text → a bounded tree of nodes, each with its place. Nothing here knows the policy language. */
#ifndef BULKHEAD_POLICY_DOCUMENT_H
#define BULKHEAD_POLICY_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "policy/diagnostic.h"

/* All aliases of one file together may stand for this many nodes: plenty for a shared list of members, while the ten
 * lines of an alias bomb ask for thousands of millions. Counted, not measured: refusal takes no time. */
#define DOCUMENT_ALIAS_NODES_MAX 100000u

enum node_kind { NODE_WORD, NODE_LIST, NODE_MAPPING, NODE_KIND_MAX };

/* Every scalar is a word, as it was written: `no`, `1e3` and `2027-01-31` are those letters. */
struct node {
	struct node *next; /* the next item; in a mapping key, value, key, value, … */
	union {
		const char *text;   /* WORD: NUL-terminated, valid UTF-8, without NULs inside */
		struct node *first; /* LIST, MAPPING: NULL when empty */
	};
	struct place place; /* a block list or mapping: of its first item or key */
	uint32_t count;	    /* WORD: bytes of text; LIST: items; MAPPING: pairs */
	uint8_t kind;	    /* enum node_kind */
	bool plain;	    /* WORD: written without quotes */
};

/* How many nodes may still be made; counted down over all files that share it. */
struct node_budget {
	size_t left, limit;
};

struct document_chunk;
/* What one file held: a root for each YAML document (empty ones are left out). */
struct document {
	struct {
		ARRAY_OF(struct node *);
	} roots;
	struct document_chunk *chunks; /* the nodes' memory */
};

/* Parses sources->items[file] (its text is kept there; a BOM at its start is passed over). `max_depth` bounds nesting,
 * `budget` the nodes with aliases expanded. In a mapping, the second of two equal keys is an error and is left out.
 * 0: `ret_document` is the caller's. -EINVAL: there are errors in `diagnostics`; *ret_document has roots if the tree
 * can be read all the same (duplicate keys, tags), and none if it is malformed. -ENOMEM: it is empty. Free it always.
 */
int document_parse(const struct sources *sources, uint32_t file, unsigned int max_depth, struct node_budget *budget,
		   struct document *ret_document, struct diagnostics *diagnostics);
void document_free(struct document *document); /* what it holds; zeroes it */

#endif
