/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate/nft.h"
#include "gate/tc.h"

struct gate {
	struct tc_gate *tc;
	struct nft_gate *nft;
	uint32_t stamp_mask;
};

int gate_open(const struct gate_options *options, struct gate **ret_gate, struct error *error)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int result;

	if (!gate)
		return error_set(error, -ENOMEM, "out of memory");
	gate->stamp_mask = ((1u << BH_STAMP_BITS) - 1) << options->stamp_shift;
	/* The programs first: loading them takes a good part of a second, in which a door that has just been closed
	 * would cut what runs already. A door that stands closed does so whether or not we are here. */
	result = tc_gate_open(options, &gate->tc, error);
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
	free(gate);
}

uint32_t gate_generation(const struct gate *gate)
{
	return tc_gate_generation(gate->tc);
}

int gate_identities(struct gate *gate, void (*fn)(void *arg, uint32_t number), void *arg)
{
	return tc_gate_identities(gate->tc, fn, arg);
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

int gate_apply(struct gate *gate, struct gate_desired *desired, struct error *error)
{
	int result = apply(gate, desired, error);

	tc_gate_rest(gate->tc);
	return result;
}

int gate_check(struct gate *gate, struct text *ret_drift)
{
	struct text drift = {0};
	int tc = tc_gate_check(gate->tc, &drift), nft = tc < 0 ? tc : nft_gate_check(gate->nft, &drift);
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
	int result = tc_gate_watch(gate->tc, loop, callbacks, error);

	if (result == 0)
		result = nft_gate_watch(gate->nft, loop, callbacks, error);
	return result;
}

int gate_rule_counter(struct gate *gate, uint32_t decision, struct bh_counter *ret_counter)
{
	struct bh_counter tc, nft;
	int result = tc_gate_rule_counter(gate->tc, decision, &tc);

	if (result == 0)
		result = nft_gate_rule_counter(gate->nft, decision, &nft);
	if (result == 0)
		*ret_counter = (struct bh_counter){tc.packets + nft.packets, tc.bytes + nft.bytes};
	return result;
}

int gate_port_counters(struct gate *gate, uint32_t ifindex, struct bh_port_counters *ret_counters)
{
	return tc_gate_port_counters(gate->tc, ifindex, ret_counters);
}

int gate_reason_counter(struct gate *gate, enum bh_reason reason, struct bh_counter *ret_counter)
{
	return tc_gate_reason_counter(gate->tc, reason, ret_counter);
}

uint32_t gate_port_flows(struct gate *gate, uint32_t ifindex)
{
	return tc_gate_port_flows(gate->tc, ifindex);
}

json_t *gate_status(struct gate *gate)
{
	char mask[16];

	snprintf(mask, sizeof(mask), "%#010x", gate->stamp_mask);
	return json_pack("{s:s, s:o, s:o}", "stamp_mask", mask, "tc", tc_gate_status(gate->tc), "nft",
			 nft_gate_status(gate->nft));
}

int gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		   struct error *error)
{
	/* The door goes last: as long as a part of the gates stands, nothing passes unjudged. */
	int result = tc_gate_uninstall(options, report, arg, error);
	int nft = nft_gate_uninstall(options, report, arg, result < 0 ? NULL : error);

	return result < 0 ? result : nft;
}
