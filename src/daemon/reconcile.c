/* SPDX-License-Identifier: GPL-2.0-only */
/* Policy × world → table → gates. Start-up, change, crash recovery and repair all come through here. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/answer.h"
#include "daemon/daemon.h"
#include "daemon/desired.h"

/* A container that starts waits for the commit, and its events were gathered by the watcher: it comes at once. But a
 * commit takes time, and what happens meanwhile is one more and no queue of them: half of the time is for the rest. */
#define RECONCILE_REST_MAX_MS 100
#define RETRY_FIRST_MS	      100
#define RETRY_MAX_MS	      5000

static int64_t seconds_now(void)
{
	return (int64_t)time(NULL);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int64_t ns_now(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* ---- Is it a new policy to the kernel, or only other ports and addresses under the same rules? ---- */

#define SAME_ITEMS(a, b)           \
	((a).count == (b).count && \
	 ((a).count == 0 || memcmp((a).items, (b).items, (a).count * sizeof(*(a).items)) == 0))

static bool same_rules(const struct table *a, const struct table *b)
{
	if (a->class_count != b->class_count || a->service_class_count != b->service_class_count)
		return false;
	for (size_t i = 0; i < b->decisions.count; i++)
		if (b->decisions.items[i].fresh)
			return false;
	return SAME_ITEMS(a->cells, b->cells) && SAME_ITEMS(a->prefixes, b->prefixes) &&
	       SAME_ITEMS(a->nat64, b->nat64) &&
	       memcmp(a->class_info, b->class_info, a->class_count * sizeof(*a->class_info)) == 0 &&
	       memcmp(a->services, b->services, BH_SERVICE_ROWS * sizeof(*a->services)) == 0;
}

static int address_order(const struct address_entry *a, const struct address_entry *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	return addr_compare(&a->addr, &b->addr);
}

/* Is every address still whose it was? One that nobody had before is no matter: it is a port's or the host's now, and
 * that one's own gate judges what comes to it. */
static bool same_addresses(const struct table *a, const struct table *b)
{
	size_t at = 0;

	for (size_t i = 0; i < a->addresses.count; i++) {
		const struct address_entry *before = &a->addresses.items[i];

		while (at < b->addresses.count && address_order(&b->addresses.items[at], before) < 0)
			at++;
		if (at == b->addresses.count || address_order(&b->addresses.items[at], before) != 0 ||
		    b->addresses.items[at].class != before->class)
			return false;
	}
	return true;
}

static const struct gate_port *port_in(const struct gate_port *ports, size_t count, uint32_t ifindex)
{
	for (size_t i = 0; i < count; i++)
		if (ports[i].ifindex == ifindex)
			return &ports[i];
	return NULL;
}

/* Is every port that stays still who it was? (A container may get other labels, or another container its port.) */
static bool same_ports(const struct daemon *daemon, const struct desired *next)
{
	for (size_t i = 0; i < next->port_count; i++) {
		const struct gate_port *before =
			port_in(daemon->gate_ports, daemon->gate_port_count, next->ports[i].ifindex);

		/* What was closed has no open flows. */
		if (before && before->open && next->ports[i].open &&
		    before->identity != next->table->ports.items[next->world_index[i]].identity)
			return false;
	}
	return true;
}

/* Open flows are judged again when the generation is another, and only then: it must be, when anything has changed that
 * their verdicts came from. */
static bool same_verdicts(const struct daemon *daemon, const struct desired *next)
{
	return daemon->table && same_rules(daemon->table, next->table) && same_addresses(daemon->table, next->table) &&
	       same_ports(daemon, next);
}

static uint32_t next_generation(const struct daemon *daemon)
{
	uint32_t kernel = gate_generation(daemon->gate);

	return (kernel > daemon->generation ? kernel : daemon->generation) + 1;
}

/* ---- What changed, for the log ---- */

static bool port_is_open(const struct gate_port *port)
{
	return port && port->open && port->ret_result == 0;
}

static void log_conflict(const struct daemon *daemon, const struct desired *next, size_t index)
{
	const struct world_port *port = &next->world.ports.items[next->world_index[index]];
	const struct policy *policy = daemon->policy;
	struct membership membership;
	char name[128];

	if (membership_find(policy, &next->world, port, &membership) < 0)
		return;
	if (membership.state == MEMBERSHIP_CONFLICTED)
		log_warning("port %s (%s) matches two zones and is denied everything: '%s' by %s:%u and '%s' by %s:%u",
			    port->interface, desired_container_name(next, index, name, sizeof(name)),
			    policy->zones.items[membership.zone].name,
			    policy->sources.items[membership.place.file].path, membership.place.line,
			    policy->zones.items[membership.other_zone].name,
			    policy->sources.items[membership.other_place.file].path, membership.other_place.line);
	membership_free(&membership);
}

static void log_opened(const struct daemon *daemon, const struct desired *next, size_t index)
{
	const struct gate_port *port = &next->ports[index];
	char name[128];

	log_info("port %s (%s) open as %s", port->name, desired_container_name(next, index, name, sizeof(name)),
		 table_class_name(next->table, port->identity));
	if (port->identity == BH_CLASS_CONFLICTED)
		log_conflict(daemon, next, index);
}

bool daemon_port_failed(const struct gate_port *port)
{
	return port->open && port->ret_result != 0 && port->ret_result != -ENODEV;
}

static void log_changes(const struct daemon *daemon, const struct desired *next)
{
	for (size_t i = 0; i < next->port_count; i++) {
		const struct gate_port *port = &next->ports[i];
		const struct gate_port *before = port_in(daemon->gate_ports, daemon->gate_port_count, port->ifindex);

		if (daemon_port_failed(port))
			log_warning("port %s stays closed: %s", port->name, port->ret_problem);
		else if (port_is_open(port) && (!port_is_open(before) || before->identity != port->identity))
			log_opened(daemon, next, i);
	}
	for (size_t i = 0; i < daemon->gate_port_count; i++) {
		const struct gate_port *before = &daemon->gate_ports[i];

		if (port_is_open(before) && !port_is_open(port_in(next->ports, next->port_count, before->ifindex)))
			log_info("port %s closed", before->name);
	}
}

/* ---- The commit ---- */

/* Those that ran before the daemon did were not waiting for it to know them. */
static void releases_note(struct daemon *daemon, const struct desired *next)
{
	int64_t now = monotonic_ns();

	for (size_t i = 0; i < next->port_count; i++) {
		const struct port *port = next->view_port[i];

		if (port_is_open(&next->ports[i]) && !port->existed_at_start &&
		    !port_is_open(port_in(daemon->gate_ports, daemon->gate_port_count, port->ifindex)))
			release_note(&daemon->releases, now - port->identified_ns);
	}
}

void daemon_before_forget(struct daemon *daemon)
{
	if (daemon->before.table)
		table_keep_names(daemon->before.table);
	free(daemon->before.ports);
	json_decref(daemon->before.ended);
	daemon->before = (struct before){.wanted = daemon->before.wanted};
}

static void before_keep(struct daemon *daemon)
{
	daemon_before_forget(daemon);
	daemon->before.fresh = true;
	daemon->before.table = daemon->table;
	daemon->before.ports = TAKE(daemon->gate_ports);
	daemon->before.port_count = daemon->gate_port_count;
	daemon->gate_port_count = 0;
}

/* What was applied becomes what is in force; names of the generations before it stay for late events. */
static void take_in_force(struct daemon *daemon, struct desired *next)
{
	bool keep = daemon->before.wanted && !(daemon->before.table && same_verdicts(daemon, next));

	releases_note(daemon, next);
	log_changes(daemon, next);
	daemon_policed_note(daemon);
	if (daemon->table && daemon->table->generation != next->table->generation) {
		if (daemon->before.table == daemon->older[GENERATIONS_KEPT - 1])
			daemon_before_forget(daemon);
		table_free(daemon->older[GENERATIONS_KEPT - 1]);
		memmove(&daemon->older[1], &daemon->older[0], (GENERATIONS_KEPT - 1) * sizeof(daemon->older[0]));
		daemon->older[0] = daemon->table;
		if (keep)
			before_keep(daemon);
		else
			table_keep_names(daemon->table);
	} else {
		table_free(daemon->table);
	}
	daemon->table = TAKE(next->table);
	daemon->generation = daemon->table->generation;
	daemon->overruns = next->overruns;
	desired_keep_ports(next, &daemon->gate_ports, &daemon->gate_port_count);
	world_free(&daemon->world);
	daemon->world = next->world;
	next->world = (struct world){0};
	/* Seeds are for the first opening only. */
	for (size_t i = 0; i < daemon->seeds.count; i++)
		array_free(&daemon->seeds.items[i].seeds);
	array_free(&daemon->seeds);
}

static bool some_port_failed(const struct desired *next)
{
	for (size_t i = 0; i < next->port_count; i++)
		if (daemon_port_failed(&next->ports[i]))
			return true;
	return false;
}

static void retry_later(struct daemon *daemon)
{
	daemon->retry_ms = daemon->retry_ms ? daemon->retry_ms * 2 : RETRY_FIRST_MS;
	if (daemon->retry_ms > RETRY_MAX_MS)
		daemon->retry_ms = RETRY_MAX_MS;
	loop_set_timer(daemon->retry_timer, daemon->retry_ms, 0);
}

static int compile_and_apply(struct daemon *daemon, bool new_policy, struct error *error)
{
	struct desired next = {0};
	bool again;
	int r;

	r = desired_build(daemon, &next, error);
	if (r == 0)
		r = table_compile(daemon->policy, &next.world, daemon->registry, seconds_now(), &next.table, error);
	if (r == 0) {
		if (!new_policy && same_verdicts(daemon, &next))
			next.table->generation = daemon->generation;
		else
			next.table->generation = next_generation(daemon);
		/* Before the kernel: a number that is in force must never lose its meaning. */
		r = daemon_registry_save(daemon, next.table->generation, error);
	}
	if (r == 0)
		r = desired_finish(daemon, &next, error);
	if (r == 0)
		r = gate_apply(daemon->gate, &next.gate, error);
	if (r == 0) {
		again = some_port_failed(&next) || next.gate.ret_unfinished;
		take_in_force(daemon, &next);
		if (again) {
			retry_later(daemon);
		} else {
			daemon->retry_ms = 0;
			loop_set_timer(daemon->retry_timer, -1, 0);
		}
	}
	desired_free(&next);
	/* A table and a ruleset were made and the ones before freed: what lies between is holes, megabytes of them. */
	malloc_trim(0);
	return r;
}

static int reconcile(struct daemon *daemon, bool new_policy, struct error *error)
{
	int r;

	if (!daemon->policy || !daemon->settled || !daemon->gate)
		return 0;
	r = compile_and_apply(daemon, new_policy, error);
	if (r < 0) {
		if (strcmp(daemon->apply_problem, error->text) != 0)
			log_error("the kernel was left as it was: %s", error->text);
		snprintf(daemon->apply_problem, sizeof(daemon->apply_problem), "%s", error->text);
		return r;
	}
	daemon->apply_problem[0] = '\0';
	answer_committed(daemon);
	return 0;
}

int daemon_reconcile(struct daemon *daemon)
{
	struct error error = {0};
	int64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r = reconcile(daemon, false, &error);

	daemon->reconciled_ns = monotonic_ns();
	daemon->reconcile_took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	daemon->reconcile_armed = false;
	if (r < 0)
		retry_later(daemon);
	return r;
}

void daemon_reconcile_soon(struct daemon *daemon)
{
	int64_t delay_ms = (daemon->reconciled_ns + daemon->reconcile_took_ns - monotonic_ns()) / 1000000;

	if (daemon->reconcile_armed)
		return;
	if (delay_ms > RECONCILE_REST_MAX_MS)
		delay_ms = RECONCILE_REST_MAX_MS;
	daemon->reconcile_armed = true;
	loop_set_timer(daemon->reconcile_timer, delay_ms > 0 ? delay_ms : 0, 0);
}

/* ---- Loading ---- */

static char *diagnostics_text(const struct diagnostics *diagnostics, const struct sources *sources)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	diagnostics_print(diagnostics, sources, false, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* {"message", "diagnostics", "text"}; NULL when memory is short. */
static json_t *load_report(const struct policy *policy, const struct diagnostics *diagnostics, const char *message)
{
	static const struct sources no_sources;
	const struct sources *sources = policy ? &policy->sources : &no_sources;
	AUTO_FREE char *text = diagnostics_text(diagnostics, sources);
	json_t *report = json_object();

	json_object_set_new(report, "warnings", json_integer((json_int_t)diagnostics->warnings));
	json_object_set_new(report, "diagnostics", diagnostics_json(diagnostics, sources));
	if (text)
		json_object_set_new(report, "text", json_string(text));
	if (message)
		json_object_set_new(report, "message", json_string(message));
	return report;
}

/* The log is lines: what was printed for people has several. */
static void log_text(const char *text)
{
	while (text && *text) {
		size_t length = strcspn(text, "\n");

		log_error("%.*s", (int)length, text);
		text += length + (text[length] == '\n');
	}
}

static void keep_policy_error(struct daemon *daemon, json_t *report)
{
	char date[32];

	json_decref(daemon->policy_error);
	daemon->policy_error = json_deep_copy(report);
	daemon->policy_error_since = seconds_now();
	json_object_set_new(daemon->policy_error, "since",
			    json_string(time_format(date, daemon->policy_error_since * 1000000000ll)));
}

static void hooks_save(const struct daemon *daemon)
{
	struct error error = {0};

	if (daemon_hooks_save(daemon, &error) < 0)
		log_warning("the hooks are not told what is in force: %s", error.text);
}

/* Puts a good policy in force; the old one stays on failure. */
static int put_in_force(struct daemon *daemon, struct policy *policy, struct error *error)
{
	struct policy *old = daemon->policy;
	int r;

	daemon->policy = policy;
	r = daemon->table ? 0 : daemon_gates_fit(daemon, error);
	if (r == 0)
		r = reconcile(daemon, true, error);
	if (r < 0) {
		daemon->policy = old;
		policy_free(policy);
		return r;
	}
	policy_free(old);
	daemon->policy_since = seconds_now();
	hooks_save(daemon);
	policy_files_set(daemon->files, policy->watched.items, policy->watched.count);
	/* What is managed and ignored may have changed. */
	port_watch_refresh(daemon->watch);
	return 0;
}

static void watch_after_error(struct daemon *daemon, const struct policy *policy)
{
	const struct daemon_options *options = daemon->options;

	/* The files of the broken policy, so that its repair is seen; at least what was asked for. */
	if (policy && policy->watched.count > 0)
		policy_files_set(daemon->files, policy->watched.items, policy->watched.count);
	else
		policy_files_set(daemon->files, (char *const *)options->policy_paths, options->policy_path_count);
}

static void log_loaded(const struct daemon *daemon)
{
	const struct policy *policy = daemon->policy;
	const char *mode = policy->settings.mode == MODE_AUDIT ? ", audit mode" : "";

	if (daemon->table)
		log_info("policy generation %u in force: %zu rules, %zu zones%s", daemon->generation,
			 policy->rules.count, policy->zones.count, mode);
	else
		log_info("policy loaded: %zu rules, %zu zones%s", policy->rules.count, policy->zones.count, mode);
}

/* Gates that police are not exchanged under traffic: that is a restart's, which keeps what stands until the new ones
 * do.
 */
static bool gates_differ(const struct daemon *daemon, const struct policy *policy, struct diagnostics *diagnostics)
{
	const struct settings *settings = &policy->settings;
	enum gates now;

	if (!daemon->table)
		return false;
	now = gate_is_nft_alone(daemon->gate) ? GATES_NFT : GATES_TC_NFT;
	if (settings->gates == now)
		return false;
	diagnostic_add(diagnostics, SEVERITY_ERROR,
		       settings->gates_place.line ? &settings->gates_place : &settings->place,
		       "'gates' is %s now, and %s is in force: to change it, restart bulkheadd",
		       gates_names[settings->gates], gates_names[now]);
	return true;
}

int daemon_policy_read(struct daemon *daemon, const char *const paths[], size_t path_count, struct policy **ret_policy,
		       json_t **ret_report)
{
	char message[ERROR_TEXT_MAX + 64] = "";
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	int r;

	*ret_policy = NULL;
	r = policy_load(paths, path_count, ns_now(), ret_policy, &diagnostics, &error);
	if (r == 0 && gates_differ(daemon, *ret_policy, &diagnostics))
		r = -EINVAL;
	if (r == -EINVAL && diagnostics.errors)
		snprintf(message, sizeof(message), "the policy has %zu error%s; the policy in force stays in force",
			 diagnostics.errors, diagnostics.errors == 1 ? "" : "s");
	else if (r < 0)
		snprintf(message, sizeof(message), "%s; the policy in force stays in force", error.text);
	*ret_report = load_report(*ret_policy, &diagnostics, *message ? message : NULL);
	diagnostics_free(&diagnostics);
	return r;
}

int daemon_reload(struct daemon *daemon, json_t **ret_report)
{
	const struct daemon_options *options = daemon->options;
	struct policy *policy;
	struct error error = {0};
	int64_t begin = ns_now();
	json_t *report;
	int r;

	r = daemon_policy_read(daemon, options->policy_paths, options->policy_path_count, &policy, &report);
	if (r < 0) {
		watch_after_error(daemon, policy);
		policy_free(policy);
	} else {
		r = put_in_force(daemon, policy, &error);
		if (r < 0)
			json_object_set_new(report, "message", json_string(error.text));
	}
	if (r < 0) {
		log_error("%s", json_string_value(json_object_get(report, "message")));
		if (!error.text[0])
			log_text(json_string_value(json_object_get(report, "text")));
		keep_policy_error(daemon, report);
	} else {
		json_decref(daemon->policy_error);
		daemon->policy_error = NULL;
		json_object_set_new(report, "generation", json_integer(daemon->generation));
		json_object_set_new(report, "milliseconds", json_real((double)(ns_now() - begin) / 1e6));
		log_loaded(daemon);
	}
	if (ret_report)
		*ret_report = report;
	else
		json_decref(report);
	return r;
}
