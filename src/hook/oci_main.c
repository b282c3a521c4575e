/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-oci-hook: see oci.h. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hook_options.h"
#include "oci.h"

static const char help[] =
	"Usage: bulkhead-oci-hook [OPTION]...\n"
	"An OCI createRuntime hook: holds a container's start until bulkheadd has opened its ports.\n"
	"The container's state is read from standard input.\n"
	"\n"
	"      --no-claim       only wait: the engine is one that bulkheadd knows by itself\n"
	"      --runtime NAME   the runtime that a claim names (oci)\n" HOOK_OPTIONS_HELP;

int main(int argc, char **argv)
{
	struct oci_options options = {.claims = true, .runtime = "oci", .proc = "/proc"};
	struct hook_options shared = {.program = "bulkhead-oci-hook", .help = help};
	AUTO_FREE char *input = NULL;
	struct error error = {0};
	size_t size;
	int status;

	if (hook_options_parse(&shared, argc, argv, &status) <= 0)
		return status;
	if (shared.addresses) {
		json_decref(shared.addresses);
		json_decref(shared.labels);
		fputs("bulkhead: --address is none of its options\n", stderr);
		return 2;
	}
	options.hook = shared.hook;
	options.labels = shared.labels;
	options.claims = !shared.no_claim;
	if (shared.runtime)
		options.runtime = shared.runtime;
	signal(SIGPIPE, SIG_IGN);
	if (hook_input(STDIN_FILENO, HOOK_INPUT_MS, &input, &size, &error) < 0) {
		fprintf(stderr, "bulkhead: %s\n", error.text);
		status = 1;
	} else {
		status = oci_run(&options, input, size, stderr);
	}
	json_decref(shared.labels);
	return status;
}
