/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop.h"

/* Events taken from the kernel at once; the rest comes in the next round. */
#define LOOP_EVENTS 64

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	struct loop *loop;
	struct loop_source *previous, *next;
	enum source_kind kind;
	int fd; /* of timers and signals: our own */
	int signal_number;
	bool removed; /* waits for the end of the round */
	union {
		loop_fd_fn fd;
		loop_timer_fn timer;
		loop_signal_fn signal;
	} fn;
	void *arg;
};

struct loop {
	int epoll_fd;
	int exit_code;
	bool running, quit;
	struct loop_source *sources;
	struct loop_source *removed; /* freed when no event of this round can name them */
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = -errno;

		free(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

static void sources_free(struct loop_source *source)
{
	while (source) {
		struct loop_source *next = source->next;

		if (source->kind != SOURCE_FD && source->fd >= 0)
			close(source->fd);
		free(source);
		source = next;
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	sources_free(loop->sources);
	sources_free(loop->removed);
	close(loop->epoll_fd);
	free(loop);
}

/* Takes `fd` over when it is a timer's or a signal's, also on failure. */
static int loop_add(struct loop *loop, enum source_kind kind, int fd, uint32_t epoll_events, void *arg,
		    struct loop_source **ret_source)
{
	struct loop_source *source = calloc(1, sizeof(*source));
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};
	int r = 0;

	if (!source)
		r = -ENOMEM;
	else if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		r = -errno;
	if (r < 0) {
		free(source);
		if (kind != SOURCE_FD)
			close(fd);
		return r;
	}
	*source = (struct loop_source){.loop = loop, .kind = kind, .fd = fd, .arg = arg, .next = loop->sources};
	if (loop->sources)
		loop->sources->previous = source;
	loop->sources = source;
	*ret_source = source;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fd_fn fn, void *arg,
		struct loop_source **ret_source)
{
	struct loop_source *source;
	int r = loop_add(loop, SOURCE_FD, fd, epoll_events, arg, &source);

	if (r < 0)
		return r;
	source->fn.fd = fn;
	if (ret_source)
		*ret_source = source;
	return 0;
}

int loop_change_fd(struct loop_source *source, uint32_t epoll_events)
{
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};

	if (source->kind != SOURCE_FD || source->removed)
		return -EINVAL;
	return epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add_timer(struct loop *loop, loop_timer_fn fn, void *arg, struct loop_source **ret_source)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *source;

	if (fd < 0)
		return -errno;
	int r = loop_add(loop, SOURCE_TIMER, fd, EPOLLIN, arg, &source);
	if (r < 0)
		return r;
	source->fn.timer = fn;
	*ret_source = source;
	return 0;
}

static struct timespec timespec_from_ms(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

int loop_set_timer(struct loop_source *source, int64_t delay_ms, int64_t period_ms)
{
	struct itimerspec spec = {0};

	if (source->kind != SOURCE_TIMER || source->removed || period_ms < 0)
		return -EINVAL;
	if (delay_ms >= 0) {
		spec.it_value = timespec_from_ms(delay_ms);
		spec.it_interval = timespec_from_ms(period_ms);
		if (delay_ms == 0)
			spec.it_value.tv_nsec = 1; /* all zero would disarm it */
	}
	return timerfd_settime(source->fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

int loop_add_signal(struct loop *loop, int signal_number, loop_signal_fn fn, void *arg)
{
	struct loop_source *source;
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	if (sigaddset(&set, signal_number) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = loop_add(loop, SOURCE_SIGNAL, fd, EPOLLIN, arg, &source);
	if (r < 0)
		return r;
	source->signal_number = signal_number;
	source->fn.signal = fn;
	/* Last, so that a failure leaves the signal as it was. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		r = -errno;
		loop_remove(source);
	}
	return r;
}

void loop_remove(struct loop_source *source)
{
	if (!source || source->removed)
		return;
	struct loop *loop = source->loop;
	/* Fails when the caller has closed the fd already; then it has left the epoll set by itself. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->kind != SOURCE_FD) {
		close(source->fd);
		source->fd = -1;
	}
	if (source->previous)
		source->previous->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->previous = source->previous;
	source->removed = true;
	source->previous = NULL;
	source->next = NULL;
	if (loop->running) {
		source->next = loop->removed;
		loop->removed = source;
	} else {
		free(source);
	}
}

static void source_fire_timer(struct loop_source *source)
{
	uint64_t expirations;

	/* Nothing to read: another callback of this round has set or disarmed it. */
	if (read(source->fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
		source->fn.timer(source->loop, source->arg);
}

static void source_fire_signal(struct loop_source *source)
{
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		source->fn.signal(source->loop, source->signal_number, source->arg);
}

static void source_fire(struct loop_source *source, uint32_t epoll_events)
{
	if (source->removed)
		return;
	switch (source->kind) {
	case SOURCE_FD:
		source->fn.fd(source->loop, source->fd, epoll_events, source->arg);
		break;
	case SOURCE_TIMER:
		source_fire_timer(source);
		break;
	case SOURCE_SIGNAL:
		source_fire_signal(source);
		break;
	}
}

static int loop_round(struct loop *loop)
{
	struct epoll_event events[LOOP_EVENTS];
	int count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS, -1);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count && !loop->quit; i++)
		source_fire(events[i].data.ptr, events[i].events);
	sources_free(loop->removed);
	loop->removed = NULL;
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	if (loop->running)
		return -EBUSY;
	loop->running = true;
	while (!loop->quit && r == 0)
		r = loop_round(loop);
	loop->running = false;
	if (r == 0)
		r = loop->exit_code;
	loop->quit = false;
	return r;
}

void loop_quit(struct loop *loop, int exit_code)
{
	loop->exit_code = exit_code;
	loop->quit = true;
}
