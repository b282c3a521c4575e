/* SPDX-License-Identifier: GPL-2.0-only */
/* The system's groups. In a file of its own: <grp.h> and the policy model both have a `struct group`. */
#include "daemon/system_group.h"

#include <errno.h>
#include <grp.h>
#include <string.h>

int system_group_find(const char *name, gid_t *ret_group, struct error *error)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return error_set(error, errno ? -errno : -ENOENT, "no group '%s' on this machine", name);
	*ret_group = group->gr_gid;
	return 0;
}
