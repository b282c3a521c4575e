/* SPDX-License-Identifier: GPL-2.0-only */
/* One event loop (epoll, timerfd, signalfd). Single-threaded: callbacks run one at a time from loop_run(). */
#ifndef BULKHEAD_BASE_LOOP_H
#define BULKHEAD_BASE_LOOP_H

#include <stdint.h>

struct loop;
struct loop_source; /* owned by the loop until loop_remove() or loop_free(); the fd itself stays the caller's */

typedef void (*loop_fd_fn)(struct loop *loop, int fd, uint32_t epoll_events, void *arg);
typedef void (*loop_timer_fn)(struct loop *loop, void *arg);
typedef void (*loop_signal_fn)(struct loop *loop, int signal_number, void *arg);

int loop_new(struct loop **ret_loop);
void loop_free(struct loop *loop); /* NULL is fine */

/* Watches `fd` for EPOLLIN/EPOLLOUT/... Returns 0 or -errno. `ret_source` may be NULL. */
int loop_add_fd(struct loop *loop, int fd, uint32_t epoll_events, loop_fd_fn fn, void *arg,
		struct loop_source **ret_source);
int loop_change_fd(struct loop_source *source, uint32_t epoll_events);

/* A disarmed monotonic timer; loop_set_timer arms it to fire once after `delay_ms` (0 fires at once), then every
 * `period_ms` (0: once). loop_set_timer(source, -1, 0) disarms. */
int loop_add_timer(struct loop *loop, loop_timer_fn fn, void *arg, struct loop_source **ret_source);
int loop_set_timer(struct loop_source *source, int64_t delay_ms, int64_t period_ms);

/* Blocks the signal and delivers it from the loop. */
int loop_add_signal(struct loop *loop, int signal_number, loop_signal_fn fn, void *arg);

/* Safe from within the source's own callback, and for sources with events still pending in this round. */
void loop_remove(struct loop_source *source); /* NULL is fine */

int loop_run(struct loop *loop); /* until loop_quit(); returns its exit code, or -errno */
void loop_quit(struct loop *loop, int exit_code);

#endif
