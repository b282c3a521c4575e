/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "lxc.h"

#define PATH_ROOM 64

int lxc_call_read(int argc, char **argv, const char *(*environment)(const char *name), struct lxc_call *ret_call,
		  struct error *error)
{
	const char *version = environment("LXC_HOOK_VERSION");
	bool by_environment = version && strcmp(version, "1") == 0;
	struct lxc_call call = {.name = environment("LXC_NAME"), .pid = environment("LXC_PID")};
	int of_net = by_environment ? 0 : 3;

	call.type = by_environment ? environment("LXC_HOOK_TYPE") : argc > 2 ? argv[2] : NULL;
	call.net_type = argc > of_net ? argv[of_net] : NULL;
	call.interface = argc > of_net + 2 ? argv[of_net + 2] : NULL;
	if (!call.name || !*call.name || !call.type || !call.pid)
		return error_set(error, -EINVAL, "this is run by LXC, for lxc.hook.start-host");
	if (strspn(call.pid, "0123456789") != strlen(call.pid) || !*call.pid || strlen(call.pid) > 10)
		return error_set(error, -EINVAL, "LXC_PID is no number");
	*ret_call = call;
	return 0;
}

/* Whose it is, where there is something to say that LXC's own configuration does not. */
static void claim_put(const struct lxc_options *options, const struct lxc_call *call, json_t *request)
{
	if (!options->labels && !options->addresses)
		return;
	json_object_set_new(request, "name", json_string(call->name));
	json_object_set_new(request, "id", json_string(call->name));
	json_object_set_new(request, "runtime", json_string("lxc"));
	if (options->labels)
		json_object_set(request, "labels", options->labels);
	if (options->addresses)
		json_object_set(request, "addresses", options->addresses);
}

/* 1: there are ports to wait for, by this request; 0: none; a host's network, or devices that are no veths. */
static int start_request(const struct lxc_options *options, const char *netns, json_t **ret_request,
			 struct error *error)
{
	int r;

	if (options->addresses)
		return error_set(error, -EINVAL, "--address is for a network's script.up: here LXC has set them");
	r = hook_netns_has_ports(netns, error);
	if (r > 0)
		*ret_request = json_pack("{s:s}", "netns", netns);
	return r;
}

static int up_request(const struct lxc_options *options, const struct lxc_call *call, const char *netns,
		      json_t **ret_request, struct error *error)
{
	if (!call->net_type || strcmp(call->net_type, "veth") != 0)
		return 0;
	if (!call->interface || !*call->interface || strlen(call->interface) >= IFNAMSIZ)
		return error_set(error, -EINVAL, "LXC does not say which interface is up");
	/* It has none yet, so nothing would come that could be waited for. */
	if (!options->addresses)
		return error_set(error, -EINVAL,
				 "script.up comes before the container's addresses: name them (--address), or use "
				 "lxc.hook.start-host instead");
	*ret_request = json_pack("{s:s, s:s}", "netns", netns, "interface", call->interface);
	return 1;
}

int lxc_run(const struct lxc_options *options, const struct lxc_call *call, FILE *errors)
{
	enum hook_result result = HOOK_DONE;
	struct error error = {0};
	json_t *request = NULL;
	char netns[PATH_ROOM], escaped[64];
	int r;

	snprintf(netns, sizeof(netns), "%.32s/%s/ns/net", options->proc, call->pid);
	if (strcmp(call->type, "start-host") == 0)
		r = start_request(options, netns, &request, &error);
	else if (strcmp(call->type, "up") == 0)
		r = up_request(options, call, netns, &request, &error);
	else
		r = error_set(&error, -EINVAL, "a hook '%s' holds nothing: lxc.hook.start-host does",
			      text_escape(escaped, sizeof(escaped), call->type));
	if (r > 0) {
		claim_put(options, call, request);
		result = hook_adopt(&options->hook, request, &error);
	} else if (r < 0) {
		error_wrap(&error, r, "bulkhead");
	}
	if (r < 0 || result != HOOK_DONE)
		fprintf(errors, "%s\n", error.text);
	return r < 0 || result == HOOK_FAILED;
}
