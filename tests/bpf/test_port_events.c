/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of links, in a network namespace of the test's own. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/event.h"

#define DEAF_MS 10000 /* a busy machine takes its time; an event takes microseconds */

static struct {
	struct loop *loop;
	struct events *events;
	struct loop_source *done; /* ends the loop's next round */
	unsigned int heard;
} subject;

static void heard(void *arg)
{
	(void)arg;
	subject.heard++;
	loop_quit(subject.loop, 0);
}

static void too_late(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 1);
}

/* A scan: all that has come is read. */
static void scan(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	uint64_t count;

	(void)epoll_events;
	(void)arg;
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	(void)loop;
	assert_int_equal(events_rearm(subject.events), 0);
	assert_int_equal(loop_set_timer(subject.done, 0, 0), 0);
}

static void done(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 2);
}

static void link_make(const char *name)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link add %s type bridge", name);
	assert_int_equal(system(command), 0);
}

/* Both are ready in one round of the loop, and the scan is first: what it has read must not make us deaf. */
static void test_a_scan_before_an_event_does_not_make_deaf(void **state)
{
	struct loop_source *timer, *waker;
	const uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(loop_new(&subject.loop), 0);
	assert_int_equal(events_new(subject.loop, heard, NULL, &subject.events), 0);
	assert_int_equal(events_rearm(subject.events), 0);
	assert_int_equal(loop_add_fd(subject.loop, fd, EPOLLIN, scan, NULL, &waker), 0);
	assert_int_equal(loop_add_timer(subject.loop, done, NULL, &subject.done), 0);
	assert_int_equal(loop_add_timer(subject.loop, too_late, NULL, &timer), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		link_make("first");
		assert_int_equal(loop_run(subject.loop), 2);
		assert_int_equal(system("ip link del first"), 0);
		assert_int_equal(loop_set_timer(timer, DEAF_MS, 0), 0);
		subject.heard = 0;
		assert_int_equal(loop_run(subject.loop), 0);
		assert_int_equal(subject.heard, 1);
		assert_int_equal(events_rearm(subject.events), 0);
	}
	events_free(subject.events);
	loop_remove(subject.done);
	loop_remove(timer);
	loop_remove(waker);
	loop_free(subject.loop);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_scan_before_an_event_does_not_make_deaf),
	};

	return cmocka_run_group_tests_name("port_events", tests, NULL, NULL);
}
