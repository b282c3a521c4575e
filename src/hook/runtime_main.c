/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-oci-runtime: see runtime.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"

#define HOOK "bulkhead-oci-hook"

/* The hook lies beside us, wherever we were installed. */
static int hook_find(char *ret_path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", ret_path, size - 1);
	char *slash;

	if (length <= 0)
		return -1;
	ret_path[length] = '\0';
	slash = strrchr(ret_path, '/');
	if (!slash || (size_t)(slash + 1 - ret_path) + sizeof(HOOK) > size)
		return -1;
	strcpy(slash + 1, HOOK);
	return 0;
}

int main(int argc, char **argv)
{
	char hook[PATH_MAX];
	struct runtime_options options = {.runtime = "runc", .hook = hook_find(hook, sizeof(hook)) == 0 ? hook : HOOK};
	int first = runtime_options_take(argc, argv, &options) - 1;
	struct error error = {0};
	const char *bundle;

	/* The word before is ours, or the program's own name: the real one's name takes its place. */
	argv += first;
	argv[0] = (char *)options.runtime;
	bundle = runtime_bundle(argc - first, argv);
	if (bundle && runtime_bundle_change(bundle, options.hook, &error) < 0) {
		fprintf(stderr, "bulkhead: %s\n", error.text);
		return 1;
	}
	execvp(options.runtime, argv);
	fprintf(stderr, "bulkhead: the runtime '%s' can't be run: %s\n", options.runtime, strerror(errno));
	return 127;
}
