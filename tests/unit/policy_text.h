/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests: policies from text, and what is said about them. */
#ifndef BULKHEAD_TESTS_POLICY_TEXT_H
#define BULKHEAD_TESTS_POLICY_TEXT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/load.h"

/* The policy of a text without findings. The caller frees it. */
static inline struct policy *policy_of(const char *text)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy;
	int r = policy_load_text("test.yaml", text, strlen(text), 0, &policy, &diagnostics, &error);

	if (policy && diagnostics.count)
		diagnostics_print(&diagnostics, &policy->sources, false, stderr);
	assert_int_equal(r, 0);
	assert_int_equal(diagnostics.errors + diagnostics.warnings, 0);
	diagnostics_free(&diagnostics);
	return policy;
}

/* The first finding about a text as "LINE:COLUMN: MESSAGE", "" when there is none. In a static buffer. */
static inline const char *finding_of(const char *text, size_t size)
{
	static char finding[1024];
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy;
	int r = policy_load_text("test.yaml", text, size, 0, &policy, &diagnostics, &error);

	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r == 0, diagnostics.errors == 0);
	finding[0] = '\0';
	if (diagnostics.count)
		snprintf(finding, sizeof(finding), "%u:%u: %s", diagnostics.items[0].place.line,
			 diagnostics.items[0].place.column, diagnostics.items[0].message);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return finding;
}

#endif
