/* SPDX-License-Identifier: GPL-2.0-only */
/* policy_check [--now TIME] [--json] [--color] PATH…: prints what is wrong with a policy. For the golden tests. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/load.h"

static int usage(void)
{
	fputs("usage: policy_check [--now TIME] [--json] [--color] PATH...\n", stderr);
	return 2;
}

static void print(const struct policy *policy, const struct diagnostics *diagnostics, bool json, bool colour)
{
	static const struct sources none;
	const struct sources *sources = policy ? &policy->sources : &none;
	json_t *findings;

	if (!json) {
		diagnostics_print(diagnostics, sources, colour, stdout);
		return;
	}
	findings = diagnostics_json(diagnostics, sources);
	json_dumpf(findings, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(findings);
}

int main(int argc, char **argv)
{
	struct diagnostics diagnostics = {0};
	struct policy *policy = NULL;
	struct error error = {0};
	bool json = false, colour = false;
	int64_t now = 0;
	int r, i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!strcmp(argv[i], "--color"))
			colour = true;
		else if (strcmp(argv[i], "--now") != 0 || ++i >= argc || time_parse(argv[i], &now) < 0)
			return usage();
	}
	if (i >= argc)
		return usage();
	r = policy_load((const char *const *)argv + i, (size_t)(argc - i), now, &policy, &diagnostics, &error);
	print(policy, &diagnostics, json, colour);
	if (r < 0 && r != -EINVAL)
		fprintf(stderr, "policy_check: %s\n", error.text);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return r < 0;
}
