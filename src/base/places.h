/* SPDX-License-Identifier: GPL-2.0-only */
/* Where Bulkhead keeps its things when nothing else is said, and the lock that tells whether a daemon runs. */
#ifndef BULKHEAD_BASE_PLACES_H
#define BULKHEAD_BASE_PLACES_H

#include <stdbool.h>

#include "error.h"

#define DEFAULT_POLICY_DIR "/etc/bulkhead/policy"
#define DEFAULT_SOCKET	   "/run/bulkhead/control.sock"
#define DEFAULT_STATE_DIR  "/var/lib/bulkhead"
#define DEFAULT_PIN_DIR	   "/sys/fs/bpf/bulkhead"
#define DEFAULT_RUN_DIR	   "/run/bulkhead"

/* Files of the state folder. */
#define STATE_REGISTRY "registry.json" /* what the numbers of identities and decisions mean */
#define STATE_ADOPTED  "adopted.json"  /* whose ports are by whoever made them: docs/ports.md */
#define STATE_HOOKS    "hooks.json"    /* what the hooks have to know when the daemon is away */
#define STATE_POLICED  "policed"       /* there since a policy was first in force, until Bulkhead is uninstalled */

/* One daemon a network namespace: the lock's name holds the namespace's inode, so that 'hosts' made of namespaces can
 * run side by side. Makes `run_dir`. -EBUSY: another one runs; the error names its process. The lock is held as long as
 * the descriptor is open. */
int host_lock_take(const char *run_dir, int *ret_fd, struct error *error);
bool host_lock_is_held(const char *run_dir);

#endif
