/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "text.h"

#define FILE_FIRST_SIZE 4096

static int file_error(struct error *error, int code, const char *doing, const char *path)
{
	char escaped[256];

	return error_set(error, code, "cannot %s '%s': %s", doing, text_escape(escaped, sizeof(escaped), path),
			 strerror(-code));
}

/* Reads to the end. What stat says of the size is only a first guess: /proc says 0, and files grow. */
static int file_read_fd(int fd, size_t max_size, size_t guess, char **ret_data, size_t *ret_size)
{
	size_t size = 0, capacity = guess < FILE_FIRST_SIZE ? FILE_FIRST_SIZE : guess + 2;
	AUTO_FREE char *data = malloc(capacity);

	if (!data)
		return -ENOMEM;
	for (;;) {
		if (size + 1 >= capacity) {
			char *larger = capacity > SIZE_MAX / 2 ? NULL : realloc(data, capacity * 2);

			if (!larger)
				return -ENOMEM;
			data = larger;
			capacity *= 2;
		}
		ssize_t n = read(fd, data + size, capacity - size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max_size)
			return -EFBIG;
	}
	data[size] = '\0';
	*ret_data = TAKE(data);
	*ret_size = size;
	return 0;
}

static int file_read_regular(int fd, const struct stat *status, const char *path, size_t max_size, char **ret_data,
			     size_t *ret_size, struct error *error)
{
	char escaped[256];
	int r;

	if (status->st_size > 0 && (uintmax_t)status->st_size > max_size)
		r = -EFBIG;
	else
		r = file_read_fd(fd, max_size, (size_t)status->st_size, ret_data, ret_size);
	if (r == -EFBIG)
		return error_set(error, r, "cannot read '%s': it is larger than %zu bytes",
				 text_escape(escaped, sizeof(escaped), path), max_size);
	return r < 0 ? file_error(error, r, "read", path) : 0;
}

int file_read_at(int dir_fd, const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	char escaped[256];

	if (fd < 0 || fstat(fd, &status) < 0)
		return file_error(error, -errno, "read", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "cannot read '%s': not a regular file",
				 text_escape(escaped, sizeof(escaped), path));
	return file_read_regular(fd, &status, path, max_size, ret_data, ret_size, error);
}

int file_read_trusted(const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	char escaped[256];

	if ((fd < 0 && errno != ELOOP) || (fd >= 0 && fstat(fd, &status) < 0))
		return file_error(error, -errno, "read", path);
	if (fd < 0 || !S_ISREG(status.st_mode) || status.st_uid != 0 || status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EPERM, "'%s' is not a regular file that only root can write",
				 text_escape(escaped, sizeof(escaped), path));
	return file_read_regular(fd, &status, path, max_size, ret_data, ret_size, error);
}

int file_read(const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error)
{
	return file_read_at(AT_FDCWD, path, max_size, ret_data, ret_size, error);
}

static int file_write_fd(int fd, const void *data, size_t size, bool lasting)
{
	const char *bytes = data;

	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return lasting && fsync(fd) < 0 ? -errno : 0;
}

/* The rename is what counts for readers; that it is on the disk too is as good as the file system can do. */
static void file_sync_directory(const char *directory)
{
	AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fsync(fd) < 0)
		return;
}

int file_write_as(const char *path, const void *data, size_t size, unsigned int mode, bool lasting, struct error *error)
{
	char temporary[PATH_MAX], directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int directory_length = slash ? (int)(slash - path) + 1 : 0;
	AUTO_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(directory))
		return file_error(error, -ENAMETOOLONG, "write", path);
	snprintf(directory, sizeof(directory), "%.*s", slash ? directory_length : 1, slash ? path : ".");
	/* Begins with a dot, so that whatever reads the folder's files passes over it. */
	int length = snprintf(temporary, sizeof(temporary), "%.*s.%s.XXXXXX", directory_length, path,
			      path + directory_length);
	if (length < 0 || (size_t)length >= sizeof(temporary))
		return file_error(error, -ENAMETOOLONG, "write", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return file_error(error, -errno, "write", path);
	int r = file_write_fd(fd, data, size, lasting);
	if (r == 0 && fchmod(fd, mode) < 0) /* mkostemp made it 0600 */
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return file_error(error, r, "write", path);
	}
	if (lasting)
		file_sync_directory(directory);
	return 0;
}

int file_write(const char *path, const void *data, size_t size, struct error *error)
{
	return file_write_as(path, data, size, 0600, true, error);
}

static int file_make_directory(const char *path, unsigned int mode)
{
	struct stat status;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &status) < 0)
		return -errno;
	return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int file_make_directories(const char *path, unsigned int mode, struct error *error)
{
	char part[PATH_MAX];
	size_t length = strlen(path);
	int r;

	if (length == 0)
		return file_error(error, -ENOENT, "make directory", path);
	if (length >= sizeof(part))
		return file_error(error, -ENAMETOOLONG, "make directory", path);
	memcpy(part, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		if (part[i - 1] == '/')
			continue;
		part[i] = '\0';
		r = file_make_directory(part, mode);
		if (r < 0)
			return file_error(error, r, "make directory", part);
		part[i] = path[i];
	}
	return 0;
}

int file_check_directory(const char *path, bool sticky, struct error *error)
{
	char escaped[256];
	struct stat status;

	if (stat(path, &status) < 0)
		return file_error(error, -errno, "use directory", path);
	if (S_ISDIR(status.st_mode) && (status.st_uid == 0 || status.st_uid == geteuid()) &&
	    (!(status.st_mode & (S_IWGRP | S_IWOTH)) || (sticky && status.st_mode & S_ISVTX)))
		return 0;
	return error_set(error, -EPERM, "'%s' is not a directory that only root can write",
			 text_escape(escaped, sizeof(escaped), path));
}
