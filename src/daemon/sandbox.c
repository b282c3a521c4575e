/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older headers know neither; older kernels neither, and want CAP_SYS_ADMIN instead. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

const struct sandbox_capability sandbox_capabilities[] = {
	{"net_admin", CAP_NET_ADMIN, false, "links, filters, nftables, connection tracking, large netlink buffers"},
	{"bpf", CAP_BPF, false, "programs and maps (sys_admin has it too, and alone before Linux 5.8)"},
	{"perfmon", CAP_PERFMON, false,
	 "the programs' use of pointers (sys_admin has it too, and alone before Linux 5.8)"},
	{"sys_admin", CAP_SYS_ADMIN, false,
	 "entering containers' network namespaces, and finding programs and maps by their numbers"},
	{"net_broadcast", CAP_NET_BROADCAST, false, "events from other network namespaces"},
	{"sys_ptrace", CAP_SYS_PTRACE, false, "links in /proc of containers' processes: namespaces and programs"},
	{"dac_read_search", CAP_DAC_READ_SEARCH, false, "files of engines and runtimes that are not root's"},
	{"chown", CAP_CHOWN, true, "gives the control socket to the group"},
};
const size_t sandbox_capability_count = sizeof(sandbox_capabilities) / sizeof(*sandbox_capabilities);

/* ---- Capabilities ---- */

static uint64_t wanted(bool starting)
{
	uint64_t set = 0;

	for (size_t i = 0; i < sandbox_capability_count; i++)
		if (starting || !sandbox_capabilities[i].start_only)
			set |= 1ull << sandbox_capabilities[i].number;
	return set;
}

static int held_get(struct __user_cap_data_struct held[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, held) < 0 ? -errno : 0;
}

/* What we have, at most `most`; nothing to hand on. */
static int held_limit(uint64_t most)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct held[2];
	int r = held_get(held);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		held[i].permitted &= (uint32_t)(most >> (32 * i));
		held[i].effective = held[i].permitted;
		held[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, held) < 0 ? -errno : 0;
}

/* What a program that we execute could get at most. Before held_limit(), which takes CAP_SETPCAP. Those that can't be
 * dropped (it was never there) are of no use: no_new_privs stands before them. */
static void bounds_limit(uint64_t most)
{
	for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; number++)
		if (number >= 64 || !(most >> number & 1))
			(void)prctl(PR_CAPBSET_DROP, number);
}

static int capabilities_limit(uint64_t most)
{
	bounds_limit(most);
	/* Kernels before 4.3 have no ambient ones. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return held_limit(most);
}

/* ---- In ---- */

static int enter(uint64_t capabilities, enum sandbox_filter filter)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (r == 0)
		r = capabilities_limit(capabilities);
	return r == 0 ? sandbox_filter_load(filter) : r;
}

int sandbox_enter(struct error *error)
{
	const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	int r;

	/* Before Linux 5.11 maps count as locked memory, and later on we could not raise the bound any more. */
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	r = enter(wanted(true), SANDBOX_DAEMON);
	return r < 0 ? error_set(error, r, "the sandbox can't be entered (--no-sandbox goes without it): %s",
				 strerror(-r))
		     : 0;
}

int sandbox_started(struct error *error)
{
	int r = held_limit(wanted(false));

	return r < 0 ? error_set(error, r, "what only the start needs can't be given away: %s", strerror(-r)) : 0;
}

int sandbox_think(void)
{
	return enter(0, SANDBOX_THINKER);
}

int sandbox_search(bool conntrack)
{
	return conntrack ? enter(1ull << CAP_NET_ADMIN, SANDBOX_CONNTRACK)
			 : enter(1ull << CAP_BPF | 1ull << CAP_SYS_ADMIN, SANDBOX_MAPS);
}

int sandbox_hold(void)
{
	return enter(0, SANDBOX_HOLDER);
}

/* ---- What is so ---- */

static const char *capability_name(int number, char buffer[16])
{
	for (size_t i = 0; i < sandbox_capability_count; i++)
		if (sandbox_capabilities[i].number == number)
			return sandbox_capabilities[i].name;
	snprintf(buffer, 16, "%d", number);
	return buffer;
}

/* All of them by their names, as long as they are ours; the others by their numbers. */
static json_t *capabilities_json(void)
{
	struct __user_cap_data_struct held[2] = {0};
	json_t *list = json_array();
	char buffer[16];

	if (held_get(held) < 0)
		return list;
	for (int number = 0; number < 64; number++)
		if (held[number / 32].permitted >> (number % 32) & 1)
			json_array_append_new(list, json_string(capability_name(number, buffer)));
	return list;
}

json_t *sandbox_json(void)
{
	return json_pack("{s:o,s:b,s:b}", "capabilities", capabilities_json(), "no_new_privileges",
			 prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "filter", prctl(PR_GET_SECCOMP) == 2);
}
