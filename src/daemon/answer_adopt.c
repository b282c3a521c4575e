/* SPDX-License-Identifier: GPL-2.0-only */
/* adopt and release: answers that come when the kernel has followed. A client waits for its answer while the loop goes
 * on; each commit looks whether what it waits for has come true. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/answer.h"

#define WAIT_DEFAULT_MS 10000
#define WAIT_MAX_MS	60000
#define RELEASE_MS	10000 /* a commit takes milliseconds: this is for a kernel that refuses it */

struct answer_wait {
	struct daemon *daemon;
	struct answer_wait *next;
	struct port_site site;
	uint64_t looked; /* what was committed of what was seen up to then says nothing */
	int64_t begin_ms;
	struct loop_source *timer;
	bool release;
	size_t released;
	answer_fn fn;
	void *arg;
};

static json_t *error_with(const char *code, const char *message)
{
	char safe[ERROR_TEXT_MAX * 2];

	return json_pack("{s:s,s:s}", "message", text_escape(safe, sizeof(safe), message), "code", code);
}

/* ---- Requests ---- */

struct order {
	const char *interface, *netns, *id;
	bool claims; /* says whose the ports are */
	int64_t wait_ms;
};

static const char *const adopt_keys[] = {"command", "interface", "netns",    "wait_ms",	  "name",
					 "id",	    "runtime",	 "image",    "namespace", "network",
					 "labels",  "addresses", "gateways", "mac",	  "pid"};
static const char *const release_keys[] = {"command", "interface", "netns", "id"};
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *unknown_key(const json_t *request, const char *const *keys, size_t count)
{
	void *at;

	/* jansson's iteration has no const form; nothing is changed. */
	for (at = json_object_iter((json_t *)request); at; at = json_object_iter_next((json_t *)request, at)) {
		const char *key = json_object_iter_key(at);
		size_t i = 0;

		while (i < count && strcmp(keys[i], key) != 0)
			i++;
		if (i == count)
			return key;
	}
	return NULL;
}

static bool order_text(const json_t *request, const char *key, const char **ret_text)
{
	const json_t *value = json_object_get(request, key);

	if (value && (!json_is_string(value) || json_string_length(value) == 0))
		return false;
	*ret_text = json_string_value(value);
	return true;
}

static bool order_parse(const json_t *request, bool is_release, struct order *order, char *problem, size_t size)
{
	const char *unknown = is_release ? unknown_key(request, release_keys, COUNT(release_keys))
					 : unknown_key(request, adopt_keys, COUNT(adopt_keys));
	const json_t *wait = json_object_get(request, "wait_ms");
	char shown[64];

	problem[0] = '\0';
	order->claims = json_object_get(request, "name");
	if (wait)
		order->wait_ms = json_is_integer(wait) ? json_integer_value(wait) : -1;
	if (unknown)
		snprintf(problem, size, "there is no '%s' here", text_escape(shown, sizeof(shown), unknown));
	else if (!order_text(request, "interface", &order->interface) || !order_text(request, "netns", &order->netns) ||
		 !order_text(request, "id", &order->id))
		snprintf(problem, size, "'interface', 'netns' and 'id' are texts");
	else if (order->wait_ms < 0 || order->wait_ms > WAIT_MAX_MS)
		snprintf(problem, size, "'wait_ms' is a number from 0 to %d", WAIT_MAX_MS);
	else if (is_release && !order->interface && !order->netns && !order->id)
		snprintf(problem, size, "an interface, a network namespace or an id is needed");
	else if (!is_release && !order->claims &&
		 json_object_size(request) > 1u + !!order->interface + !!order->netns + !!wait)
		snprintf(problem, size, "whose it is can't be said without a 'name'");
	return problem[0] == '\0';
}

static json_t *site_error(const struct error *error)
{
	return error_with(error->code == -EOPNOTSUPP ? "unsupported" : "invalid", error->text);
}

/* ---- Waiting ---- */

void answer_forget(struct answer_wait *wait)
{
	struct answer_wait **link;

	if (!wait)
		return;
	link = &wait->daemon->waits;
	while (*link != wait)
		link = &(*link)->next;
	*link = wait->next;
	wait->daemon->wait_count--;
	loop_remove(wait->timer);
	port_site_free(&wait->site);
	free(wait);
}

/* Takes both. */
static void wait_end(struct answer_wait *wait, json_t *result, json_t *error)
{
	answer_fn fn = wait->fn;
	void *arg = wait->arg;

	answer_forget(wait);
	fn(arg, result, error);
}

static json_t *ports_json(struct daemon *daemon, const struct port_list *ports)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ports->count; i++)
		json_array_append_new(list, answer_port_brief(daemon, ports->items[i]));
	return list;
}

/* Nothing more is to be waited for: it is open, or the settings leave it out. */
static bool port_is_done(const struct daemon *daemon, const struct port *port)
{
	const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);

	if (port->state == PORT_IGNORED)
		return !port->patch;
	return port->state == PORT_IDENTIFIED && gate_port && gate_port->open && gate_port->ret_result == 0;
}

static bool all_done(const struct daemon *daemon, const struct port_list *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		if (!port_is_done(daemon, ports->items[i]))
			return false;
	return ports->count > 0;
}

static json_t *wait_result(const struct answer_wait *wait, const struct port_list *ports)
{
	if (wait->release)
		return json_pack("{s:I}", "released", (json_int_t)wait->released);
	return json_pack("{s:o,s:I}", "ports", ports_json(wait->daemon, ports), "milliseconds",
			 (json_int_t)(monotonic_ms() - wait->begin_ms));
}

/* What is in the way, for a person: with the policy, with the kernel, or with the first port that is not open. */
static void obstacle(const struct daemon *daemon, const struct port_list *ports, char *text, size_t size)
{
	char name[IFNAMSIZ * 4];

	snprintf(text, size, "%s",
		 !daemon->policy	    ? "no policy is in force"
		 : daemon->apply_problem[0] ? daemon->apply_problem
		 : ports->count == 0	    ? "no port of it is there"
					    : "the kernel has not followed yet");
	for (size_t i = 0; i < ports->count && daemon->policy && !daemon->apply_problem[0]; i++) {
		const struct port *port = ports->items[i];
		const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);
		const char *why = port->reason[0] ? port->reason : gate_port ? gate_port->ret_problem : "";

		if (port_is_done(daemon, port))
			continue;
		snprintf(text, size, "port %s is not open: %.400s", text_escape(name, sizeof(name), port->name),
			 why[0] ? why : "the kernel has not followed yet");
		return;
	}
}

static bool some_conflict(const struct port_list *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i]->state == PORT_CONFLICT)
			return true;
	return false;
}

static json_t *timeout_error(const struct answer_wait *wait, const struct port_list *ports)
{
	char text[ERROR_TEXT_MAX], message[ERROR_TEXT_MAX];
	json_t *error;

	if (wait->release)
		return error_with("timeout", "it is forgotten, but the kernel has not followed yet");
	obstacle(wait->daemon, ports, text, sizeof(text));
	snprintf(message, sizeof(message), "after %lld ms: %.480s", (long long)(monotonic_ms() - wait->begin_ms), text);
	error = error_with(some_conflict(ports) ? "conflict" : "timeout", message);
	json_object_set_new(error, "ports", ports_json(wait->daemon, ports));
	return error;
}

/* `over`: there is no more time. The wait is gone when it has been answered. */
static void wait_check(struct answer_wait *wait, bool over)
{
	struct port_list ports = {0};
	struct error error = {0};
	bool seen = wait->daemon->looked_committed > wait->looked;

	if (!seen && !over)
		return;
	if (!wait->release && port_watch_at(wait->daemon->watch, &wait->site, &ports, &error) < 0) {
		/* Perhaps it is younger than the last look. */
		if (seen || over)
			wait_end(wait, NULL, error_with(over && !seen ? "timeout" : "invalid", error.text));
		return;
	}
	if (seen && (wait->release || all_done(wait->daemon, &ports)))
		wait_end(wait, wait_result(wait, &ports), NULL);
	else if (over)
		wait_end(wait, NULL, timeout_error(wait, &ports));
	array_free(&ports);
}

static void on_time(struct loop *loop, void *arg)
{
	(void)loop;
	wait_check(arg, true);
}

void answer_committed(struct daemon *daemon)
{
	struct answer_wait *next;

	daemon->looked_committed = port_watch_looked(daemon->watch);
	for (struct answer_wait *wait = daemon->waits; wait; wait = next) {
		next = wait->next;
		wait_check(wait, false);
	}
}

/* Takes the site over. NULL when memory is short. */
static struct answer_wait *wait_new(struct daemon *daemon, struct port_site *site, int64_t ms)
{
	struct answer_wait *wait = calloc(1, sizeof(*wait));

	if (!wait || loop_add_timer(daemon->loop, on_time, wait, &wait->timer) < 0) {
		port_site_free(site);
		free(wait);
		return NULL;
	}
	wait->daemon = daemon;
	wait->site = *site;
	wait->looked = port_watch_looked(daemon->watch);
	wait->begin_ms = monotonic_ms();
	loop_set_timer(wait->timer, ms, 0);
	wait->next = daemon->waits;
	daemon->waits = wait;
	daemon->wait_count++;
	return wait;
}

/* ---- The commands ---- */

static json_t *answer_now(struct daemon *daemon, const struct port_site *site, json_t **ret_error)
{
	struct port_list ports = {0};
	struct error error = {0};
	json_t *result;

	if (port_watch_at(daemon->watch, site, &ports, &error) < 0 && site->ifindex == 0) {
		*ret_error = site_error(&error);
		return NULL;
	}
	result = json_pack("{s:o,s:i}", "ports", ports_json(daemon, &ports), "milliseconds", 0);
	array_free(&ports);
	return result;
}

static struct answer_wait *adopt(struct daemon *daemon, const json_t *request, const struct order *order,
				 json_t **ret_result, json_t **ret_error)
{
	struct port_site site = {0};
	struct answer_wait *wait = NULL;
	struct error error = {0};
	int r = port_watch_locate(daemon->watch, order->interface, order->netns, &site, &error);

	if (r == 0 && order->claims)
		r = port_watch_adopt(daemon->watch, &site, order->interface, request, &error);
	if (r < 0) {
		*ret_error = site_error(&error);
		port_site_free(&site);
		return NULL;
	}
	port_watch_look(daemon->watch, &site);
	if (order->wait_ms == 0) {
		*ret_result = answer_now(daemon, &site, ret_error);
		port_site_free(&site);
		return NULL;
	}
	wait = wait_new(daemon, &site, order->wait_ms);
	return wait;
}

static struct answer_wait *release(struct daemon *daemon, const struct order *order, json_t **ret_result,
				   json_t **ret_error)
{
	struct port_site nowhere = {0};
	struct answer_wait *wait;
	struct error error = {0};
	size_t count = 0;
	int r = port_watch_release(daemon->watch, order->interface, order->netns, order->id, &count, &error);

	if (count > 0)
		port_watch_look(daemon->watch, NULL);
	if (r < 0)
		*ret_error = error_with("invalid", error.text);
	else if (count == 0)
		*ret_result = json_pack("{s:i}", "released", 0);
	if (r < 0 || count == 0)
		return NULL;
	wait = wait_new(daemon, &nowhere, RELEASE_MS);
	if (wait) {
		wait->release = true;
		wait->released = count;
	}
	return wait;
}

bool answer_comes_later(const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	return name && (strcmp(name, "adopt") == 0 || strcmp(name, "release") == 0);
}

struct answer_wait *answer_later(struct daemon *daemon, const json_t *request, bool root, answer_fn fn, void *arg,
				 json_t **ret_result, json_t **ret_error)
{
	bool is_release = strcmp(json_string_value(json_object_get(request, "command")), "release") == 0;
	struct answer_wait *wait = NULL;
	struct order order = {.wait_ms = WAIT_DEFAULT_MS};
	char problem[160];

	*ret_result = *ret_error = NULL;
	if (!root)
		*ret_error = error_with("denied", "only root may say whose a port is");
	else if (daemon->wait_count >= WAITS_MAX)
		*ret_error = error_with("busy", "too many wait for their ports at once");
	else if (!order_parse(request, is_release, &order, problem, sizeof(problem)))
		*ret_error = error_with("invalid", problem);
	else if (is_release)
		wait = release(daemon, &order, ret_result, ret_error);
	else
		wait = adopt(daemon, request, &order, ret_result, ret_error);
	if (wait) {
		wait->fn = fn;
		wait->arg = arg;
	}
	return wait;
}
