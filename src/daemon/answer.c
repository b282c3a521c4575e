/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/text.h"
#include "table/explain.h"
#include "table/matrix.h"

#define FLOWS_LAST_DEFAULT 100

static int64_t ns_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

void answer_put_text(json_t *object, const char *key, const char *text)
{
	char safe[1024];

	if (!text || !*text)
		return;
	if (!text_is_utf8(text, strlen(text)))
		text = text_escape(safe, sizeof(safe), text);
	json_object_set_new(object, key, json_string(text));
}

void answer_put_owners(json_t *object, const struct port *port)
{
	json_t *others;

	if (!port->has_owner)
		return;
	answer_put_text(object, "container", port->owner.name);
	others = daemon_other_names(port);
	if (others)
		json_object_set_new(object, "others", others);
}

void answer_put_time(json_t *object, const char *key, int64_t seconds)
{
	char date[32];

	if (seconds)
		json_object_set_new(object, key, json_string(time_format(date, seconds * 1000000000ll)));
}

static json_t *error_object(const char *message)
{
	return json_pack("{s:s}", "message", message);
}

static const char *request_text(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

/* ---- flows ---- */

static int filter_text(const json_t *request, const char *key, const char **ret_text)
{
	const json_t *value = json_object_get(request, key);

	if (value && !json_is_string(value))
		return -EINVAL;
	*ret_text = value ? json_string_value(value) : NULL;
	return 0;
}

int flow_filter_of(const json_t *request, struct event_filter *ret_filter)
{
	struct event_filter filter = {.denied = json_is_true(json_object_get(request, "denied"))};

	if (filter_text(request, "from", &filter.from) < 0 || filter_text(request, "to", &filter.to) < 0 ||
	    filter_text(request, "zone", &filter.zone) < 0)
		return -EINVAL;
	*ret_filter = filter;
	return 0;
}

static void list_append(void *arg, json_t *event)
{
	json_array_append(arg, event);
}

static int answer_flows(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error)
{
	const json_t *last = json_object_get(request, "last");
	struct event_filter filter;
	json_int_t count = last ? json_integer_value(last) : FLOWS_LAST_DEFAULT;

	if (flow_filter_of(request, &filter) < 0 || (last && !json_is_integer(last)) || count < 0) {
		*ret_error = error_object("the filter makes no sense");
		return -EINVAL;
	}
	*ret_result = json_array();
	event_store_each(daemon->events, &filter, (size_t)count, list_append, *ret_result);
	return 0;
}

/* ---- explain, matrix ---- */

static int question_new(struct daemon *daemon, struct table_judge *judge, struct explain **ret_explain,
			json_t **ret_error)
{
	struct error error = {0};
	int r;

	if (!daemon->table) {
		*ret_error = error_object("no policy is in force yet");
		return -EAGAIN;
	}
	*judge = (struct table_judge){.table = daemon->table, .policy = daemon->policy, .world = &daemon->world};
	r = explain_new(daemon->policy, &daemon->world, table_judge, judge, ret_explain, &error);
	if (r < 0)
		*ret_error = error_object(error.text);
	return r;
}

/* Many questions as the batch has them: a list of short answers and of {"error": …}. */
static int explain_lines(struct explain *explain, const json_t *lines, int64_t now, json_t **ret_result)
{
	json_t *answers = json_array(), *answer, *line;
	size_t i;
	int r = answers ? 0 : -ENOMEM;

	json_array_foreach(lines, i, line)
	{
		const char *text = json_string_value(line);

		answer = NULL;
		if (r < 0)
			break;
		if (explain_batch_line(explain, text ? text : "?", now, &answer) == -ENOMEM ||
		    json_array_append_new(answers, answer ? answer : json_null()) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		json_decref(answers);
	else
		*ret_result = answers;
	return r;
}

static int answer_explain(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error)
{
	const char *from = request_text(request, "from"), *to = request_text(request, "to");
	const char *service = request_text(request, "service"), *now_text = request_text(request, "now");
	const json_t *lines = json_object_get(request, "lines");
	struct explain *explain = NULL;
	struct table_judge judge;
	int64_t now = ns_now();
	struct error error = {0};
	int r;

	if (lines ? !json_is_array(lines) : !from || !to || !service) {
		*ret_error = error_object("explain needs 'from', 'to' and 'service', or a list of 'lines'");
		return -EINVAL;
	}
	if (now_text && time_parse(now_text, &now) < 0) {
		*ret_error = error_object("'now' is no RFC 3339 time");
		return -EINVAL;
	}
	r = question_new(daemon, &judge, &explain, ret_error);
	if (r < 0)
		return r;
	if (lines)
		r = explain_lines(explain, lines, now, ret_result);
	else
		r = explain_query(explain, from, to, service, now, ret_result, &error);
	if (r < 0 && error.text[0])
		*ret_error = error_object(error.text);
	explain_free(explain);
	return r;
}

static int answer_matrix(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error)
{
	struct explain *explain = NULL;
	struct table_judge judge;
	struct error error = {0};
	int r;

	(void)request;
	r = question_new(daemon, &judge, &explain, ret_error);
	if (r < 0)
		return r;
	r = matrix_json(explain, ns_now(), ret_result, &error);
	if (r < 0)
		*ret_error = error_object(error.text);
	explain_free(explain);
	return r;
}

/* ---- version ---- */

json_t *answer_version(struct daemon *daemon)
{
	static const char *const names[] = {"tc",  "nft",   "adopt", "docker", "podman", "containerd", "crio", "cni",
					    "lxc", "incus", "lxd",   "nspawn", "runc",	 "crun",       "netns"};
	struct utsname kernel;
	json_t *features = json_array();
	json_t *gate = daemon->gate ? gate_status(daemon->gate) : json_null();

	if (uname(&kernel) < 0)
		memset(&kernel, 0, sizeof(kernel));
	for (size_t i = 0; features && i < sizeof(names) / sizeof(*names); i++)
		json_array_append_new(features, json_string(names[i]));
	return json_pack("{s:s, s:i, s:o, s:{s:s, s:s}, s:o}", "version", BULKHEAD_VERSION, "abi", (int)BH_ABI_VERSION,
			 "features", features, "kernel", "release", kernel.release, "machine", kernel.machine, "gate",
			 gate);
}

/* ---- The table of commands ---- */

struct command {
	const char *name;
	int (*with_request)(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error);
	json_t *(*plain)(struct daemon *daemon);
};

static const struct command commands[] = {
	{"status", NULL, answer_status},   {"ports", NULL, answer_ports},     {"counters", NULL, answer_counters},
	{"version", NULL, answer_version}, {"explain", answer_explain, NULL}, {"matrix", answer_matrix, NULL},
	{"flows", answer_flows, NULL},
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

bool answer_may_take_long(const json_t *request)
{
	const char *name = request_text(request, "command");

	return name && (strcmp(name, "explain") == 0 || strcmp(name, "matrix") == 0);
}

bool answer_is_reload(const json_t *request)
{
	const char *name = request_text(request, "command");

	return name && strcmp(name, "reload") == 0;
}

void answer_request(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error)
{
	const char *name = request_text(request, "command");
	const struct command *command = name ? command_find(name) : NULL;

	*ret_result = *ret_error = NULL;
	if (!command)
		*ret_error = error_object(name ? "no such command" : "a request needs a 'command'");
	else if (command->plain)
		*ret_result = command->plain(daemon);
	else
		command->with_request(daemon, request, ret_result, ret_error);
	if (!*ret_result && !*ret_error)
		*ret_error = error_object("out of memory");
}
