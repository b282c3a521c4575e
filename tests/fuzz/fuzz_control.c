/* SPDX-License-Identifier: GPL-2.0-only */
/* The control socket, as a client sees it that says anything: the whole of control.c but for accept(2), with a policy
 * in force. The input's first byte: odd for root; then what the client says, in pieces, each behind its length in one
 * byte. Each line that comes back is one answer, and there is none without a request. What the daemon would answer with
 * the kernel's help (status, ports, reload; adopt and release, once they make sense) is refused here. Dictionary:
 * control.dict. */
#include <stdint.h>
#include <sys/socket.h>

#include "daemon/answer.h"
#include "judge.h"
#include "must.h"

#include "daemon/answer_adopt.c" /* NOLINT(bugprone-suspicious-include): for order_parse() */

static void request_answer(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	*ret_result = *ret_error = NULL;
	if (name && (strcmp(name, "status") == 0 || strcmp(name, "ports") == 0 || strcmp(name, "reload") == 0))
		*ret_error = error_with("unsupported", name);
	else
		answer_request(daemon, request, ret_result, ret_error);
}

/* An order that makes sense is waited for until the client has said its piece. */
static struct answer_wait *order_answer(struct daemon *daemon, const json_t *request, answer_fn fn, void *arg,
					json_t **ret_error)
{
	bool is_release = strcmp(json_string_value(json_object_get(request, "command")), "release") == 0;
	struct order order = {.wait_ms = WAIT_DEFAULT_MS};
	struct answer_wait *wait;
	char problem[128];

	if (!order_parse(request, is_release, &order, problem, sizeof(problem))) {
		must(problem[0]);
		*ret_error = error_with("invalid", problem);
		return NULL;
	}
	must(order.wait_ms >= 0 && order.wait_ms <= WAIT_MAX_MS && !problem[0]);
	wait = calloc(1, sizeof(*wait));
	must(wait);
	*wait = (struct answer_wait){.daemon = daemon, .fn = fn, .arg = arg, .release = is_release};
	daemon->waits = wait;
	daemon->wait_count++;
	return wait;
}

/* In this process, so that the sanitizers see it. */
#define answer_may_take_long(request) ((void)(request), false)
#define answer_is_reload(request)     ((void)(request), false)
#define answer_request		      request_answer
#define answer_later(daemon, request, root, fn, arg, result, error) \
	(*(result) = *(error) = NULL, order_answer(daemon, request, fn, arg, error))
#include "daemon/control.c" /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct daemon bulkheadd;
static struct control server;

/* Some events, of which one's text is a container's own. */
static void daemon_make(void)
{
	struct judge *judge = judge_get();

	bulkheadd.policy = judge->policy;
	bulkheadd.world = judge->world;
	bulkheadd.table = judge->table;
	must(loop_new(&bulkheadd.loop) == 0 && event_store_new(&bulkheadd.events) == 0);
	for (int i = 0; i < 3; i++)
		must(event_store_add(bulkheadd.events,
				     json_pack("{s:s, s:{s:s}, s:{s:s, s:s}, s:s}", "verdict", i ? "deny" : "allow",
					       "from", "container", "web\x1b[31m", "to", "address", "10.1.0.3", "zone",
					       "shop", "reason", "default")) == 0);
	server.daemon = &bulkheadd;
}

static void must_be_answer(const char *line, size_t length)
{
	json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *ok = json_object_get(answer, "ok"), *error = json_object_get(answer, "error");
	const char *message = json_string_value(json_object_get(error, "message"));

	must(json_is_object(answer));
	if (!json_object_get(answer, "flow")) {
		must(json_is_boolean(ok) && json_is_true(ok) == (json_object_get(answer, "result") != NULL));
		must(json_is_false(ok) == (message && message[0]));
	}
	json_decref(answer);
}

/* Reads what is there; adds the answers to *ret_count. */
static void answers_take(int fd, struct text *heard, size_t *count)
{
	char buffer[4096];
	const char *line, *end;
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		text_append_bytes(heard, buffer, (size_t)n);
	if (!heard->data)
		return;
	for (line = heard->data; (end = strchr(line, '\n')); line = end + 1) {
		must_be_answer(line, (size_t)(end - line));
		++*count;
	}
	heard->length -= (size_t)(line - heard->data);
	memmove(heard->data, line, heard->length + 1);
}

/* As the loop would, until there is nothing more to be done. */
static void client_serve(int fd, struct text *heard, size_t *count)
{
	client_ready(bulkheadd.loop, server.clients->fd, EPOLLIN, server.clients);
	answers_take(fd, heard, count);
	while (server.clients &&
	       (is_pending(server.clients) || has_unsent(server.clients) || line_end(server.clients))) {
		if (bulkheadd.waits)
			wait_end(bulkheadd.waits, json_pack("{s:i}", "released", 1), NULL);
		else
			client_ready(bulkheadd.loop, server.clients->fd, EPOLLOUT, server.clients);
		answers_take(fd, heard, count);
	}
	must(!bulkheadd.waits && !bulkheadd.wait_count);
	must(server.client_count == (server.clients != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lines = 0, answers = 0;
	struct text heard = {0};
	int pair[2];

	if (!bulkheadd.loop)
		daemon_make();
	if (size < 1)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	must(client_add(&server, pair[0], data[0] & 1) == 0);
	for (data++, size--; size > 0 && server.clients;) {
		size_t length = data[0] < size - 1 ? data[0] : size - 1;

		for (size_t i = 1; i <= length; i++)
			lines += data[i] == '\n';
		must(length == 0 || send(pair[1], data + 1, length, MSG_NOSIGNAL) == (ssize_t)length);
		if (length > 0)
			client_serve(pair[1], &heard, &answers);
		data += 1 + length;
		size -= 1 + length;
	}
	must(answers <= lines + EVENTS_KEPT);
	shutdown(pair[1], SHUT_WR);
	if (server.clients)
		client_serve(pair[1], &heard, &answers);
	if (server.clients) /* one that follows is told until it hangs up itself */
		client_free(server.clients);
	must(!server.clients && !server.client_count && !server.group_count);
	close(pair[1]);
	text_free(&heard);
	return 0;
}
