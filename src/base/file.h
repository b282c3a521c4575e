/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading files with a bound, and cleanup attributes. */
#ifndef BULKHEAD_BASE_FILE_H
#define BULKHEAD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"

/* The whole of a regular file, NUL-terminated (the NUL is not counted). -EFBIG above `max_size`, -EINVAL when it is no
 * regular file (a FIFO never blocks: opened O_NONBLOCK). The caller frees *ret_data. */
int file_read(const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error);
int file_read_at(int dir_fd, const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error);
/* The same of a file that only root can write: -EPERM when another can, or owns it, or it is no regular file, or a
 * symbolic link. What is judged is what is read. */
int file_read_trusted(const char *path, size_t max_size, char **ret_data, size_t *ret_size, struct error *error);
/* Writes to a temporary name beside `path`, fsyncs, renames. Mode 0600. Old content unchanged on failure. */
int file_write(const char *path, const void *data, size_t size, struct error *error);
/* The same with another mode; `lasting` is false for what is of no use after the machine's own end: no fsync. */
int file_write_as(const char *path, const void *data, size_t size, unsigned int mode, bool lasting,
		  struct error *error);
int file_make_directories(const char *path, unsigned int mode, struct error *error); /* like mkdir -p */
/* -EPERM when another than root (or whoever we are) could put something else in the place of what is in there.
 * `sticky`: a folder for all, as /tmp, is fine: there nobody can take away what is not his. */
int file_check_directory(const char *path, bool sticky, struct error *error);

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}
static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}
#define AUTO_FREE   __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE  __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))

/* Hands a pointer out of a scope that would free it. */
#define TAKE(pointer)                                   \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})
/* The same for a file descriptor. */
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#endif
