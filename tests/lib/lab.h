/* SPDX-License-Identifier: GPL-2.0-only */
/* A small host for tests of the gates: namespaces of this process alone, a bridge, containers on it, and the way from
 * a policy's text to what gate_apply() takes. All of it goes with the process. */
#ifndef BULKHEAD_TESTS_LIB_LAB_H
#define BULKHEAD_TESTS_LIB_LAB_H

#include <stdlib.h>

#include "gate/gate.h"
#include "policy/world.h"
#include "table/registry.h"

#define LAB_BOXES_MAX 8
#define LAB_HOST      "10.9.0.1"
#define LAB_PIN_DIR   "/sys/fs/bpf/bulkhead"

struct lab_box {
	char name[8];	    /* of the container; its zone is chosen by it */
	char interface[16]; /* the host's end */
	uint32_t ifindex;
	struct mac mac;
	int netns;
	struct addr addresses[3]; /* IPv4, IPv6, link-local */
	bool open;
	const struct gate_seed *seeds;
	size_t seed_count;
};

struct lab {
	int netns; /* of the host */
	uint32_t bridge;
	struct lab_box boxes[LAB_BOXES_MAX];
	size_t box_count;
	struct registry *registry;
	uint32_t generation;
	/* Of the last lab_desire(): */
	struct table *table, *older;
	struct gate_port ports[LAB_BOXES_MAX];
	struct gate_desired desired;
};

/* New network and mount namespaces for this process, a BPF file system of their own, a bridge 10.9.0.1/24. False: not
 * allowed here (not root), and `why` says what failed. */
bool lab_open(struct lab *lab, const char **why);
void lab_close(struct lab *lab);
bool lab_allowed(void); /* tries all that lab_open() needs, in a process of its own */

/* A container on the bridge with 10.9.0.N/24 and fd09::N/64; neighbours are known to each other without ARP. */
struct lab_box *lab_box_add(struct lab *lab, const char *name);
struct lab_box *lab_box_add_at(struct lab *lab, const char *name, uint32_t ifindex); /* 0: any */
void lab_box_remove(struct lab *lab, struct lab_box *box);			     /* its interface vanishes */

/* array_append() that never returns NULL. */
#define LAB_APPEND(array)                                               \
	({                                                              \
		__typeof__((array)->items) item_ = array_append(array); \
		if (!item_)                                             \
			abort();                                        \
		item_;                                                  \
	})

/* Compiles the policy for the boxes that there are into lab->desired, with a generation of its own. */
void lab_desire(struct lab *lab, const char *policy);

/* A command, by the shell, in the host's or in a box's namespace; fails the test when it fails. */
void lab_run(struct lab *lab, struct lab_box *box, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Sockets: family is ADDR_V4 or ADDR_V6. A box that is NULL is the host, which has IPv4 only. */
int lab_listen(struct lab *lab, struct lab_box *box, int family, uint16_t port);
/* A connected socket, or -errno after `ms` (-ETIMEDOUT when nothing answers). */
int lab_connect(struct lab *lab, struct lab_box *from, struct lab_box *to, int family, uint16_t port, int ms);
/* Connects, and closes: is it allowed? */
bool lab_reaches(struct lab *lab, struct lab_box *from, struct lab_box *to, int family, uint16_t port);
/* Sends a byte by `client` and reads it from `server` within `ms`. */
bool lab_talks(int client, int server, int ms);
int lab_accept(int listener); /* within a second */
/* A UDP socket: bound to `port` when that is not 0, connected to port 5000 of `to` when that is not NULL. IPv4. */
int lab_datagram(struct lab *lab, struct lab_box *box, uint16_t port, struct lab_box *to);

int lab_bpf(int command, void *attributes, unsigned int size); /* the plain call, for what libbpf does not know */
void lab_ignore_line(void *arg, const char *line);

#endif
