/* SPDX-License-Identifier: GPL-2.0-only */
/* Where bulkheadd keeps its things when nothing else is said: as in daemon/daemon.h, which the command does not use. */
#ifndef BULKHEAD_CLI_DEFAULTS_H
#define BULKHEAD_CLI_DEFAULTS_H

#define DEFAULT_POLICY_DIR "/etc/bulkhead/policy"
#define DEFAULT_SOCKET	   "/run/bulkhead/control.sock"
#define DEFAULT_STATE_DIR  "/var/lib/bulkhead"
#define DEFAULT_PIN_DIR	   "/sys/fs/bpf/bulkhead"
#define DEFAULT_RUN_DIR	   "/run/bulkhead"

#endif
