/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/gate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"
#include "gate/nft.h"
#include "gate/tc.h"

struct gate {
	struct tc_gate *tc; /* NULL: nft alone */
	struct nft_gate *nft;
	uint32_t stamp_mask;
	struct gate_options options;  /* nft alone: with what programs of a daemon before are taken away; pin_dir is */
	char *pin_dir;		      /* this copy */
	char problem[ERROR_TEXT_MAX]; /* why they could not be; "" */
};

enum gate_found gate_find(const struct gate_options *options)
{
	/* Programs beside a door that judges alone: one mode was about to follow the other, and had not yet. */
	if (nft_gate_alone_is_there())
		return GATE_FOUND_NFT_ALONE;
	return tc_gate_is_there(options) ? GATE_FOUND_TC : GATE_FOUND_NONE;
}

int gate_open(const struct gate_options *options, struct gate **ret_gate, struct error *error)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int result;

	if (!gate)
		return error_set(error, -ENOMEM, "out of memory");
	gate->stamp_mask = ((1u << BH_STAMP_BITS) - 1) << options->stamp_shift;
	gate->options = *options;
	gate->options.pin_dir = gate->pin_dir = strdup(options->pin_dir);
	if (!gate->pin_dir) {
		gate_close(gate);
		return error_set(error, -ENOMEM, "out of memory");
	}
	/* The programs first: loading them takes a good part of a second, in which a door that has just been closed
	 * would cut what runs already. A door that stands closed does so whether or not we are here. */
	result = options->nft_alone ? 0 : tc_gate_open(options, &gate->tc, error);
	if (result == 0)
		result = nft_gate_open(options, &gate->nft, error);
	if (result < 0) {
		gate_close(gate);
		return result;
	}
	*ret_gate = gate;
	return 0;
}

void gate_close(struct gate *gate)
{
	if (!gate)
		return;
	tc_gate_close(gate->tc);
	nft_gate_close(gate->nft);
	free(gate->pin_dir);
	free(gate);
}

bool gate_is_nft_alone(const struct gate *gate)
{
	return !gate->tc;
}

uint32_t gate_generation(const struct gate *gate)
{
	uint32_t tc = gate->tc ? tc_gate_generation(gate->tc) : 0, nft = nft_gate_generation(gate->nft);

	return tc > nft ? tc : nft;
}

int gate_identities(struct gate *gate, void (*fn)(void *arg, uint32_t number), void *arg)
{
	int result = gate->tc ? tc_gate_identities(gate->tc, fn, arg) : 0;

	return result < 0 ? result : nft_gate_identities(gate->nft, fn, arg);
}

/* All that is ready, in force: the new policy, and the ports that had their turn. */
static int turn_commit(struct gate *gate, struct gate_desired *desired, struct error *error)
{
	int result = tc_gate_prepare(gate->tc, desired, nft_gate_owned(gate->nft), error);

	if (result < 0)
		return result;
	result = nft_gate_commit(gate->nft, desired, error);
	if (result < 0) {
		tc_gate_cancel(gate->tc);
		return result;
	}
	tc_gate_flip(gate->tc);
	desired->ret_unfinished |= tc_gate_is_unfinished(gate->tc);
	return 0;
}

static bool ports_wait(const struct gate_desired *desired)
{
	for (size_t i = 0; i < desired->port_count; i++)
		if (desired->ports[i].ret_result == -EAGAIN)
			return true;
	return false;
}

/* The policy is in force; what fails from now on is the trouble of the ports that were still to be opened. */
static void ports_fail(const struct gate *gate, struct gate_desired *desired, const struct error *why)
{
	for (size_t i = 0; i < desired->port_count; i++) {
		struct gate_port *port = &desired->ports[i];

		if (!port->open || tc_gate_port_is_open(gate->tc, port->ifindex))
			continue;
		port->ret_result = why->code;
		snprintf(port->ret_problem, sizeof(port->ret_problem), "%.*s", (int)sizeof(port->ret_problem) - 1,
			 why->text);
	}
}

static int apply(struct gate *gate, struct gate_desired *desired, struct error *error)
{
	struct error later = {0};
	int result;

	/* A port leaves the door before its programs go: at no time is it open and unwatched. */
	result = nft_gate_close_ports(gate->nft, desired, error);
	if (result == 0)
		result = tc_gate_close_ports(gate->tc, desired, error);
	if (result == 0)
		result = turn_commit(gate, desired, error);
	if (result < 0)
		return result;
	while (ports_wait(desired)) {
		if (turn_commit(gate, desired, &later) < 0) {
			ports_fail(gate, desired, &later);
			break;
		}
	}
	tc_gate_ahead(gate->tc, desired);
	return 0;
}

/* ---- nft alone ---- */

static void __attribute__((format(printf, 3, 4)))
port_refuse(struct gate_port *port, int result, const char *format, ...)
{
	va_list args;

	port->ret_result = result;
	va_start(args, format);
	vsnprintf(port->ret_problem, sizeof(port->ret_problem), format, args);
	va_end(args);
}

/* The limits are those of the programs, so that a policy that fits one gate fits the other. */
static int ports_check(struct gate_desired *desired)
{
	struct map *seen = map_new();
	size_t open = 0;
	int result = seen ? 0 : -ENOMEM;

	for (size_t i = 0; i < desired->port_count && result == 0; i++) {
		struct gate_port *port = &desired->ports[i];
		size_t addresses = port->address_count + port->gateway_count;

		port->ret_result = 0;
		port->ret_problem[0] = '\0';
		if (!port->open)
			continue;
		if (addresses > BH_PORT_ADDRS_MAX)
			port_refuse(port, -E2BIG, "it has %zu addresses; a port may have %u", addresses,
				    BH_PORT_ADDRS_MAX);
		else if (map_get(seen, &port->ifindex, sizeof(port->ifindex)))
			port_refuse(port, -EEXIST, "%s is named twice", port->name);
		else if (open == BH_PORTS_MAX)
			port_refuse(port, -ENOSPC, "there are more ports than %u", BH_PORTS_MAX);
		else
			result = map_set(seen, &port->ifindex, sizeof(port->ifindex), port, NULL), open++;
	}
	map_free(seen, NULL);
	return result < 0 ? result : 0;
}

/* Those of a daemon that policed by tc. They may go when nft has what it needs to judge, and not before. */
static void programs_remove(struct gate *gate)
{
	struct error error = {0};

	gate->problem[0] = '\0';
	if (tc_gate_leave(&gate->options, &error) < 0)
		memcpy(gate->problem, error.text, sizeof(gate->problem));
}

static int apply_alone(struct gate *gate, struct gate_desired *desired, struct error *error)
{
	int result = ports_check(desired);

	if (result < 0)
		return error_set(error, result, "out of memory");
	result = nft_gate_close_ports(gate->nft, desired, error);
	if (result == 0)
		result = nft_gate_commit(gate->nft, desired, error);
	if (result == 0)
		programs_remove(gate);
	return result;
}

int gate_apply(struct gate *gate, struct gate_desired *desired, struct error *error)
{
	int result;

	if (!gate->tc)
		return apply_alone(gate, desired, error);
	result = apply(gate, desired, error);
	tc_gate_rest(gate->tc);
	return result;
}

int gate_check(struct gate *gate, struct text *ret_drift)
{
	struct text drift = {0};
	int tc = gate->tc ? tc_gate_check(gate->tc, &drift) : 0, nft = tc < 0 ? tc : nft_gate_check(gate->nft, &drift);
	int result = tc < 0 ? tc : nft < 0 ? nft : tc || nft || drift.failed;

	if (drift.failed)
		result = -ENOMEM;
	if (result < 0) {
		text_free(&drift);
		return result;
	}
	*ret_drift = drift;
	return result;
}

int gate_watch(struct gate *gate, struct loop *loop, const struct gate_callbacks *callbacks, struct error *error)
{
	int result = gate->tc ? tc_gate_watch(gate->tc, loop, callbacks, error) : 0;

	if (result == 0)
		result = nft_gate_watch(gate->nft, loop, callbacks, error);
	return result;
}

int gate_rule_counter(struct gate *gate, uint32_t decision, struct bh_counter *ret_counter)
{
	struct bh_counter tc = {0}, nft;
	int result = gate->tc ? tc_gate_rule_counter(gate->tc, decision, &tc) : 0;

	if (result == 0)
		result = nft_gate_rule_counter(gate->nft, decision, &nft);
	if (result == 0)
		*ret_counter = (struct bh_counter){tc.packets + nft.packets, tc.bytes + nft.bytes};
	return result;
}

int gate_port_counters(struct gate *gate, uint32_t ifindex, struct bh_port_counters *ret_counters)
{
	return gate->tc ? tc_gate_port_counters(gate->tc, ifindex, ret_counters) : -ENOTSUP;
}

int gate_reason_counter(struct gate *gate, enum bh_reason reason, struct bh_counter *ret_counter)
{
	return gate->tc ? tc_gate_reason_counter(gate->tc, reason, ret_counter) : -ENOTSUP;
}

uint32_t gate_port_flows(struct gate *gate, uint32_t ifindex)
{
	return gate->tc ? tc_gate_port_flows(gate->tc, ifindex) : 0;
}

int gate_flows_walk(struct gate *gate, uint32_t since, int (*fn)(void *arg, const struct gate_flow *flow), void *arg)
{
	return gate->tc ? tc_gate_flows_walk(gate->tc, since, fn, arg) : nft_gate_flows_walk(gate->nft, fn, arg);
}

size_t gate_flows_fds(const struct gate *gate, int fds[GATE_FLOWS_FDS])
{
	return gate->tc ? tc_gate_flows_fds(gate->tc, fds) : 0;
}

json_t *gate_status(struct gate *gate)
{
	char mask[16];

	snprintf(mask, sizeof(mask), "%#010x", gate->stamp_mask);
	return json_pack("{s:o, s:s, s:o*, s:o, s:s*}", "gates",
			 gate->tc ? json_pack("[s, s]", "tc", "nft") : json_pack("[s]", "nft"), "stamp_mask", mask,
			 "tc", gate->tc ? tc_gate_status(gate->tc) : NULL, "nft", nft_gate_status(gate->nft), "problem",
			 gate->problem[0] ? gate->problem : NULL);
}

int gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		   struct error *error)
{
	/* The door goes last: as long as a part of the gates stands, nothing passes unjudged. */
	int result = tc_gate_uninstall(options, report, arg, error);
	int nft = nft_gate_uninstall(options, report, arg, result < 0 ? NULL : error);

	return result < 0 ? result : nft;
}
