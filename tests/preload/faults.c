/* SPDX-License-Identifier: GPL-2.0-only */
/* Preloaded into the daemon, lets one system call fail: the one that a test asks for, of one process, as if the kernel
 * had refused it. It also makes the time of day jump, and receive buffers small. The test and the daemon share a page,
 * the file that FAULTS names (tests/e2e/lib/faults.py writes it). Calls that can't fail in earnest (close, unmap) and
 * those that only wait are left out. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct faults {
	uint32_t process; /* whose calls count; 0: nobody's */
	uint32_t nth;	  /* the call that fails, from 0 */
	uint32_t error;
	uint32_t count; /* calls so far */
	uint32_t fired;
	char name[44]; /* of the one that failed */
	int64_t clock; /* seconds that are added to the time of day */
	uint32_t tiny; /* receive buffers are as small as the kernel has them */
};

static struct faults *faults;

static void __attribute__((constructor)) faults_open(void)
{
	const char *path = getenv("FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	faults = page == MAP_FAILED ? NULL : page;
	close(fd);
}

/* Does this call fail? Then errno says how. */
static int fails(const char *name, long detail)
{
	if (!faults || faults->process == 0 || faults->process != (uint32_t)getpid())
		return 0;
	if (__atomic_fetch_add(&faults->count, 1, __ATOMIC_SEQ_CST) != faults->nth)
		return 0;
	snprintf(faults->name, sizeof(faults->name), "%s %ld", name, detail);
	__atomic_store_n(&faults->fired, 1, __ATOMIC_SEQ_CST);
	errno = (int)faults->error;
	return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The C library's own names of the parameters are reserved to it. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

/* bpf(2) has no function of its own. */
long syscall(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_bpf && fails("bpf", arguments[0]))
		return -1;
	return NEXT(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
			     arguments[5]);
}

int socket(int domain, int type, int protocol)
{
	return fails("socket", domain) ? -1 : NEXT(socket)(domain, type, protocol);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	const int none = 0;

	if (faults && faults->tiny && level == SOL_SOCKET && (option == SO_RCVBUFFORCE || option == SO_RCVBUF))
		return NEXT(setsockopt)(fd, level, option, &none, sizeof(none));
	return NEXT(setsockopt)(fd, level, option, value, size);
}

time_t time(time_t *ret_time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time)
		*ret_time = now.tv_sec;
	return now.tv_sec;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = NEXT(clock_gettime)(clock, ret_time);

	if (result == 0 && clock == CLOCK_REALTIME && faults)
		ret_time->tv_sec += faults->clock;
	return result;
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	return fails("bind", fd) ? -1 : NEXT(bind)(fd, address, size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return fails("send", fd) ? -1 : NEXT(send)(fd, data, size, flags);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t to_size)
{
	return fails("sendto", fd) ? -1 : NEXT(sendto)(fd, data, size, flags, to, to_size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	return fails("sendmsg", fd) ? -1 : NEXT(sendmsg)(fd, message, flags);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	return fails("recv", fd) ? -1 : NEXT(recv)(fd, data, size, flags);
}

/* What the compiler makes of it where it knows the buffer's size. */
ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	(void)room;
	return recv(fd, data, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return fails("recvmsg", fd) ? -1 : NEXT(recvmsg)(fd, message, flags);
}

static mode_t mode_of(int flags, va_list list)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	return fails("open", flags) ? -1 : NEXT(open)(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	return fails("openat", flags) ? -1 : NEXT(openat)(directory, path, flags, mode);
}

int mkostemp(char *template, int flags)
{
	return fails("mkostemp", flags) ? -1 : NEXT(mkostemp)(template, flags);
}

ssize_t read(int fd, void *data, size_t size)
{
	return fails("read", fd) ? -1 : NEXT(read)(fd, data, size);
}

ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
	(void)room;
	return read(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
	return fails("write", fd) ? -1 : NEXT(write)(fd, data, size);
}

int fsync(int fd)
{
	return fails("fsync", fd) ? -1 : NEXT(fsync)(fd);
}

int fchmod(int fd, mode_t mode)
{
	return fails("fchmod", (long)mode) ? -1 : NEXT(fchmod)(fd, mode);
}

int rename(const char *from, const char *to)
{
	return fails("rename", 0) ? -1 : NEXT(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
	return fails("mkdir", (long)mode) ? -1 : NEXT(mkdir)(path, mode);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
