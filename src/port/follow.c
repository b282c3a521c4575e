/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "follow.h"

#define FOLLOW_EVENTS \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR)

struct follow {
	int fd;
	struct loop_source *source;
	const char *const *names;
	void (*changed)(void *arg);
	void *arg;
};

static bool is_named(const struct follow *follow, const struct inotify_event *event)
{
	for (const char *const *name = follow->names; name && *name; name++) {
		if (strcmp(event->name, *name) == 0)
			return true;
	}
	return !follow->names;
}

/* A file that was only made has nothing in it yet: that it is written comes as an event of its own. Of a folder itself
 * it counts that it has gone, not that we have ceased to follow it. */
static bool counts(const struct follow *follow, const struct inotify_event *event)
{
	if (event->mask & (IN_Q_OVERFLOW | IN_ISDIR))
		return true;
	if (event->len == 0)
		return !(event->mask & IN_IGNORED);
	return event->mask != IN_CREATE && is_named(follow, event);
}

static void follow_read(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct follow *follow = arg;
	bool changed = false;
	ssize_t n;

	(void)loop;
	(void)epoll_events;
	while ((n = read(fd, events, sizeof(events))) > 0) {
		const struct inotify_event *event;

		for (const char *at = events; at < events + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			changed |= counts(follow, event);
		}
	}
	if (changed)
		follow->changed(follow->arg);
}

int follow_new(struct loop *loop, const char *const *names, void (*changed)(void *arg), void *arg,
	       struct follow **ret_follow)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int r;

	if (!follow)
		return -ENOMEM;
	*follow = (struct follow){.names = names, .changed = changed, .arg = arg};
	follow->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	r = follow->fd < 0 ? -errno : loop_add_fd(loop, follow->fd, EPOLLIN, follow_read, follow, &follow->source);
	if (r < 0) {
		follow_free(follow);
		return r;
	}
	*ret_follow = follow;
	return 0;
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	loop_remove(follow->source);
	cleanup_close(&follow->fd);
	free(follow);
}

int follow_folder(struct follow *follow, const char *path)
{
	int number = inotify_add_watch(follow->fd, path, FOLLOW_EVENTS);

	return number < 0 ? -errno : number;
}

void follow_end(struct follow *follow, int number)
{
	if (number >= 0)
		(void)inotify_rm_watch(follow->fd, number);
}
