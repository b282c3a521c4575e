/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/answer.h"
#include "daemon/sandbox.h"

/* ---- The policy in force ---- */

static json_t *policy_json(const struct daemon *daemon)
{
	json_t *paths = json_array(), *json = json_object();

	for (size_t i = 0; i < daemon->options->policy_path_count; i++)
		json_array_append_new(paths, json_string(daemon->options->policy_paths[i]));
	json_object_set_new(json, "paths", paths);
	json_object_set_new(json, "generation", json_integer(daemon->generation));
	answer_put_time(json, "since", daemon->policy_since);
	json_object_set_new(json, "unassigned",
			    json_string(daemon->policy->settings.unassigned == UNASSIGNED_ALLOW ? "allow" : "deny"));
	json_object_set_new(json, "rules", json_integer((json_int_t)daemon->policy->rules.count));
	json_object_set_new(json, "zones", json_integer((json_int_t)daemon->policy->zones.count));
	if (daemon->table) {
		json_object_set_new(json, "identities", json_integer((json_int_t)daemon->table->identities.count));
		json_object_set_new(json, "prefixes", json_integer((json_int_t)daemon->table->prefixes.count));
		json_object_set_new(json, "cells", json_integer((json_int_t)daemon->table->cells.count));
	}
	return json;
}

/* ---- Ports, by zone and by what is wrong with them ---- */

struct port_counts {
	uint32_t open, closed, waiting, conflicted, conflict, unassigned, ignored;
};

static bool is_open(const struct gate_port *port)
{
	return port && port->open && port->ret_result == 0;
}

static void count_port(const struct daemon *daemon, const struct port *port, struct port_counts *counts)
{
	const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);

	switch (port->state) {
	case PORT_IDENTIFIED:
		if (!is_open(gate_port))
			counts->closed++;
		else if (gate_port->identity == BH_CLASS_CONFLICTED)
			counts->conflicted++;
		else
			counts->open++;
		if (is_open(gate_port) && gate_port->identity == BH_CLASS_UNASSIGNED)
			counts->unassigned++;
		break;
	case PORT_CLOSED:
		counts->closed++;
		break;
	case PORT_WAITING:
		counts->waiting++;
		break;
	case PORT_CONFLICT:
		counts->conflict++;
		break;
	case PORT_IGNORED:
		counts->ignored++;
		break;
	case PORT_STATE_MAX:
		break;
	}
}

static json_t *port_line(const struct port *port, const char *state)
{
	json_t *json = json_object();

	answer_put_text(json, "interface", port->name);
	answer_put_owners(json, port);
	if (port->has_owner)
		answer_put_text(json, "runtime", port->owner.runtime);
	answer_put_text(json, "state", state);
	answer_put_text(json, "reason", port->reason);
	answer_put_time(json, "since", port->since);
	return json;
}

static json_t *membership_places(const struct policy *policy, const struct membership *membership)
{
	const struct place *places[] = {&membership->place, &membership->other_place};
	json_t *list = json_array();

	for (size_t i = 0; i < 2; i++)
		if (places[i]->file < policy->sources.count)
			json_array_append_new(list, json_pack("{s:s,s:i}", "file",
							      policy->sources.items[places[i]->file].path, "line",
							      (int)places[i]->line));
	return list;
}

static json_t *conflicted_line(const struct daemon *daemon, const struct port *port)
{
	json_t *json = port_line(port, NULL);
	struct membership membership;

	for (size_t i = 0; daemon->policy && i < daemon->world.ports.count; i++) {
		if (daemon->world.ports.items[i].ifindex != port->ifindex)
			continue;
		if (membership_find(daemon->policy, &daemon->world, &daemon->world.ports.items[i], &membership) < 0)
			break;
		if (membership.state == MEMBERSHIP_CONFLICTED) {
			json_object_set_new(json, "zones",
					    json_pack("[s,s]", daemon->policy->zones.items[membership.zone].name,
						      daemon->policy->zones.items[membership.other_zone].name));
			json_object_set_new(json, "members", membership_places(daemon->policy, &membership));
		}
		membership_free(&membership);
		break;
	}
	return json;
}

static void put_port_lists(const struct daemon *daemon, const struct port_view *view, json_t *status)
{
	json_t *unassigned = json_array(), *conflicted = json_array(), *waiting = json_array(), *ignored = json_array();
	json_t *shared = json_array();

	for (size_t i = 0; i < view->ports.count; i++) {
		const struct port *port = &view->ports.items[i];
		const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);

		if (port->others.count)
			json_array_append_new(shared, port_line(port, NULL));
		if (port->state == PORT_IGNORED)
			json_array_append_new(ignored, port_line(port, NULL));
		else if (!is_open(gate_port))
			json_array_append_new(waiting, port_line(port, port_state_names[port->state]));
		else if (gate_port->identity == BH_CLASS_CONFLICTED)
			json_array_append_new(conflicted, conflicted_line(daemon, port));
		else if (gate_port->identity == BH_CLASS_UNASSIGNED)
			json_array_append_new(unassigned, port_line(port, NULL));
	}
	for (size_t i = 0; i < json_array_size(unassigned); i++)
		answer_put_text(json_array_get(unassigned, i), "reason", "no zone's members match it");
	json_object_set_new(status, "unassigned", unassigned);
	json_object_set_new(status, "conflicted", conflicted);
	json_object_set_new(status, "waiting", waiting);
	json_object_set_new(status, "ignored", ignored);
	json_object_set_new(status, "shared", shared);
}

static json_t *counts_json(const struct daemon *daemon, const struct port_view *view)
{
	struct port_counts counts = {0};

	for (size_t i = 0; i < view->ports.count; i++)
		count_port(daemon, &view->ports.items[i], &counts);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "open", (json_int_t)counts.open, "closed",
			 (json_int_t)counts.closed, "waiting", (json_int_t)counts.waiting, "conflicted",
			 (json_int_t)counts.conflicted, "conflict", (json_int_t)counts.conflict, "unassigned",
			 (json_int_t)counts.unassigned, "ignored", (json_int_t)counts.ignored);
}

static bool has_group(const struct identity *identity, uint32_t group)
{
	for (size_t i = 0; i < identity->groups.count; i++)
		if (identity->groups.items[i] == group)
			return true;
	return false;
}

static json_int_t zone_ports(const struct table *table, uint32_t zone, uint32_t group)
{
	json_int_t count = 0;

	for (size_t i = 0; table && i < table->identities.count; i++) {
		const struct identity *identity = &table->identities.items[i];

		if (identity->zone == zone && (group == UINT32_MAX || has_group(identity, group)))
			count += identity->port_count;
	}
	return count;
}

static json_t *zones_json(const struct daemon *daemon)
{
	const struct policy *policy = daemon->policy;
	json_t *zones = json_array();

	for (uint32_t i = 0; i < policy->zones.count; i++) {
		const struct zone *zone = &policy->zones.items[i];
		json_t *groups = json_array(), *json;

		for (uint32_t g = zone->group_first; zone->has_groups && g < zone->group_first + zone->group_count; g++)
			json_array_append_new(groups, json_pack("{s:s,s:I}", "group", policy->groups.items[g].fullname,
								"ports", zone_ports(daemon->table, i, g)));
		json = json_pack("{s:s,s:s,s:I,s:o}", "zone", zone->name, "mode", mode_names[zone->mode], "ports",
				 zone_ports(daemon->table, i, UINT32_MAX), "groups", groups);
		answer_put_text(json, "description", zone->description);
		json_array_append_new(zones, json);
	}
	return zones;
}

/* ---- Containers with ports in two zones ---- */

static const char *zone_of_port(const struct daemon *daemon, const struct world_port *port)
{
	const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);

	for (size_t i = 0; gate_port && daemon->table && i < daemon->table->identities.count; i++) {
		const struct identity *identity = &daemon->table->identities.items[i];

		if (identity->number == gate_port->identity && identity->zone < daemon->policy->zones.count)
			return daemon->policy->zones.items[identity->zone].name;
	}
	return NULL;
}

static json_t *bridging_json(const struct daemon *daemon)
{
	json_t *list = json_array();

	for (uint32_t c = 0; c < daemon->world.containers.count; c++) {
		json_t *zones = json_object(), *names, *line;
		const char *zone;

		for (size_t i = 0; i < daemon->world.ports.count; i++)
			if (daemon->world.ports.items[i].container == c &&
			    (zone = zone_of_port(daemon, &daemon->world.ports.items[i])))
				json_object_set_new(zones, zone, json_true());
		if (json_object_size(zones) > 1) {
			names = json_array();
			json_object_foreach(zones, zone, line) json_array_append_new(names, json_string(zone));
			line = json_pack("{s:o}", "zones", names);
			answer_put_text(line, "container", daemon->world.containers.items[c].name);
			json_array_append_new(list, line);
		}
		json_decref(zones);
	}
	return list;
}

/* ---- What can't be policed ---- */

static json_t *unpoliced_json(const struct port_view *view)
{
	json_t *list = json_array();

	for (size_t i = 0; i < view->unpoliced.count; i++) {
		json_t *line = json_object();

		answer_put_text(line, "name", view->unpoliced.items[i].name);
		answer_put_text(line, "runtime", view->unpoliced.items[i].runtime);
		answer_put_text(line, "why", view->unpoliced.items[i].why);
		json_array_append_new(list, line);
	}
	return list;
}

/* ---- Health ---- */

__attribute__((format(printf, 2, 3))) static void problem_add(json_t *problems, const char *format, ...)
{
	char sentence[1024], escaped[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	/* A sentence holds names that others chose: what is no UTF-8 would not be said at all. */
	if (!text_is_utf8(sentence, strlen(sentence)))
		text_escape(escaped, sizeof(escaped), sentence);
	else
		snprintf(escaped, sizeof(escaped), "%s", sentence);
	for (size_t i = 0; i < json_array_size(problems); i++)
		if (strcmp(json_string_value(json_array_get(problems, i)), escaped) == 0)
			return; /* one line is enough */
	json_array_append_new(problems, json_string(escaped));
}

/* What a gate found out about itself: each line of it is a sentence. */
static void problem_add_lines(json_t *problems, const char *gate, const char *lines)
{
	while (lines && *lines) {
		size_t length = strcspn(lines, "\n");

		if (length)
			problem_add(problems, "the %s gate is not whole: %.*s", gate, (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void put_gate_problems(const json_t *status, const char *name, json_t *problems)
{
	const json_t *gate = json_object_get(status, name);
	size_t before = json_array_size(problems);

	problem_add_lines(problems, name, json_string_value(json_object_get(gate, "problem")));
	if (!json_is_false(json_object_get(gate, "healthy")))
		return;
	problem_add_lines(problems, name, json_string_value(json_object_get(gate, "drift")));
	if (json_array_size(problems) == before)
		problem_add(problems, "the %s gate is not whole", name);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

/* Others that stand in our way, though the gates are whole. */
static void put_foreign_problems(const json_t *gate, json_t *problems)
{
	const json_t *writers = json_object_get(json_object_get(gate, "nft"), "foreign_mark_writers"), *item;
	const json_t *foreign = json_object_get(json_object_get(gate, "tc"), "foreign");
	size_t i;

	json_array_foreach(writers, i, item) problem_add(
		problems,
		"a rule in chain %s of table %s %s writes bits of the packet mark that are ours (%s): what "
		"passes it loses its sender and is dropped; see --stamp-shift of bulkheadd",
		text_of(item, "chain"), text_of(item, "family"), text_of(item, "table"), text_of(item, "bits"));
	json_array_foreach(foreign, i, item)
		problem_add(problems, "another %s program runs ahead of ours at %s, %s: what it %s is not judged",
			    text_of(item, "attach"), text_of(item, "interface"), text_of(item, "direction"),
			    strcmp(text_of(item, "attach"), "xdp") == 0 ? "redirects" : "lets pass");
}

static void put_watcher_problems(const json_t *watcher, json_t *problems)
{
	const json_t *noisy = json_object_get(watcher, "noisy"), *item;
	const char *error = json_string_value(json_object_get(watcher, "error"));
	size_t i;

	if (error)
		problem_add(problems, "the look for ports failed: %s", error);
	if (json_is_true(json_object_get(watcher, "pins_left_out")))
		problem_add(problems, "%s", "there are more named network namespaces than are looked at");
	if (json_is_true(json_object_get(watcher, "addresses_left_out")))
		problem_add(problems, "%s", "there are more addresses than are looked at: some may be missing");
	json_array_foreach(noisy, i, item)
		problem_add(problems, "container %s changes its addresses too often: its changes have to wait",
			    text_of(item, "container"));
}

static void put_health(const struct daemon *daemon, const json_t *gate, json_t *status)
{
	json_t *problems = json_array();

	if (!daemon->policy)
		problem_add(problems, "%s",
			    "no policy is in force: every container's port that was not open before is closed");
	if (daemon->policy_error)
		problem_add(problems, "the policy files have errors: %s", text_of(daemon->policy_error, "message"));
	if (daemon->apply_problem[0])
		problem_add(problems, "the kernel could not be changed: %s", daemon->apply_problem);
	if (!daemon->settled)
		problem_add(problems, "%s", "still finding out what is there");
	for (size_t i = 0; i < daemon->gate_port_count; i++)
		if (daemon_port_failed(&daemon->gate_ports[i]))
			problem_add(problems, "port %s stays closed: %s", daemon->gate_ports[i].name,
				    daemon->gate_ports[i].ret_problem);
	if (daemon->options->no_sandbox)
		problem_add(problems, "%s",
			    "the daemon runs with all privileges: --no-sandbox is for looking for faults");
	problem_add_lines(problems, "tc", json_string_value(json_object_get(gate, "problem")));
	put_gate_problems(gate, "tc", problems);
	put_gate_problems(gate, "nft", problems);
	put_foreign_problems(gate, problems);
	put_watcher_problems(json_object_get(status, "watcher"), problems);
	/* Without memory for the list there is no telling. */
	json_object_set_new(status, "health",
			    json_string(problems && json_array_size(problems) == 0 ? "ok" : "degraded"));
	json_object_set_new(status, "problems", problems);
}

static json_t *repairs_json(const struct daemon *daemon)
{
	json_t *json = json_pack("{s:I}", "count", (json_int_t)daemon->repairs.count);

	answer_put_time(json, "last", daemon->repairs.last);
	answer_put_text(json, "what", daemon->repairs.what);
	answer_put_text(json, "who", daemon->repairs.who);
	return json;
}

/* The runtimes stand for themselves; the rest is about the watching. */
static void put_watcher(const struct daemon *daemon, json_t *status)
{
	json_t *watcher = port_watch_status(daemon->watch);

	json_object_set(status, "runtimes", json_object_get(watcher, "runtimes"));
	json_object_del(watcher, "runtimes");
	json_object_set_new(status, "watcher", watcher);
}

json_t *answer_status(struct daemon *daemon)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	json_t *status = json_object(), *gate;

	json_object_set_new(status, "version", json_string(BULKHEAD_VERSION));
	json_object_set_new(status, "pid", json_integer(getpid()));
	answer_put_time(status, "started", daemon->started);
	if (daemon->policy) {
		json_object_set_new(status, "mode", json_string(mode_names[daemon->policy->settings.mode]));
		json_object_set_new(status, "policy", policy_json(daemon));
		json_object_set_new(status, "zones", zones_json(daemon));
		json_object_set_new(status, "bridging", bridging_json(daemon));
	}
	if (daemon->policy_error)
		json_object_set(status, "policy_error", daemon->policy_error);
	json_object_set_new(status, "ports", counts_json(daemon, view));
	put_port_lists(daemon, view, status);
	json_object_set_new(status, "unpoliced", unpoliced_json(view));
	json_object_set_new(status, "relayed", answer_relayed(daemon));
	put_watcher(daemon, status);
	gate = daemon->gate ? gate_status(daemon->gate) : json_object();
	put_health(daemon, gate, status);
	json_object_set_new(status, "gate", gate);
	json_object_set_new(status, "repairs", repairs_json(daemon));
	json_object_set_new(status, "sandbox", sandbox_json());
	json_object_set_new(status, "release_ms", release_json(&daemon->releases));
	return status;
}
