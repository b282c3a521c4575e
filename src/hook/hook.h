/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hooks share. A hook is run by a container runtime while it makes a container; it asks the daemon to adopt
 * the container's port (command `adopt` of the control socket) and holds the start until the port is open, or a bound
 * is reached. It decides nothing about packets: without it, the port stays closed all the same until the daemon knows
 * it. */
#ifndef BULKHEAD_HOOK_HOOK_H
#define BULKHEAD_HOOK_HOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* Where the daemon keeps its things when nothing else is said: as in daemon/daemon.h, which the hooks do not use. */
#define HOOK_SOCKET    "/run/bulkhead/control.sock"
#define HOOK_STATE_DIR "/var/lib/bulkhead"

#define HOOK_WAIT_MS	 10000
#define HOOK_WAIT_MS_MAX 60000 /* the daemon's own bound */
/* Beyond `wait_ms`: for a daemon that was asked to wait so long to say that it did. */
#define HOOK_GRACE_MS  2000
#define HOOK_INPUT_MS  10000	  /* for a runtime to write what it has to say, which it has ready */
#define HOOK_INPUT_MAX (1u << 20) /* bytes of it; a result with a thousand addresses has about 100 KiB */

struct hook {
	const char *state_dir; /* holds hooks.json, which the daemon writes */
	const char *socket;    /* NULL: the one that hooks.json names */
	int64_t wait_ms;       /* 0..HOOK_WAIT_MS_MAX */
};

/* ---- settings.c ---- */
#define HOOK_SOCKET_MAX 108 /* of a socket's path, with the NUL */
struct hook_settings {
	char socket[HOOK_SOCKET_MAX];
	bool closed; /* start_without_daemon: closed, that is, the start goes on; else it fails */
};
/* hooks.json in `state_dir`: a regular file that only root can write. 0, also when there is none; a bad one is -EINVAL
 * and such. Without a good one the settings are the defaults: fail. */
int hook_settings_read(const char *state_dir, struct hook_settings *ret_settings, struct error *error);

/* ---- ask.c ---- */
enum hook_result {
	HOOK_DONE,   /* the daemon has done it; adopt: the ports are open */
	HOOK_CLOSED, /* no daemon, or not in time: the start goes on and the port stays closed; `error` says why */
	HOOK_FAILED, /* the start must fail; `error` says why and what to do. Its code: -ECONNREFUSED no daemon (nor an
			answer of one), -ETIMEDOUT not in time, -EACCES, -EINVAL and others: the daemon refuses */
	HOOK_RESULT_MAX,
};
/* Sends the request (stolen; NULL: memory was short, or a text no UTF-8) with wait_ms in it. Takes at most wait_ms and
 * HOOK_GRACE_MS, whatever the daemon does. */
enum hook_result hook_adopt(const struct hook *hook, json_t *request, struct error *error);
/* Any other request (stolen): one exchange within HOOK_GRACE_MS. 0 or -errno. */
int hook_ask(const struct hook *hook, json_t *request, struct error *error);

/* ---- input.c ---- */
/* All that comes from `fd` until its end, NUL-terminated; the caller frees. -EFBIG; -ETIMEDOUT after `bound_ms`. */
int hook_input(int fd, int64_t bound_ms, char **ret_data, size_t *ret_size, struct error *error);
/* One JSON object. NULL: it is none; `error` says where. */
json_t *hook_json(const char *data, size_t size, const char *what, struct error *error);
/* "KEY=VALUE" into the object `labels`. -EINVAL. */
int hook_label(json_t *labels, const char *text, struct error *error);
/* A whole number of milliseconds within the bounds. -EINVAL. */
int hook_wait_ms(const char *text, int64_t *ret_ms, struct error *error);

/* ---- veth.c ---- */
/* Does the namespace behind `ns_fd` have a veth of which the other end is in ours? `inside`: only that link of it;
 * NULL: any. 1: yes, and *ret_host (may be NULL) is the other end's name, *ret_mac (may be NULL) the inner end's MAC as
 * text, "" for none. 0: no. -ENODEV: there is no link `inside`. */
int hook_veth_find(int ns_fd, const char *inside, char ret_host[16], char ret_mac[18], struct error *error);
/* Are there ports to wait for in the namespace at `netns`? 1; 0: none, or it is our own namespace. */
int hook_netns_has_ports(const char *netns, struct error *error);

#endif
