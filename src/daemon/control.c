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
#include "daemon/sandbox.h"
#include "port/child.h"

#define QUESTIONS_MAX	 4u	     /* copies of us that think at the same time: each may take a CPU and memory */
#define QUESTION_MS	 30000	     /* what one may think: the largest matrix of a large policy takes about 10 s */
#define ANSWER_MAX	 (64u << 20) /* bytes of what it says: the largest matrix has about 20 MiB */
#define CLIENTS_MAX	 (32u + WAITS_MAX) /* at once; one more is told so and hung up on */
#define CLIENTS_OF_GROUP 28u		   /* of them: root can always ask, reload and adopt */
#define REQUEST_MAX	 (64u << 10)	   /* bytes of one request */
#define FOLLOW_QUEUE_MAX (1u << 20) /* bytes waiting for a follower that does not read: events are dropped beyond */
#define ANSWER_QUEUE_MAX (1u << 20) /* bytes waiting for a client that asks and does not read: it must read first */
#define IDLE_MS		 30000	    /* a client that neither asks nor reads is hung up on; followers are not */
#define GROUPS_MAX	 4096	    /* supplementary groups of a peer that are looked at */

struct client {
	struct control *control;
	struct client *next;
	int fd;
	struct loop_source *source, *idle;
	char *request;
	size_t request_length;
	struct text answer;
	size_t sent;
	struct child *thinking;	   /* who finds the answer to its last request; NULL: nobody */
	json_t *otherwise;	   /* the answer when that one finds none; NULL: an error */
	struct answer_wait *waits; /* what that answer waits for; NULL: nothing */
	bool root;		   /* it is */
	bool ended;		   /* it says nothing more, but may listen still */
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
	size_t client_count, thinking_count;
	size_t group_count; /* of the clients: those that are not root */
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
		client->control->group_count -= !client->root;
	}
	if (client->thinking) {
		child_cancel(client->thinking);
		client->control->thinking_count--;
	}
	json_decref(client->otherwise);
	answer_forget(client->waits);
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

static const char forbidden[] = "only root and the daemon's group may ask";

/* NULL, or why it may not. */
static const char *peer_refusal(const struct control *control, int fd, bool *ret_root)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return forbidden;
	if (peer.uid != 0 &&
	    (!control->has_group || (peer.gid != control->group && !peer_in_group(fd, control->group))))
		return forbidden;
	*ret_root = peer.uid == 0;
	if (control->client_count >= CLIENTS_MAX || (peer.uid != 0 && control->group_count >= CLIENTS_OF_GROUP))
		return "too many clients at once";
	return NULL;
}

/* ---- Sending ---- */

/* Its answer is on its way. */
static bool is_pending(const struct client *client)
{
	return client->thinking || client->waits;
}

static bool has_unsent(const struct client *client)
{
	return client->sent < client->answer.length;
}

/* A reader that is always a little late never lets the buffer run empty: what was sent must go all the same. */
static void forget_sent(struct client *client)
{
	struct text *answer = &client->answer;

	if (!has_unsent(client)) {
		/* A large answer's memory is not kept for the next question. */
		text_free(answer);
		client->sent = 0;
	} else if (client->sent >= FOLLOW_QUEUE_MAX) {
		answer->length -= client->sent;
		memmove(answer->data, answer->data + client->sent, answer->length + 1);
		client->sent = 0;
	}
}

/* Sends what it can. false: the client is gone. */
static bool client_flush(struct client *client)
{
	while (has_unsent(client)) {
		ssize_t n = send(client->fd, client->answer.data + client->sent, client->answer.length - client->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			return false;
		client->sent += (size_t)n;
		if (!client->follows && !is_pending(client))
			loop_set_timer(client->idle, IDLE_MS, 0);
	}
	forget_sent(client);
	return true;
}

static const char *line_end(const struct client *client)
{
	return client->request_length ? memchr(client->request, '\n', client->request_length) : NULL;
}

/* What to wake up for. A hang-up always does. */
static void client_wait(struct client *client)
{
	uint32_t events = 0;

	/* While its answer is on its way, what it says meanwhile waits. */
	if (!is_pending(client) && (has_unsent(client) || line_end(client)))
		events = EPOLLOUT; /* its next request has its turn when it has read the last answer */
	else if (!is_pending(client) && !client->ended)
		events = EPOLLIN;
	loop_change_fd(client->source, events);
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
		else
			client_wait(client);
	}
}

static void follow_past(void *arg, json_t *event)
{
	publish_to(arg, event);
}

/* What happened lately (as many as `last` says, none without it), then what happens: nothing is left out between. */
static json_t *follow_start(struct client *client, const json_t *request)
{
	const json_t *wanted = json_object_get(request, "last");
	json_int_t last = json_integer_value(wanted);

	if ((wanted && !json_is_integer(wanted)) || last < 0 || !filter_keep(client, request))
		return json_pack("{s:s}", "message", "the filter makes no sense");
	client->follows = true;
	loop_set_timer(client->idle, -1, 0);
	event_store_each(client->control->daemon->events, &client->filter, (size_t)last, follow_past, client);
	return NULL;
}

/* ---- Requests ---- */

/* Takes both; NULL when memory is short. */
static json_t *answer_line(json_t *result, json_t *error)
{
	if (error)
		return json_pack("{s:b,s:o}", "ok", 0, "error", error);
	return json_pack("{s:b,s:o}", "ok", 1, "result", result);
}

/* Queues the answer (NULL: there was no memory for it). false: the client is to be hung up on. */
static bool client_say(struct client *client, json_t *line)
{
	bool queued = line && client_queue(client, line);

	json_decref(line);
	return queued;
}

static bool client_refuse(struct client *client, const char *message)
{
	return client_say(client, answer_line(NULL, json_pack("{s:s}", "message", message)));
}

static bool client_advance(struct client *client);

/* ---- Questions that may take seconds: a copy of us finds the answer, and we go on policing ---- */

struct question {
	struct daemon *daemon;
	const json_t *request;
};

static int question_answer(const void *what, int fd)
{
	const struct question *question = what;
	json_t *result = NULL, *error = NULL, *line;
	FILE *out = fdopen(fd, "w");

	if (!question->daemon->options->no_sandbox && sandbox_think() < 0)
		return EXIT_FAILURE;
	answer_request(question->daemon, question->request, &result, &error);
	line = answer_line(result, error);
	if (!out || !line || json_dumpf(line, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

static const char *question_failure(int status)
{
	if (status == -ETIMEDOUT)
		return "the answer takes too long: ask for less, or offline with --policy and --world";
	if (status == -EFBIG)
		return "the answer is too long: ask for less";
	return "memory is too short for the answer";
}

static void question_done(void *arg, int status, const char *output, size_t size)
{
	struct client *client = arg;
	bool queued;

	client->thinking = NULL;
	client->control->thinking_count--;
	loop_set_timer(client->idle, IDLE_MS, 0);
	if (status == EXIT_SUCCESS && size > 0) {
		text_append_bytes(&client->answer, output, size);
		queued = !client->answer.failed;
	} else if (client->otherwise) {
		queued = client_say(client, answer_line(json_incref(client->otherwise), NULL));
	} else {
		queued = client_refuse(client, question_failure(status));
	}
	json_decref(client->otherwise);
	client->otherwise = NULL;
	if (!queued || !client_advance(client))
		client_free(client);
}

static bool question_start(struct client *client, const json_t *request)
{
	struct control *control = client->control;
	struct question question = {.daemon = control->daemon, .request = request};
	int r;

	if (control->thinking_count >= QUESTIONS_MAX)
		return client_refuse(client, "too many questions at once: ask again");
	r = child_fork(control->daemon->loop, question_answer, &question, ANSWER_MAX, QUESTION_MS, question_done,
		       client, &client->thinking);
	if (r < 0)
		return client_refuse(client, "no process can be made to find the answer");
	control->thinking_count++;
	loop_set_timer(client->idle, -1, 0);
	return true;
}

/* What it has done to open flows, a copy finds out; that it is done is an answer, too. */
static bool reload_start(struct client *client, const json_t *request)
{
	struct control *control = client->control;
	bool busy = control->thinking_count >= QUESTIONS_MAX;
	json_t *result, *error;

	client->thinking = daemon_reload_asked(control->daemon, request, client->root, busy ? NULL : question_done,
					       client, &result, &error);
	if (!client->thinking)
		return client_say(client, answer_line(result, error));
	client->otherwise = result;
	control->thinking_count++;
	loop_set_timer(client->idle, -1, 0);
	return true;
}

/* ---- Answers that come when something has come true ---- */

/* In the midst of a commit: its next request has to wait for the loop. */
static void later_done(void *arg, json_t *result, json_t *error)
{
	struct client *client = arg;

	client->waits = NULL;
	loop_set_timer(client->idle, IDLE_MS, 0);
	if (!client_say(client, result || error ? answer_line(result, error) : NULL) || !client_flush(client) ||
	    (client->ended && !has_unsent(client) && !line_end(client)))
		client_free(client);
	else
		client_wait(client);
}

static bool later_start(struct client *client, const json_t *request)
{
	json_t *result, *error;

	client->waits =
		answer_later(client->control->daemon, request, client->root, later_done, client, &result, &error);
	if (!client->waits)
		return client_say(client, answer_line(result, error));
	loop_set_timer(client->idle, -1, 0);
	return true;
}

/* false: the client is to be hung up on. */
static bool client_answer(struct client *client, const char *text, size_t length)
{
	json_t *result = NULL, *error = NULL, *request;
	json_error_t json_error;
	bool kept;

	request = json_loadb(text, length, JSON_REJECT_DUPLICATES, &json_error);
	if (!json_is_object(request)) {
		kept = client_refuse(client, "a request is one JSON object on one line");
	} else if (json_is_true(json_object_get(request, "follow"))) {
		error = follow_start(client, request);
		if (error)
			kept = client_say(client, answer_line(NULL, error));
		else
			kept = client->follows && !client->answer.failed;
	} else if (answer_may_take_long(request)) {
		kept = question_start(client, request);
	} else if (answer_is_reload(request)) {
		kept = reload_start(client, request);
	} else if (answer_comes_later(request)) {
		kept = later_start(client, request);
	} else {
		answer_request(client->control->daemon, request, &result, &error);
		kept = client_say(client, answer_line(result, error));
	}
	json_decref(request);
	return kept;
}

static bool client_take_line(struct client *client)
{
	const char *end = line_end(client);
	size_t length = (size_t)(end - client->request);

	if (client->follows || !client_answer(client, client->request, length))
		return false;
	client->request_length -= length + 1;
	memmove(client->request, end + 1, client->request_length);
	return true;
}

/* One step: what is to be sent, or else one request, so that a client with many waits for the others and for the
 * kernel. false: the client is to be hung up on. */
static bool client_advance(struct client *client)
{
	if (!client_flush(client))
		return false;
	if (!is_pending(client) && !has_unsent(client)) {
		if (line_end(client)) {
			if (!client_take_line(client) || !client_flush(client))
				return false;
		} else if (client->ended && !client->follows) {
			return false;
		}
	}
	client_wait(client);
	return true;
}

static bool client_read(struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->request_length, REQUEST_MAX - client->request_length,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	/* A client that hangs up half-way still gets the answers to what it asked. */
	client->ended = n == 0;
	client->request_length += (size_t)n;
	if (!client->follows)
		loop_set_timer(client->idle, IDLE_MS, 0);
	if (client->request_length < REQUEST_MAX || line_end(client))
		return true;
	log_warning("a control client sent a request of more than %u bytes: hung up", REQUEST_MAX);
	return false;
}

static void client_ready(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct client *client = arg;

	(void)loop;
	(void)fd;
	if (((events & EPOLLIN) && !client_read(client)) || (!(events & EPOLLIN) && (events & (EPOLLERR | EPOLLHUP))) ||
	    !client_advance(client))
		client_free(client);
}

static void client_idle(struct loop *loop, void *arg)
{
	(void)loop;
	client_free(arg);
}

static int client_add(struct control *control, int fd, bool root)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = -ENOMEM;

	if (!client)
		return r;
	client->control = control;
	client->fd = fd;
	client->root = root;
	client->request = malloc(REQUEST_MAX);
	if (client->request)
		r = loop_add_fd(control->daemon->loop, fd, EPOLLIN, client_ready, client, &client->source);
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
	control->group_count += !root;
	return 0;
}

static void refuse(int fd, const char *why)
{
	char line[160];
	int length = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":{\"message\":\"%s\",\"code\":\"%s\"}}\n",
			      why, why == forbidden ? "denied" : "busy");

	if (length > 0)
		(void)!send(fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void control_ready(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct control *control = arg;
	/* cppcheck-suppress nullPointer; accept4(2): who it is need not be told */
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const char *refusal;
	bool root = false;

	(void)loop;
	(void)events;
	if (client < 0)
		return;
	refusal = peer_refusal(control, client, &root);
	if (refusal)
		refuse(client, refusal);
	else if (client_add(control, client, root) < 0)
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
		if (r == 0)
			r = file_check_directory(directory, true, error);
		if (r < 0)
			return r;
	}
	/* We hold the lock of this host, so whoever left this socket is dead. */
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (fchmod(control->fd, 0600) < 0 || bind(control->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (control->has_group && (lchown(path, (uid_t)-1, control->group) < 0 || chmod(path, 0660) < 0))
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
	control->group = daemon->group;
	control->has_group = daemon->options->group != NULL;
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
