/* SPDX-License-Identifier: GPL-2.0-only */
/* Which open flows a policy ends: each is judged by the table before and the table after, in its own direction, as the
 * programs will at its next packet. A copy of the daemon does it, so that the loop goes on. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "daemon/desired.h"
#include "daemon/sandbox.h"

#define LISTED_MAX 1000u /* flows that are told one by one; the others are counted */
#define SEARCH_MS  20000 /* a host that is full of flows takes about a second */
#define ANSWER_MAX (8u << 20)
#define PATHS_MAX  64u
#define BEFORE_MS  30000 /* a table of a large policy has some megabytes */

struct side {
	const struct table *table;
	const struct gate_port *ports;
	size_t port_count;
};

struct ended {
	struct gate_flow flow;
	struct table_verdict verdict; /* of the table after */
	uint32_t source, destination;
	bool twin; /* it stands at the opener's port, too, and is told there */
};

/* A flow's name, to be found by. */
struct name {
	uint32_t ifindex;
	uint16_t own_port, remote_port;
	uint8_t own[16], remote[16];
	uint8_t family, protocol, direction, pad;
};

struct search {
	struct daemon *daemon;
	struct side before, after;
	int64_t now;
	bool end;	   /* whatever is found; not for those who are to be told so by their next packet's answer */
	struct map *names; /* struct name → itself */
	struct {
		ARRAY_OF(struct ended);
	} ended;
};

/* ---- Judging ---- */

static const struct gate_port *side_port(const struct side *side, uint32_t ifindex)
{
	for (size_t i = 0; i < side->port_count; i++)
		if (side->ports[i].ifindex == ifindex && side->ports[i].open)
			return &side->ports[i];
	return NULL;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static struct service_point service_of(const struct gate_flow *flow)
{
	struct service_point point = {.protocol = flow->protocol, .port = flow->own_port};

	if (flow->direction == BH_FLOW_OUT || is_icmp(flow->protocol))
		point.port = flow->remote_port;
	/* Echo requests are the flows without a type: struct bh_flow_key. */
	if (is_icmp(flow->protocol) && !point.port)
		point.port = flow->protocol == IPPROTO_ICMP ? 8 << 8 : 128 << 8;
	return point;
}

/* Who opened it, to the table after: a container may be another identity now. 0: only its own port can tell. */
static uint32_t opener_after(const struct search *search, const struct gate_port *port, const struct gate_flow *flow)
{
	const struct table *before = search->before.table, *after = search->after.table;

	if (!flow->peer_local || table_class(before, &flow->remote, port->domain) == flow->opener)
		return table_class(after, &flow->remote, port->domain);
	if (flow->opener < after->class_count && after->class_info[flow->opener].flags & BH_CLASS_RETIRED)
		return BH_CLASS_NONE;
	return flow->opener;
}

static void judge(const struct table *table, const struct gate_port *port, int64_t now, uint32_t opener,
		  struct ended *ended)
{
	const struct gate_flow *flow = &ended->flow;
	const struct service_point point = service_of(flow);
	bool out = flow->direction == BH_FLOW_OUT;

	ended->source = out ? port->identity : opener;
	ended->destination = out ? table_class(table, &flow->remote, port->domain) : port->identity;
	table_lookup(table, ended->source, ended->destination, table_service(table, &point), now, &ended->verdict);
}

static bool is_published(const struct search *search, const struct gate_flow *flow)
{
	const struct port_view *view = port_watch_view(search->daemon->watch);

	for (size_t i = 0; i < view->ports.count; i++)
		for (size_t j = 0; j < view->ports.items[i].published.count; j++)
			if (view->ports.items[i].published.items[j].host_port == flow->remote_port &&
			    view->ports.items[i].published.items[j].protocol == flow->protocol)
				return true;
	return false;
}

/* Did it pass, and does it no longer? */
static bool is_ended(const struct search *search, struct ended *ended)
{
	const struct gate_flow *flow = &ended->flow;
	const struct gate_port *before = side_port(&search->before, flow->ifindex);
	const struct gate_port *after = side_port(&search->after, flow->ifindex);
	uint32_t opener;

	if (!before || !after)
		return false;
	opener = flow->peer_local ? flow->opener : table_class(search->before.table, &flow->remote, before->domain);
	judge(search->before.table, before, search->now, opener, ended);
	if (!ended->verdict.allow && !ended->verdict.audit)
		return false;
	opener = opener_after(search, after, flow);
	if (flow->direction == BH_FLOW_IN && opener == BH_CLASS_NONE)
		return false;
	judge(search->after.table, after, search->now, opener, ended);
	/* Who is behind a published port knows its own port, where the flow stands once more. */
	if (ended->destination == BH_CLASS_HOST && flow->direction == BH_FLOW_OUT && is_published(search, flow))
		return false;
	return !ended->verdict.allow && !ended->verdict.audit;
}

/* ---- Finding ---- */

static struct name name_of(uint32_t ifindex, const struct gate_flow *flow, bool from_there)
{
	bool swap = from_there && !is_icmp(flow->protocol);
	struct name name;

	memset(&name, 0, sizeof(name));
	name.ifindex = ifindex;
	name.own_port = swap ? flow->remote_port : flow->own_port;
	name.remote_port = swap ? flow->own_port : flow->remote_port;
	memcpy(name.own, from_there ? flow->remote.bytes : flow->own.bytes, sizeof(name.own));
	memcpy(name.remote, from_there ? flow->own.bytes : flow->remote.bytes, sizeof(name.remote));
	name.family = flow->own.family;
	name.protocol = flow->protocol;
	name.direction = from_there ? !flow->direction : flow->direction;
	return name;
}

/* A flow without a port is the opener's, or else of who was asked. False: of neither, it is none of ours. */
static bool flow_place(const struct search *search, struct gate_flow *flow)
{
	struct gate_flow turned = *flow;

	if (!flow->ifindex)
		flow->ifindex = daemon_ifindex_at(search->daemon, &flow->own, flow->domain);
	if (flow->ifindex)
		return true;
	turned.own = flow->remote;
	turned.remote = flow->own;
	if (!is_icmp(flow->protocol)) {
		turned.own_port = flow->remote_port;
		turned.remote_port = flow->own_port;
	}
	turned.direction = BH_FLOW_IN;
	turned.peer_local = flow->opener == BH_CLASS_HOST;
	turned.ifindex = daemon_ifindex_at(search->daemon, &turned.own, 0);
	*flow = turned;
	return flow->ifindex;
}

static int flow_take(void *arg, const struct gate_flow *flow)
{
	struct search *search = arg;
	struct ended ended = {.flow = *flow}, *slot;
	struct name name;
	int r;

	if (!flow_place(search, &ended.flow))
		return 0;
	name = name_of(ended.flow.ifindex, &ended.flow, false);
	if (!is_ended(search, &ended) || map_get(search->names, &name, sizeof(name)))
		return 0;
	r = map_set(search->names, &name, sizeof(name), search, NULL);
	slot = r == 0 ? array_append(&search->ended) : NULL;
	if (!slot)
		return -ENOMEM;
	*slot = ended;
	return search->end ? GATE_FLOW_END : 0;
}

/* What stands at the opener's port too is one flow. */
static void twins_mark(struct search *search)
{
	for (size_t i = 0; i < search->ended.count; i++) {
		struct ended *ended = &search->ended.items[i];
		const struct gate_port *port = side_port(&search->after, ended->flow.ifindex);
		uint32_t ifindex = daemon_ifindex_at(search->daemon, &ended->flow.remote, port ? port->domain : 0);
		struct name name = name_of(ifindex, &ended->flow, true);

		ended->twin =
			ended->flow.direction == BH_FLOW_IN && ifindex && map_get(search->names, &name, sizeof(name));
	}
}

static int search_run(struct search *search)
{
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	search->now = now.tv_sec * 1000000000ll + now.tv_nsec;
	search->names = map_new();
	r = search->names ? gate_flows_walk(search->daemon->gate, search->before.table->generation, flow_take, search)
			  : -ENOMEM;
	if (r == 0)
		twins_mark(search);
	return r;
}

/* ---- Telling ---- */

static json_t *ended_json(struct search *search, const struct ended *ended, const struct event_names *names)
{
	static const char *const of_packets[] = {"time",      "verdict", "direction",  "ifindex",
						 "tcp_flags", "length",	 "generation", "decision"};
	const struct gate_flow *flow = &ended->flow;
	bool out = flow->direction == BH_FLOW_OUT;
	struct bh_event event = {
		.generation = search->after.table->generation,
		.ifindex = flow->ifindex,
		.decision = ended->verdict.decision,
		.src_class = ended->source,
		.dst_class = ended->destination,
		.verdict = BH_EVENT_DENY,
		.reason = ended->verdict.reason,
		.direction = out ? BH_EVENT_FROM_PORT : BH_EVENT_TO_PORT,
		.family = flow->own.family,
		.protocol = flow->protocol,
		.source_port = out ? flow->own_port : flow->remote_port,
		.destination_port = service_of(flow).port,
	};
	json_t *json;

	memcpy(event.source, out ? flow->own.bytes : flow->remote.bytes, sizeof(event.source));
	memcpy(event.destination, out ? flow->remote.bytes : flow->own.bytes, sizeof(event.destination));
	json = event_json(&event, names, 0);
	for (size_t i = 0; i < sizeof(of_packets) / sizeof(*of_packets); i++)
		json_object_del(json, of_packets[i]);
	return json;
}

static json_t *search_json(struct search *search)
{
	json_t *list = json_array();
	struct event_names names;
	size_t count = 0;

	/* In this copy: the names of what would be in force. */
	search->daemon->table = (struct table *)search->after.table;
	daemon_names(search->daemon, &names);
	for (size_t i = 0; i < search->ended.count; i++) {
		if (search->ended.items[i].twin || ++count > LISTED_MAX)
			continue;
		json_array_append_new(list, ended_json(search, &search->ended.items[i], &names));
	}
	return json_pack("{s:I, s:o}", "count", (json_int_t)count, "flows", list);
}

/* ---- The copy's work ---- */

struct question {
	struct daemon *daemon;
	struct policy *policy; /* not in force: of a dry run. NULL: what is in force ended them */
	json_t *report;	       /* to be completed; NULL: only the count is asked for */
};

/* What would be in force, made as for a commit. */
static int after_make(struct daemon *daemon, struct policy *policy, struct desired *next, struct error *error)
{
	int r;

	daemon->policy = policy;
	r = desired_build(daemon, next, error);
	if (r == 0)
		r = table_compile(policy, &next->world, daemon->registry, (int64_t)time(NULL), &next->table, error);
	if (r == 0) {
		next->table->generation = daemon->generation + 1;
		r = desired_finish(daemon, next, error);
	}
	return r;
}

static int question_search(const struct question *question, struct search *search, struct error *error)
{
	struct daemon *daemon = question->daemon;
	static struct desired next; /* this process ends with it */
	int r = 0;

	search->daemon = daemon;
	if (question->policy) {
		search->before = (struct side){daemon->table, daemon->gate_ports, daemon->gate_port_count};
		r = after_make(daemon, question->policy, &next, error);
		search->after = (struct side){next.table, next.ports, next.port_count};
	} else {
		search->before = (struct side){daemon->before.table, daemon->before.ports, daemon->before.port_count};
		search->after = (struct side){daemon->table, daemon->gate_ports, daemon->gate_port_count};
		search->end = !daemon->policy->settings.reject;
	}
	if (r < 0)
		return r;
	r = search_run(search);
	return r < 0 ? error_set(error, r, "the open flows can't be looked at: %s", strerror(-r)) : 0;
}

static int question_work(const void *what, int fd)
{
	const struct question *question = what;
	struct search search = {0};
	struct error error = {0};
	FILE *out = fdopen(fd, "w");
	int maps[GATE_FLOWS_FDS], r;
	json_t *line;

	if (!out)
		return EXIT_FAILURE;
	if (!question->daemon->options->no_sandbox &&
	    sandbox_search(gate_flows_fds(question->daemon->gate, maps) == 0) < 0)
		return EXIT_FAILURE;
	r = question_search(question, &search, &error);
	if (r < 0 && question->policy && r != -ENOTSUP) {
		line = json_pack("{s:b, s:{s:s}}", "ok", 0, "error", "message", error.text);
	} else {
		json_t *result = question->report ? question->report : json_object();

		if (r == 0)
			json_object_set_new(result, "ended", search_json(&search));
		line = json_pack("{s:b, s:O}", "ok", 1, "result", result);
	}
	return line && json_dumpf(line, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF && fflush(out) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

static struct child *question_start(const struct question *question, child_done_fn done, void *arg)
{
	struct daemon *daemon = question->daemon;
	int fds[GATE_FLOWS_FDS];
	struct child_fds keep = {.items = fds};
	struct child *child;

	if (!daemon->gate || !done)
		return NULL;
	keep.count = gate_flows_fds(daemon->gate, fds);
	if (child_fork_with(daemon->loop, question_work, question, &keep, ANSWER_MAX, SEARCH_MS, done, arg, &child) < 0)
		return NULL;
	return child;
}

/* ---- Reloading ---- */

static int reload_keeping(struct daemon *daemon, json_t **ret_report)
{
	int r;

	daemon->before.wanted = true;
	daemon->before.fresh = false;
	r = daemon_reload(daemon, ret_report);
	daemon->before.wanted = false;
	return r;
}

static void counted(void *arg, int status, const char *output, size_t size)
{
	struct daemon *daemon = arg;
	json_t *answer = status == EXIT_SUCCESS ? json_loadb(output, size, 0, NULL) : NULL;
	json_t *ended = json_object_get(json_object_get(answer, "result"), "ended");
	json_int_t count = json_integer_value(json_object_get(ended, "count"));

	daemon->counting = NULL;
	if (daemon->before.table && !daemon->before.ended)
		daemon->before.ended = json_incref(ended);
	if (count > 0)
		log_info("%lld open flow%s ended by the new policy", (long long)count, count == 1 ? "" : "s");
	json_decref(answer);
}

/* Whoever changes the files and then asks for a reload is to hear of what that change has ended, whether or not it was
 * seen before he asked. */
void daemon_reload_by_itself(struct daemon *daemon)
{
	const struct question question = {.daemon = daemon};

	if (reload_keeping(daemon, NULL) < 0 || !daemon->before.fresh)
		return;
	child_cancel(daemon->counting);
	daemon->counting = question_start(&question, counted, daemon);
	loop_set_timer(daemon->before_timer, BEFORE_MS, 0);
}

static struct child *reload(struct daemon *daemon, child_done_fn done, void *arg, json_t **ret_result,
			    json_t **ret_error)
{
	struct question question = {.daemon = daemon};
	struct child *child = NULL;
	json_t *report = NULL;

	if (reload_keeping(daemon, &report) < 0) {
		*ret_error = report;
	} else {
		*ret_result = question.report = report;
		if (daemon->before.ended)
			json_object_set(report, "ended", daemon->before.ended);
		else if (daemon->before.table)
			child = question_start(&question, done, arg);
	}
	daemon_before_forget(daemon);
	return child;
}

/* The paths of a request; -EINVAL: they make no sense. */
static int paths_of(const json_t *request, const char *paths[PATHS_MAX], size_t *ret_count)
{
	const json_t *list = json_object_get(request, "paths"), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > PATHS_MAX)
		return -EINVAL;
	json_array_foreach(list, i, item)
	{
		paths[i] = json_string_value(item);
		if (!paths[i] || paths[i][0] != '/')
			return -EINVAL;
	}
	*ret_count = json_array_size(list);
	return 0;
}

static struct child *dry_run(struct daemon *daemon, const char *const paths[], size_t path_count, child_done_fn done,
			     void *arg, json_t **ret_result, json_t **ret_error)
{
	struct question question = {.daemon = daemon};
	struct child *child = NULL;

	if (daemon_policy_read(daemon, paths, path_count, &question.policy, &question.report) < 0) {
		*ret_error = question.report;
	} else {
		json_object_set_new(question.report, "dry_run", json_true());
		*ret_result = question.report;
		if (daemon->table)
			child = question_start(&question, done, arg);
	}
	policy_free(question.policy);
	return child;
}

struct child *daemon_reload_asked(struct daemon *daemon, const json_t *request, bool root, child_done_fn done,
				  void *arg, json_t **ret_result, json_t **ret_error)
{
	const char *named[PATHS_MAX];
	const char *const *paths = daemon->options->policy_paths;
	size_t count = daemon->options->policy_path_count;

	*ret_result = *ret_error = NULL;
	if (!json_is_true(json_object_get(request, "dry_run")))
		return reload(daemon, done, arg, ret_result, ret_error);
	if (json_object_get(request, "paths")) {
		/* What is wrong in a file is shown, line by line: any file on this host. */
		if (!root)
			*ret_error = json_pack("{s:s, s:s}", "message", "only root may name files", "code", "denied");
		else if (paths_of(request, named, &count) < 0)
			*ret_error = json_pack("{s:s}", "message", "'paths' is a list of 1 to 64 absolute paths");
		if (*ret_error)
			return NULL;
		paths = named;
	}
	return dry_run(daemon, paths, count, done, arg, ret_result, ret_error);
}
