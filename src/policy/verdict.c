/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>

#include "policy/verdict.h"

const char *const reason_names[REASON_MAX] = {
	[REASON_RULE] = "rule",	      [REASON_GROUP] = "group",		  [REASON_ZONE] = "zone",
	[REASON_HOST] = "host",	      [REASON_UNASSIGNED] = "unassigned", [REASON_CONFLICTED] = "conflicted",
	[REASON_DEFAULT] = "default",
};

void verdict_free(struct verdict *verdict)
{
	if (!verdict)
		return;
	array_free(&verdict->staged);
}
