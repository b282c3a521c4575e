/* SPDX-License-Identifier: GPL-2.0-only */
/* Start, the loop's callbacks, stop. A stop leaves the enforcement in place. */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/places.h"
#include "base/steward.h"
#include "daemon/sandbox.h"
#include "daemon/system_group.h"
#include "gate/nft_holder.h"
#include "port/podman.h"

#define SETTLE_MAX_MS	5000  /* how long the first look round may take; what is not known by then is closed */
#define CHECK_PERIOD_MS 60000 /* a look at the gates even when the kernel told of nothing */

/* ---- What the loop tells ---- */

static void on_gate_event(void *arg, const struct bh_event *event)
{
	struct daemon *daemon = arg;
	struct event_names names;
	json_t *json;

	daemon_names(daemon, &names);
	json = event_json(event, &names, daemon_boot_to_epoch());
	if (!json)
		return;
	control_publish(daemon->control, json);
	event_store_add(daemon->events, json);
}

static void check_gates(struct daemon *daemon)
{
	struct text drift = {0};
	int r;

	if (!daemon->gate || !daemon->settled)
		return;
	r = gate_check(daemon->gate, &drift);
	if (r > 0) {
		daemon->repairs.count++;
		daemon->repairs.last = (int64_t)time(NULL);
		log_warning("repairing: %s", text_string(&drift));
		snprintf(daemon->repairs.what, sizeof(daemon->repairs.what), "%.*s",
			 (int)strcspn(text_string(&drift), "\n"), text_string(&drift));
		daemon_reconcile(daemon);
	} else if (r < 0) {
		log_error("the gates could not be looked at: %s", strerror(-r));
	}
	text_free(&drift);
}

static void on_gate_drift(void *arg, const char *what, const char *who)
{
	struct daemon *daemon = arg;
	char first[160], safe_what[160], safe_who[80];

	/* One line of it: the repair tells of all. */
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(what, "\n"), what);
	text_escape(safe_what, sizeof(safe_what), first);
	text_escape(safe_who, sizeof(safe_who), who && *who ? who : "somebody");
	log_warning("%s (by %s)", safe_what, safe_who);
	snprintf(daemon->repairs.who, sizeof(daemon->repairs.who), "%s", safe_who);
	check_gates(daemon);
}

static bool all_known(const struct port_view *view)
{
	for (size_t i = 0; i < view->ports.count; i++)
		if (view->ports.items[i].state == PORT_CLOSED)
			return false;
	return true;
}

struct seed_list {
	struct port_seeds *seeds;
	bool failed;
};

static void seed_add(void *arg, const struct port_socket *socket)
{
	struct seed_list *list = arg;
	struct gate_seed *seed = array_append(&list->seeds->seeds);

	if (!seed) {
		list->failed = true;
		return;
	}
	*seed = (struct gate_seed){
		.protocol = socket->protocol,
		.direction = socket->inbound ? BH_FLOW_IN : BH_FLOW_OUT,
		.own = socket->own,
		.remote = socket->remote,
		.own_port = socket->own_port,
		.remote_port = socket->remote_port,
	};
}

/* The flows that containers have open at the moment when Bulkhead first polices this host: they are kept, if the policy
 * allows them. */
static void seeds_collect(struct daemon *daemon)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	struct error error = {0};

	for (size_t i = 0; i < view->ports.count; i++) {
		const struct port *port = &view->ports.items[i];
		struct seed_list list = {0};

		if (port->state != PORT_IDENTIFIED || !port->existed_at_start)
			continue;
		list.seeds = array_append(&daemon->seeds);
		if (!list.seeds)
			return;
		list.seeds->key = port->key;
		if (port_sockets(daemon->watch, port, seed_add, &list, &error) < 0 || list.failed)
			log_warning("port %s: its open connections can't be seen and may have to be made anew: %s",
				    port->name, error.text);
	}
}

/* Without a policy all is closed, which takes no eBPF; programs that are there go on judging what they know. */
static bool nft_alone(const struct daemon *daemon)
{
	if (daemon->policy)
		return daemon->policy->settings.gates == GATES_NFT;
	return gate_find(&daemon->options->gate) != GATE_FOUND_TC;
}

static int gates_open(struct daemon *daemon, bool alone, struct error *error)
{
	struct gate_options gate = daemon->options->gate;
	const struct gate_callbacks callbacks = {.on_event = on_gate_event, .on_drift = on_gate_drift, .arg = daemon};
	int r;

	gate.nft_alone = alone;
	r = gate_open(&gate, &daemon->gate, error);

	if (r == 0)
		r = daemon_registry_check(daemon, error);
	if (r == 0)
		r = gate_watch(daemon->gate, daemon->loop, &callbacks, error);
	return r;
}

int daemon_gates_fit(struct daemon *daemon, struct error *error)
{
	struct error later = {0};
	bool before;
	int r;

	if (!daemon->gate || gate_is_nft_alone(daemon->gate) == nft_alone(daemon))
		return 0;
	before = gate_is_nft_alone(daemon->gate);
	gate_close(TAKE(daemon->gate));
	r = gates_open(daemon, !before, error);
	if (r == 0)
		return 0;
	gate_close(TAKE(daemon->gate));
	if (gates_open(daemon, before, &later) < 0) {
		log_error("%s", later.text);
		loop_quit(daemon->loop, EXIT_FAILURE);
	}
	return r;
}

static size_t ports_policed(const struct daemon *daemon)
{
	size_t count = 0;

	for (size_t i = 0; i < daemon->gate_port_count; i++)
		count += daemon->gate_ports[i].open;
	return count;
}

/* The first look round is over: from now on the kernel follows what is known. */
static void settle(struct daemon *daemon)
{
	struct error error = {0};

	if (daemon->settled)
		return;
	loop_set_timer(daemon->settle_timer, -1, 0);
	if (!daemon->gate) {
		/* The first time on this host: what is open must be seen before the door closes. */
		seeds_collect(daemon);
		if (gates_open(daemon, nft_alone(daemon), &error) < 0) {
			log_error("%s", error.text);
			loop_quit(daemon->loop, EXIT_FAILURE);
			return;
		}
	}
	daemon->settled = true;
	if (daemon_reconcile(daemon) == 0 && daemon->table)
		log_info("policing %zu ports, generation %u", ports_policed(daemon), daemon->generation);
}

static void on_settle_timer(struct loop *loop, void *arg)
{
	(void)loop;
	settle(arg);
}

static void log_adopted_problem(struct daemon *daemon)
{
	const char *problem = port_watch_adopted_problem(daemon->watch);

	if (*problem && strcmp(problem, daemon->adopted_problem) != 0)
		log_warning("%s", problem);
	snprintf(daemon->adopted_problem, sizeof(daemon->adopted_problem), "%s", problem);
}

static void on_ports_change(void *arg)
{
	struct daemon *daemon = arg;

	log_adopted_problem(daemon);
	if (daemon->settled)
		daemon_reconcile_soon(daemon);
	else if (all_known(port_watch_view(daemon->watch)))
		settle(daemon);
}

static void on_files_change(void *arg)
{
	log_info("the policy's files have changed");
	daemon_reload_by_itself(arg);
}

static void on_reconcile_timer(struct loop *loop, void *arg)
{
	(void)loop;
	daemon_reconcile(arg);
}

static void on_before_timer(struct loop *loop, void *arg)
{
	(void)loop;
	daemon_before_forget(arg);
}

static void on_check_timer(struct loop *loop, void *arg)
{
	(void)loop;
	check_gates(arg);
}

static void on_hangup(struct loop *loop, int signal_number, void *arg)
{
	(void)loop;
	(void)signal_number;
	daemon_reload_by_itself(arg);
}

static void on_stop(struct loop *loop, int signal_number, void *arg)
{
	(void)arg;
	log_info("stopping on signal %d; what is in force stays in force", signal_number);
	loop_quit(loop, EXIT_SUCCESS);
}

/* Nobody can take its place, for whoever could start one is what we are not any more. */
static void on_steward_end(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	(void)fd;
	(void)epoll_events;
	(void)arg;
	log_error("the steward, which starts other programs for us, has ended: so must we");
	loop_quit(loop, EXIT_FAILURE);
}

static bool manages(void *arg, const char *interface)
{
	const struct daemon *daemon = arg;

	return !daemon->policy || settings_manages(&daemon->policy->settings, interface);
}

/* ---- Start and stop ---- */

static int loop_start(struct daemon *daemon)
{
	int r = loop_new(&daemon->loop);

	if (r == 0)
		r = loop_add_timer(daemon->loop, on_settle_timer, daemon, &daemon->settle_timer);
	if (r == 0)
		r = loop_add_timer(daemon->loop, on_reconcile_timer, daemon, &daemon->reconcile_timer);
	if (r == 0)
		r = loop_add_timer(daemon->loop, on_reconcile_timer, daemon, &daemon->retry_timer);
	if (r == 0)
		r = loop_add_timer(daemon->loop, on_check_timer, daemon, &daemon->check_timer);
	if (r == 0)
		r = loop_add_timer(daemon->loop, on_before_timer, daemon, &daemon->before_timer);
	if (r == 0)
		r = loop_add_signal(daemon->loop, SIGHUP, on_hangup, daemon);
	if (r == 0)
		r = loop_add_signal(daemon->loop, SIGTERM, on_stop, daemon);
	if (r == 0)
		r = loop_add_signal(daemon->loop, SIGINT, on_stop, daemon);
	if (r == 0 && steward_fd() >= 0)
		r = loop_add_fd(daemon->loop, steward_fd(), EPOLLIN, on_steward_end, daemon, NULL);
	return r;
}

/* All that the daemon does with more than it keeps. */
static int privileges_part(const struct daemon_options *options, struct error *error)
{
	static const steward_task_fn tasks[] = {podman_task, nft_holder_task, gate_mount_task};

	if (options->port.podman_root)
		podman_task_root(options->port.podman_root);
	return steward_start(tasks, sizeof(tasks) / sizeof(*tasks), error);
}

/* What the C library asks its own modules, which bring code of their own, is asked before the sandbox. */
static int privileges_drop(struct daemon *daemon, struct error *error)
{
	int r = 0;

	if (daemon->options->group)
		r = system_group_find(daemon->options->group, &daemon->group, error);
	return r == 0 && !daemon->options->no_sandbox ? sandbox_enter(error) : r;
}

/* Is this host policed by what a daemon before left in the kernel? Then the gates are taken over at once; else they
 * wait until the world is known. */
static bool is_policed(const struct daemon *daemon)
{
	return gate_find(&daemon->options->gate) != GATE_FOUND_NONE;
}

static int daemon_start(struct daemon *daemon, struct error *error)
{
	struct port_options port = daemon->options->port;
	json_t *report = NULL;
	int r;

	r = host_lock_take(daemon->options->run_dir, &daemon->lock_fd, error);
	if (r == 0)
		r = file_make_directories(daemon->options->state_dir, 0700, error);
	if (r == 0)
		r = file_check_directory(daemon->options->state_dir, false, error);
	if (r == 0)
		r = daemon_registry_load(daemon, error);
	if (r == 0 && (r = loop_start(daemon)) < 0)
		error_set(error, r, "the event loop: %s", strerror(-r));
	if (r == 0 && (r = event_store_new(&daemon->events)) < 0)
		error_set(error, r, "out of memory");
	if (r == 0)
		r = privileges_drop(daemon, error);
	if (r == 0)
		r = policy_files_new(daemon->loop, on_files_change, daemon, &daemon->files, error);
	if (r < 0)
		return r;
	port.manages = manages;
	port.manages_arg = daemon;
	snprintf(daemon->adopted_path, sizeof(daemon->adopted_path), "%s/%s", daemon->options->state_dir,
		 STATE_ADOPTED);
	port.adopted = daemon->adopted_path;
	r = port_watch_new(daemon->loop, &port, on_ports_change, daemon, &daemon->watch, error);
	if (r < 0)
		return r;
	r = daemon_reload(daemon, &report);
	json_decref(report);
	if (r < 0 && !is_policed(daemon) && !daemon_was_policed(daemon))
		return error_set(
			error, r,
			"nothing is policed yet, and the policy can't be put in force: the host is left as it is");
	/* After a reboot with a policy that can't be used any more, the door closes all the same. */
	if (r < 0 && !is_policed(daemon))
		log_error("this host was policed before: every container's port is closed until the policy is mended");
	r = r < 0 || is_policed(daemon) ? gates_open(daemon, nft_alone(daemon), error) : 0;
	if (r == 0)
		r = control_new(daemon, &daemon->control, error);
	if (r == 0 && !daemon->options->no_sandbox)
		r = sandbox_started(error);
	if (r == 0) {
		loop_set_timer(daemon->settle_timer, SETTLE_MAX_MS, 0);
		loop_set_timer(daemon->check_timer, CHECK_PERIOD_MS, CHECK_PERIOD_MS);
	}
	return r;
}

static void daemon_stop(struct daemon *daemon)
{
	control_free(daemon->control);
	child_cancel(daemon->counting);
	daemon_before_forget(daemon);
	port_watch_free(daemon->watch);
	gate_close(daemon->gate);
	policy_files_free(daemon->files);
	event_store_free(daemon->events);
	registry_free(daemon->registry);
	policy_free(daemon->policy);
	json_decref(daemon->policy_error);
	world_free(&daemon->world);
	table_free(daemon->table);
	for (size_t i = 0; i < GENERATIONS_KEPT; i++)
		table_free(daemon->older[i]);
	free(daemon->gate_ports);
	for (size_t i = 0; i < daemon->seeds.count; i++)
		array_free(&daemon->seeds.items[i].seeds);
	array_free(&daemon->seeds);
	free(daemon->registry_saved);
	loop_free(daemon->loop);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
	steward_end();
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = {.options = options, .lock_fd = -1, .started = (int64_t)time(NULL)};
	struct error error = {0};
	int r;

	r = options->no_sandbox ? 0 : privileges_part(options, &error);
	if (r == 0)
		r = daemon_start(&daemon, &error);
	if (r < 0) {
		log_error("%s", error.text);
		daemon_stop(&daemon);
		return EXIT_FAILURE;
	}
	log_info("bulkheadd %s ready, control socket %s", BULKHEAD_VERSION, options->socket);
	r = loop_run(daemon.loop);
	daemon_stop(&daemon);
	return r < 0 ? EXIT_FAILURE : r;
}
