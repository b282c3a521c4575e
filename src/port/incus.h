/* SPDX-License-Identifier: GPL-2.0-only */
/* Incus and LXD run containers by LXC's library: monitors and control groups are as in lxc.h. What a container is made
 * of stands in ROOT/containers/NAME/backup.yaml, which they write whenever it is changed; it lies outside of what the
 * container sees. NAME is "PROJECT_NAME" in another project than the default one. */
#ifndef BULKHEAD_PORT_INCUS_H
#define BULKHEAD_PORT_INCUS_H

#include "evidence.h"
#include "watch.h"

#define INCUS_FILE_MAX (4u << 20)

struct incus_instance {
	char *name, *project;
	json_t *labels;	 /* what is set by `user.KEY`, by KEY */
	json_t *config;	 /* all settings, those of profiles among them */
	json_t *devices; /* name → its settings */
};

/* backup.yaml. -EBADMSG: it is none; -ENOMEM. */
int incus_instance_parse(const char *data, size_t size, struct incus_instance *ret_instance);
void incus_instance_free(struct incus_instance *instance);
/* Owner, network, MAC and addresses of this port, by the network device that it is the host's end of. 0, -EINVAL with
 * `reason`, -ENOMEM. */
int incus_evidence(const struct incus_instance *instance, const char *runtime, const struct runtime_question *question,
		   struct evidence *evidence, char reason[REASON_MAX]);
/* Why it has an interface without a port here; NULL: it has none, or memory is short. The caller frees. */
char *incus_unpoliced(const struct incus_instance *instance);

#endif
