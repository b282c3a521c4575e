/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "bundle.h"
#include "cgroup.h"
#include "cni_cache.h"
#include "engine.h"

struct bundle *bundle_new(const char *place, const char *id)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle));

	if (!bundle)
		return NULL;
	bundle->follow = -1;
	bundle->id = strdup(id);
	bundle->place = place ? strdup(place) : NULL;
	if (!bundle->id || (place && !bundle->place)) {
		bundle_free(bundle);
		return NULL;
	}
	return bundle;
}

void bundle_free(void *value)
{
	struct bundle *bundle = value;

	if (!bundle)
		return;
	free(bundle->id);
	free(bundle->place);
	free(bundle->cni);
	owner_free(&bundle->owner);
	free(bundle->pod);
	json_decref(bundle->labels);
	free(bundle->image);
	free(bundle->pin);
	free(bundle->cgroup);
	free(bundle->process_cgroup);
	free(bundle);
}

/* "P-N.scope" of "SLICE:P:N", the form of systemd's driver; NULL: it is no such form, or memory is short. */
static char *scope_of(const char *cgroup)
{
	const char *first = strchr(cgroup, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	struct text text = {0};

	if (!second)
		return NULL;
	text_append_bytes(&text, first + 1, (size_t)(second - first - 1));
	if (second > first + 1)
		text_append(&text, "-");
	text_append(&text, second + 1);
	text_append(&text, ".scope");
	return text_take(&text);
}

/* The control group of the process when it is the bundle's, or below it; NULL: it is not. The caller frees. */
static char *bundle_cgroup(const char *proc, int32_t pid, const struct bundle *bundle)
{
	AUTO_FREE char *part = NULL;

	if (bundle->cgroup && strchr(bundle->cgroup, ':'))
		part = scope_of(bundle->cgroup);
	else if (bundle->cgroup && bundle->cgroup[0] == '/')
		part = strdup(bundle->cgroup + 1);
	else
		part = strdup(bundle->id);
	return part ? cgroup_of(proc, pid, part) : NULL;
}

void bundle_set_process(const char *proc, int32_t pid, struct bundle *bundle)
{
	struct process process = {.pid = pid};
	AUTO_FREE char *cgroup = NULL;

	bundle->process = (struct process){0};
	free(bundle->process_cgroup);
	bundle->process_cgroup = NULL;
	/* In this order: who is still the same process was in that control group. */
	if (pid <= 0 || process_start(proc, pid, &process.start) < 0)
		return;
	cgroup = bundle_cgroup(proc, pid, bundle);
	if (!cgroup || !process_is_still(proc, &process))
		return;
	bundle->process = process;
	bundle->process_cgroup = TAKE(cgroup);
}

void bundle_keep_process(const char *proc, const struct process *process, struct bundle *bundle)
{
	AUTO_FREE char *cgroup = bundle_cgroup(proc, process->pid, bundle);

	if (!process_is_still(proc, process))
		return;
	bundle->process = *process;
	free(bundle->process_cgroup);
	bundle->process_cgroup = TAKE(cgroup);
}

static int claim_on_bridge(const struct runtime_question *question, struct evidence *evidence)
{
	evidence->claim = true;
	if (question->bridge && !evidence->owner.network)
		evidence->owner.network = strdup(question->bridge->name);
	return question->bridge && !evidence->owner.network ? -ENOMEM : 0;
}

enum runtime_answer bundle_answer(const struct bundle *bundle, struct port_watch *watch,
				  const struct runtime_question *question, struct evidence *evidence,
				  char reason[REASON_MAX])
{
	int r;

	if (bundle->reason[0]) {
		snprintf(reason, REASON_MAX, "%s", bundle->reason);
		return RUNTIME_PENDING;
	}
	r = owner_copy(&bundle->owner, &evidence->owner);
	if (r == 0 && bundle->cni && !(evidence->cni = strdup(bundle->cni)))
		r = -ENOMEM;
	if (r == 0 && question->owner_only)
		evidence->claim = true;
	/* Who is not called in any way towards CNI has a result only by chance: nobody waits for it. */
	else if (r == 0 && !bundle->cni && !cni_cache_find(watch->cni, question, NULL))
		r = claim_on_bridge(question, evidence);
	else if (r == 0)
		r = cni_cache_evidence(watch->cni, question, bundle->cni ? bundle->cni : "", evidence, reason);
	if (r < 0) {
		if (!reason[0])
			snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	evidence->has_owner = true;
	if (bundle->process_cgroup)
		evidence->owner.cgroup = strdup(bundle->process_cgroup);
	return RUNTIME_OWNS;
}
