/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

/* Ends a loop whose awaited event never came; long, so that a busy machine does not matter. */
#define GIVE_UP_MS 20000

struct scene {
	struct loop *loop;
	struct loop_source *first, *second, *timer;
	int fds[2];
	int calls;
};

static void give_up(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, -ETIME);
}

static int make_scene(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct loop_source *guard;

	if (!scene || loop_new(&scene->loop) < 0)
		return -1;
	scene->fds[0] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	scene->fds[1] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (scene->fds[0] < 0 || scene->fds[1] < 0 || loop_add_timer(scene->loop, give_up, NULL, &guard) < 0)
		return -1;
	*state = scene;
	return loop_set_timer(guard, GIVE_UP_MS, 0);
}

static int free_scene(void **state)
{
	struct scene *scene = *state;

	loop_free(scene->loop);
	close(scene->fds[0]);
	close(scene->fds[1]);
	free(scene);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void read_and_quit(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct scene *scene = arg;
	uint64_t value;

	assert_int_equal(epoll_events & EPOLLIN, EPOLLIN);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	scene->calls++;
	loop_quit(loop, 42);
}

static void test_a_readable_fd_calls_back_and_quit_gives_the_code(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], EPOLLIN, read_and_quit, scene, NULL), 0);
	assert_int_equal(loop_run(scene->loop), 42);
	assert_int_equal(scene->calls, 1);
}

static void test_a_quit_before_the_run_ends_it_at_once(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], EPOLLIN, read_and_quit, scene, NULL), 0);
	loop_quit(scene->loop, 3);
	assert_int_equal(loop_run(scene->loop), 3);
	assert_int_equal(scene->calls, 0);
	/* And the loop can run again. */
	assert_int_equal(loop_run(scene->loop), 42);
}

/* Both are readable in one round: the one that is called first removes the other, whose event is pending. */
static void remove_other(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct scene *scene = arg;
	struct loop_source **other = fd == scene->fds[0] ? &scene->second : &scene->first;

	(void)epoll_events;
	scene->calls++;
	loop_remove(*other);
	*other = NULL;
	loop_set_timer(scene->timer, 20, 0);
	(void)loop;
}

static void quit_with_zero(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 0);
}

static void test_a_removed_source_with_a_pending_event_is_not_called(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_timer(scene->loop, quit_with_zero, NULL, &scene->timer), 0);
	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], EPOLLIN | EPOLLET, remove_other, scene, &scene->first),
			 0);
	assert_int_equal(
		loop_add_fd(scene->loop, scene->fds[1], EPOLLIN | EPOLLET, remove_other, scene, &scene->second), 0);
	assert_int_equal(loop_run(scene->loop), 0);
	assert_int_equal(scene->calls, 1);
	/* The one that is left may be removed outside of a run, too. */
	loop_remove(scene->first);
	loop_remove(scene->second);
	loop_remove(NULL);
}

static void remove_self(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct scene *scene = arg;

	(void)loop;
	(void)fd;
	(void)epoll_events;
	scene->calls++;
	loop_remove(scene->first);
	assert_int_equal(loop_change_fd(scene->first, EPOLLIN), -EINVAL);
	loop_set_timer(scene->timer, 20, 0);
}

static void test_a_source_may_remove_itself(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_timer(scene->loop, quit_with_zero, NULL, &scene->timer), 0);
	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], EPOLLIN, remove_self, scene, &scene->first), 0);
	assert_int_equal(loop_run(scene->loop), 0);
	assert_int_equal(scene->calls, 1);
	/* The fd stays the caller's. */
	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], EPOLLIN, read_and_quit, scene, NULL), 0);
	assert_int_equal(loop_run(scene->loop), 42);
}

static void count_and_quit(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct scene *scene = arg;

	(void)fd;
	assert_int_equal(epoll_events & EPOLLOUT, EPOLLOUT);
	scene->calls++;
	loop_quit(loop, 1);
}

static void test_what_is_watched_can_be_changed(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_timer(scene->loop, quit_with_zero, NULL, &scene->timer), 0);
	assert_int_equal(loop_add_fd(scene->loop, scene->fds[0], 0, count_and_quit, scene, &scene->first), 0);
	assert_int_equal(loop_set_timer(scene->timer, 10, 0), 0);
	assert_int_equal(loop_run(scene->loop), 0);
	assert_int_equal(scene->calls, 0);
	assert_int_equal(loop_change_fd(scene->first, EPOLLOUT), 0);
	assert_int_equal(loop_run(scene->loop), 1);
	assert_int_equal(scene->calls, 1);
	assert_int_equal(loop_change_fd(scene->timer, EPOLLIN), -EINVAL);
}

static void test_a_bad_fd_is_an_error(void **state)
{
	struct scene *scene = *state;
	struct loop_source *source = NULL;

	assert_int_equal(loop_add_fd(scene->loop, -1, EPOLLIN, read_and_quit, scene, &source), -EBADF);
	assert_null(source);
	assert_int_equal(loop_add_signal(scene->loop, -1, NULL, NULL), -EINVAL);
}

static void tick(struct loop *loop, void *arg)
{
	struct scene *scene = arg;

	if (++scene->calls == 5)
		loop_quit(loop, 5);
}

static void test_a_timer_waits_and_then_keeps_its_period(void **state)
{
	struct scene *scene = *state;
	int64_t start = now_ms();

	assert_int_equal(loop_add_timer(scene->loop, tick, scene, &scene->timer), 0);
	assert_int_equal(loop_set_timer(scene->timer, 30, 10), 0);
	assert_int_equal(loop_run(scene->loop), 5);
	assert_true(now_ms() - start >= 30);
}

static void once(struct loop *loop, void *arg)
{
	struct scene *scene = arg;

	(void)loop;
	scene->calls++;
}

static void test_timers_fire_once_at_once_or_not_at_all(void **state)
{
	struct scene *scene = *state;
	struct loop_source *disarmed, *immediate;

	assert_int_equal(loop_add_timer(scene->loop, give_up, NULL, &disarmed), 0);
	assert_int_equal(loop_add_timer(scene->loop, once, scene, &immediate), 0);
	assert_int_equal(loop_add_timer(scene->loop, quit_with_zero, NULL, &scene->timer), 0);
	assert_int_equal(loop_set_timer(disarmed, 1, 1), 0);
	assert_int_equal(loop_set_timer(disarmed, -1, 0), 0);
	assert_int_equal(loop_set_timer(immediate, 0, 0), 0);
	assert_int_equal(loop_set_timer(scene->timer, 30, 0), 0);
	assert_int_equal(loop_set_timer(scene->timer, 30, -1), -EINVAL);
	assert_int_equal(loop_run(scene->loop), 0);
	assert_int_equal(scene->calls, 1);
	loop_remove(immediate);
	assert_int_equal(loop_set_timer(scene->timer, INT64_MAX, 0), 0); /* far, but no error */
}

/* Two timers are due in one round; the first to run disarms the other. */
static void disarm_both(struct loop *loop, void *arg)
{
	struct scene *scene = arg;

	(void)loop;
	scene->calls++;
	loop_set_timer(scene->first, -1, 0);
	loop_set_timer(scene->second, -1, 0);
	loop_set_timer(scene->timer, 20, 0);
}

static void test_a_timer_disarmed_in_its_round_does_not_fire(void **state)
{
	struct scene *scene = *state;
	int64_t start = now_ms();

	assert_int_equal(loop_add_timer(scene->loop, quit_with_zero, NULL, &scene->timer), 0);
	assert_int_equal(loop_add_timer(scene->loop, disarm_both, scene, &scene->first), 0);
	assert_int_equal(loop_add_timer(scene->loop, disarm_both, scene, &scene->second), 0);
	assert_int_equal(loop_set_timer(scene->first, 0, 0), 0);
	assert_int_equal(loop_set_timer(scene->second, 0, 0), 0);
	while (now_ms() - start < 3) /* until both are due */
		;
	assert_int_equal(loop_run(scene->loop), 0);
	assert_int_equal(scene->calls, 1);
}

static void on_signal(struct loop *loop, int signal_number, void *arg)
{
	struct scene *scene = arg;

	scene->calls++;
	loop_quit(loop, signal_number);
}

static void test_a_signal_is_delivered_from_the_loop(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_signal(scene->loop, SIGUSR1, on_signal, scene), 0);
	assert_int_equal(loop_add_signal(scene->loop, SIGUSR2, on_signal, scene), 0);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(scene->calls, 0);
	assert_int_equal(loop_run(scene->loop), SIGUSR2);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(scene->loop), SIGUSR1);
	assert_int_equal(scene->calls, 2);
}

static void run_again(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, loop_run(loop));
}

static void test_a_loop_does_not_run_within_itself(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(loop_add_timer(scene->loop, run_again, NULL, &scene->timer), 0);
	assert_int_equal(loop_set_timer(scene->timer, 0, 0), 0);
	assert_int_equal(loop_run(scene->loop), -EBUSY);
}

static void test_freeing_nothing(void **state)
{
	(void)state;
	loop_free(NULL);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, free_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_a_readable_fd_calls_back_and_quit_gives_the_code),
		IN_SCENE(test_a_quit_before_the_run_ends_it_at_once),
		IN_SCENE(test_a_removed_source_with_a_pending_event_is_not_called),
		IN_SCENE(test_a_source_may_remove_itself),
		IN_SCENE(test_what_is_watched_can_be_changed),
		IN_SCENE(test_a_bad_fd_is_an_error),
		IN_SCENE(test_a_timer_waits_and_then_keeps_its_period),
		IN_SCENE(test_timers_fire_once_at_once_or_not_at_all),
		IN_SCENE(test_a_timer_disarmed_in_its_round_does_not_fire),
		IN_SCENE(test_a_signal_is_delivered_from_the_loop),
		IN_SCENE(test_a_loop_does_not_run_within_itself),
		cmocka_unit_test(test_freeing_nothing),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
