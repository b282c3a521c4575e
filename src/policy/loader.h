/* SPDX-License-Identifier: GPL-2.0-only */
/* The inside of load.h: one loader walks all documents of a policy, section by section. Private to load*.c and check.c.
 *
 * Findings go to `diagnostics`, and the work goes on; only a lack of memory stops it (`failure`). Names are entered
 * before anything refers to them, also those of definitions with errors, so that one error does not bring ten more. */
#ifndef BULKHEAD_POLICY_LOADER_H
#define BULKHEAD_POLICY_LOADER_H

#include "base/map.h"
#include "policy/load.h"
#include "policy/node.h"

#define POLICY_NAME_MAX	    63u	     /* of a zone, group, network or service, as the language says */
#define POLICY_TEXT_MAX	    1024u    /* bytes of a rule's name, a description, a glob: lines for people */
#define POLICY_ZONES_MAX    65534u   /* identities hold a zone in 16 bits */
#define POLICY_GROUPS_MAX   65534u   /* likewise */
#define POLICY_SERVICES_MAX 65534u   /* service classes */
#define POLICY_ATOMS_MAX    4000000u /* protocol/port pieces of all services and rules, named services written out */

/* What a name stands for: an end of a rule. */
struct definition {
	struct end end; /* its place: where it was defined; all zero: built in */
};

/* A named service before its members are known. */
struct service_draft {
	const struct node *node; /* a word or a list of words */
	uint32_t index;		 /* in policy.services */
	unsigned int height;	 /* levels of services in it, when done */
	enum { DRAFT_NEW, DRAFT_OPEN, DRAFT_DONE } state;
};

enum section {
	SECTION_VERSION,
	SECTION_SETTINGS,
	SECTION_ZONES,
	SECTION_NETWORKS,
	SECTION_SERVICES,
	SECTION_RULES,
	SECTION_ASSERT,
	SECTION_MAX
};
/* One native YAML document. */
struct native {
	const struct node *sections[SECTION_MAX]; /* values; NULL: not there */
	const struct node *keys[SECTION_MAX];
	uint32_t file;
};

/* A zone's subnet and where it was written. */
struct subnet {
	struct prefix prefix;
	uint32_t zone;
	struct place place;
};

struct loader {
	struct policy *policy;
	struct diagnostics *diagnostics;
	int64_t now;
	int failure;	 /* -ENOMEM once memory was short */
	bool incomplete; /* a file could not be read as YAML: names may be missing, so unknown ones are no errors */
	bool in_memory;	 /* policy_load_text(): no files beside it */
	struct node_budget budget;
	struct {
		ARRAY_OF(struct document);
	} documents;
	struct {
		ARRAY_OF(struct native);
	} natives;
	struct map *ends;     /* name → struct definition; groups as "zone/group" */
	struct map *services; /* name → struct service_draft */
	const struct node *settings_key;
	struct {
		ARRAY_OF(struct subnet);
	} subnets;		/* of all zones, for the check that they don't overlap */
	size_t prefixes, atoms; /* so far, against their limits */
};

/* load.c */
void loader_no_memory(struct loader *loader);
char *loader_copy(struct loader *loader, const char *text); /* NULL and `failure` when memory is short */
void loader_error(struct loader *loader, const struct place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void loader_warning(struct loader *loader, const struct place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void loader_note(struct loader *loader, const struct place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "'limits' is not supported yet" at the key, when it is there. */
void loader_unsupported(struct loader *loader, const struct node *key);

/* load_files.c: reads YAML files into sources and documents. 0, or -errno with `error` when nothing could be read. */
int load_paths(struct loader *loader, const char *const *paths, size_t count, struct error *error);
int load_document(struct loader *loader, uint32_t file);
/* A source's index in ret_file; takes over `text` (may be NULL), also on failure. 0 or -ENOMEM. */
int load_source(struct loader *loader, const char *path, char *text, size_t size, uint32_t *ret_file);
int load_watch(struct loader *loader, const char *path);

/* load_names.c */
bool name_check(struct loader *loader, const struct node *key, const char *what);
int names_enter_builtins(struct loader *loader);
/* Enters `name` unless it is taken (reported); true when it was entered. */
bool name_enter(struct loader *loader, const char *name, const char *what, const struct end *end);
/* An end of a rule: a name, or a literal address or prefix (a new nameless network). */
bool end_resolve(struct loader *loader, const struct node *word, const char *key, struct end *ret_end);

/* load_value.c: values that several sections share */
bool load_text(struct loader *loader, const struct node *node, const char *key, char **ret_text);
bool load_glob(struct loader *loader, const struct node *node, const char *key, char **ret_glob);
void load_globs(struct loader *loader, const struct node *node, const char *key, struct strings *strings);
void load_mode(struct loader *loader, const struct node *node, enum mode *mode);
void load_log(struct loader *loader, const struct node *node, enum log_what *log);
/* allow or deny */
void load_allow_deny(struct loader *loader, const struct node *node, const char *key, bool *allow);
void load_prefixes(struct loader *loader, const struct node *node, const char *key, struct prefixes *prefixes);
/* Counts against POLICY_PREFIXES_MAX; false when it is reached, reported once at `place`. */
bool load_count_prefix(struct loader *loader, const struct place *place);
void prefixes_sort(struct prefixes *prefixes); /* and takes out what is there twice */

/* One section of a document each. */
void load_settings(struct loader *loader, const struct native *native);
int settings_defaults(struct loader *loader);
void load_zones(struct loader *loader, const struct node *zones);
void load_members(struct loader *loader, const struct node *node, const char *where, struct members *members);
void load_networks(struct loader *loader, const struct node *networks);
void load_list(struct loader *loader, const struct node *word, struct prefixes *prefixes); /* a `file:` of a network */
void load_services(struct loader *loader, const struct node *services);			   /* enters the names */
void load_services_resolve(struct loader *loader); /* then fills the members in */
void load_service_words(struct loader *loader, const struct node *words, const char *key, struct service_atoms *atoms);
void load_rules(struct loader *loader, const struct node *rules);

/* check.c: what only shows when everything is there. Errors and warnings. */
void policy_check(struct loader *loader);
void check_covered(struct loader *loader); /* check_covered.c */

#endif
