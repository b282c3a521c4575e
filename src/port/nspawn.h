/* SPDX-License-Identifier: GPL-2.0-only */
/* The runtime `nspawn`: its parts.
 *
 * systemd-machined keeps a file for each machine that is registered. One that is not (--register=no) is known only to
 * its supervisor, the process systemd-nspawn: its arguments tell the machine's name, its child is the machine's first
 * process. All processes are looked through for supervisors, but only while a port with a name of nspawn's waits that
 * nobody knows, and ever less often. */
#ifndef BULKHEAD_PORT_NSPAWN_H
#define BULKHEAD_PORT_NSPAWN_H

#include "evidence.h"
#include "process.h"

#define NSPAWN_MACHINES_MAX	4096u
#define NSPAWN_MACHINE_FILE_MAX 65536u
#define NSPAWN_ARGUMENTS_MAX	65536u

struct nspawn_machine {
	char *name;
	char *unit;		   /* of systemd, which its first process is in; NULL: by its supervisor */
	struct process supervisor; /* pid 0: by machined's file */
	struct process first;
};

/* machined's file of a machine: LEADER and the unit, of a container that nspawn runs. -EINVAL: it is none. */
int nspawn_machine_parse(const char *data, struct nspawn_machine *machine);
/* The machine's name in a supervisor's arguments: --machine, or the last part of --directory or --image. NULL: they do
 * not tell (a copy for one run has a name by chance), or memory is short. The caller frees. */
char *nspawn_arguments_parse(const char *arguments, size_t size);
/* "vb-web" or "ve-web": what stands behind; NULL: the name is none of nspawn's. */
const char *nspawn_link_name(const char *interface);

#endif
