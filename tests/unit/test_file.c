/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

#include <dirent.h>

static char directory[64];

static int enter_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/bulkhead-file-XXXXXX");
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf -- %s", directory);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static size_t directory_count(void)
{
	DIR *dir = opendir(".");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2; /* "." and ".." */
}

static void assert_content(const char *path, const char *wanted)
{
	char *data = NULL;
	size_t size = 0;

	assert_int_equal(file_read(path, 1 << 20, &data, &size, NULL), 0);
	assert_int_equal(size, strlen(wanted));
	assert_string_equal(data, wanted);
	free(data);
}

static void test_what_was_written_is_read(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(file_write("a", "words", 5, NULL), 0);
	assert_content("a", "words");
	assert_int_equal(file_write("a", "", 0, NULL), 0);
	assert_content("a", "");
	assert_int_equal(stat("a", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(file_write_as("a", "all", 3, 0644, false, NULL), 0);
	assert_content("a", "all");
	assert_int_equal(stat("a", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(directory_count(), 1);
}

static void test_a_size_at_the_bound_is_read_and_one_above_is_refused(void **state)
{
	static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 100000};
	char *bytes = calloc(1, 100001), *data = NULL;
	struct error error = {0};
	size_t size = 77;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(file_write("a", bytes, sizes[i], NULL), 0);
		assert_int_equal(file_read("a", sizes[i], &data, &size, &error), 0);
		assert_int_equal(size, sizes[i]);
		assert_int_equal(data[size], '\0');
		free(data);
		data = NULL;
		size = 77;
		assert_int_equal(file_write("a", bytes, sizes[i] + 1, NULL), 0);
		assert_int_equal(file_read("a", sizes[i], &data, &size, &error), -EFBIG);
		assert_null(data);
		assert_int_equal(size, 77);
		assert_non_null(strstr(error.text, "'a'"));
	}
	free(bytes);
}

static void test_a_file_that_says_it_is_empty_is_read_and_bounded(void **state)
{
	char *data = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &size, NULL), 0);
	assert_true(size > 100);
	assert_int_equal(strlen(data), size);
	free(data);
	data = NULL;
	assert_int_equal(file_read("/proc/self/status", 100, &data, &size, NULL), -EFBIG);
	assert_null(data);
}

static void test_what_is_no_file_is_refused_and_blocks_nobody(void **state)
{
	struct error error = {0};
	char *data = NULL;
	size_t size;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", 10, &data, &size, &error), -EINVAL);
	assert_string_equal(error.text, "cannot read 'fifo': not a regular file");
	assert_int_equal(file_read(".", 10, &data, &size, &error), -EINVAL);
	assert_int_equal(file_read("missing\n", 10, &data, &size, &error), -ENOENT);
	assert_string_equal(error.text, "cannot read 'missing\\x0a': No such file or directory");
	assert_null(data);
}

static void test_reading_below_an_open_directory(void **state)
{
	AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *data = NULL;
	size_t size = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write("a", "words", 5, NULL), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(file_read_at(fd, "a", 10, &data, &size, NULL), 0);
	assert_string_equal(data, "words");
}

static void test_a_failed_write_leaves_the_old_content(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(mkdir("place", 0700), 0);
	assert_int_equal(file_write("place/a", "old", 3, NULL), 0);
	/* A full disk is hard to have; a target that can't be renamed over fails at the same step. */
	assert_int_equal(mkdir("place/b", 0700), 0);
	assert_int_equal(file_write("place/b", "new", 3, &error), -EISDIR);
	assert_non_null(strstr(error.text, "'place/b'"));
	assert_int_equal(file_write("none/a", "new", 3, &error), -ENOENT);
	assert_int_equal(chdir("place"), 0);
	assert_int_equal(directory_count(), 2); /* no temporary file is left */
	assert_content("a", "old");
}

static void test_a_symbolic_link_is_replaced_not_followed(void **state)
{
	(void)state;
	assert_int_equal(file_write("real", "old", 3, NULL), 0);
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(file_write("link", "new", 3, NULL), 0);
	assert_content("real", "old");
	assert_content("link", "new");
}

static void test_directories_are_made_with_their_parents(void **state)
{
	struct error error = {0};
	struct stat status;
	char path[128], longest[5000];

	(void)state;
	umask(0);
	assert_int_equal(file_make_directories("a/b//c/", 0750, &error), 0);
	assert_int_equal(stat("a/b/c", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0750);
	assert_int_equal(file_make_directories("a/b/c", 0700, &error), 0);
	snprintf(path, sizeof(path), "%s/x/y", directory);
	assert_int_equal(file_make_directories(path, 0700, &error), 0);
	assert_int_equal(stat("x/y", &status), 0);
	assert_int_equal(file_make_directories("/", 0700, &error), 0);
	assert_int_equal(file_write("a/file", "", 0, NULL), 0);
	assert_int_equal(file_make_directories("a/file", 0700, &error), -ENOTDIR);
	assert_int_equal(file_make_directories("a/file/b", 0700, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, "'a/file'"));
	assert_int_equal(file_make_directories("", 0700, &error), -ENOENT);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(file_make_directories(longest, 0700, &error), -ENAMETOOLONG);
	assert_int_equal(file_write(longest, "", 0, &error), -ENAMETOOLONG);
}

static void test_taking_moves_ownership(void **state)
{
	char *from = strdup("words");
	int fd = 7;

	(void)state;
	AUTO_FREE char *to = TAKE(from);
	assert_null(from);
	assert_string_equal(to, "words");
	assert_int_equal(TAKE_FD(fd), 7);
	assert_int_equal(fd, -1);
}

/* What somebody else could have written is not read, whatever it is. */
static void test_only_what_root_alone_can_write_is_trusted(void **state)
{
	char *data = NULL;
	size_t size = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(file_read_trusted("a", 16, &data, &size, NULL), -ENOENT);
	assert_int_equal(file_write("a", "text", 4, NULL), 0);
	assert_int_equal(file_read_trusted("a", 3, &data, &size, NULL), -EFBIG);
	assert_int_equal(file_read_trusted("a", 4, &data, &size, NULL), 0);
	assert_string_equal(data, "text");
	free(data);
	assert_int_equal(symlink("a", "b"), 0);
	assert_int_equal(file_read_trusted("b", 16, &data, &size, NULL), -EPERM);
	assert_int_equal(mkfifo("c", 0600), 0);
	assert_int_equal(file_read_trusted("c", 16, &data, &size, NULL), -EPERM);
	assert_int_equal(file_read_trusted(".", 16, &data, &size, NULL), -EPERM);
	assert_int_equal(chmod("a", 0620), 0);
	assert_int_equal(file_read_trusted("a", 16, &data, &size, NULL), -EPERM);
	assert_int_equal(chmod("a", 0602), 0);
	assert_int_equal(file_read_trusted("a", 16, &data, &size, NULL), -EPERM);
	assert_int_equal(chmod("a", 0600), 0);
	assert_int_equal(chown("a", 65534, 0), 0);
	assert_int_equal(file_read_trusted("a", 16, &data, &size, NULL), -EPERM);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

static void test_a_directory_that_others_can_write_is_told(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(mkdir("mine", 0755), 0);
	assert_int_equal(file_check_directory("mine", false, &error), 0);
	assert_int_equal(symlink("mine", "link"), 0);
	assert_int_equal(file_check_directory("link", false, &error), 0);
	assert_int_equal(chmod("mine", 0775), 0);
	assert_int_equal(file_check_directory("link", true, &error), -EPERM);
	assert_string_equal(error.text, "'link' is not a directory that only root can write");
	assert_int_equal(chmod("mine", 01777), 0);
	assert_int_equal(file_check_directory("mine", false, &error), -EPERM);
	assert_int_equal(file_check_directory("mine", true, &error), 0);
	assert_int_equal(file_check_directory("none", true, &error), -ENOENT);
	assert_int_equal(file_write("file", "", 0, NULL), 0);
	assert_int_equal(file_check_directory("file", true, &error), -EPERM);
	if (geteuid() != 0)
		return; /* root alone can give away */
	assert_int_equal(chmod("mine", 0755), 0);
	assert_int_equal(chown("mine", 65534, 65534), 0);
	assert_int_equal(file_check_directory("mine", true, &error), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_what_was_written_is_read),
		IN_DIRECTORY(test_a_size_at_the_bound_is_read_and_one_above_is_refused),
		IN_DIRECTORY(test_a_file_that_says_it_is_empty_is_read_and_bounded),
		IN_DIRECTORY(test_what_is_no_file_is_refused_and_blocks_nobody),
		IN_DIRECTORY(test_reading_below_an_open_directory),
		IN_DIRECTORY(test_a_failed_write_leaves_the_old_content),
		IN_DIRECTORY(test_a_symbolic_link_is_replaced_not_followed),
		IN_DIRECTORY(test_directories_are_made_with_their_parents),
		IN_DIRECTORY(test_a_directory_that_others_can_write_is_told),
		IN_DIRECTORY(test_taking_moves_ownership),
		IN_DIRECTORY(test_only_what_root_alone_can_write_is_trusted),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
