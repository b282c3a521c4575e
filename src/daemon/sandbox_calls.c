/* SPDX-License-Identifier: GPL-2.0-only */
/* The system calls, in three lists: what is allowed; what only an intruder would try, which ends the process; and all
 * others, which are refused and logged by the kernel. An enforcer that is killed by a path that nobody thought of would
 * be worse than one whose call fails: so those get an error, and the error is the one of a kernel that does not have
 * the call, because C libraries try newer calls first and take the older ones on that error alone. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/sandbox.h"

/* seccomp.h's own macros leave a field out: clang says so, gcc does not. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define CALL(name) SCMP_SYS(name)
#define ANY_NAMESPACE \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define PR_NAME_MEMORY 0x53564d41 /* PR_SET_VMA: newer C libraries name what they allocate */

/* What every C program does that computes and writes to descriptors that it has. */
static const int plain[] = {
	CALL(brk),	    CALL(capget),	  CALL(clock_getres), CALL(clock_gettime),   CALL(clock_nanosleep),
	CALL(close),	    CALL(close_range),	  CALL(exit),	      CALL(exit_group),	     CALL(fcntl),
	CALL(fstat),	    CALL(fstatfs),	  CALL(futex),	      CALL(getpid),	     CALL(getppid),
	CALL(getrandom),    CALL(gettid),	  CALL(gettimeofday), CALL(lseek),	     CALL(madvise),
	CALL(mremap),	    CALL(munmap),	  CALL(nanosleep),    CALL(newfstatat),	     CALL(poll),
	CALL(ppoll),	    CALL(read),		  CALL(readv),	      CALL(restart_syscall), CALL(rseq),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sched_yield),     CALL(set_robust_list),
	CALL(sigaltstack),  CALL(stat),		  CALL(statx),	      CALL(tgkill),	     CALL(uname),
	CALL(write),	    CALL(writev),
};

/* The holder's: a Unix socket, and a descriptor that it hands on. */
static const int holding[] = {
	CALL(accept), CALL(accept4), CALL(getsockopt), CALL(recvfrom), CALL(recvmsg), CALL(sendmsg), CALL(setsockopt),
};

/* Those of whoever looks into conntrack: a socket of netlink (search_add()). */
static const int asking[] = {
	CALL(bind),    CALL(getsockname), CALL(getsockopt), CALL(recvfrom),
	CALL(recvmsg), CALL(sendmsg),	  CALL(sendto),	    CALL(setsockopt),
};

/* ---- The daemon's ---- */

static const int waiting[] = {
	CALL(epoll_create1),	 CALL(epoll_ctl),	CALL(epoll_pwait),
	CALL(epoll_pwait2),	 CALL(epoll_wait),	CALL(eventfd2),
	CALL(inotify_add_watch), CALL(inotify_init1),	CALL(inotify_rm_watch),
	CALL(pselect6),		 CALL(select),		CALL(signalfd4),
	CALL(timerfd_create),	 CALL(timerfd_gettime), CALL(timerfd_settime),
};

/* chown: the group's control socket, at the start, before CAP_CHOWN is given away. */
static const int files[] = {
	CALL(access),	 CALL(chmod),	   CALL(chown),	  CALL(dup),	      CALL(dup2),      CALL(dup3),
	CALL(faccessat), CALL(faccessat2), CALL(fchmod),  CALL(fchmodat),     CALL(fchown),    CALL(fchownat),
	CALL(fdatasync), CALL(flock),	   CALL(fsync),	  CALL(ftruncate),    CALL(getcwd),    CALL(getdents64),
	CALL(lchown),	 CALL(link),	   CALL(lstat),	  CALL(memfd_create), CALL(mkdir),     CALL(mkdirat),
	CALL(open),	 CALL(openat),	   CALL(openat2), CALL(pipe2),	      CALL(pread64),   CALL(pwrite64),
	CALL(readlink),	 CALL(readlinkat), CALL(rename),  CALL(renameat),     CALL(renameat2), CALL(rmdir),
	CALL(statfs),	 CALL(umask),	   CALL(unlink),  CALL(unlinkat),
};

/* Which families: choosy_add(). */
static const int sockets[] = {
	CALL(accept),	  CALL(accept4), CALL(bind),	   CALL(connect),  CALL(getpeername), CALL(getsockname),
	CALL(getsockopt), CALL(listen),	 CALL(recvfrom),   CALL(recvmmsg), CALL(recvmsg),     CALL(sendmmsg),
	CALL(sendmsg),	  CALL(sendto),	 CALL(setsockopt), CALL(shutdown), CALL(socketpair),
};

/* Copies that think, threads that look into a namespace, programs that the steward has started. */
static const int children[] = {
	CALL(getpriority),
	CALL(kill),
	CALL(membarrier),
	CALL(pidfd_open),
	CALL(pidfd_send_signal),
	CALL(sched_getaffinity),
	CALL(set_tid_address),
	CALL(setpgid),
	CALL(setpriority),
	CALL(wait4),
	CALL(waitid),
};

/* Copies give up more: capset and seccomp can only take away. */
static const int oneself[] = {
	CALL(capset), CALL(getegid),   CALL(geteuid), CALL(getgid),    CALL(getrlimit), CALL(getrusage),
	CALL(getuid), CALL(prlimit64), CALL(seccomp), CALL(setrlimit), CALL(sysinfo),	CALL(times),
};

/* What it is all about. */
static const int gates[] = {
	CALL(bpf),
};

/* ---- None of these has a place in an enforcer, nor in any of its libraries ---- */

/* Other processes' memory and execution; ours is the last program that runs here. */
static const int other_processes[] = {
	CALL(execve),	       CALL(execveat),	       CALL(kcmp),
	CALL(lookup_dcookie),  CALL(perf_event_open),  CALL(pidfd_getfd),
	CALL(process_madvise), CALL(process_vm_readv), CALL(process_vm_writev),
	CALL(ptrace),	       CALL(userfaultfd),
};

/* The kernel's code. */
static const int other_kernel[] = {
	CALL(create_module),   CALL(delete_module), CALL(finit_module), CALL(init_module),
	CALL(kexec_file_load), CALL(kexec_load),    CALL(reboot),
};

/* What is mounted, and ways past a path. */
static const int other_paths[] = {
	CALL(acct),	 CALL(chroot),	      CALL(fsconfig),	CALL(fsmount),
	CALL(fsopen),	 CALL(fspick),	      CALL(mknod),	CALL(mknodat),
	CALL(mount),	 CALL(mount_setattr), CALL(move_mount), CALL(open_by_handle_at),
	CALL(open_tree), CALL(pivot_root),    CALL(quotactl),	CALL(swapoff),
	CALL(swapon),	 CALL(umount2),	      CALL(unshare),
};

/* Who one is, keys, the machine, a second way to all calls. */
static const int other_machine[] = {
	CALL(add_key),	      CALL(clock_settime), CALL(io_uring_enter), CALL(io_uring_register),
	CALL(io_uring_setup), CALL(ioperm),	   CALL(iopl),		 CALL(keyctl),
	CALL(modify_ldt),     CALL(request_key),   CALL(setdomainname),	 CALL(setfsgid),
	CALL(setfsuid),	      CALL(setgid),	   CALL(setgroups),	 CALL(sethostname),
	CALL(setregid),	      CALL(setresgid),	   CALL(setresuid),	 CALL(setreuid),
	CALL(settimeofday),   CALL(setuid),	   CALL(syslog),	 CALL(vhangup),
};

/* The leak checker stops us by ptrace from a process of its own, and reports are made readable by a program. */
static const int sanitizers[] = {
	CALL(ptrace),	   CALL(execve),
	CALL(clone),	   CALL(vfork),
	CALL(pipe),	   CALL(mmap),
	CALL(mprotect),	   CALL(prctl),
	CALL(ioctl),	   CALL(open),
	CALL(openat),	   CALL(readlink),
	CALL(readlinkat),  CALL(getdents64),
	CALL(wait4),	   CALL(prlimit64),
	CALL(getrlimit),   CALL(sched_getaffinity),
	CALL(personality), CALL(getuid),
	CALL(kill),	   CALL(process_vm_readv),
	CALL(dup2),	   CALL(sysinfo),
	CALL(access),	   CALL(getdents),
};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define LIST(calls)                 \
	{                           \
		calls, COUNT(calls) \
	}

struct call_list {
	const int *calls;
	size_t count;
};
static const struct call_list allowed[] = {
	LIST(plain), LIST(waiting), LIST(files), LIST(sockets), LIST(children), LIST(oneself), LIST(gates),
};
static const struct call_list hostile[] = {
	LIST(other_processes),
	LIST(other_kernel),
	LIST(other_paths),
	LIST(other_machine),
};

static int calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int r = 0;

	/* What another machine does not have is a pseudo number; the library then adds nothing. */
	for (size_t i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add(filter, action, calls[i], 0);
	return r;
}

static bool sanitizers_need(int call)
{
	for (size_t i = 0; SANITIZED && i < COUNT(sanitizers); i++)
		if (sanitizers[i] == call)
			return true;
	return false;
}

static int hostile_add(scmp_filter_ctx filter, const struct call_list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++)
		if (!sanitizers_need(list->calls[i]))
			r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, list->calls[i], 0);
	return r;
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* Memory is never made executable: there is no place to put code that was not in the program. */
static int memory_add(scmp_filter_ctx filter)
{
	int r = allow_if(filter, CALL(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return r < 0 ? r : allow_if(filter, CALL(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* Those whose arguments count. */
static int choosy_add(scmp_filter_ctx filter)
{
	static const unsigned int prctls[] = {
		PR_SET_NAME,	     PR_SET_PDEATHSIG,	  PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT,
		PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP,  PR_NAME_MEMORY,
	};
	static const unsigned long ioctls[] = {NS_GET_NSTYPE, FIONREAD, FIONBIO, SIOCGIFINDEX, SIOCGIFNAME, TCGETS};
	static const unsigned int families[] = {AF_UNIX, AF_NETLINK};
	int r = memory_add(filter);

	for (size_t i = 0; r == 0 && i < COUNT(prctls); i++)
		r = allow_if(filter, CALL(prctl), SCMP_A0_32(SCMP_CMP_EQ, prctls[i]));
	for (size_t i = 0; r == 0 && i < COUNT(ioctls); i++)
		r = allow_if(filter, CALL(ioctl), SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)ioctls[i]));
	for (size_t i = 0; r == 0 && i < COUNT(families); i++)
		r = allow_if(filter, CALL(socket), SCMP_A0_32(SCMP_CMP_EQ, families[i]));
	if (r == 0)
		r = allow_if(filter, CALL(setns), SCMP_A1_32(SCMP_CMP_EQ, CLONE_NEWNET));
	if (r == 0)
		r = allow_if(filter, CALL(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, ANY_NAMESPACE, 0));
	/* The quiet filter has said no already. */
	return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone3), 0);
}

static int daemon_add(scmp_filter_ctx filter)
{
	int r = choosy_add(filter);

	for (size_t i = 0; r == 0 && i < COUNT(allowed); i++)
		r = calls_add(filter, SCMP_ACT_ALLOW, allowed[i].calls, allowed[i].count);
	for (size_t i = 0; r == 0 && i < COUNT(hostile); i++)
		r = hostile_add(filter, &hostile[i]);
	return r;
}

static int search_add(scmp_filter_ctx filter, enum sandbox_filter which)
{
	static const unsigned int reads[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_BATCH,
					     BPF_MAP_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD};
	int r = 0;

	if (which == SANDBOX_CONNTRACK) {
		r = calls_add(filter, SCMP_ACT_ALLOW, asking, COUNT(asking));
		return r < 0 ? r : allow_if(filter, CALL(socket), SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK));
	}
	for (size_t i = 0; r == 0 && which == SANDBOX_MAPS && i < COUNT(reads); i++)
		r = allow_if(filter, CALL(bpf), SCMP_A0_32(SCMP_CMP_EQ, reads[i]));
	return r;
}

static int narrow_add(scmp_filter_ctx filter, enum sandbox_filter which)
{
	int r = calls_add(filter, SCMP_ACT_ALLOW, plain, COUNT(plain));

	if (r == 0)
		r = memory_add(filter);
	if (r == 0)
		r = allow_if(filter, CALL(prctl), SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	if (r == 0 && which == SANDBOX_HOLDER)
		r = calls_add(filter, SCMP_ACT_ALLOW, holding, COUNT(holding));
	if (r == 0)
		r = search_add(filter, which);
	return r;
}

/* clone3 has its flags where a filter can't look; the C library then takes the older call. It tries with each thread:
 * in a filter of its own that is nothing to log. */
static int quiet_load(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!filter)
		return -ENOMEM;
	r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int sandbox_filter_load(enum sandbox_filter which)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (!filter)
		return -ENOMEM;
	/* Not all kernels can. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* Calls in another machine's way, 32 bits say, go round every list. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* The library's own numbers of errors: the kernel's is what people look up. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	r = which == SANDBOX_DAEMON ? quiet_load() : 0;
	if (r == 0)
		r = which == SANDBOX_DAEMON ? daemon_add(filter) : narrow_add(filter, which);
	if (r == 0 && SANITIZED)
		r = calls_add(filter, SCMP_ACT_ALLOW, sanitizers, COUNT(sanitizers));
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
