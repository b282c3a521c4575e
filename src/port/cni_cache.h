/* SPDX-License-Identifier: GPL-2.0-only */
/* The folder of CNI's results, for every runtime that uses CNI. A result belongs to a port when it names the port's
 * link on the host's side, and the namespace that it names is the port's. Results of containers that have gone may stay
 * (ctr leaves them): they lead nowhere, or to another namespace, and their links' names are not given again. */
#ifndef BULKHEAD_PORT_CNI_CACHE_H
#define BULKHEAD_PORT_CNI_CACHE_H

#include "cni_result.h"
#include "watch.h"

/* Some times what one host can run. */
#define CNI_RESULTS_MAX	    16384u
#define CNI_RESULT_SIZE_MAX (1u << 20)
/* The result is written when all plugins have done, the veth is there before that: what has none by then has its
 * addresses in another way. */
#define CNI_WAIT_MS 3000

struct cni_cache;

int cni_cache_new(struct port_watch *watch, struct cni_cache **ret_cache);
void cni_cache_free(struct cni_cache *cache); /* NULL is fine */
void cni_cache_refresh(struct cni_cache *cache);

/* The result of this port; NULL: none (yet). `container` (may be NULL) is how the port's owner, who is known, is called
 * towards CNI: some plugins (Calico's) do not name the namespace, and then this must be the container. */
const struct cni_result *cni_cache_find(struct cni_cache *cache, const struct runtime_question *question,
					const char *container);
/* Adds the processes by which results name namespaces. 0 or -ENOMEM. */
int cni_cache_pins(struct cni_cache *cache, struct processes *processes);
json_t *cni_cache_status(const struct cni_cache *cache);

/* Fills the evidence of a port whose owner's CNI name is `container`; `evidence` has the owner. Without a result:
 * -EAGAIN with `reason` while one may come, then the first claim counts. 0, -EAGAIN, -EINVAL with `reason`, -ENOMEM. */
int cni_cache_evidence(struct cni_cache *cache, const struct runtime_question *question, const char *container,
		       struct evidence *evidence, char reason[REASON_MAX]);

#endif
