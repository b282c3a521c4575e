/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/steward.h"
#include "port/child.h"
#include "port/podman.h"

#define WAIT_MS 60000 /* for what comes at once on an idle machine */

static int task_pid(const struct steward_order *order)
{
	return order->size == 0 && order->fd_count == 0 ? getpid() : -EINVAL;
}

static int task_echo(const struct steward_order *order)
{
	if (order->fd_count != 1 || write(order->fds[0], order->text, order->size) != (ssize_t)order->size)
		return -EIO;
	return (int)order->size;
}

static int task_foreign(const struct steward_order *order)
{
	(void)order;
	return 0;
}

static int task_die(const struct steward_order *order)
{
	(void)order;
	_exit(1);
}

static const steward_task_fn tasks[] = {task_pid, task_echo, task_die, child_task};

static int start(void **state)
{
	(void)state;
	return steward_start(tasks, sizeof(tasks) / sizeof(*tasks), NULL);
}

static int end(void **state)
{
	(void)state;
	steward_end();
	return 0;
}

static void test_orders_are_carried_out_by_another_process(void **state)
{
	int fds[2], pid = steward_do(task_pid, &(struct steward_order){0});
	char heard[16] = "";

	(void)state;
	assert_true(pid > 0 && pid != getpid());
	assert_false(steward_is_here());
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(
		steward_do(task_echo,
			   &(struct steward_order){.text = "one\0two", .size = 8, .fds = {fds[1]}, .fd_count = 1}),
		8);
	close(fds[1]); /* the steward has closed its own, so that this pipe ends */
	assert_int_equal(read(fds[0], heard, sizeof(heard)), 8);
	assert_memory_equal(heard, "one\0two", 8);
	assert_int_equal(read(fds[0], heard, sizeof(heard)), 0);
	close(fds[0]);
	assert_int_equal(steward_do(task_pid, &(struct steward_order){0}), pid);
}

static void test_what_is_not_in_the_list_is_not_done(void **state)
{
	static char large[STEWARD_TEXT_MAX + 1];

	(void)state;
	assert_int_equal(steward_do(task_foreign, &(struct steward_order){0}), -EPERM);
	/* Words that do not end. */
	assert_int_equal(steward_do(task_pid, &(struct steward_order){.text = "word", .size = 4}), -EPERM);
	assert_int_equal(steward_do(task_pid, &(struct steward_order){.text = large, .size = sizeof(large)}), -E2BIG);
	assert_true(steward_do(task_pid, &(struct steward_order){0}) > 0);
}

static void test_its_end_is_noticed(void **state)
{
	struct pollfd watched = {.fd = steward_fd(), .events = POLLIN};

	(void)state;
	assert_int_equal(poll(&watched, 1, 0), 0);
	assert_int_equal(steward_do(task_die, &(struct steward_order){0}), -EPIPE);
	assert_int_equal(poll(&watched, 1, WAIT_MS), 1);
	assert_int_equal(steward_do(task_pid, &(struct steward_order){0}), -EPIPE);
}

/* Whoever waits at the other end of a pipe that it holds sees that it goes. */
static void test_it_ends_with_the_daemon(void **state)
{
	int fds[2], status;
	pid_t daemon;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	daemon = fork();
	if (daemon == 0) {
		struct pollfd never = {.fd = -1};

		_exit(steward_start(tasks, 1, NULL) == 0 && poll(&never, 1, 0) == 0 ? 0 : 1);
	}
	close(fds[1]);
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void done(void *arg, int status, const char *output, size_t size)
{
	int *ret_status = arg;

	assert_int_equal(size, 6);
	assert_string_equal(output, "hello\n");
	*ret_status = status;
}

struct run {
	struct loop *loop;
	int status;
};

static void done_quit(void *arg, int status, const char *output, size_t size)
{
	struct run *run = arg;

	done(&run->status, status, output, size);
	loop_quit(run->loop, 0);
}

static void test_a_program_it_starts_is_the_daemons_child(void **state)
{
	const char *const argv[] = {"sh", "-c", "echo hello; exit 3", NULL}, *const none[] = {"/nonexistent", NULL};
	struct run run = {0};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&run.loop), 0);
	assert_int_equal(child_run(run.loop, child_task, none, 10, WAIT_MS, done_quit, &run, &child), -ENOENT);
	assert_int_equal(child_run(run.loop, child_task, argv, 10, WAIT_MS, done_quit, &run, &child), 0);
	assert_int_equal(loop_run(run.loop), 0);
	assert_int_equal(run.status, 3);
	loop_free(run.loop);
	/* Nobody is left: only the steward itself. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0);
}

/* ---- Podman's task: no other program, no other words ---- */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int podman_says(const char *text, size_t size)
{
	/* Without a descriptor the words that it likes come to nothing all the same. */
	return podman_task(&(struct steward_order){.text = text, .size = size});
}
#define SAYS(text) podman_says(text, sizeof(text))

static void test_podman_is_asked_for_containers_only(void **state)
{
	(void)state;
	assert_int_equal(SAYS("podman\0container\0inspect\0" ID), -EINVAL);
	assert_int_equal(SAYS("podman\0container\0inspect\0" ID "\0" ID), -EINVAL);
	assert_int_equal(SAYS("sh\0container\0inspect\0" ID), -EPERM);
	assert_int_equal(SAYS("/tmp/podman\0container\0inspect\0" ID), -EPERM);
	assert_int_equal(SAYS("podman\0container\0rm\0" ID), -EPERM);
	assert_int_equal(SAYS("podman\0container\0inspect"), -EPERM);
	assert_int_equal(SAYS("podman\0container\0inspect\0--format"), -EPERM);
	assert_int_equal(SAYS("podman\0container\0inspect\0" ID "\0--latest"), -EPERM);
	assert_int_equal(SAYS("podman\0--root\0/tmp/mine\0container\0inspect\0" ID), -EPERM);
	assert_int_equal(podman_says(NULL, 0), -EPERM);
	podman_task_root("/srv/podman");
	assert_int_equal(SAYS("podman\0--root\0/srv/podman\0container\0inspect\0" ID), -EINVAL);
	assert_int_equal(SAYS("podman\0--root\0/srv/podman/x\0container\0inspect\0" ID), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_orders_are_carried_out_by_another_process, start, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_in_the_list_is_not_done, start, end),
		cmocka_unit_test_setup_teardown(test_its_end_is_noticed, start, end),
		cmocka_unit_test(test_it_ends_with_the_daemon),
		cmocka_unit_test_setup_teardown(test_a_program_it_starts_is_the_daemons_child, start, end),
		cmocka_unit_test(test_podman_is_asked_for_containers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
