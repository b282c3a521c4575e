/* SPDX-License-Identifier: GPL-2.0-only */
/* Each test is a process of its own: nobody comes out of a sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int in_daemon(void)
{
	int r = sandbox_enter(NULL);

	return r == 0 ? sandbox_started(NULL) : r;
}

/* How a process ends that goes in and does `what`: its exit status, or minus the signal that killed it. */
static int ends(int (*enter)(void), int (*what)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* 100: it did not get in. */
		_exit(enter() < 0 ? 100 : what());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- What is left ---- */

static uint64_t permitted(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct held[2] = {0};

	if (syscall(SYS_capget, &header, held) < 0)
		return ~0ull;
	return held[0].permitted | held[0].inheritable | (uint64_t)(held[1].permitted | held[1].inheritable) << 32;
}

static uint64_t at_first;

static uint64_t listed(bool starting)
{
	uint64_t set = 0;

	for (size_t i = 0; i < sandbox_capability_count; i++)
		if (starting || !sandbox_capabilities[i].start_only)
			set |= 1ull << sandbox_capabilities[i].number;
	return set;
}

static int holds_the_list_for_the_start(void)
{
	return permitted() == (at_first & listed(true)) ? 0 : 1;
}

static int holds_the_list(void)
{
	bool bounded = true;

	for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; number++)
		bounded &= listed(true) >> number & 1 || prctl(PR_CAPBSET_READ, number) == 0 ||
			   !(at_first >> CAP_SETPCAP & 1);
	return permitted() == (at_first & listed(false)) && bounded && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0
														   : 1;
}

static int holds_nothing(void)
{
	return permitted() == 0 ? 0 : 1;
}

static int searches_maps(void)
{
	return sandbox_search(false);
}

static int searches_conntrack(void)
{
	return sandbox_search(true);
}

static int holds_what_reads_maps(void)
{
	return permitted() == (at_first & (1ull << CAP_BPF | 1ull << CAP_SYS_ADMIN)) ? 0 : 1;
}

static int holds_what_asks_conntrack(void)
{
	return permitted() == (at_first & 1ull << CAP_NET_ADMIN) ? 0 : 1;
}

static int enter_only(void)
{
	return sandbox_enter(NULL);
}

static void test_only_the_listed_capabilities_are_left(void **state)
{
	(void)state;
	at_first = permitted();
	assert_int_equal(ends(enter_only, holds_the_list_for_the_start), 0);
	assert_int_equal(ends(in_daemon, holds_the_list), 0);
	assert_int_equal(ends(sandbox_think, holds_nothing), 0);
	assert_int_equal(ends(sandbox_hold, holds_nothing), 0);
	assert_int_equal(ends(searches_maps, holds_what_reads_maps), 0);
	assert_int_equal(ends(searches_conntrack, holds_what_asks_conntrack), 0);
}

static int says_so(void)
{
	json_t *json = sandbox_json();
	bool so = json_is_true(json_object_get(json, "filter")) &&
		  json_is_true(json_object_get(json, "no_new_privileges"));
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(json, "capabilities"), i, name)
	{
		so &= strcmp(json_string_value(name), "chown") != 0;
		so &= json_string_value(name)[0] > '9';
	}
	json_decref(json);
	return so ? 0 : 1;
}

static void test_it_tells_what_the_kernel_says(void **state)
{
	json_t *json = sandbox_json();

	(void)state;
	assert_true(json_is_false(json_object_get(json, "filter")));
	json_decref(json);
	assert_int_equal(ends(in_daemon, says_so), 0);
}

static void test_each_capability_has_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_capability_count; i++) {
		assert_true(strlen(sandbox_capabilities[i].why) > 10);
		assert_true(sandbox_capabilities[i].number < 64);
	}
}

/* ---- What is refused ---- */

/* 0: refused as by a kernel that has no such call. */
static int refused(long result)
{
	return result < 0 && errno == ENOSYS ? 0 : 1;
}

static int inet_socket(void)
{
	return refused(socket(AF_INET, SOCK_STREAM, 0));
}

static int packet_socket(void)
{
	return refused(socket(AF_PACKET, SOCK_RAW, 0));
}

static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? 0
		       : 1;
}

static int memory_made_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 ? 0 : 1;
}

static int other_namespaces(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && refused(setns(fd, CLONE_NEWNS)) == 0 && refused(setns(fd, 0)) == 0 ? 0 : 1;
}

static int new_namespaces(void)
{
	/* What it would clone by clone3 can't be seen: then nothing. */
	return refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL)) |
	       refused(syscall(SYS_clone3, NULL, 0));
}

static int terminal_input(void)
{
	return refused(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x"));
}

static void test_what_has_no_business_is_refused(void **state)
{
	(void)state;
	assert_int_equal(ends(in_daemon, inet_socket), 0);
	assert_int_equal(ends(in_daemon, packet_socket), 0);
	assert_int_equal(ends(in_daemon, other_namespaces), 0);
	if (SANITIZED)
		return; /* it needs these */
	assert_int_equal(ends(in_daemon, executable_memory), 0);
	assert_int_equal(ends(in_daemon, memory_made_executable), 0);
	assert_int_equal(ends(in_daemon, new_namespaces), 0);
	assert_int_equal(ends(in_daemon, terminal_input), 0);
}

/* ---- What ends the process ---- */

static const struct {
	const char *name;
	long call;
	bool of_sanitizers; /* they need it */
} hostile[] = {
	{"ptrace", SYS_ptrace, true},
	{"process_vm_readv", SYS_process_vm_readv, true},
	{"process_vm_writev", SYS_process_vm_writev, false},
	{"execve", SYS_execve, true},
	{"execveat", SYS_execveat, false},
	{"perf_event_open", SYS_perf_event_open, false},
	{"userfaultfd", SYS_userfaultfd, false},
	{"init_module", SYS_init_module, false},
	{"finit_module", SYS_finit_module, false},
	{"delete_module", SYS_delete_module, false},
	{"kexec_load", SYS_kexec_load, false},
	{"reboot", SYS_reboot, false},
	{"mount", SYS_mount, false},
	{"umount2", SYS_umount2, false},
	{"pivot_root", SYS_pivot_root, false},
	{"chroot", SYS_chroot, false},
	{"unshare", SYS_unshare, false},
	{"open_by_handle_at", SYS_open_by_handle_at, false},
	{"keyctl", SYS_keyctl, false},
	{"setuid", SYS_setuid, false},
	{"settimeofday", SYS_settimeofday, false},
	{"io_uring_setup", SYS_io_uring_setup, false},
};
static long tried;

static int try(void)
{
	/* Arguments that harm nobody, should it be let through. */
	syscall(tried, -1, 0, 0, 0, 0, 0);
	return 1;
}

static void test_what_only_an_intruder_tries_is_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		if (SANITIZED && hostile[i].of_sanitizers)
			continue;
		tried = hostile[i].call;
		if (ends(in_daemon, try) != -SIGSYS)
			fail_msg("%s is let pass", hostile[i].name);
	}
}

/* ---- What still goes ---- */

static void *thread_run(void *arg)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	/* Whoever may not enter is told so by the kernel, not by the filter. */
	*(int *)arg = fd >= 0 && (setns(fd, CLONE_NEWNET) == 0 || errno == EPERM) ? 0 : 1;
	close(fd);
	return NULL;
}

static int works(void)
{
	int pair[2], result = 1, status;
	pthread_t thread;
	pid_t pid;

	if (pthread_create(&thread, NULL, thread_run, &result) != 0 || pthread_join(thread, NULL) != 0 || result != 0)
		return 1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || socket(AF_NETLINK, SOCK_RAW, 0) < 0)
		return 2;
	pid = fork();
	if (pid == 0)
		_exit(sandbox_think() == 0 && write(pair[1], "x", 1) == 1 ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 3;
}

static void test_what_the_daemon_does_goes_on(void **state)
{
	(void)state;
	assert_int_equal(ends(in_daemon, works), 0);
}

/* ---- Who only thinks, who only holds ---- */

static int opens_a_file(void)
{
	return refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int makes_a_socket(void)
{
	return refused(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int uses_bpf(void)
{
	return refused(syscall(SYS_bpf, 0, NULL, 0));
}

static int forks(void)
{
	return refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

/* 0: let through, to fail for its own reasons. */
static int reads_maps(void)
{
	union bpf_attr attr = {.map_fd = UINT32_MAX};

	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0 && errno == EBADF ? 0 : 1;
}

static int makes_a_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */) >= 0 ? 0 : 1;
}

static int pair[2];

static int receives(void)
{
	char byte;

	return send(pair[0], "x", 1, 0) < 0 && recv(pair[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ? 0 : 1;
}

static void test_copies_can_do_less(void **state)
{
	int (*const narrow[])(void) = {sandbox_think, sandbox_hold, searches_maps, searches_conntrack};

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (size_t i = 0; i < sizeof(narrow) / sizeof(*narrow); i++) {
		assert_int_equal(ends(narrow[i], makes_a_socket), 0);
		assert_int_equal(ends(narrow[i], uses_bpf), 0);
		if (SANITIZED)
			continue;
		assert_int_equal(ends(narrow[i], opens_a_file), 0);
		assert_int_equal(ends(narrow[i], forks), 0);
	}
	assert_int_equal(ends(searches_maps, reads_maps), 0);
	assert_int_equal(ends(searches_maps, makes_a_netlink_socket), 1);
	assert_int_equal(ends(searches_conntrack, makes_a_netlink_socket), 0);
	assert_int_equal(ends(searches_conntrack, reads_maps), 1);
	/* The holder answers by sendmsg() alone. */
	assert_int_equal(ends(sandbox_hold, receives), 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_listed_capabilities_are_left),
		cmocka_unit_test(test_it_tells_what_the_kernel_says),
		cmocka_unit_test(test_each_capability_has_a_reason),
		cmocka_unit_test(test_what_has_no_business_is_refused),
		cmocka_unit_test(test_what_only_an_intruder_tries_is_the_end),
		cmocka_unit_test(test_what_the_daemon_does_goes_on),
		cmocka_unit_test(test_copies_can_do_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
