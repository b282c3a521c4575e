/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

int tc_program_name(uint32_t id, char name[32])
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	AUTO_CLOSE int fd = bpf_prog_get_fd_by_id(id);

	name[0] = '\0';
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -ENOENT;
	/* The name may fill its field: no NUL then. */
	snprintf(name, 32, "%.*s", (int)sizeof(info.name), info.name);
	return 0;
}

int tc_attach_port(struct tc_gate *tc, struct tc_port *port, struct error *error)
{
	int result = 0;

	/* Looking takes the lock of all interfaces, once for each program: only when there is a reason. */
	if (port->attached && !port->suspect)
		return 0;
	port->attached = false;
	for (int direction = 0; direction < TC_DIRECTION_MAX && result == 0; direction++)
		result = tc->tcx ? tc_tcx_attach(tc, port, direction, error)
				 : tc_clsact_attach(tc, port, direction, error);
	if (result < 0)
		return result;
	port->attached = true;
	port->suspect = false;
	if (port->other_way_checked)
		return 0;
	/* A daemon before this one may have used the other way; both at once would count each packet twice. */
	if (tc->tcx) {
		tc_clsact_detach(tc->pin_dir, port->ifindex);
	} else {
		for (int direction = 0; direction < TC_DIRECTION_MAX; direction++)
			tc_tcx_detach(tc->pin_dir, port->ifindex, direction);
	}
	port->other_way_checked = true;
	return 0;
}

void tc_detach_port(struct tc_gate *tc, struct tc_port *port)
{
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++) {
		if (port->links[direction] >= 0)
			close(port->links[direction]);
		port->links[direction] = -1;
		port->handles[direction] = 0;
		tc_tcx_detach(tc->pin_dir, port->ifindex, direction);
	}
	if (!tc->tcx || !port->other_way_checked)
		tc_clsact_detach(tc->pin_dir, port->ifindex);
	port->attached = false;
}

/* A container that ends takes its port along, programs and all: nobody has removed them. */
static bool interface_is_gone(uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	return !if_indextoname(ifindex, name) && errno == ENXIO;
}

int tc_attach_check(struct tc_gate *tc, struct tc_port *port, struct text *drift)
{
	struct text own = {0};
	int found = 0;

	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++) {
		int result =
			tc->tcx ? tc_tcx_check(tc, port, direction, &own) : tc_clsact_check(tc, port, direction, &own);

		if (result < 0 && !interface_is_gone(port->ifindex)) {
			text_free(&own);
			return result;
		}
		found |= result;
	}
	/* After the look: it may have gone while we looked. */
	if (found && interface_is_gone(port->ifindex))
		found = 0;
	else if (found)
		text_append(drift, text_string(&own));
	text_free(&own);
	port->suspect = found;
	return found;
}

/* Programs of tcx that run before ours: all of them when we are a filter of clsact. */
static int tcx_ahead(const struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction, json_t *array)
{
	uint32_t ids[TC_LINE_MAX];
	int count = tc_tcx_line(port->ifindex, direction, ids);

	for (int i = 0; i < count && !tc_program_is_ours(tc, direction, ids[i]); i++) {
		char name[32];

		tc_program_name(ids[i], name);
		if (json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:i}", "interface", port->name,
							   "direction", tc_direction_names[direction], "attach", "tcx",
							   "program", name, "id", ids[i])) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* An XDP program at the host's end takes what the container sends before we see it, and may hand it to any interface.
 */
static int xdp_below(const struct tc_port *port, json_t *array)
{
	uint32_t id = tc_xdp_program(port->ifindex);
	char name[32];

	if (id == 0)
		return 0;
	tc_program_name(id, name);
	return json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:i}", "interface", port->name, "direction",
						      tc_direction_names[TC_INGRESS], "attach", "xdp", "program", name,
						      "id", id));
}

json_t *tc_attach_foreign(struct tc_gate *tc)
{
	json_t *array = json_array();
	void *value;

	for (size_t i = 0; array && map_next(tc->ports, &i, NULL, NULL, &value);) {
		const struct tc_port *port = value;

		if (port->attached)
			xdp_below(port, array);
		for (int direction = 0; direction < TC_DIRECTION_MAX && port->attached; direction++) {
			tcx_ahead(tc, port, direction, array);
			if (!tc->tcx)
				tc_clsact_ahead(port, direction, array);
		}
	}
	return array;
}
