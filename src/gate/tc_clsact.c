/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs at ports by clsact, for kernels before 6.6: filters of priority 1 with a handle of our own, replaced in
 * place. A handle that somebody else has taken is left alone. */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/route/classifier.h>
#include <netlink/route/tc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define OUR_PRIORITY  1u
#define OUR_HANDLE    0x42554c00u /* "BUL", and a number */
#define OUR_HANDLES   16u	  /* to choose from, if one is taken */
#define MARK_NAME_MAX 64

static enum bpf_tc_attach_point attach_point(enum tc_direction direction)
{
	return direction == TC_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static uint32_t attach_parent(enum tc_direction direction)
{
	return TC_H_MAKE(TC_H_CLSACT, direction == TC_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/* The program of the filter with this handle; 0: there is none. */
static uint32_t filter_program(uint32_t ifindex, enum tc_direction direction, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = attach_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = OUR_PRIORITY);

	return bpf_tc_query(&hook, &opts) < 0 ? 0 : opts.prog_id;
}

/* By name: also what an earlier daemon or another version of it has attached. */
static bool program_is_bulkhead(uint32_t id, enum tc_direction direction)
{
	char name[32];

	return tc_program_name(id, name) == 0 && strncmp(name, tc_program_names[direction], BPF_OBJ_NAME_LEN - 1) == 0;
}

/* Filters at the hook, in the order in which they run. */
static int filters_read(uint32_t ifindex, enum tc_direction direction, struct nl_cache **ret_cache)
{
	struct nl_sock *socket = nl_socket_alloc();
	int result;

	if (!socket)
		return -ENOMEM;
	result = nl_connect(socket, NETLINK_ROUTE);
	if (result >= 0)
		result = rtnl_cls_alloc_cache(socket, (int)ifindex, attach_parent(direction), ret_cache);
	nl_socket_free(socket);
	return result < 0 ? -EIO : 0;
}

uint32_t tc_clsact_find(uint32_t ifindex, enum tc_direction direction, uint32_t *ret_handle)
{
	struct nl_cache *cache;
	uint32_t found = 0;

	if (filters_read(ifindex, direction, &cache) < 0)
		return 0;
	for (struct nl_object *object = nl_cache_get_first(cache); object && !found;
	     object = nl_cache_get_next(object)) {
		uint32_t handle = rtnl_tc_get_handle(TC_CAST(object)), program = 0;

		if (handle >= OUR_HANDLE && handle < OUR_HANDLE + OUR_HANDLES)
			program = filter_program(ifindex, direction, handle);
		if (program && program_is_bulkhead(program, direction)) {
			*ret_handle = handle;
			found = program;
		}
	}
	nl_cache_free(cache);
	return found;
}

static uint32_t handle_free(uint32_t ifindex, enum tc_direction direction)
{
	for (uint32_t handle = OUR_HANDLE; handle < OUR_HANDLE + OUR_HANDLES; handle++)
		if (filter_program(ifindex, direction, handle) == 0)
			return handle;
	return 0;
}

static const char *mark_path(const char *pin_dir, uint32_t ifindex, char buffer[TC_PATH_MAX])
{
	char name[MARK_NAME_MAX];

	snprintf(name, sizeof(name), TC_MARK_CLSACT "%u", ifindex);
	return tc_pin_path(pin_dir, name, buffer);
}

/* Makes the qdisc if there is none, and remembers that it was us. */
static int qdisc_make(struct tc_gate *tc, uint32_t ifindex, struct error *error)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	char path[TC_PATH_MAX];
	int result = bpf_tc_hook_create(&hook);

	if (result == -EEXIST)
		return 0;
	if (result < 0)
		return error_set(error, result, "cannot add the clsact qdisc: %s",
				 result == -ENODEV ? "the interface has gone" : strerror(-result));
	if (mkdir(mark_path(tc->pin_dir, ifindex, path), 0700) < 0 && errno != EEXIST)
		return error_set(error, -errno, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

int tc_clsact_attach(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, struct error *error)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)port->ifindex, .attach_point = attach_point(direction));
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = tc->programs[direction], .priority = OUR_PRIORITY);
	uint32_t handle = 0, program;
	int result = qdisc_make(tc, port->ifindex, error);

	if (result < 0)
		return result;
	program = tc_clsact_find(port->ifindex, direction, &handle);
	if (!tc_program_is_ours(tc, direction, program)) {
		if (program)
			opts.flags = BPF_TC_F_REPLACE;
		else
			handle = handle_free(port->ifindex, direction);
		opts.handle = handle;
		if (handle == 0)
			return error_set(error, -EBUSY, "%u filters of others have our handles at %s", OUR_HANDLES,
					 tc_direction_names[direction]);
		result = bpf_tc_attach(&hook, &opts);
		if (result < 0)
			return error_set(error, result, "cannot attach the filter at %s: %s",
					 tc_direction_names[direction],
					 result == -ENODEV ? "the interface has gone" : strerror(-result));
	}
	port->handles[direction] = handle;
	return 0;
}

static int filter_report(const struct tc_port *port, enum tc_direction direction, struct rtnl_cls *filter,
			 json_t *array)
{
	char handle[16];

	snprintf(handle, sizeof(handle), "%#x", rtnl_tc_get_handle(TC_CAST(filter)));
	return json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "interface", port->name,
						      "direction", tc_direction_names[direction], "attach", "clsact",
						      "kind", rtnl_tc_get_kind(TC_CAST(filter)), "priority",
						      rtnl_cls_get_prio(filter), "handle", handle));
}

int tc_clsact_ahead(const struct tc_port *port, enum tc_direction direction, json_t *array)
{
	struct nl_cache *cache;
	int ahead = 0, result = filters_read(port->ifindex, direction, &cache);

	if (result < 0)
		return result;
	for (struct nl_object *object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) {
		struct rtnl_cls *filter = (struct rtnl_cls *)object;

		if (rtnl_tc_get_handle(TC_CAST(filter)) == port->handles[direction] &&
		    rtnl_cls_get_prio(filter) == OUR_PRIORITY)
			break;
		/* The head of a priority's list has no handle: it is no filter. */
		if (rtnl_tc_get_handle(TC_CAST(filter)) == 0)
			continue;
		ahead++;
		if (array && filter_report(port, direction, filter, array) < 0)
			ahead = -ENOMEM;
		if (ahead < 0)
			break;
	}
	nl_cache_free(cache);
	return ahead;
}

int tc_clsact_check(struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction, struct text *drift)
{
	uint32_t handle, program = tc_clsact_find(port->ifindex, direction, &handle);

	if (tc_program_is_ours(tc, direction, program))
		return 0;
	text_appendf(drift, "%s: our filter is not attached at %s\n", port->name, tc_direction_names[direction]);
	return 1;
}

static bool qdisc_is_empty(uint32_t ifindex)
{
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++) {
		struct nl_cache *cache;
		bool empty;

		if (filters_read(ifindex, direction, &cache) < 0)
			return false;
		empty = nl_cache_is_empty(cache);
		nl_cache_free(cache);
		if (!empty)
			return false;
	}
	return true;
}

int tc_clsact_detach(const char *pin_dir, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex);
	char path[TC_PATH_MAX];
	int removed = 0;

	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .priority = OUR_PRIORITY);

		hook.attach_point = attach_point(direction);
		if (tc_clsact_find(ifindex, direction, &opts.handle) && bpf_tc_detach(&hook, &opts) == 0)
			removed++;
	}
	/* The qdisc is taken away only if we brought it and nobody else has come to use it. */
	if (rmdir(mark_path(pin_dir, ifindex, path)) == 0 && qdisc_is_empty(ifindex)) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	return removed;
}
