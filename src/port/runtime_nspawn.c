/* SPDX-License-Identifier: GPL-2.0-only */
/* systemd-nspawn: see nspawn.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cgroup.h"
#include "nspawn.h"
#include "watch.h"

#define PROGRAM "systemd-nspawn"
/* Looking through all processes: at once for a new port, then ever less often, and never more than a tenth of the time.
 */
#define SEARCH_FIRST_MS 20
#define SEARCH_MAX_MS	30000
#define SEARCH_FACTOR	10
/* "vb-" and this make a name of a link; what is longer is cut, with a hash behind. */
#define LINK_NAME_MAX (IFNAMSIZ - 1 - 3)

struct nspawn {
	struct port_watch *watch;
	struct {
		ARRAY_OF(struct nspawn_machine);
	} machines; /* that run */
	uint64_t read_scan;
	bool here;			    /* machined has a folder of machines */
	bool left_out;			    /* a machine, since there are too many */
	uint64_t waiting_key;		    /* of the newest port that was searched for */
	int64_t search_ms, search_delay_ms; /* when to search next, and what to wait thereafter */
};

static void machine_free(struct nspawn_machine *machine)
{
	free(machine->name);
	free(machine->unit);
}

static void nspawn_stop(void *state)
{
	struct nspawn *nspawn = state;

	if (!nspawn)
		return;
	for (size_t i = 0; i < nspawn->machines.count; i++)
		machine_free(&nspawn->machines.items[i]);
	array_free(&nspawn->machines);
	free(nspawn);
}

static int nspawn_start(struct port_watch *watch, void **ret_state)
{
	struct nspawn *nspawn = calloc(1, sizeof(*nspawn));

	if (!nspawn)
		return -ENOMEM;
	nspawn->watch = watch;
	*ret_state = nspawn;
	return 0;
}

static void nspawn_refresh(void *state)
{
	struct nspawn *nspawn = state;

	nspawn->read_scan = 0;
	nspawn->waiting_key = 0;
}

static int machine_keep(struct nspawn *nspawn, struct nspawn_machine *machine)
{
	bool fits = nspawn->machines.count < NSPAWN_MACHINES_MAX;
	struct nspawn_machine *slot = fits ? array_append(&nspawn->machines) : NULL;

	if (!slot) {
		nspawn->left_out |= !fits;
		machine_free(machine);
		return fits ? -ENOMEM : 0;
	}
	*slot = *machine;
	return 0;
}

/* machined's file may be older than the process that has the number now: that one must be in the machine's unit. */
static bool machine_confirm(const char *proc, struct nspawn_machine *machine)
{
	AUTO_FREE char *unit = NULL;

	if (process_start(proc, machine->first.pid, &machine->first.start) < 0)
		return false;
	unit = cgroup_of(proc, machine->first.pid, machine->unit);
	return unit && process_is_still(proc, &machine->first);
}

static int machine_read(struct nspawn *nspawn, const char *name)
{
	struct nspawn_machine machine = {0};
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;

	if (snprintf(path, sizeof(path), "%s/%s", nspawn->watch->options.machines_dir, name) >= (int)sizeof(path) ||
	    file_read(path, NSPAWN_MACHINE_FILE_MAX, &data, &size, NULL) < 0 ||
	    nspawn_machine_parse(data, &machine) < 0)
		return 0;
	if (!machine_confirm(nspawn->watch->options.proc, &machine)) {
		machine_free(&machine);
		return 0;
	}
	machine.name = strdup(name);
	if (!machine.name) {
		machine_free(&machine);
		return -ENOMEM;
	}
	return machine_keep(nspawn, &machine);
}

/* Beside the files there are links, "unit:NAME", to them. */
static int machines_read(struct nspawn *nspawn)
{
	const char *folder = nspawn->watch->options.machines_dir;
	DIR *listing = folder ? opendir(folder) : NULL;
	const struct dirent *item;
	size_t count = 0;
	int r = 0;

	nspawn->here = listing != NULL;
	if (!listing)
		return 0;
	while (r == 0 && (item = readdir(listing))) {
		if (item->d_name[0] == '.' || strchr(item->d_name, ':') || item->d_type == DT_LNK)
			continue;
		if (++count > NSPAWN_MACHINES_MAX) {
			nspawn->left_out = true;
			break;
		}
		r = machine_read(nspawn, item->d_name);
	}
	closedir(listing);
	return r;
}

/* The child that is elsewhere: the machine's first process. */
static bool supervisor_first(const char *proc, const struct process *supervisor, struct process *ret_first)
{
	int32_t children[CGROUP_PIDS_MAX];
	size_t count = process_children(proc, supervisor->pid, children, CGROUP_PIDS_MAX);

	for (size_t i = 0; i < count; i++) {
		struct process first = {.pid = children[i]};

		if (process_start(proc, first.pid, &first.start) < 0 ||
		    process_shares_namespace(proc, first.pid, "net") || !process_is_still(proc, supervisor))
			continue;
		*ret_first = first;
		return true;
	}
	return false;
}

/* A program of that name that is a process of the host's, and root's: what runs in a container is in a process
 * namespace of its own, whatever it is called, and any user may call a program so. */
static bool is_supervisor(const char *proc, const char *pid_text, int32_t *ret_pid)
{
	char path[PATH_MAX], program[PATH_MAX], *name, *end;
	long pid = strtol(pid_text, &end, 10);
	ssize_t size;

	if (*end || pid <= 0 || pid > INT32_MAX ||
	    snprintf(path, sizeof(path), "%s/%ld/exe", proc, pid) >= (int)sizeof(path))
		return false;
	size = readlink(path, program, sizeof(program) - 1);
	if (size <= 0)
		return false;
	program[size] = '\0';
	program[strcspn(program, " ")] = '\0'; /* " (deleted)", after an upgrade */
	name = strrchr(program, '/');
	if (!name || strcmp(name + 1, PROGRAM) != 0)
		return false;
	*ret_pid = (int32_t)pid;
	return process_shares_namespace(proc, *ret_pid, "net") && process_shares_namespace(proc, *ret_pid, "pid") &&
	       process_shares_namespace(proc, *ret_pid, "user") && process_is_roots(proc, *ret_pid);
}

static int supervisor_read(struct nspawn *nspawn, int32_t pid)
{
	const char *proc = nspawn->watch->options.proc;
	struct nspawn_machine machine = {.supervisor.pid = pid};
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;

	if (process_start(proc, pid, &machine.supervisor.start) < 0 ||
	    snprintf(path, sizeof(path), "%s/%d/cmdline", proc, pid) >= (int)sizeof(path) ||
	    file_read(path, NSPAWN_ARGUMENTS_MAX, &data, &size, NULL) < 0 ||
	    !supervisor_first(proc, &machine.supervisor, &machine.first))
		return 0;
	machine.name = nspawn_arguments_parse(data, size);
	return machine_keep(nspawn, &machine);
}

static bool is_known(const struct nspawn *nspawn, int32_t pid)
{
	for (size_t i = 0; i < nspawn->machines.count; i++) {
		if (nspawn->machines.items[i].supervisor.pid == pid)
			return true;
	}
	return false;
}

static int supervisors_search(struct nspawn *nspawn)
{
	const char *proc = nspawn->watch->options.proc;
	DIR *listing = opendir(proc);
	const struct dirent *item;
	int32_t pid;
	int r = 0;

	while (listing && r == 0 && (item = readdir(listing))) {
		if (item->d_name[0] >= '1' && item->d_name[0] <= '9' && is_supervisor(proc, item->d_name, &pid) &&
		    !is_known(nspawn, pid))
			r = supervisor_read(nspawn, pid);
	}
	if (listing)
		closedir(listing);
	return r;
}

/* The newest port with a name of nspawn's that is not known; 0: there is none. */
static uint64_t newest_waiting(const struct port_watch *watch)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];

		if (entry->link.elsewhere && !(entry->adopted && entry->verified) && entry->state != PORT_IGNORED &&
		    nspawn_link_name(entry->link.name) && entry->key > newest)
			newest = entry->key;
	}
	return newest;
}

static bool search_is_due(struct nspawn *nspawn, int64_t now_ms)
{
	uint64_t newest = newest_waiting(nspawn->watch);

	if (newest == 0)
		return false;
	if (newest > nspawn->waiting_key)
		nspawn->search_delay_ms = SEARCH_FIRST_MS;
	else if (now_ms < nspawn->search_ms)
		return false;
	nspawn->waiting_key = newest;
	return true;
}

static int search(struct nspawn *nspawn)
{
	int64_t start_ms = monotonic_ms(), cost_ms;
	int r;

	if (!search_is_due(nspawn, start_ms))
		return 0;
	r = supervisors_search(nspawn);
	cost_ms = monotonic_ms() - start_ms;
	nspawn->search_ms =
		start_ms + cost_ms +
		(cost_ms * SEARCH_FACTOR > nspawn->search_delay_ms ? cost_ms * SEARCH_FACTOR : nspawn->search_delay_ms);
	nspawn->search_delay_ms *= 2;
	if (nspawn->search_delay_ms > SEARCH_MAX_MS)
		nspawn->search_delay_ms = SEARCH_MAX_MS;
	return r;
}

/* Keeps the supervisors that still run, with the first process that each has now. */
static void supervisors_check(struct nspawn *nspawn)
{
	const char *proc = nspawn->watch->options.proc;
	size_t kept = 0;

	for (size_t i = 0; i < nspawn->machines.count; i++) {
		struct nspawn_machine *machine = &nspawn->machines.items[i];
		bool runs = machine->supervisor.pid > 0 && process_is_still(proc, &machine->supervisor);

		if (runs && !process_is_still(proc, &machine->first))
			runs = supervisor_first(proc, &machine->supervisor, &machine->first);
		if (runs)
			nspawn->machines.items[kept++] = *machine;
		else
			machine_free(machine);
	}
	nspawn->machines.count = kept;
}

/* Once a scan. */
static int nspawn_update(struct nspawn *nspawn)
{
	int r;

	if (nspawn->read_scan == nspawn->watch->scans && nspawn->read_scan > 0)
		return 0;
	nspawn->read_scan = nspawn->watch->scans;
	nspawn->left_out = false;
	supervisors_check(nspawn);
	r = machines_read(nspawn);
	return r == 0 ? search(nspawn) : r;
}

static int nspawn_pins(void *state, struct processes *processes)
{
	struct nspawn *nspawn = state;
	int r = nspawn_update(nspawn);

	for (size_t i = 0; r == 0 && i < nspawn->machines.count; i++)
		r = processes_add(processes, nspawn->machines.items[i].first.pid,
				  nspawn->machines.items[i].first.start);
	return r;
}

/* machined's word goes before what a supervisor's arguments say. */
static const struct nspawn_machine *machine_behind(const struct nspawn *nspawn, const struct namespace *namespace)
{
	const struct nspawn_machine *found = NULL;

	for (size_t i = 0; i < nspawn->machines.count; i++) {
		const struct nspawn_machine *machine = &nspawn->machines.items[i];

		if (namespace_has_process(namespace, &machine->first) && (!found || machine->unit))
			found = machine;
	}
	return found;
}

static bool machine_runs(const char *proc, const struct nspawn_machine *machine)
{
	return process_is_still(proc, &machine->first) &&
	       (machine->unit || process_is_still(proc, &machine->supervisor));
}

/* The host's end was named by who started the machine, after it. */
static bool link_agrees(const struct nspawn_machine *machine, const struct link *link)
{
	const char *name = nspawn_link_name(link->name);

	return !name || strlen(machine->name) > LINK_NAME_MAX || strcmp(name, machine->name) == 0;
}

static enum runtime_answer nspawn_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				      char reason[REASON_MAX])
{
	struct nspawn *nspawn = state;
	const struct nspawn_machine *machine;

	if (nspawn_update(nspawn) < 0)
		return RUNTIME_NOT_MINE;
	machine = machine_behind(nspawn, question->namespace);
	if (!machine)
		return RUNTIME_NOT_MINE;
	if (!machine->name)
		snprintf(reason, REASON_MAX, "its systemd-nspawn does not say how it is called: give it --machine");
	else if (!link_agrees(machine, question->link))
		snprintf(reason, REASON_MAX, "its systemd-nspawn calls it otherwise than its interface does");
	else if (evidence_owner(question, machine->name, "nspawn", evidence, reason) == 0) {
		if (machine->unit)
			evidence->owner.cgroup =
				cgroup_of(nspawn->watch->options.proc, machine->first.pid, machine->unit);
		evidence->claim = true;
		if (machine_runs(nspawn->watch->options.proc, machine))
			return RUNTIME_OWNS;
		snprintf(reason, REASON_MAX, "the machine has ended");
	}
	return RUNTIME_PENDING;
}

static json_t *nspawn_status(void *state)
{
	const struct nspawn *nspawn = state;
	json_t *status = json_object();

	json_object_set_new(status, "reachable", json_boolean(nspawn->here || nspawn->machines.count > 0));
	json_object_set_new(status, "containers", json_integer((json_int_t)nspawn->machines.count));
	if (!nspawn->here && nspawn->machines.count == 0)
		json_object_set_new(status, "why", json_string("no machine is registered, and none was found"));
	if (nspawn->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}

const struct runtime runtime_nspawn = {
	.name = "nspawn",
	.start = nspawn_start,
	.stop = nspawn_stop,
	.refresh = nspawn_refresh,
	.pins = nspawn_pins,
	.ask = nspawn_ask,
	.status = nspawn_status,
};
