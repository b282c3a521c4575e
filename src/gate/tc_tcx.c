/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs at ports by tcx (Linux 6.6): links, first in line, pinned. They survive the removal of clsact and the death
 * of the daemon. Debian 12's headers do not know tcx: the calls are made by hand, laid out as in <linux/bpf.h> of
 * Linux 6.6. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define TCX_ATTACH_INGRESS 46u	     /* BPF_TCX_INGRESS; egress follows */
#define TCX_BEFORE	   (1u << 3) /* BPF_F_BEFORE: with nothing named, before all */
#define TCX_LINK_TYPE	   11u	     /* BPF_LINK_TYPE_TCX */

struct tcx_create {
	uint32_t prog_fd, ifindex, attach_type, flags;
	uint32_t relative, pad;
	uint64_t expected_revision;
};
struct tcx_query {
	uint32_t ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t count, pad;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};
_Static_assert(sizeof(struct tcx_create) == 32, "the kernel reads this layout");
_Static_assert(sizeof(struct tcx_query) == 64, "the kernel reads this layout");

static int bpf_call(int command, void *attributes, unsigned int size)
{
	return (int)syscall(__NR_bpf, command, attributes, size) < 0 ? -errno : 0;
}

const char *tc_link_name(uint32_t ifindex, enum tc_direction direction, char buffer[64])
{
	snprintf(buffer, 64, "link_%u_%s", ifindex, tc_direction_names[direction]);
	return buffer;
}

int tc_tcx_line(uint32_t ifindex, enum tc_direction direction, uint32_t ids[TC_LINE_MAX])
{
	struct tcx_query query = {
		.ifindex = ifindex,
		.attach_type = TCX_ATTACH_INGRESS + (uint32_t)direction,
		.prog_ids = (uintptr_t)ids,
		.count = TC_LINE_MAX,
	};
	int result = bpf_call(BPF_PROG_QUERY, &query, sizeof(query));

	return result < 0 ? result : (int)query.count;
}

bool tc_tcx_probe(void)
{
	uint32_t ids[TC_LINE_MAX];

	/* A question about the loopback interface (always number 1): a kernel without tcx does not know the attach
	 * type. */
	return tc_tcx_line(1, TC_INGRESS, ids) >= 0;
}

/* *ret_program: the id of the link's program. 0, or -ENOENT when the link is no live one of this interface. */
static int link_look(int fd, uint32_t ifindex, enum tc_direction direction, uint32_t *ret_program)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info), place[2];
	int result = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (result < 0)
		return result;
	/* { ifindex, attach type }, where the link types' own parts begin; the interface is 0 when it has gone. */
	memcpy(place, (const char *)&info + offsetof(struct bpf_link_info, xdp), sizeof(place));
	if (info.type != TCX_LINK_TYPE || place[0] != ifindex || place[1] != TCX_ATTACH_INGRESS + (uint32_t)direction)
		return -ENOENT;
	*ret_program = info.prog_id;
	return 0;
}

bool tc_tcx_is_dead(int fd)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex == 0;
}

int tc_tcx_open(const char *pin_dir, uint32_t ifindex, enum tc_direction direction)
{
	char path[TC_PATH_MAX], name[64];
	uint32_t program;
	AUTO_CLOSE int fd = bpf_obj_get(tc_pin_path(pin_dir, tc_link_name(ifindex, direction, name), path));

	if (fd < 0 || link_look(fd, ifindex, direction, &program) < 0)
		return -1;
	return TAKE_FD(fd);
}

static bool link_is_pinned(const char *pin_dir, int fd, const char *name)
{
	struct bpf_link_info have = {0}, want = {0};
	uint32_t have_size = sizeof(have), want_size = sizeof(want);
	char path[TC_PATH_MAX];
	AUTO_CLOSE int pinned = bpf_obj_get(tc_pin_path(pin_dir, name, path));

	return pinned >= 0 && bpf_obj_get_info_by_fd(pinned, &have, &have_size) == 0 &&
	       bpf_obj_get_info_by_fd(fd, &want, &want_size) == 0 && have.id == want.id;
}

/* A new link before all others, pinned over the old one, which ends with its last descriptor. */
static int link_make(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, int program,
		     struct error *error)
{
	struct tcx_create create = {
		.prog_fd = (uint32_t)program,
		.ifindex = port->ifindex,
		.attach_type = TCX_ATTACH_INGRESS + (uint32_t)direction,
		.flags = TCX_BEFORE,
	};
	char name[64];
	AUTO_CLOSE int fd = -1;
	int result;

	tc_grace_shorten(tc);
	fd = (int)syscall(__NR_bpf, BPF_LINK_CREATE, &create, sizeof(create));
	if (fd < 0)
		return error_set(error, -errno, "cannot attach at %s: %s", tc_direction_names[direction],
				 errno == ENODEV ? "the interface has gone" : strerror(errno));
	result = tc_pin_replace(tc->pin_dir, fd, tc_link_name(port->ifindex, direction, name), error);
	if (result < 0)
		return result;
	if (port->links[direction] >= 0)
		close(port->links[direction]);
	port->links[direction] = TAKE_FD(fd);
	return 0;
}

/* Somebody has put a program ahead of ours. The kernel takes no program twice at one interface: a second instance
 * goes to the front while the first still stands, so that there is no moment without. */
static int link_to_front(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, uint32_t program,
			 struct error *error)
{
	int result;

	if (program != tc->program_ids[direction])
		return link_make(tc, port, direction, tc->programs[direction], error);
	result = tc_load_spare(tc, error);
	if (result < 0)
		return result;
	return link_make(tc, port, direction, tc->spare_programs[direction], error);
}

int tc_tcx_attach(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, struct error *error)
{
	uint32_t program = 0, ids[TC_LINE_MAX];
	int *fd = &port->links[direction], result, count;
	char name[64];

	if (*fd < 0)
		*fd = tc_tcx_open(tc->pin_dir, port->ifindex, direction);
	if (*fd >= 0 && link_look(*fd, port->ifindex, direction, &program) < 0) {
		close(*fd);
		*fd = -1;
	}
	if (*fd < 0)
		return link_make(tc, port, direction, tc->programs[direction], error);

	if (!tc_program_is_ours(tc, direction, program)) {
		result = bpf_link_update(*fd, tc->programs[direction], NULL);
		if (result < 0)
			return error_set(error, result, "cannot replace the program at %s: %s",
					 tc_direction_names[direction], strerror(-result));
		program = tc->program_ids[direction];
	}
	count = tc_tcx_line(port->ifindex, direction, ids);
	if (count < 0)
		return error_set(error, count, "cannot see the programs at %s: %s", tc_direction_names[direction],
				 strerror(-count));
	if (count == 0 || ids[0] != program)
		return link_to_front(tc, port, direction, program, error);
	/* Three calls a link that are only made when there is a reason: with hundreds of ports they would be felt. */
	if (port->suspect && !link_is_pinned(tc->pin_dir, *fd, tc_link_name(port->ifindex, direction, name)))
		return tc_pin_replace(tc->pin_dir, *fd, name, error);
	return 0;
}

int tc_tcx_check(struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction, struct text *drift)
{
	const char *where = tc_direction_names[direction];
	uint32_t program, ids[TC_LINE_MAX];
	char name[64], other[32];
	int count;

	if (port->links[direction] < 0 || link_look(port->links[direction], port->ifindex, direction, &program) < 0 ||
	    !tc_program_is_ours(tc, direction, program)) {
		text_appendf(drift, "%s: our program is not attached at %s\n", port->name, where);
		return 1;
	}
	count = tc_tcx_line(port->ifindex, direction, ids);
	if (count < 0)
		return count;
	if (count == 0 || ids[0] != program) {
		tc_program_name(count ? ids[0] : 0, other);
		text_appendf(drift, "%s: the program %s (%u) is ahead of ours at %s\n", port->name, other,
			     count ? ids[0] : 0, where);
		return 1;
	}
	if (!link_is_pinned(tc->pin_dir, port->links[direction], tc_link_name(port->ifindex, direction, name))) {
		text_appendf(drift, "%s: the link at %s is not pinned\n", port->name, where);
		return 1;
	}
	return 0;
}

bool tc_tcx_leads(const struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction)
{
	uint32_t ids[TC_LINE_MAX];
	int count = tc_tcx_line(port->ifindex, direction, ids);

	return count < 0 || (count > 0 && tc_program_is_ours(tc, direction, ids[0]));
}

void tc_tcx_detach(const char *pin_dir, uint32_t ifindex, enum tc_direction direction)
{
	char path[TC_PATH_MAX], name[64];
	AUTO_CLOSE int fd = bpf_obj_get(tc_pin_path(pin_dir, tc_link_name(ifindex, direction, name), path));

	/* Detaching works whoever else holds the link; a dead one only loses its name. */
	if (fd >= 0)
		bpf_link_detach(fd);
	unlink(path);
}
