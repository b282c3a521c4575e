/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc gate in user space: programs and maps loaded, pinned, taken over; slots filled; ports attached. */
#ifndef BULKHEAD_GATE_TC_H
#define BULKHEAD_GATE_TC_H

#include "gate/gate.h"

struct tc_gate;

int tc_gate_open(const struct gate_options *options, struct tc_gate **ret_tc, struct error *error);
void tc_gate_close(struct tc_gate *tc);

/* The steps of gate_apply(), in its order. */
int tc_gate_close_ports(struct tc_gate *tc, const struct gate_desired *desired,
			struct error *error); /* gone or to be closed */
/* Ports that are left for another turn get -EAGAIN: flip, and prepare again. */
int tc_gate_prepare(struct tc_gate *tc, struct gate_desired *desired, bool host_deferred,
		    struct error *error); /* idle slot, ports, attach */
void tc_gate_flip(struct tc_gate *tc);	  /* can't fail */
/* But a detail beside it may have: another apply makes it good. */
bool tc_gate_is_unfinished(const struct tc_gate *tc);
void tc_gate_cancel(struct tc_gate *tc); /* instead of the flip: what was prepared is dropped, new ports stay closed */
/* After the flip: ports that stay closed are made ready, as far as nobody waits for it. */
void tc_gate_ahead(struct tc_gate *tc, const struct gate_desired *desired);
/* The apply is over: what was changed in the kernel for its haste is put back. */
void tc_gate_rest(struct tc_gate *tc);

bool tc_gate_port_is_open(const struct tc_gate *tc, uint32_t ifindex);

int tc_gate_check(struct tc_gate *tc, struct text *drift);
/* The same for the ports that the kernel told something of, and no more. */
int tc_gate_check_told(struct tc_gate *tc, struct text *drift);
int tc_gate_watch(struct tc_gate *tc, struct loop *loop, const struct gate_callbacks *callbacks, struct error *error);
/* Is anything pinned, whole or not? */
bool tc_gate_is_there(const struct gate_options *options);
int tc_gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		      struct error *error);
/* The daemon's, when nft judges alone from now on: a BPF file system that it mounted stays, since it may not unmount
 * any more, and so does the mark by which an uninstall knows that it was. */
int tc_gate_leave(const struct gate_options *options, struct error *error);
uint32_t tc_gate_generation(const struct tc_gate *tc);
int tc_gate_identities(struct tc_gate *tc, void (*fn)(void *arg, uint32_t number), void *arg);
int tc_gate_rule_counter(struct tc_gate *tc, uint32_t decision, struct bh_counter *ret_counter);
int tc_gate_port_counters(struct tc_gate *tc, uint32_t ifindex, struct bh_port_counters *ret_counters);
int tc_gate_reason_counter(struct tc_gate *tc, enum bh_reason reason, struct bh_counter *ret_counter);
uint32_t tc_gate_port_flows(struct tc_gate *tc, uint32_t ifindex);
int tc_gate_flows_walk(struct tc_gate *tc, uint32_t since, int (*fn)(void *arg, const struct gate_flow *flow),
		       void *arg);
size_t tc_gate_flows_fds(const struct tc_gate *tc, int fds[GATE_FLOWS_FDS]);
json_t *tc_gate_status(struct tc_gate *tc);

#endif
