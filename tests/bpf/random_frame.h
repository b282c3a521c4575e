/* SPDX-License-Identifier: GPL-2.0-only */
/* Random frames at the ports of a random world: flows of both families and many protocols, honest and forged, whole,
 * in parts, with options and extension headers, cut short, and with bytes changed. */
#ifndef BULKHEAD_TESTS_RANDOM_FRAME_H
#define BULKHEAD_TESTS_RANDOM_FRAME_H

#include "tests/bpf/differ.h"
#include "tests/lib/random_policy.h"

#define RANDOM_FRAMES_MAX 8

/* A frame, or a datagram in parts, for one port: *port is mostly kept from call to call, as another costs system calls
 * (UINT32_MAX: none yet). How many of `frames` were filled; 0: the world has no policed port with an address. */
size_t random_frames(struct random_state *random, const struct differ_case *made, uint32_t *port,
		     struct differ_frame frames[RANDOM_FRAMES_MAX]);

#endif
