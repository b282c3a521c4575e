/* SPDX-License-Identifier: GPL-2.0-only */
/* An adoption: the word of whoever made a port, root's alone, on whose it is. One JSON object says it, in the request
 * and in the file that outlives the daemon alike: docs/json.md. */
#ifndef BULKHEAD_PORT_ADOPTION_H
#define BULKHEAD_PORT_ADOPTION_H

#include "evidence.h"
#include "process.h"

/* Bytes of one as JSON: a request is no longer. */
#define ADOPTION_TEXT_MAX (64u << 10)

struct adoption {
	struct port_site site;
	char interface[IFNAMSIZ]; /* as it was called then, for people; "": every port of the namespace */
	uint64_t order;		  /* the former is whose a shared namespace is */
	int32_t nsid;		  /* that its namespace was seen to have; -1: not seen yet */
	struct evidence word;	  /* `claim` is set when there are no addresses */
	struct process process;	  /* with whose end it ends; pid 0: none */
	bool has_labels;	  /* false: they are not known, and an engine's own record may tell them */
	bool is_old;		  /* said to a daemon before us: nobody waits for it to come true */
	char *text;		  /* the whole of it as JSON */
};

/* The words: name, id, runtime, image, namespace, network, labels, addresses, gateways, mac, pid (its start is the
 * caller's to find). Members of other names are passed over. 0, -ENOMEM, or -EINVAL with `reason`. */
int adoption_parse(const json_t *words, struct adoption *ret_adoption, char reason[REASON_MAX]);
/* Makes `text` anew, of the words of it (or of `words`, when it has none yet) and the site. 0 or -ENOMEM, -E2BIG. */
int adoption_write(struct adoption *adoption, const json_t *words);
/* One that adoption_write() wrote. -EINVAL: it is none. */
int adoption_read(const json_t *record, struct adoption *ret_adoption, char reason[REASON_MAX]);
void adoption_free(struct adoption *adoption); /* what it holds */

/* A copy of the word. 0 or -ENOMEM. */
int adoption_evidence(const struct adoption *adoption, struct evidence *evidence);
/* Adds what the evidence leaves out and a `record` of the same container tells: out of that it is taken. Labels only
 * when they are not known: there may be none. */
void adoption_complete(struct evidence *evidence, bool has_labels, struct evidence *record);

#endif
