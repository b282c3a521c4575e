/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading typed things out of a YAML tree; what does not fit is reported in place, and the reader goes on. Shared by
 * the policy and the world file. Functions that return bool: false means that an error was reported. */
#ifndef BULKHEAD_POLICY_NODE_H
#define BULKHEAD_POLICY_NODE_H

#include "base/addr.h"
#include "base/text.h"
#include "policy/document.h"

/* A word of a file as a message shows it: escaped, and cut when it is long. Lives until the end of the block. */
#define SHOWN_MAX   96
#define SHOWN(word) text_escape((char[SHOWN_MAX]){0}, SHOWN_MAX, (word))

bool node_is_empty(const struct node *node); /* `key:` with nothing after it */
bool node_is_word(const struct node *node);  /* a word that is not nothing; "" in quotes is one */

/* "expected a mapping for 'zones', found a list". `expected` and `where` (may be NULL) are words of the program. */
void node_expected(const struct node *node, const char *expected, const char *where, struct diagnostics *diagnostics);

/* The values of known keys: ret_values[i] is that of keys[i], NULL when it is not there. Every other key is an error
 * with the nearest known one. `where`: "zone 'shop'", already escaped. ret_keys (may be NULL) gets the key nodes. */
bool node_fields(const struct node *node, const char *where, const char *const *keys, size_t count,
		 const struct node **ret_values, const struct node **ret_keys, struct diagnostics *diagnostics);

/* One thing or a list of them:
 *     for (item = node_first(node); item; item = node_after(node, item)) */
const struct node *node_first(const struct node *node);
const struct node *node_after(const struct node *node, const struct node *item);
/* for (key = node->first; key; key = node_next_key(key)) use(key, key->next); */
const struct node *node_next_key(const struct node *key);

/* A non-empty word; `key` names the field in the error, quotes included. */
bool node_word(const struct node *node, const char *key, const char **ret_word, struct diagnostics *diagnostics);
/* One of `choices`; *ret_index untouched otherwise. */
bool node_choice(const struct node *node, const char *key, const char *const *choices, size_t count,
		 unsigned int *ret_index, struct diagnostics *diagnostics);
bool node_addr(const struct node *node, struct addr *ret_addr, struct diagnostics *diagnostics);
/* A prefix or a single address; host bits are cleared with a warning. */
bool node_prefix(const struct node *node, struct prefix *ret_prefix, struct diagnostics *diagnostics);
bool node_mac(const struct node *node, struct mac *ret_mac, struct diagnostics *diagnostics);
/* A list of words or one word, as given, without a check of what they say. */
bool node_is_words(const struct node *node, const char *key, struct diagnostics *diagnostics);
/* `version: 1`: reported when missing (at `document`) or another. */
bool node_version(const struct node *document, const struct node *version, struct diagnostics *diagnostics);

/* " (did you mean 'shop'?)" or "" into `buffer`; returned. `candidates` are words of ours or of the files. */
#define NODE_HINT_MAX 160
const char *node_hint(char buffer[NODE_HINT_MAX], const char *word, const char *const *candidates, size_t count);

#endif
