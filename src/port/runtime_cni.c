/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports that a CNI result leads to, and of which no other runtime knows anything: networks that were made with cnitool,
 * by a script or by an orchestrator of which we know nothing. The container is called as CNI calls it, and has no
 * labels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni_cache.h"
#include "podman.h"

static int cni_start(struct port_watch *watch, void **ret_state)
{
	*ret_state = watch;
	return 0;
}

static void cni_stop(void *state)
{
	(void)state; /* the folder is the watcher's: other runtimes use it, too */
}

static void cni_refresh(void *state)
{
	struct port_watch *watch = state;

	cni_cache_refresh(watch->cni);
}

static int cni_pins(void *state, struct processes *processes)
{
	struct port_watch *watch = state;

	return cni_cache_pins(watch->cni, processes);
}

/* Whose labels we should know, and don't: not to be taken for a container without labels. */
static bool is_an_engines(const struct runtime_question *question, const struct cni_result *result,
			  char reason[REASON_MAX])
{
	const char *pin = namespace_pin(question->namespace, NAMESPACE_DIR_NETNS);

	if (namespace_pin(question->namespace, NAMESPACE_DIR_DOCKER)) {
		snprintf(reason, REASON_MAX, "its namespace is Docker's, which says nothing of it");
		return true;
	}
	if (result->is_pods) {
		snprintf(reason, REASON_MAX, "neither containerd nor CRI-O has a record of the pod '%.50s' (yet)",
			 result->pod ? result->pod : result->container);
		return true;
	}
	if (pin && strncmp(pin, PODMAN_PIN, strlen(PODMAN_PIN)) == 0) {
		snprintf(reason, REASON_MAX, "its namespace is named as Podman does, which has no record of it (yet)");
		return true;
	}
	return false;
}

static enum runtime_answer cni_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				   char reason[REASON_MAX])
{
	struct port_watch *watch = state;
	const struct cni_result *result = cni_cache_find(watch->cni, question, NULL);

	if (!result)
		return RUNTIME_NOT_MINE;
	if (is_an_engines(question, result, reason))
		return RUNTIME_PENDING;
	if (cni_result_evidence(result, evidence, reason) < 0)
		return RUNTIME_PENDING;
	evidence->owner.id = strdup(result->container);
	evidence->owner.name = strdup(result->container);
	evidence->owner.runtime = strdup("cni");
	if (!evidence->owner.id || !evidence->owner.name || !evidence->owner.runtime) {
		snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	evidence->has_owner = true;
	return RUNTIME_OWNS;
}

static json_t *cni_status(void *state)
{
	const struct port_watch *watch = state;
	json_t *status = cni_cache_status(watch->cni);
	size_t count = 0;

	for (size_t i = 0; i < watch->entries.count; i++)
		count += watch->entries.items[i]->runtime == &runtime_cni;
	json_object_set_new(status, "containers", json_integer((json_int_t)count));
	return status;
}

const struct runtime runtime_cni = {
	.name = "cni",
	.start = cni_start,
	.stop = cni_stop,
	.refresh = cni_refresh,
	.pins = cni_pins,
	.ask = cni_ask,
	.status = cni_status,
};
