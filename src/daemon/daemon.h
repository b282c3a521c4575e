/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkheadd: one event loop that keeps the kernel equal to policy × world. */
#ifndef BULKHEAD_DAEMON_DAEMON_H
#define BULKHEAD_DAEMON_DAEMON_H

#include "base/loop.h"
#include "daemon/release.h"
#include "flow/event.h"
#include "gate/gate.h"
#include "policy/load.h"
#include "policy/world.h"
#include "port/child.h"
#include "port/port.h"
#include "table/table.h"

struct daemon_options {
	const char *const *policy_paths;
	size_t policy_path_count;
	const char *socket, *state_dir, *run_dir;
	const char *group; /* whose members may use the socket beside root; NULL: nobody */
	bool no_sandbox;
	struct gate_options gate;
	struct port_options port;
};

/* The names of a generation, for events that come late. Generations are few and old ones go. */
#define GENERATIONS_KEPT 4u

/* Flows that were open when Bulkhead first saw a port; handed to the gate when the port is opened. */
struct port_seeds {
	uint64_t key; /* of the port */
	struct {
		ARRAY_OF(struct gate_seed);
	} seeds;
};

struct repair_note {
	uint64_t count;
	int64_t last; /* seconds since the epoch; 0: never */
	char what[160], who[80];
};

/* What was in force before the last new policy, for as long as it is asked which flows that one has ended. */
struct before {
	bool wanted;	     /* to be kept at the next commit, unless that one changes nothing and something is kept */
	bool fresh;	     /* it was kept by the last one */
	json_t *ended;	     /* what has ended since, as `reload` tells it; NULL: not known yet */
	struct table *table; /* NULL: nothing is kept. One of `older` */
	struct gate_port *ports;
	size_t port_count;
};

struct control;
struct policy_files;
struct answer_wait;

struct daemon {
	const struct daemon_options *options;
	struct loop *loop;
	struct gate *gate;
	struct port_watch *watch;
	struct registry *registry;
	struct control *control;
	struct policy_files *files;
	struct event_store *events;
	int lock_fd;
	gid_t group;	 /* of options->group */
	int64_t started; /* seconds since the epoch */

	struct policy *policy; /* in force, or about to be; NULL until one was good */
	int64_t policy_since;  /* seconds since the epoch */
	json_t *policy_error;  /* docs/json.md, status.policy_error; NULL when the files are what is in force */
	int64_t policy_error_since;

	struct world world;		       /* of the last reconcile */
	struct table *table;		       /* in force; NULL until the first commit */
	uint32_t generation;		       /* of `table` */
	uint64_t overruns;		       /* of the view, as last applied */
	struct table *older[GENERATIONS_KEPT]; /* newest first */
	struct before before;
	struct loop_source *before_timer; /* until it is forgotten */
	struct child *counting;		  /* which flows a reload that nobody asked for has ended */
	struct gate_port
		*gate_ports; /* as last applied, with their results; each of world.ports that is policed is there */
	size_t gate_port_count;
	struct {
		ARRAY_OF(struct port_seeds);
	} seeds;
	char *registry_saved;	      /* text of the registry as last written */
	uint32_t registry_generation; /* the newest whose numbers it tells */

	struct loop_source *settle_timer, *reconcile_timer, *retry_timer, *check_timer;
	bool settled; /* the watcher had its time to find out what is there: from now on what it does not know is closed
		       */
	int64_t reconciled_ns, reconcile_took_ns; /* when the last reconcile ended (monotonic); what it cost */
	bool reconcile_armed;			  /* the timer for the next one runs */
	char apply_problem[512];		  /* why the last apply failed; "" */
	unsigned int retry_ms;
	struct repair_note repairs;

	struct answer_wait *waits; /* answers that come later */
	uint64_t looked_committed; /* port_watch_looked() of what was last committed */
	size_t wait_count;
	char adopted_path[512], adopted_problem[160]; /* of the file of adoptions; the problem as last logged */
	struct releases releases;
};

int daemon_run(const struct daemon_options *options); /* exit code */

/* ---- daemon.c ---- */
/* Before the first policy comes in force: the gates that are open, if any, are those that daemon->policy asks for, or
 * give way to them. What stands in the kernel stays meanwhile. -errno: those before are open again. */
int daemon_gates_fit(struct daemon *daemon, struct error *error);

/* ---- reconcile.c ---- */
/* Loads the policy and, when it is good, puts it in force. The policy in force is unchanged on failure. `ret_report`
 * (may be NULL) gets a new object for `reload` (docs/json.md). 0, -EINVAL: it has errors (the report says them). */
int daemon_reload(struct daemon *daemon, json_t **ret_report);
/* Reads a policy as daemon_reload() does, and no more. It is the caller's, also with errors (NULL: there is none), and
 * so is the report. */
int daemon_policy_read(struct daemon *daemon, const char *const paths[], size_t path_count, struct policy **ret_policy,
		       json_t **ret_report);
/* Makes the kernel equal to policy × world now. 0, or -errno with the problem kept for `status` and a retry under way.
 */
int daemon_reconcile(struct daemon *daemon);
void daemon_before_forget(struct daemon *daemon);
/* Soon, from the loop: any number of calls before it are one. */
void daemon_reconcile_soon(struct daemon *daemon);

/* ---- ended.c: flows that a policy ends ---- */
/* As daemon_reload(), for the loop's own reasons: the log tells how many open flows it has ended. */
void daemon_reload_by_itself(struct daemon *daemon);
/* Carries out a request to reload, or (`dry_run`) to tell what it would do; only root (`root`) may name other files for
 * that. Exactly one of *ret_result and *ret_error is a new reference. With a result there may be a copy of us (else
 * NULL; always where `done` is) that finds out which flows are concerned, with a better answer as its output: a line
 * for the client. */
struct child *daemon_reload_asked(struct daemon *daemon, const json_t *request, bool root, child_done_fn done,
				  void *arg, json_t **ret_result, json_t **ret_error);

/* ---- world.c ---- */
/* The watcher's view as the policy sees it. `ret_index` (as many as view->ports, the caller frees) gets for each port
 * its place in world.ports or UINT32_MAX. The world owns copies. */
int daemon_world_build(const struct port_view *view, struct world *ret_world, uint32_t **ret_index);

/* ---- state.c ---- */
int daemon_registry_load(struct daemon *daemon, struct error *error);
/* With the gates open: a registry that is missing, or older than the policy in force, does not know what the numbers
 * mean that the kernel carries. Then all names get new numbers, and the kernel's rest. */
int daemon_registry_check(struct daemon *daemon, struct error *error);
/* Before `generation` is put in force; only when it changed. */
int daemon_registry_save(struct daemon *daemon, uint32_t generation, struct error *error);
/* hooks.json: what the hooks have to know when the daemon is away. Whenever a policy comes in force. */
int daemon_hooks_save(const struct daemon *daemon, struct error *error);

/* Has a policy ever been in force on this host? It outlives a reboot, which takes all from the kernel; uninstalling
 * ends it. */
bool daemon_was_policed(const struct daemon *daemon);
void daemon_policed_note(const struct daemon *daemon); /* it has, now; once told, nothing is written again */

/* ---- files.c: watches the policy's files ---- */
int policy_files_new(struct loop *loop, void (*on_change)(void *arg), void *arg, struct policy_files **ret_files,
		     struct error *error);
void policy_files_free(struct policy_files *files);
/* The files and directories to watch from now on; those that can't be watched are passed over. */
int policy_files_set(struct policy_files *files, char *const *paths, size_t count);

/* ---- names.c ---- */
/* Names of who shares the port with its owner: an array, or NULL: nobody does. */
json_t *daemon_other_names(const struct port *port);
void daemon_names(struct daemon *daemon, struct event_names *ret_names);
/* The port that has an address, on this bridge (0: none) first; 0: none, or more than one elsewhere. */
uint32_t daemon_ifindex_at(struct daemon *daemon, const struct addr *addr, uint32_t bridge);
/* Should it be open and is not? One whose interface has gone meanwhile is no failure: the watcher will tell. */
bool daemon_port_failed(const struct gate_port *port);
const struct gate_port *daemon_gate_port(const struct daemon *daemon, uint32_t ifindex);
int64_t daemon_boot_to_epoch(void); /* ns to add to CLOCK_BOOTTIME */

/* ---- control.c ---- */
int control_new(struct daemon *daemon, struct control **ret_control, struct error *error);
void control_free(struct control *control);
void control_publish(struct control *control, const json_t *event); /* to those who follow */

#endif
