/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-cni: a chained CNI plugin (specification 1.0.0; its older forms 0.3.0 to 0.4.0, and STATUS and GC of 1.1.0).
 * It changes nothing of what the plugins before it have made: it holds ADD until the daemon has opened the port. */
#ifndef BULKHEAD_HOOK_CNI_H
#define BULKHEAD_HOOK_CNI_H

#include "hook.h"

#define CNI_WORD_MAX 256u	 /* bytes of an id or a network's name */
#define CNI_ARGS_MAX (16u << 10) /* bytes of CNI_ARGS */

/* The specification's codes; from 100 on they are the plugin's. */
enum cni_code {
	CNI_OK = 0,
	CNI_VERSION = 1,
	CNI_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_DECODE = 6,
	CNI_CONFIG = 7,
	CNI_AGAIN = 11,	      /* no daemon, or the port was not open in time */
	CNI_UNAVAILABLE = 50, /* STATUS: no daemon */
	CNI_NO_PORT = 100,    /* the interface is none that can be policed */
	CNI_REFUSED = 101,    /* the daemon refuses */
	CNI_NOT_OPEN = 102,   /* CHECK: it is not as ADD has left it */
};

/* What the runtime says in the environment; NULL: not set. */
struct cni_call {
	const char *command, *container_id, *netns, *ifname, *args;
};

struct cni_error {
	enum cni_code code;
	char message[ERROR_TEXT_MAX];
	char details[ERROR_TEXT_MAX]; /* "": none */
};

struct cni_config {
	json_t *json;		/* the whole: what the others point into */
	const char *version;	/* one of ours */
	const char *name;	/* the network's */
	const json_t *previous; /* prevResult; NULL: none */
	json_t *labels;		/* an object */
	struct hook hook;
};

/* `input` in, `out` and, for a line when the port stays closed, `warnings` out. Returns the exit status: 0 or 1, and
 * then `out` has the error. */
int cni_run(const struct cni_call *call, const char *input, size_t size, FILE *out, FILE *warnings);

/* ---- cni_config.c ---- */
enum cni_code cni_config_parse(const char *input, size_t size, struct cni_config *ret_config, struct cni_error *error);
void cni_config_free(struct cni_config *config);
bool cni_version_is_known(const char *version);
/* Is `version` at least `least`? Both are known ones. */
bool cni_version_reaches(const char *version, const char *least);
json_t *cni_versions(void); /* an array of those that are known */

/* ---- cni_call.c ---- */
/* The environment's parts that `command` needs. */
enum cni_code cni_call_check(const struct cni_call *call, struct cni_error *error);
bool cni_is_word(const char *text); /* an id or a network's name, by the specification */
/* CNI_ARGS "KEY=VALUE;…" as an object. NULL: malformed. */
json_t *cni_args_parse(const char *args);
/* What the previous plugins say of the interface `ifname`: addresses, gateways and MAC into the request. */
enum cni_code cni_result_take(const json_t *previous, const char *ifname, json_t *request, struct cni_error *error);
/* The request `adopt` of an ADD, without the interface. NULL with `error`. */
json_t *cni_request(const struct cni_call *call, const struct cni_config *config, struct cni_error *error);

/* Sets and returns `code`. */
enum cni_code cni_fail(struct cni_error *error, enum cni_code code, const char *details, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
