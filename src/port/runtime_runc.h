/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests want of the runtimes `runc` and `crun`. */
#ifndef BULKHEAD_PORT_RUNTIME_RUNC_H
#define BULKHEAD_PORT_RUNTIME_RUNC_H

#include "bundle.h"

/* state.json, status and config.json. 0, -EBADMSG, -EINVAL (an engine's), -ENOMEM. */
int runc_process(const json_t *state, struct process *ret_process);
int runc_parse(const json_t *state, struct bundle *bundle);
int crun_process(const json_t *status, struct process *ret_process);
int crun_parse(const json_t *config, struct bundle *bundle);

#endif
