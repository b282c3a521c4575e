/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/places.h"
#include "daemon/daemon.h"
#include "daemon/sandbox.h"
#include "gate/nft_holder.h"

#define POLICY_PATHS_MAX 64
/* Tables come and go as a whole: each large part of one is given back when it goes. Left alone, the C library would
 * move this bound up with what is freed, and keep some megabytes more for good. */
#define LARGE_BYTES (128 * 1024)

static const char usage[] =
	"Usage: bulkheadd [OPTION]...\n"
	"Polices this host's containers by the policy in a directory of YAML files.\n"
	"\n"
	"  -p, --policy PATH       directory or file of the policy; may stand several times (" DEFAULT_POLICY_DIR ")\n"
	"  -s, --socket PATH       control socket (" DEFAULT_SOCKET ")\n"
	"  -g, --group NAME        whose members may use the control socket, beside root\n"
	"      --state DIR         what outlives the daemon (" DEFAULT_STATE_DIR ")\n"
	"      --run DIR           the lock that keeps a second daemon out (" DEFAULT_RUN_DIR ")\n"
	"      --pins DIR          where programs and maps are pinned, on a bpffs (" DEFAULT_PIN_DIR ")\n"
	"      --stamp-shift N     lowest bit of the 13 bits of the packet mark that are ours (19)\n"
	"      --flows N           flows that one port may open; twice as many may be opened towards it (16384)\n"
	"      --log-group N       NFLOG group of the nft gate (4252)\n"
	"      --no-owner          do not own the nft tables, even where the kernel could\n"
	"      --no-holder         keep no process that owns the nft tables when the daemon is dead\n"
	"      --no-tcx            use clsact filters, even where the kernel has tcx\n"
	"      --no-sandbox        keep all privileges and system calls, to look for a fault\n"
	"      --docker-socket PATH, --docker-root DIR, --docker-netns DIR, --podman-root DIR, --netns DIR, "
	"--netns-meta DIR,\n"
	"      --containerd-state DIR, --containerd-root DIR, --crio-run DIR, --lxc-path DIR, --incus-root DIR,\n"
	"      --lxd-root DIR, --machines DIR, --runc-root DIR, --crun-root DIR, --cni-results DIR, --proc DIR\n"
	"                          where the runtimes keep what they know\n"
	"  -v, --verbose           say more\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"It stays in the foreground and logs to standard error. SIGHUP loads the policy again; so does a change of its "
	"files.\n"
	"When it stops, what is in force stays in force; 'bulkhead uninstall' takes every trace out of the kernel.\n";

enum option_id {
	OPTION_STATE = 256,
	OPTION_RUN,
	OPTION_PINS,
	OPTION_STAMP_SHIFT,
	OPTION_FLOWS,
	OPTION_LOG_GROUP,
	OPTION_NO_OWNER,
	OPTION_NO_HOLDER,
	OPTION_NO_TCX,
	OPTION_NO_SANDBOX,
	OPTION_DOCKER_SOCKET,
	OPTION_DOCKER_ROOT,
	OPTION_DOCKER_NETNS,
	OPTION_PODMAN_ROOT,
	OPTION_NETNS,
	OPTION_NETNS_META,
	OPTION_CNI_RESULTS,
	OPTION_CONTAINERD_STATE,
	OPTION_CONTAINERD_ROOT,
	OPTION_CRIO_RUN,
	OPTION_LXC_PATH,
	OPTION_INCUS_ROOT,
	OPTION_LXD_ROOT,
	OPTION_MACHINES,
	OPTION_RUNC_ROOT,
	OPTION_CRUN_ROOT,
	OPTION_PROC,
};

static const struct option long_options[] = {
	{"policy", required_argument, NULL, 'p'},
	{"socket", required_argument, NULL, 's'},
	{"group", required_argument, NULL, 'g'},
	{"state", required_argument, NULL, OPTION_STATE},
	{"run", required_argument, NULL, OPTION_RUN},
	{"pins", required_argument, NULL, OPTION_PINS},
	{"stamp-shift", required_argument, NULL, OPTION_STAMP_SHIFT},
	{"flows", required_argument, NULL, OPTION_FLOWS},
	{"log-group", required_argument, NULL, OPTION_LOG_GROUP},
	{"no-owner", no_argument, NULL, OPTION_NO_OWNER},
	{"no-holder", no_argument, NULL, OPTION_NO_HOLDER},
	{"no-tcx", no_argument, NULL, OPTION_NO_TCX},
	{"no-sandbox", no_argument, NULL, OPTION_NO_SANDBOX},
	{"docker-socket", required_argument, NULL, OPTION_DOCKER_SOCKET},
	{"docker-root", required_argument, NULL, OPTION_DOCKER_ROOT},
	{"docker-netns", required_argument, NULL, OPTION_DOCKER_NETNS},
	{"podman-root", required_argument, NULL, OPTION_PODMAN_ROOT},
	{"netns", required_argument, NULL, OPTION_NETNS},
	{"netns-meta", required_argument, NULL, OPTION_NETNS_META},
	{"cni-results", required_argument, NULL, OPTION_CNI_RESULTS},
	{"containerd-state", required_argument, NULL, OPTION_CONTAINERD_STATE},
	{"containerd-root", required_argument, NULL, OPTION_CONTAINERD_ROOT},
	{"crio-run", required_argument, NULL, OPTION_CRIO_RUN},
	{"lxc-path", required_argument, NULL, OPTION_LXC_PATH},
	{"incus-root", required_argument, NULL, OPTION_INCUS_ROOT},
	{"lxd-root", required_argument, NULL, OPTION_LXD_ROOT},
	{"machines", required_argument, NULL, OPTION_MACHINES},
	{"runc-root", required_argument, NULL, OPTION_RUNC_ROOT},
	{"crun-root", required_argument, NULL, OPTION_CRUN_ROOT},
	{"proc", required_argument, NULL, OPTION_PROC},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char *policy_paths[POLICY_PATHS_MAX];

static struct daemon_options options = {
	.policy_paths = policy_paths,
	.socket = DEFAULT_SOCKET,
	.state_dir = DEFAULT_STATE_DIR,
	.run_dir = DEFAULT_RUN_DIR,
	.gate = {.pin_dir = DEFAULT_PIN_DIR,
		 .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
		 .flow_quota = BH_FLOWS_PER_PORT_DEFAULT,
		 .log_group = GATE_LOG_GROUP_DEFAULT},
};

/* Ends the program with a sentence when the number is none or out of range. */
static uint32_t number_of(const char *option, const char *text, uint32_t low, uint32_t high)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number < low || number > high) {
		fprintf(stderr, "bulkheadd: --%s needs a number from %u to %u, not '%s'\n", option, low, high, text);
		exit(EXIT_FAILURE);
	}
	return (uint32_t)number;
}

static const char **path_option(int option)
{
	switch (option) {
	case 's':
		return &options.socket;
	case 'g':
		return &options.group;
	case OPTION_STATE:
		return &options.state_dir;
	case OPTION_RUN:
		return &options.run_dir;
	case OPTION_PINS:
		return &options.gate.pin_dir;
	case OPTION_DOCKER_SOCKET:
		return &options.port.docker_socket;
	case OPTION_DOCKER_ROOT:
		return &options.port.docker_root;
	case OPTION_DOCKER_NETNS:
		return &options.port.docker_netns_dir;
	case OPTION_PODMAN_ROOT:
		return &options.port.podman_root;
	case OPTION_NETNS:
		return &options.port.netns_dir;
	case OPTION_NETNS_META:
		return &options.port.netns_meta_dir;
	case OPTION_CNI_RESULTS:
		return &options.port.cni_results;
	case OPTION_CONTAINERD_STATE:
		return &options.port.containerd_state;
	case OPTION_CONTAINERD_ROOT:
		return &options.port.containerd_root;
	case OPTION_CRIO_RUN:
		return &options.port.crio_run;
	case OPTION_LXC_PATH:
		return &options.port.lxc_path;
	case OPTION_INCUS_ROOT:
		return &options.port.incus_root;
	case OPTION_LXD_ROOT:
		return &options.port.lxd_root;
	case OPTION_MACHINES:
		return &options.port.machines_dir;
	case OPTION_RUNC_ROOT:
		return &options.port.runc_root;
	case OPTION_CRUN_ROOT:
		return &options.port.crun_root;
	case OPTION_PROC:
		return &options.port.proc;
	default:
		return NULL;
	}
}

static void policy_add(const char *path)
{
	if (options.policy_path_count == POLICY_PATHS_MAX) {
		fprintf(stderr, "bulkheadd: at most %d --policy\n", POLICY_PATHS_MAX);
		exit(EXIT_FAILURE);
	}
	policy_paths[options.policy_path_count++] = path;
}

static void option_take(int option)
{
	const char **path = path_option(option);

	if (path) {
		*path = optarg;
		return;
	}
	switch (option) {
	case 'p':
		policy_add(optarg);
		break;
	case OPTION_STAMP_SHIFT:
		options.gate.stamp_shift = number_of("stamp-shift", optarg, 0, 32 - BH_STAMP_BITS);
		break;
	case OPTION_FLOWS:
		options.gate.flow_quota = number_of("flows", optarg, 64, 1u << 20);
		break;
	case OPTION_LOG_GROUP:
		options.gate.log_group = (uint16_t)number_of("log-group", optarg, 1, 65535);
		break;
	case OPTION_NO_OWNER:
		options.gate.no_owner = true;
		break;
	case OPTION_NO_HOLDER:
		options.gate.no_holder = true;
		break;
	case OPTION_NO_TCX:
		options.gate.no_tcx = true;
		break;
	case OPTION_NO_SANDBOX:
		options.no_sandbox = true;
		break;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	case 'V':
		puts("bulkheadd " BULKHEAD_VERSION);
		exit(EXIT_SUCCESS);
	default: /* getopt has said what is wrong */
		fputs("Try 'bulkheadd --help'.\n", stderr);
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	int option;

	if (argc == 2 && strcmp(argv[1], NFT_HOLDER_WORD) == 0) {
		/* Better held by a process that could do more than not held. */
		(void)sandbox_hold();
		return nft_holder_main();
	}
	options.port = port_options_usual;
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	while ((option = getopt_long(argc, argv, "p:s:g:vhV", long_options, NULL)) != -1)
		option_take(option);
	if (optind < argc) {
		fprintf(stderr, "bulkheadd: what is '%s'? A policy is named by --policy.\n", argv[optind]);
		return EXIT_FAILURE;
	}
	if (options.policy_path_count == 0)
		policy_add(DEFAULT_POLICY_DIR);
	options.gate.holder_dir = options.run_dir;
	return daemon_run(&options);
}
