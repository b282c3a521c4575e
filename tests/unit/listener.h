/* SPDX-License-Identifier: GPL-2.0-only */
/* Something that listens where the hooks look for the daemon, and behaves badly or well: for tests of what the hooks
 * make of it. One client, one request. */
#ifndef BULKHEAD_TESTS_UNIT_LISTENER_H
#define BULKHEAD_TESTS_UNIT_LISTENER_H

#include <sys/types.h>

enum listener_manner {
	LISTENER_ANSWERS, /* with its text, then hangs up */
	LISTENER_SILENT,  /* reads, and says nothing */
	LISTENER_DRIPS,	  /* its text, a byte now and then, without an end */
	LISTENER_ENDLESS, /* its text over and over, as fast as it goes */
	LISTENER_DEAF,	  /* its text at once, and hangs up without having read */
	LISTENER_MANNER_MAX,
};

struct listener {
	char path[64];
	pid_t pid;
	int heard_fd;
	char heard[4096]; /* the request, when listener_stop() has come back */
};

void listener_start(struct listener *listener, enum listener_manner manner, const char *text);
void listener_stop(struct listener *listener);

#endif
