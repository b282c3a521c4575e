/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/release.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000

void release_note(struct releases *releases, int64_t waited_ns)
{
	int64_t us = waited_ns / NS_PER_US;

	releases->last_us = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	releases->us[releases->count++ % RELEASES_KEPT] = releases->last_us;
	if (releases->worst_us < releases->last_us)
		releases->worst_us = releases->last_us;
}

static int shorter(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* The nearest rank: the smallest that `share` per cent do not exceed. */
static double rank_ms(const uint32_t *sorted, size_t count, size_t share)
{
	size_t rank = (count * share + 99) / 100;

	return (double)sorted[rank - 1] / 1000;
}

json_t *release_json(const struct releases *releases)
{
	size_t kept = releases->count < RELEASES_KEPT ? (size_t)releases->count : RELEASES_KEPT;
	json_t *json = json_pack("{s:I}", "count", (json_int_t)releases->count);
	uint32_t sorted[RELEASES_KEPT];

	if (kept == 0)
		return json;
	memcpy(sorted, releases->us, kept * sizeof(*sorted));
	qsort(sorted, kept, sizeof(*sorted), shorter);
	json_object_set_new(json, "last", json_real((double)releases->last_us / 1000));
	json_object_set_new(json, "p50", json_real(rank_ms(sorted, kept, 50)));
	json_object_set_new(json, "p99", json_real(rank_ms(sorted, kept, 99)));
	json_object_set_new(json, "worst", json_real((double)releases->worst_us / 1000));
	return json;
}
