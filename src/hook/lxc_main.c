/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-lxc-hook: see lxc.h. */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

#include "hook_options.h"
#include "lxc.h"

static const char help[] =
	"Usage: bulkhead-lxc-hook [OPTION]...\n"
	"For lxc.hook.start-host: holds a container's start until bulkheadd has opened its ports.\n"
	"\n"
	"      --address A/LEN  for lxc.net.N.script.up: what the interface will have\n" HOOK_OPTIONS_HELP;

static const char *environment(const char *name)
{
	return getenv(name);
}

int main(int argc, char **argv)
{
	struct hook_options shared = {.program = "bulkhead-lxc-hook", .help = help};
	struct lxc_options options = {.proc = "/proc"};
	struct error error = {0};
	struct lxc_call call;
	int status;

	if (hook_options_parse(&shared, argc, argv, &status) <= 0)
		return status;
	options.hook = shared.hook;
	options.labels = shared.labels;
	options.addresses = shared.addresses;
	signal(SIGPIPE, SIG_IGN);
	if (lxc_call_read(argc - optind, argv + optind, environment, &call, &error) < 0) {
		fprintf(stderr, "bulkhead: %s\n", error.text);
		status = 2;
	} else {
		status = lxc_run(&options, &call, stderr);
	}
	json_decref(shared.labels);
	json_decref(shared.addresses);
	return status;
}
