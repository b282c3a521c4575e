/* SPDX-License-Identifier: GPL-2.0-only */
/* The control socket: requests of one JSON line, bounded in every direction. Who may speak is decided by the peer's
 * credentials as the kernel tells them, beside the socket's file mode. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/answer.h"
#include "daemon/system_group.h"

#define CLIENTS_MAX	 32u	     /* at once; one more is told so and hung up on */
#define REQUEST_MAX	 (64u << 10) /* bytes of one request */
#define FOLLOW_QUEUE_MAX (1u << 20)  /* bytes waiting for a follower that does not read: events are dropped beyond */
#define IDLE_MS		 30000	     /* a client that neither asks nor reads is hung up on; followers are not */
#define GROUPS_MAX	 4096	     /* supplementary groups of a peer that are looked at */

struct client {
	struct control *control;
	struct client *next;
	int fd;
	struct loop_source *source, *idle;
	char *request;
	size_t request_length;
	struct text answer;
	size_t sent;
	bool follows;
	struct event_filter filter;
	char *filter_from, *filter_to, *filter_zone;
	uint64_t lost; /* events dropped since the last one sent */
};

struct control {
	struct daemon *daemon;
	int fd;
	struct loop_source *source;
	struct client *clients;
	size_t client_count;
	gid_t group;
	bool has_group;
	char *path;
};

static void client_free(struct client *client)
{
	struct client **link = &client->control->clients;

	while (*link && *link != client)
		link = &(*link)->next;
	if (*link) {
		*link = client->next;
		client->control->client_count--;
	}
	loop_remove(client->source);
	loop_remove(client->idle);
	close(client->fd);
	free(client->request);
	text_free(&client->answer);
	free(client->filter_from);
	free(client->filter_to);
	free(client->filter_zone);
	free(client);
}

/* ---- Who may speak ---- */

static bool peer_in_group(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool peer_is_allowed(const struct control *control, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	if (peer.uid == 0)
		return true;
	return control->has_group && (peer.gid == control->group || peer_in_group(fd, control->group));
}

/* ---- Sending ---- */

/* Sends what it can; asks for EPOLLOUT when something is left. false: the client is gone. */
static bool client_flush(struct client *client)
{
	while (client->sent < client->answer.length) {
		ssize_t n = send(client->fd, client->answer.data + client->sent, client->answer.length - client->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			loop_change_fd(client->source, EPOLLOUT | EPOLLRDHUP);
			return true;
		}
		if (n < 0)
			return false;
		client->sent += (size_t)n;
	}
	text_clear(&client->answer);
	client->sent = 0;
	loop_change_fd(client->source, EPOLLIN | EPOLLRDHUP);
	return true;
}

static bool client_queue(struct client *client, const json_t *line)
{
	AUTO_FREE char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;

	if (!text)
		return false;
	text_append(&client->answer, text);
	text_append(&client->answer, "\n");
	return !client->answer.failed;
}

/* ---- Following ---- */

static bool filter_keep(struct client *client, const json_t *request)
{
	struct event_filter filter;
	char **copies[] = {&client->filter_from, &client->filter_to, &client->filter_zone};
	const char *texts[3];

	if (flow_filter_of(request, &filter) < 0)
		return false;
	texts[0] = filter.from;
	texts[1] = filter.to;
	texts[2] = filter.zone;
	for (size_t i = 0; i < 3; i++) {
		free(*copies[i]);
		*copies[i] = texts[i] ? strdup(texts[i]) : NULL;
		if (texts[i] && !*copies[i])
			return false;
	}
	client->filter = (struct event_filter){
		.denied = filter.denied,
		.from = client->filter_from,
		.to = client->filter_to,
		.zone = client->filter_zone,
	};
	return true;
}

static void publish_to(struct client *client, const json_t *event)
{
	json_t *line;

	if (client->answer.length - client->sent > FOLLOW_QUEUE_MAX) {
		client->lost++;
		return;
	}
	if (client->lost) {
		line = json_pack("{s:{s:s,s:I}}", "flow", "verdict", "lost", "suppressed", (json_int_t)client->lost);
		client_queue(client, line);
		json_decref(line);
		client->lost = 0;
	}
	line = json_pack("{s:O}", "flow", event);
	client_queue(client, line);
	json_decref(line);
}

void control_publish(struct control *control, const json_t *event)
{
	struct client *next;

	if (!control)
		return;
	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		if (!client->follows || !event_matches(event, &client->filter))
			continue;
		publish_to(client, event);
		if (client->answer.failed || !client_flush(client))
			client_free(client);
	}
}

/* ---- Requests ---- */

/* false: the client is to be hung up on. */
static bool client_answer(struct client *client, const char *text, size_t length)
{
	struct daemon *daemon = client->control->daemon;
	json_t *result = NULL, *error = NULL, *request, *line;
	json_error_t json_error;
	bool kept;

	request = json_loadb(text, length, JSON_REJECT_DUPLICATES, &json_error);
	if (!json_is_object(request)) {
		error = json_pack("{s:s}", "message", "a request is one JSON object on one line");
	} else if (json_is_true(json_object_get(request, "follow"))) {
		client->follows = filter_keep(client, request);
		if (!client->follows)
			error = json_pack("{s:s}", "message", "the filter makes no sense");
		loop_set_timer(client->idle, -1, 0);
	} else {
		answer_request(daemon, request, &result, &error);
	}
	if (client->follows) {
		json_decref(request);
		return true;
	}
	line = error ? json_pack("{s:b,s:o}", "ok", 0, "error", error)
		     : json_pack("{s:b,s:o}", "ok", 1, "result", result);
	kept = line && client_queue(client, line);
	json_decref(line);
	json_decref(request);
	return kept;
}

static bool client_take_lines(struct client *client)
{
	char *newline;

	while (client->request_length && (newline = memchr(client->request, '\n', client->request_length))) {
		size_t length = (size_t)(newline - client->request);

		if (client->follows || !client_answer(client, client->request, length))
			return false;
		client->request_length -= length + 1;
		memmove(client->request, newline + 1, client->request_length);
	}
	if (client->request_length < REQUEST_MAX)
		return true;
	log_warning("a control client sent a request of more than %u bytes: hung up", REQUEST_MAX);
	return false;
}

static bool client_read(struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->request_length, REQUEST_MAX - client->request_length,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	client->request_length += (size_t)n;
	if (!client->follows)
		loop_set_timer(client->idle, IDLE_MS, 0);
	return client_take_lines(client);
}

static void client_ready(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct client *client = arg;

	(void)loop;
	(void)fd;
	/* A client that hangs up half-way still gets the answer to what it asked. */
	if ((events & EPOLLIN) && !client_read(client)) {
		client_flush(client);
		client_free(client);
		return;
	}
	if ((events & (EPOLLERR | EPOLLHUP)) || ((events & EPOLLRDHUP) && client->follows) || !client_flush(client))
		client_free(client);
}

static void client_idle(struct loop *loop, void *arg)
{
	(void)loop;
	client_free(arg);
}

static int client_add(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = -ENOMEM;

	if (!client)
		return r;
	client->control = control;
	client->fd = fd;
	client->request = malloc(REQUEST_MAX);
	if (client->request)
		r = loop_add_fd(control->daemon->loop, fd, EPOLLIN | EPOLLRDHUP, client_ready, client, &client->source);
	if (r == 0)
		r = loop_add_timer(control->daemon->loop, client_idle, client, &client->idle);
	if (r < 0) {
		loop_remove(client->source);
		free(client->request);
		free(client);
		return r;
	}
	loop_set_timer(client->idle, IDLE_MS, 0);
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	return 0;
}

static void refuse(int fd, const char *why)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":{\"message\":\"%s\"}}\n", why);

	if (length > 0)
		(void)!send(fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void control_ready(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct control *control = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)loop;
	(void)events;
	if (client < 0)
		return;
	if (!peer_is_allowed(control, client))
		refuse(client, "only root and the daemon's group may ask");
	else if (control->client_count >= CLIENTS_MAX)
		refuse(client, "too many clients at once");
	else if (client_add(control, client) < 0)
		refuse(client, "out of memory");
}

/* ---- The socket ---- */

static int socket_bind(struct control *control, const char *path, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_FREE char *directory = strdup(path);
	char *slash = directory ? strrchr(directory, '/') : NULL;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG, "%s: too long for a socket's path", path);
	strcpy(address.sun_path, path);
	if (slash && slash != directory) {
		*slash = '\0';
		r = file_make_directories(directory, 0755, error);
		if (r < 0)
			return r;
	}
	/* We hold the lock of this host, so whoever left this socket is dead. */
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (fchmod(control->fd, 0600) < 0 || bind(control->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (control->has_group && (chown(path, (uid_t)-1, control->group) < 0 || chmod(path, 0660) < 0))
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (listen(control->fd, CLIENTS_MAX) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int control_new(struct daemon *daemon, struct control **ret_control, struct error *error)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_set(error, -ENOMEM, "out of memory");
	control->daemon = daemon;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = control->fd < 0 ? error_set(error, -errno, "socket: %s", strerror(errno)) : 0;
	if (r == 0 && daemon->options->group) {
		r = system_group_find(daemon->options->group, &control->group, error);
		control->has_group = r == 0;
	}
	if (r == 0)
		r = socket_bind(control, daemon->options->socket, error);
	if (r == 0) {
		control->path = strdup(daemon->options->socket);
		r = loop_add_fd(daemon->loop, control->fd, EPOLLIN, control_ready, control, &control->source);
	}
	if (r < 0) {
		control_free(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (control->clients)
		client_free(control->clients);
	loop_remove(control->source);
	if (control->fd >= 0)
		close(control->fd);
	if (control->path)
		unlink(control->path);
	free(control->path);
	free(control);
}
