/* SPDX-License-Identifier: GPL-2.0-only */
/* The lab with the nft gate in it, for tests of the door. What the ports' programs would put on packets, a rule of the
 * netdev family puts on here: the programs have tests of their own. */
#ifndef BULKHEAD_TESTS_BPF_NFT_LAB_H
#define BULKHEAD_TESTS_BPF_NFT_LAB_H

#include "gate/nft.h"
#include "tests/lib/lab.h"

struct nft_lab {
	struct lab lab;
	struct gate_options options;
	struct nft_gate *nft;
};
extern struct nft_lab nft_lab; /* the test's one */

/* cmocka's; the parameter of a test: bool no_owner. Skips where namespaces are not allowed. */
int nft_lab_setup(void **state);
int nft_lab_teardown(void **state);

void nft_lab_ready(void);				 /* waits until the bridge forwards on all of its ports */
void nft_lab_start(void);				 /* the same, and nft_gate_open() */
void nft_lab_stop(void);				 /* nft_gate_close() */
void nft_lab_desire(const char *policy);		 /* bridge and boxes, stamped from now on as the policy says */
void nft_lab_commit(void);				 /* close, then commit what is desired */
void nft_lab_apply(const char *policy);			 /* both */
void nft_lab_stamp(struct lab_box *box, uint32_t class); /* on all that the box sends */
uint32_t nft_lab_identity(const struct lab_box *box);

void nft_lab_enter(const struct lab_box *box); /* this thread's network namespace; NULL: back to the host's */

/* What the door has dropped, by its counter ("closed_in"). */
long nft_lab_dropped(const char *counter);
/* The same when it is at least so much, waited for: packets may be on their way. */
long nft_lab_dropped_at_least(const char *counter, long least);
/* Is this in what the shell command prints? And: is it, soon? */
bool nft_lab_prints(const char *command, const char *words);
bool nft_lab_prints_soon(const char *command, const char *words);

/* A table as nft prints it, without counters' values and what was reported just now, against the file of this name. */
#define NFT_LAB_GOLDEN "tests/golden/nft"
void nft_lab_golden(const char *name, const char *family);
void nft_lab_reads_back(void); /* what nft prints of all three tables, nft can read */

/* UDP and TCP between boxes; NULL is the host (10.9.0.1, fd09::1). A datagram that does not come is waited for a
 * little: `expected` chooses how long. */
int nft_lab_receiver(struct lab_box *at, int family, uint16_t port);
/* False: the kernel refused it there and then (EPERM: a door of this host). */
bool nft_lab_send(struct lab_box *from, struct lab_box *to, int family, uint16_t port, uint32_t mark);
bool nft_lab_send_to(struct lab_box *from, const char *address, uint16_t port); /* IPv4 */
bool nft_lab_received(int receiver, bool expected);
int nft_lab_listener(uint16_t port, int family);		      /* of the host, TCP */
int nft_lab_connect(struct lab_box *from, int family, uint16_t port); /* to the host; -errno */
bool nft_lab_connects(struct lab_box *from, int family, uint16_t port);
/* A frame as it stands here, with a mark if that is not 0. */
void nft_lab_frame(struct lab_box *from, const char *interface, const void *frame, size_t size, uint32_t mark);

/* Counts what leaves by an interface of the host and matches (nft's words; "" is all) by whether its stamp is `class`.
 * The right ones are waited for until there are `least`; the wrong ones are to be looked at after them. The counts
 * start again with each look. */
void nft_lab_watch_stamps(const char *interface, uint32_t class, const char *match);
long nft_lab_wrong_stamps(const char *interface);
long nft_lab_right_stamps(const char *interface, long least);

#define STAMP(class) ((uint32_t)(class) << BH_STAMP_SHIFT_DEFAULT)

#endif
