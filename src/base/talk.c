/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "file.h"
#include "talk.h"

#define TALK_PART (64u << 10) /* bytes that are read at a time */

/* What is left until the deadline; 0: nothing. */
static int64_t left_ms(int64_t deadline_ms)
{
	int64_t now_ms = monotonic_ms();

	return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

static int fd_wait(int fd, short events, int64_t deadline_ms)
{
	struct pollfd ready = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = left_ms(deadline_ms);
		int r = poll(&ready, 1, deadline_ms == TALK_FOREVER ? -1 : left > INT_MAX ? INT_MAX : (int)left);

		if (r > 0)
			return 0;
		if (r == 0 && left_ms(deadline_ms) == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

/* connect() to a Unix socket waits while as many as are allowed wait to be accepted: as long as sending may take. */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
	for (;;) {
		int64_t left = left_ms(deadline_ms);
		struct timeval timeout = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

		if (left == 0)
			return -ETIMEDOUT;
		if (deadline_ms != TALK_FOREVER &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
		if (errno == EAGAIN)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int talk_open(const char *path, int64_t deadline_ms, struct talk *ret_talk, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = -1;
	char escaped[256];
	int r;

	text_escape(escaped, sizeof(escaped), path);
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG, "%s: too long for a socket's path", escaped);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : connect_until(fd, &address, deadline_ms);
	if (r < 0)
		return error_set(error, r, "%s: %s", escaped, strerror(-r));
	*ret_talk = (struct talk){.fd = TAKE_FD(fd)};
	return 0;
}

void talk_close(struct talk *talk)
{
	cleanup_close(&talk->fd);
	text_free(&talk->heard);
	*talk = TALK_CLOSED;
}

static int say_bytes(const struct talk *talk, const char *bytes, size_t length, int64_t deadline_ms)
{
	while (length > 0) {
		ssize_t n = send(talk->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			int r = fd_wait(talk->fd, POLLOUT, deadline_ms);

			if (r < 0)
				return r;
			continue;
		}
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

int talk_say(struct talk *talk, const char *text, size_t length, int64_t deadline_ms)
{
	int r = say_bytes(talk, text, length, deadline_ms);

	return r < 0 ? r : say_bytes(talk, "\n", 1, deadline_ms);
}

int talk_wait(const struct talk *talk, int64_t deadline_ms)
{
	return talk->taken < talk->heard.length ? 0 : fd_wait(talk->fd, POLLIN, deadline_ms);
}

/* One part more. -ENODATA: there is no more. */
static int hear_part(struct talk *talk, int64_t deadline_ms)
{
	char part[TALK_PART];
	ssize_t n;

	for (;;) {
		/* Also when there is always something to read: a line that never ends is not heard for ever. */
		if (left_ms(deadline_ms) == 0)
			return -ETIMEDOUT;
		n = recv(talk->fd, part, sizeof(part), MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno == ECONNRESET)
			return -ENODATA;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		int r = fd_wait(talk->fd, POLLIN, deadline_ms);
		if (r < 0)
			return r;
	}
	if (n == 0)
		return -ENODATA;
	text_append_bytes(&talk->heard, part, (size_t)n);
	return talk->heard.failed ? -ENOMEM : 0;
}

int talk_hear(struct talk *talk, size_t max, int64_t deadline_ms, const char **ret_line, size_t *ret_length)
{
	struct text *heard = &talk->heard;
	size_t looked = talk->taken; /* no newline before */
	char *end;

	for (;;) {
		end = looked < heard->length ? memchr(heard->data + looked, '\n', heard->length - looked) : NULL;
		if (end)
			break;
		/* What was handed out makes room. */
		if (talk->taken > 0) {
			heard->length -= talk->taken;
			memmove(heard->data, heard->data + talk->taken, heard->length + 1);
			talk->taken = 0;
		}
		looked = heard->length;
		if (looked > max)
			return -EMSGSIZE;
		int r = hear_part(talk, deadline_ms);
		if (r < 0)
			return r;
	}
	*end = '\0';
	*ret_line = heard->data + talk->taken;
	*ret_length = (size_t)(end - *ret_line);
	talk->taken = (size_t)(end - heard->data) + 1;
	return *ret_length > max ? -EMSGSIZE : 0;
}
