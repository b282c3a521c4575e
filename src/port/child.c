/* SPDX-License-Identifier: GPL-2.0-only */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

struct child {
	struct loop *loop;
	pid_t pid; /* of its process group too */
	int pid_fd, out_fd;
	struct loop_source *ended, *readable, *timer;
	char *output;
	size_t size, capacity, max;
	int failure; /* -errno, when we had to kill it */
	child_done_fn done;
	void *arg;
};

static void child_free(struct child *child)
{
	loop_remove(child->ended);
	loop_remove(child->readable);
	loop_remove(child->timer);
	cleanup_close(&child->pid_fd);
	cleanup_close(&child->out_fd);
	free(child->output);
	free(child);
}

static void child_kill(struct child *child, int failure)
{
	if (child->failure == 0)
		child->failure = failure;
	/* It leads a group of its own, and is not reaped yet: the number is still its. */
	(void)kill(-child->pid, SIGKILL);
}

void child_cancel(struct child *child)
{
	if (!child)
		return;
	child_kill(child, -ECANCELED);
	(void)waitpid(child->pid, NULL, 0); /* SIGKILL does not keep us waiting */
	child_free(child);
}

/* 0: all there is for now; 1: the end; or -errno. */
static int child_read(struct child *child)
{
	for (;;) {
		ssize_t n;

		if (child->size + 1 >= child->capacity) {
			size_t capacity = child->capacity ? child->capacity * 2 : 16384;
			char *larger = realloc(child->output, capacity);

			if (!larger)
				return -ENOMEM;
			child->output = larger;
			child->output[child->size] = '\0';
			child->capacity = capacity;
		}
		n = read(child->out_fd, child->output + child->size, child->capacity - child->size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return 1;
		child->size += (size_t)n;
		child->output[child->size] = '\0';
		if (child->size > child->max)
			return -EFBIG;
	}
}

static void child_readable(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct child *child = arg;
	int r = child_read(child);

	(void)loop;
	(void)fd;
	(void)epoll_events;
	if (r == 0)
		return;
	loop_remove(child->readable);
	child->readable = NULL;
	if (r < 0)
		child_kill(child, r);
}

static void child_ended(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct child *child = arg;
	siginfo_t info = {0};
	int status;

	(void)loop;
	(void)fd;
	(void)epoll_events;
	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	/* What it wrote last may still be in the pipe. */
	if (child->failure == 0 && child->readable) {
		int r = child_read(child);

		if (r < 0)
			child->failure = r;
	}
	if (child->failure < 0)
		child->done(child->arg, child->failure, "", 0);
	else
		child->done(child->arg, status, child->output ? child->output : "", child->size);
	child_free(child);
}

static void child_late(struct loop *loop, void *arg)
{
	(void)loop;
	child_kill(arg, -ETIMEDOUT);
}

/* Of the copy that becomes another program: what it needs of us, and what it would not expect. */
static int program_prepare(int out_fd)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || setpgid(0, 0) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		return -errno;
	/* The loop has signals blocked, the steward ignores some. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* Where execvp() would look. Asked before, since there is no telling afterwards whose child it is that never was. */
static bool program_is_there(const char *program)
{
	const char *path = getenv("PATH");
	char whole[PATH_MAX];

	if (strchr(program, '/'))
		return access(program, X_OK) == 0;
	while (path && *path) {
		int length = (int)strcspn(path, ":");

		if (snprintf(whole, sizeof(whole), "%.*s/%s", length, path, program) < (int)sizeof(whole) &&
		    access(whole, X_OK) == 0)
			return true;
		path += length + (path[length] == ':');
	}
	return false;
}

/* What becomes of the steward's copies is the daemon's to wait for: they are its children. */
static pid_t program_fork(void)
{
	return steward_is_here() ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) : fork();
}

/* Its number, or -errno. */
static int program_start(char *const words[], int out_fd)
{
	pid_t pid;

	if (!program_is_there(words[0]))
		return -ENOENT;
	pid = program_fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (program_prepare(out_fd) == 0)
			execvp(words[0], words);
		_exit(127);
	}
	/* Both sides do it, so that it is done whoever runs first: child_kill() means the group. */
	(void)setpgid(pid, pid);
	return pid;
}

size_t child_words(const struct steward_order *order, const char *words[CHILD_WORDS_MAX])
{
	size_t count = 0;

	for (size_t at = 0; at < order->size; at += strlen(order->text + at) + 1) {
		if (count == CHILD_WORDS_MAX - 1)
			return 0;
		words[count++] = order->text + at;
	}
	words[count] = NULL;
	return count;
}

int child_task(const struct steward_order *order)
{
	const char *words[CHILD_WORDS_MAX];

	if (order->fd_count != 1 || child_words(order, words) == 0)
		return -EINVAL;
	/* It only reads the words; the type is older than const. */
	return program_start((char *const *)words, order->fds[0]);
}

static int child_spawn(steward_task_fn task, const char *const argv[], int out_fd, pid_t *ret_pid)
{
	struct text words = {0};
	struct steward_order order = {.fds = {out_fd}, .fd_count = 1};
	int r;

	for (size_t i = 0; argv[i]; i++)
		text_append_bytes(&words, argv[i], strlen(argv[i]) + 1);
	order.text = words.data;
	order.size = words.length;
	r = words.failed ? -ENOMEM : steward_do(task, &order);
	text_free(&words);
	if (r < 0)
		return r;
	*ret_pid = r;
	return 0;
}

static int child_watch(struct child *child, int timeout_ms)
{
	int r;

	child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pid_fd < 0)
		return -errno;
	r = loop_add_fd(child->loop, child->out_fd, EPOLLIN, child_readable, child, &child->readable);
	if (r == 0)
		r = loop_add_fd(child->loop, child->pid_fd, EPOLLIN, child_ended, child, &child->ended);
	if (r == 0)
		r = loop_add_timer(child->loop, child_late, child, &child->timer);
	return r == 0 ? loop_set_timer(child->timer, timeout_ms, 0) : r;
}

/* Close-on-exec does not help a copy: sockets held by it would stay open to our clients, the lock to our successor. */
static void child_keep_only(int *out_fd, const struct child_fds *keep)
{
	unsigned int first = STDERR_FILENO + 1;
	int fd = *out_fd;

	/* Among others they stay where they are; alone it comes next. */
	if (!keep && fd != (int)first)
		*out_fd = fd = dup2(fd, (int)first);
	for (;;) {
		int next = fd >= (int)first ? fd : INT_MAX;

		for (size_t i = 0; keep && i < keep->count; i++)
			if (keep->items[i] >= (int)first && keep->items[i] < next)
				next = keep->items[i];
		if (next == INT_MAX)
			break;
		if (next > (int)first)
			(void)syscall(SYS_close_range, first, (unsigned int)next - 1, 0);
		first = (unsigned int)next + 1;
	}
	(void)syscall(SYS_close_range, first, ~0u, 0);
}

static int child_copy(child_work_fn work, const void *what, const struct child_fds *keep, int out_fd, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)setpgid(0, 0);
		/* Blocked signals stay so: nobody reads them here. SIGKILL is not among them. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(EXIT_FAILURE);
		child_keep_only(&out_fd, keep);
		(void)!nice(10); /* the enforcer goes first */
		_exit(work(what, out_fd));
	}
	/* Both sides do it, so that it is done whoever runs first: child_kill() means the group. */
	(void)setpgid(pid, pid);
	*ret_pid = pid;
	return 0;
}

/* Who is to be started: a program, or a copy of us. */
struct child_start {
	steward_task_fn task;
	const char *const *argv;
	child_work_fn work;
	const void *what;
	const struct child_fds *keep;
};

static int child_start(struct loop *loop, const struct child_start *start, size_t max_output, int timeout_ms,
		       child_done_fn done, void *arg, struct child **ret_child)
{
	struct child *child = calloc(1, sizeof(*child));
	int pipe_fds[2], r;

	if (!child)
		return -ENOMEM;
	*child = (struct child){.loop = loop, .pid_fd = -1, .out_fd = -1, .max = max_output, .done = done, .arg = arg};
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		r = -errno;
		free(child);
		return r;
	}
	child->out_fd = pipe_fds[0];
	r = fcntl(child->out_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0 && start->work)
		r = child_copy(start->work, start->what, start->keep, pipe_fds[1], &child->pid);
	else if (r == 0)
		r = start->argv ? child_spawn(start->task, start->argv, pipe_fds[1], &child->pid) : -EINVAL;
	close(pipe_fds[1]);
	if (r < 0) {
		child_free(child);
		return r;
	}
	r = child_watch(child, timeout_ms);
	if (r < 0) {
		child_cancel(child);
		return r;
	}
	*ret_child = child;
	return 0;
}

int child_run(struct loop *loop, steward_task_fn task, const char *const argv[], size_t max_output, int timeout_ms,
	      child_done_fn done, void *arg, struct child **ret_child)
{
	return child_start(loop, &(struct child_start){.task = task, .argv = argv}, max_output, timeout_ms, done, arg,
			   ret_child);
}

int child_fork(struct loop *loop, child_work_fn work, const void *what, size_t max_output, int timeout_ms,
	       child_done_fn done, void *arg, struct child **ret_child)
{
	return child_fork_with(loop, work, what, NULL, max_output, timeout_ms, done, arg, ret_child);
}

int child_fork_with(struct loop *loop, child_work_fn work, const void *what, const struct child_fds *keep,
		    size_t max_output, int timeout_ms, child_done_fn done, void *arg, struct child **ret_child)
{
	return child_start(loop, &(struct child_start){.work = work, .what = what, .keep = keep}, max_output,
			   timeout_ms, done, arg, ret_child);
}
