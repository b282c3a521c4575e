/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/file.h"
#include "base/talk.h"
#include "hook.h"

#define REQUEST_MAX   (64u << 10)  /* the daemon's bound */
#define BUSY_PAUSE_MS 50	   /* until a daemon that has too many to serve at once is asked again */
#define ANSWER_MAX    (256u << 10) /* bytes: a namespace has at most a few ports */

struct answer_code {
	const char *text;
	int code;
};
static const struct answer_code answer_codes[] = {
	{"timeout", -ETIMEDOUT}, {"invalid", -EINVAL},	       {"conflict", -EADDRINUSE},
	{"denied", -EACCES},	 {"unsupported", -EOPNOTSUPP}, {"busy", -EBUSY},
};

/* An answer that is none of the daemon's is as good as no daemon. */
static int answer_senseless(struct error *error)
{
	return error_set(error, -ECONNREFUSED, "what answers is no bulkheadd: its answer makes no sense");
}

static int answer_error(const json_t *answer, struct error *error)
{
	const json_t *object = json_object_get(answer, "error");
	const char *message = json_string_value(json_object_get(object, "message"));
	const char *code = json_string_value(json_object_get(object, "code"));
	char escaped[ERROR_TEXT_MAX];

	if (!message)
		return answer_senseless(error);
	text_escape(escaped, sizeof(escaped), message);
	for (size_t i = 0; code && i < sizeof(answer_codes) / sizeof(*answer_codes); i++)
		if (strcmp(code, answer_codes[i].text) == 0)
			return error_set(error, answer_codes[i].code, "%s", escaped);
	return error_set(error, -EPROTO, "%s", escaped);
}

/* Every port of an answer to `adopt` has a name and a state: then somebody has looked. */
static bool answer_has_ports(const json_t *result)
{
	const json_t *ports = json_object_get(result, "ports"), *port;
	size_t i;

	json_array_foreach(ports, i, port)
	{
		if (!json_is_string(json_object_get(port, "interface")) ||
		    !json_is_string(json_object_get(port, "state")))
			return false;
	}
	return json_array_size(ports) > 0;
}

static int answer_take(const char *line, size_t length, bool adopts, struct error *error)
{
	json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *ok = json_object_get(answer, "ok"), *result = json_object_get(answer, "result");
	int r = 0;

	if (json_is_false(ok))
		r = answer_error(answer, error);
	else if (!json_is_true(ok) || !json_is_object(result) || (adopts && !answer_has_ports(result)))
		r = answer_senseless(error);
	json_decref(answer);
	return r;
}

/* What the talk says of a daemon that is away, hangs or dies, in words. */
static int talk_failure(int r, const char *doing, struct error *error)
{
	if (r == -ENODATA || r == -EPIPE)
		return error_set(error, -ECONNREFUSED, "bulkheadd hung up without an answer");
	if (r == -EMSGSIZE)
		return answer_senseless(error);
	if (r == -ETIMEDOUT)
		return error_set(error, -ECONNREFUSED, "bulkheadd does not answer in time");
	return error_set(error, -ECONNREFUSED, "%s: %s", doing, strerror(-r));
}

static int exchange(const char *socket, const char *text, size_t length, bool adopts, int64_t deadline_ms,
		    struct error *error)
{
	struct talk talk = TALK_CLOSED;
	const char *line;
	size_t size;
	int r = talk_open(socket, deadline_ms, &talk, error);

	if (r == -EACCES || r == -EPERM)
		return error_set(error, -EACCES, "%s: only root may ask", error->text);
	if (r < 0)
		return error_set(error, -ECONNREFUSED, "bulkheadd can't be reached: %s", error->text);
	r = talk_say(&talk, text, length, deadline_ms);
	/* One that refuses us hangs up at once, and its reason may be there to be read. */
	if (r < 0 && r != -EPIPE) {
		r = talk_failure(r, "asking bulkheadd", error);
	} else {
		r = talk_hear(&talk, ANSWER_MAX, deadline_ms, &line, &size);
		r = r < 0 ? talk_failure(r, "asking bulkheadd", error) : answer_take(line, size, adopts, error);
	}
	talk_close(&talk);
	return r;
}

static int request_send(const char *socket, json_t *request, int64_t bound_ms, struct error *error)
{
	AUTO_FREE char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	const char *command = json_string_value(json_object_get(request, "command"));
	bool adopts = command && strcmp(command, "adopt") == 0;
	int64_t deadline_ms = monotonic_ms() + bound_ms;
	int r;

	json_decref(request);
	if (!text)
		return error_set(error, -ENOMEM, "memory is short, or a text is no UTF-8");
	if (strlen(text) >= REQUEST_MAX)
		return error_set(error, -E2BIG, "labels and addresses are larger than %u bytes", REQUEST_MAX);
	r = exchange(socket, text, strlen(text), adopts, deadline_ms, error);
	while (r == -EBUSY && monotonic_ms() + BUSY_PAUSE_MS < deadline_ms) {
		(void)poll(NULL, 0, BUSY_PAUSE_MS);
		r = exchange(socket, text, strlen(text), adopts, deadline_ms, error);
	}
	return r == -EBUSY ? error_set(error, -ETIMEDOUT, "%s", error->text) : r;
}

/* No daemon, or not in time: what the administrator has said is done. */
static enum hook_result without_daemon(const struct hook_settings *settings, const struct error *bad,
				       struct error *error)
{
	struct error why = *error;

	if (settings->closed) {
		error_set(error, why.code, "bulkhead: the container starts with its port closed: %s", why.text);
		return HOOK_CLOSED;
	}
	error_set(error, why.code,
		  "bulkhead: the port is not open: %s. %s, or have containers start with closed ports meanwhile "
		  "(settings: { start_without_daemon: closed })%s%s",
		  why.text,
		  why.code == -ETIMEDOUT ? "See 'bulkhead ports' for the reason"
					 : "Start it (systemctl start bulkheadd)",
		  bad->code ? ". What is said there can't be read: " : "", bad->text);
	return HOOK_FAILED;
}

enum hook_result hook_adopt(const struct hook *hook, json_t *request, struct error *error)
{
	struct hook_settings settings;
	struct error bad = {0};
	int r;

	(void)hook_settings_read(hook->state_dir, &settings, &bad);
	if (request && (json_object_set_new(request, "command", json_string("adopt")) < 0 ||
			json_object_set_new(request, "wait_ms", json_integer(hook->wait_ms)) < 0)) {
		json_decref(request);
		request = NULL;
	}
	r = request_send(hook->socket ? hook->socket : settings.socket, request, hook->wait_ms + HOOK_GRACE_MS, error);
	if (r == 0)
		return HOOK_DONE;
	if (r == -ECONNREFUSED || r == -ETIMEDOUT)
		return without_daemon(&settings, &bad, error);
	error_wrap(error, r, "bulkhead");
	return HOOK_FAILED;
}

int hook_ask(const struct hook *hook, json_t *request, struct error *error)
{
	struct hook_settings settings;

	(void)hook_settings_read(hook->state_dir, &settings, NULL);
	return request_send(hook->socket ? hook->socket : settings.socket, request, HOOK_GRACE_MS, error);
}
