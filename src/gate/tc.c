/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

/* ---- Opening and closing -------------------------------------------------------------------------------------------
 */

/* Two links a port and the maps: more than the 1,024 descriptors that a service may have without asking. */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int options_take(struct tc_gate *tc, const struct gate_options *options, struct error *error)
{
	tc->options = *options;
	if (strlen(options->pin_dir) >= sizeof(tc->pin_dir))
		return error_set(error, -ENAMETOOLONG, "the pin directory's name is too long");
	strcpy(tc->pin_dir, options->pin_dir);
	tc->options.pin_dir = tc->pin_dir;
	if (options->stamp_shift + BH_STAMP_BITS > 32)
		return error_set(error, -EINVAL, "stamps of %u bits do not fit in a mark from bit %u up", BH_STAMP_BITS,
				 options->stamp_shift);
	if (options->flow_quota == 0)
		return error_set(error, -EINVAL, "a flow quota of 0 would let nothing pass");
	return 0;
}

static int no_flows_make(struct tc_gate *tc, struct error *error)
{
	const struct tc_shape *flow = &tc->inner[TC_FLOWS];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flow->flags);

	tc->no_flows = bpf_map_create(flow->type, "no_flows", flow->key_size, flow->value_size, 1, &opts);
	return tc->no_flows < 0 ? error_set(error, tc->no_flows, "cannot make a small map: %s", strerror(-tc->no_flows))
				: 0;
}

int tc_gate_open(const struct gate_options *options, struct tc_gate **ret_tc, struct error *error)
{
	struct tc_gate *tc = calloc(1, sizeof(*tc));
	int result;

	if (!tc)
		return error_set(error, -ENOMEM, "out of memory");
	tc->grace_outer = tc->grace_inner = tc->no_flows = tc->watch.pins = -1;
	descriptors_allow();
	tc->possible_cpus = libbpf_num_possible_cpus();
	tc->ports = map_new();
	result = options_take(tc, options, error);
	if (result == 0 && (!tc->ports || tc->possible_cpus <= 0))
		result = error_set(error, -ENOMEM, "out of memory");
	if (result == 0)
		result = tc_load(tc, error);
	if (result == 0)
		result = no_flows_make(tc, error);
	if (result == 0)
		result = tc_grace_make(tc, error);
	if (result == 0) {
		tc_grace_restore(tc->pin_dir);
		tc->tcx = !options->no_tcx && tc_tcx_probe();
		result = tc_ports_take_over(tc, error);
	}
	if (result < 0) {
		tc_gate_close(tc);
		return result;
	}
	*ret_tc = tc;
	return 0;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void tc_gate_close(struct tc_gate *tc)
{
	if (!tc)
		return;
	tc_watch_stop(tc);
	tc_gate_rest(tc);
	tc_ports_free(tc);
	tc_unload(tc);
	fd_close(tc->grace_outer);
	fd_close(tc->grace_inner);
	fd_close(tc->no_flows);
	array_free(&tc->undo);
	array_free(&tc->stale);
	tc_entries_free(&tc->nat64);
	tc_entries_free(&tc->published);
	free(tc);
}

uint32_t tc_gate_generation(const struct tc_gate *tc)
{
	return (uint32_t)(tc->config->active >> 1);
}

int tc_gate_identities(struct tc_gate *tc, void (*fn)(void *arg, uint32_t number), void *arg)
{
	uint32_t slot = tc_active_slot(tc), id;
	AUTO_CLOSE int fd = -1;

	if (tc_gate_generation(tc) == 0)
		return 0;
	if (bpf_map_lookup_elem(tc->maps[TC_CLASSES], &slot, &id) < 0)
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	for (uint32_t number = BH_IDENTITY_FIRST; number < BH_IDENTITY_MAX; number++) {
		struct bh_class_info info;

		if (bpf_map_lookup_elem(fd, &number, &info) < 0)
			return -errno;
		if (info.flags)
			fn(arg, number);
	}
	return 0;
}

/* ---- The steps of an apply -----------------------------------------------------------------------------------------
 */

int tc_gate_close_ports(struct tc_gate *tc, const struct gate_desired *desired, struct error *error)
{
	return tc_ports_close(tc, desired, error);
}

/* Counters of decisions that this table brings start at nought. */
static int counters_clear_fresh(struct tc_gate *tc, const struct table *table, struct error *error)
{
	size_t size = (size_t)tc->possible_cpus * sizeof(struct bh_counter);
	struct tc_entries zeroes = {.key_size = sizeof(uint32_t), .value_size = (uint32_t)size};
	int result = 0;

	for (size_t i = 0; i < table->decisions.count && result == 0; i++) {
		void *key, *value;

		if (!table->decisions.items[i].fresh)
			continue;
		result = tc_entries_append(&zeroes, &key, &value);
		if (result == 0)
			memcpy(key, &table->decisions.items[i].number, sizeof(uint32_t));
	}
	if (result == 0)
		result = tc_entries_write(tc->maps[TC_RULE_COUNTERS], &zeroes);
	tc_entries_free(&zeroes);
	if (result < 0)
		return error_set(error, result, "cannot clear the counters of new rules: %s", strerror(-result));
	return 0;
}

static int slot_prepare(struct tc_gate *tc, const struct table *table, struct error *error)
{
	uint32_t in_force = tc_gate_generation(tc);

	if (table->generation < in_force || table->generation == 0)
		return error_set(error, -EINVAL, "generation %u cannot follow generation %u", table->generation,
				 in_force);
	return tc_slot_fill(tc, table, error);
}

int tc_gate_prepare(struct tc_gate *tc, struct gate_desired *desired, bool host_deferred, struct error *error)
{
	const struct table *table = desired->table;
	bool fill = tc_slot_needed(tc, table);
	int result = 0;

	tc->idle = fill ? !tc_active_slot(tc) : tc_active_slot(tc);
	tc->next_table = table;
	tc->next_host_deferred = host_deferred;
	tc->next_reject = desired->reject;
	tc->undo.count = tc->stale.count = 0;
	/* A daemon before this one may have flipped a moment ago: its programs may still be in what is idle now. */
	if (!tc->settled)
		result = tc_grace(tc);
	if (result < 0)
		return error_set(error, result, "cannot wait for the programs: %s", strerror(-result));
	tc->settled = true;
	if (!tc->pins_whole)
		result = tc_pin_repair(tc, error);
	if (result == 0 && table != tc->table)
		result = counters_clear_fresh(tc, table, error);
	if (result == 0 && fill)
		result = slot_prepare(tc, table, error);
	if (result == 0)
		result = tc_world_prepare(tc, desired, error);
	if (result == 0)
		result = tc_ports_prepare(tc, desired, error);
	if (result == 0 && !tc->pins_whole)
		result = tc_pin_programs(tc, error);
	if (result == 0)
		tc->pins_whole = true;
	else
		tc_gate_cancel(tc);
	return result;
}

void tc_gate_cancel(struct tc_gate *tc)
{
	tc_ports_cancel(tc);
	tc_removals_run(tc, &tc->undo);
	tc->stale.count = 0;
	/* The caller may free the table in force after a failed apply as after any other. */
	tc->table = NULL;
}

void tc_gate_flip(struct tc_gate *tc)
{
	uint64_t active = (uint64_t)tc->next_table->generation << 1 | tc->idle;

	tc->problem[0] = '\0';
	tc_config_write(tc);
	tc->config->host_deferred = tc->next_host_deferred;
	tc->config->reject = tc->next_reject;
	tc_world_flip(tc);
	__atomic_store_n(&tc->config->active, active, __ATOMIC_RELEASE);
	tc_ports_flip(tc);
	tc->undo.count = 0;
	tc->table = tc->next_table;
	tc->tai_offset = tc->next_tai_offset;
	/* Only now is nobody left in the old slot: stale entries may go, and the slot may be filled anew. */
	tc->settled = tc_grace(tc) == 0;
	if (!tc->settled || tc_removals_run(tc, &tc->stale) < 0)
		snprintf(tc->problem, sizeof(tc->problem), "entries that are no longer wanted could not be taken out");
}

bool tc_gate_is_unfinished(const struct tc_gate *tc)
{
	return tc->problem[0] != '\0';
}

void tc_gate_ahead(struct tc_gate *tc, const struct gate_desired *desired)
{
	tc_ports_ahead(tc, desired);
}

void tc_gate_rest(struct tc_gate *tc)
{
	if (!tc->grace_shortened)
		return;
	tc_grace_restore(tc->pin_dir);
	tc->grace_shortened = false;
}

bool tc_gate_port_is_open(const struct tc_gate *tc, uint32_t ifindex)
{
	const struct tc_port *port = tc_port_find(tc, ifindex);

	return port && (port->entry.flags & BH_PORT_OPEN);
}

/* ---- Checking ------------------------------------------------------------------------------------------------------
 */

static int slot_check(struct tc_gate *tc, struct text *drift)
{
	unsigned int active = tc_active_slot(tc);
	int found = 0;

	if (!tc->table)
		return 0;
	for (int i = 0; i < TC_SLOT_MAX; i++) {
		uint32_t slot = active, id = 0;

		if (bpf_map_lookup_elem(tc->maps[tc_slot_outer(i)], &slot, &id) == 0 && id == tc->slot_ids[active][i])
			continue;
		text_appendf(drift, "the %s in force were changed by someone else\n", tc_map_names[tc_slot_outer(i)]);
		found = 1;
	}
	if (tc_tai_offset() != tc->tai_offset) {
		text_append(drift, "the kernel has learnt the offset of TAI from UTC: times of expiry move\n");
		found = 1;
	}
	if (tc_gate_generation(tc) != tc->table->generation) {
		text_appendf(drift, "generation %u is in force instead of %u\n", tc_gate_generation(tc),
			     tc->table->generation);
		found = 1;
	}
	/* All is to be filled again. */
	if (found)
		tc->table = NULL;
	return found;
}

static int port_check(struct tc_gate *tc, struct tc_port *port, struct text *drift)
{
	struct bh_port entry;

	/* Of one that waits closed, too: it opens without another look. */
	if (!port->written)
		return port->attached ? tc_attach_check(tc, port, drift) : 0;
	if (bpf_map_lookup_elem(tc->maps[TC_PORTS], &port->ifindex, &entry) < 0 ||
	    memcmp(&entry, &port->entry, sizeof(entry)) != 0) {
		text_appendf(drift, "%s: its entry was changed by someone else\n", port->name);
		return 1;
	}
	return tc_attach_check(tc, port, drift);
}

int tc_gate_check(struct tc_gate *tc, struct text *drift)
{
	int found = tc_pin_check(tc, drift);
	int result = found < 0 ? found : slot_check(tc, drift);
	void *value;

	tc->pins_whole &= found == 0;
	if (result < 0)
		return result;
	found |= result;
	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);) {
		result = port_check(tc, value, drift);
		if (result < 0)
			return result;
		found |= result;
	}
	if (tc->problem[0]) {
		text_appendf(drift, "%s\n", tc->problem);
		found = 1;
	}
	return drift->failed ? -ENOMEM : found;
}

int tc_gate_check_told(struct tc_gate *tc, struct text *drift)
{
	int found = 0;
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);) {
		struct tc_port *port = value;
		int result = port->told ? port_check(tc, port, drift) : 0;

		port->told = false;
		if (result < 0)
			return result;
		found |= result;
	}
	return drift->failed ? -ENOMEM : found;
}

/* ---- Counters ------------------------------------------------------------------------------------------------------
 */

/* Adds up the CPUs' parts of a value that is made of 64-bit counters only. */
static int counters_sum(struct tc_gate *tc, enum tc_map map, uint32_t key, uint64_t *sums, size_t count)
{
	AUTO_FREE uint64_t *parts = calloc((size_t)tc->possible_cpus * count, sizeof(*parts));
	int result;

	if (!parts)
		return -ENOMEM;
	result = bpf_map_lookup_elem(tc->maps[map], &key, parts);
	if (result < 0)
		return result;
	memset(sums, 0, count * sizeof(*sums));
	for (size_t i = 0; i < (size_t)tc->possible_cpus * count; i++)
		sums[i % count] += parts[i];
	return 0;
}

int tc_gate_rule_counter(struct tc_gate *tc, uint32_t decision, struct bh_counter *ret_counter)
{
	struct bh_counter counter = {0};
	int result = 0;

	if (decision < BH_DECISIONS_MAX)
		result = counters_sum(tc, TC_RULE_COUNTERS, decision, (uint64_t *)&counter,
				      sizeof(counter) / sizeof(uint64_t));
	if (result == 0)
		*ret_counter = counter;
	return result;
}

int tc_gate_port_counters(struct tc_gate *tc, uint32_t ifindex, struct bh_port_counters *ret_counters)
{
	const struct tc_port *port = tc_port_find(tc, ifindex);
	struct bh_port_counters counters = {0};
	int result = 0;

	if (port && !port->broken)
		result = counters_sum(tc, TC_PORT_COUNTERS, port->entry.index, (uint64_t *)&counters,
				      sizeof(counters) / sizeof(uint64_t));
	if (result == 0)
		*ret_counters = counters;
	return result;
}

int tc_gate_reason_counter(struct tc_gate *tc, enum bh_reason reason, struct bh_counter *ret_counter)
{
	struct bh_counter counter = {0};
	int result =
		counters_sum(tc, TC_REASON_COUNTERS, reason, (uint64_t *)&counter, sizeof(counter) / sizeof(uint64_t));

	if (result == 0)
		*ret_counter = counter;
	return result;
}

uint32_t tc_gate_port_flows(struct tc_gate *tc, uint32_t ifindex)
{
	const struct tc_port *port = tc_port_find(tc, ifindex);
	struct tc_entries flows = {0};
	uint32_t id, open = 0;
	AUTO_CLOSE int fd = -1;

	if (!port || port->broken || bpf_map_lookup_elem(tc->maps[TC_FLOWS], &port->entry.index, &id) < 0)
		return 0;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0 || tc_entries_read(fd, &tc->inner[TC_FLOWS], &flows) < 0)
		return 0;
	for (size_t i = 0; i < flows.count; i++) {
		struct bh_flow flow;

		memcpy(&flow, flows.values + i * sizeof(flow), sizeof(flow));
		open += flow.expires > tc_boot_ns();
	}
	tc_entries_free(&flows);
	return open;
}

/* ---- Status --------------------------------------------------------------------------------------------------------
 */

json_t *tc_gate_status(struct tc_gate *tc)
{
	struct text drift = {0};
	bool pins_whole = tc->pins_whole;
	int open = 0, health = tc_gate_check(tc, &drift);
	json_t *status;
	void *value;

	tc->pins_whole = pins_whole; /* what is only told of here is still to be found by who mends it */
	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);)
		open += (((struct tc_port *)value)->entry.flags & BH_PORT_OPEN) != 0;
	status = json_pack("{s:s, s:b, s:s, s:i, s:i, s:b, s:b, s:o}", "attach", tc->tcx ? "tcx" : "clsact",
			   "tcx_supported", tc_tcx_probe(), "pin_dir", tc->pin_dir, "generation",
			   (int)tc_gate_generation(tc), "ports", open, "taken_over", tc->taken_over, "healthy",
			   health == 0, "foreign", tc_attach_foreign(tc));
	if (status && health != 0)
		json_object_set_new(status, "problem",
				    json_string(health < 0 ? strerror(-health) : text_string(&drift)));
	text_free(&drift);
	return status;
}
