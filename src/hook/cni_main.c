/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-cni: see cni.h. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cni.h"

static bool asks(int argc, char **argv, const char *option)
{
	return argc == 2 && strcmp(argv[1], option) == 0;
}

int main(int argc, char **argv)
{
	const struct cni_call call = {
		.command = getenv("CNI_COMMAND"),
		.container_id = getenv("CNI_CONTAINERID"),
		.netns = getenv("CNI_NETNS"),
		.ifname = getenv("CNI_IFNAME"),
		.args = getenv("CNI_ARGS"),
	};
	AUTO_FREE char *input = NULL;
	struct error error = {0};
	size_t size;

	if (asks(argc, argv, "--version") || asks(argc, argv, "-V")) {
		puts("bulkhead-cni " BULKHEAD_VERSION);
		return 0;
	}
	if (asks(argc, argv, "--help") || asks(argc, argv, "-h") || (argc == 1 && !call.command)) {
		puts("bulkhead-cni is a chained CNI plugin, run by a container runtime: bulkhead-cni(8)");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (hook_input(STDIN_FILENO, HOOK_INPUT_MS, &input, &size, &error) < 0) {
		printf("{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":\"%s\"}\n", CNI_IO, error.text);
		return 1;
	}
	return cni_run(&call, input, size, stdout, stderr);
}
