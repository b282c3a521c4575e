/* SPDX-License-Identifier: GPL-2.0-only */
/* inotify on what the policy was read from. Editors write a new file and rename it, so directories are watched rather
 * than files; a burst of events is one change. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/file.h"
#include "daemon/daemon.h"

#define FILES_DEBOUNCE_MS 200 /* an editor's save is a handful of events within a few milliseconds */

struct policy_files {
	struct loop *loop;
	int fd;
	struct loop_source *source, *timer;
	void (*on_change)(void *arg);
	void *arg;
	struct {
		ARRAY_OF(int);
	} watches;
	char **paths; /* what is watched, to leave it alone when nothing changed */
	size_t path_count;
};

static void files_settled(struct loop *loop, void *arg)
{
	struct policy_files *files = arg;

	(void)loop;
	files->on_change(files->arg);
}

static void files_ready(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct policy_files *files = arg;
	char buffer[8192] __attribute__((aligned(8)));

	(void)loop;
	(void)events;
	while (read(fd, buffer, sizeof(buffer)) > 0)
		; /* which file it was does not matter: a load reads them all */
	loop_set_timer(files->timer, FILES_DEBOUNCE_MS, 0);
}

int policy_files_new(struct loop *loop, void (*on_change)(void *arg), void *arg, struct policy_files **ret_files,
		     struct error *error)
{
	struct policy_files *files = calloc(1, sizeof(*files));
	int r;

	if (!files)
		return error_set(error, -ENOMEM, "out of memory");
	files->loop = loop;
	files->on_change = on_change;
	files->arg = arg;
	files->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (files->fd < 0) {
		r = error_set(error, -errno, "inotify: %s", strerror(errno));
		free(files);
		return r;
	}
	r = loop_add_fd(loop, files->fd, EPOLLIN, files_ready, files, &files->source);
	if (r == 0)
		r = loop_add_timer(loop, files_settled, files, &files->timer);
	if (r < 0) {
		policy_files_free(files);
		return error_set(error, r, "inotify: %s", strerror(-r));
	}
	*ret_files = files;
	return 0;
}

static void paths_free(struct policy_files *files)
{
	for (size_t i = 0; i < files->path_count; i++)
		free(files->paths[i]);
	free(files->paths);
	files->paths = NULL;
	files->path_count = 0;
}

void policy_files_free(struct policy_files *files)
{
	if (!files)
		return;
	loop_remove(files->source);
	loop_remove(files->timer);
	if (files->fd >= 0)
		close(files->fd);
	paths_free(files);
	array_free(&files->watches);
	free(files);
}

static bool same_paths(const struct policy_files *files, char *const *paths, size_t count)
{
	if (count != files->path_count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(paths[i], files->paths[i]) != 0)
			return false;
	return true;
}

static void watch_path(struct policy_files *files, const char *path)
{
	const uint32_t mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
			      IN_MOVE_SELF | IN_ATTRIB;
	char copy[PATH_MAX];
	struct stat st;
	int watch, *slot;

	/* A file's directory tells of its replacement; the file itself (its target, if it is a link) of writes in
	 * place. */
	watch = inotify_add_watch(files->fd, path, mask);
	if (watch >= 0 && (slot = array_append(&files->watches)))
		*slot = watch;
	if (strlen(path) >= sizeof(copy) || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return;
	strcpy(copy, path);
	watch = inotify_add_watch(files->fd, dirname(copy), mask);
	if (watch >= 0 && (slot = array_append(&files->watches)))
		*slot = watch;
}

int policy_files_set(struct policy_files *files, char *const *paths, size_t count)
{
	char **copies;

	if (same_paths(files, paths, count))
		return 0;
	copies = calloc(count ? count : 1, sizeof(*copies));
	if (!copies)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copies[i] = strdup(paths[i]);
		if (!copies[i]) {
			while (i > 0)
				free(copies[--i]);
			free(copies);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < files->watches.count; i++)
		inotify_rm_watch(files->fd, files->watches.items[i]);
	files->watches.count = 0;
	paths_free(files);
	files->paths = copies;
	files->path_count = count;
	for (size_t i = 0; i < count; i++)
		watch_path(files, copies[i]);
	return 0;
}
