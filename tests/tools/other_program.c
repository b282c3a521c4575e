/* SPDX-License-Identifier: GPL-2.0-only */
/* Somebody else's program at an interface, which lets all pass: beside ours, in front of it, or below it.
 *
 *     other_program tcx-first|tcx-last INTERFACE ingress|egress next|pass
 *     other_program xdp INTERFACE
 *
 * Says 'attached', stays until its standard input ends, and takes the program away. `next`: TCX_NEXT, those behind it
 * are asked, too; `pass`: TCX_PASS, they are not. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in src/gate/tc_tcx.c: the headers may be older than tcx. */
#define TCX_INGRESS 46u
#define TCX_BEFORE  (1u << 3)
#define TCX_AFTER   (1u << 4)
#define TCX_NEXT    (-1)
#define TCX_PASS    0

struct tcx_create {
	uint32_t prog_fd, ifindex, attach_type, flags;
	uint32_t relative, pad;
	uint64_t expected_revision;
};

static void die(const char *what)
{
	fprintf(stderr, "other_program: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int program_load(enum bpf_prog_type type, int answer)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = answer},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "others", "GPL", instructions, 2, NULL);

	if (fd < 0)
		die("cannot load");
	return fd;
}

static void tcx_attach(const char *place, unsigned int ifindex, const char *direction, const char *answer)
{
	struct tcx_create create = {
		.prog_fd = (uint32_t)program_load(BPF_PROG_TYPE_SCHED_CLS,
						  strcmp(answer, "pass") == 0 ? TCX_PASS : TCX_NEXT),
		.ifindex = ifindex,
		.attach_type = TCX_INGRESS + (strcmp(direction, "egress") == 0),
		.flags = strcmp(place, "tcx-first") == 0 ? TCX_BEFORE : TCX_AFTER,
	};

	/* The link ends with the process. */
	if (syscall(__NR_bpf, BPF_LINK_CREATE, &create, sizeof(create)) < 0)
		die("cannot attach by tcx");
}

static void wait_for_end(void)
{
	char byte;

	puts("attached");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	unsigned int ifindex = argc >= 3 ? if_nametoindex(argv[2]) : 0;

	if (argc == 3 && strcmp(argv[1], "xdp") == 0) {
		int fd = program_load(BPF_PROG_TYPE_XDP, XDP_PASS);

		if (bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_UPDATE_IF_NOEXIST, NULL) < 0)
			die("cannot attach by XDP");
		wait_for_end();
		return bpf_xdp_detach((int)ifindex, 0, NULL) < 0;
	}
	if (argc != 5) {
		fputs("other_program: tcx-first|tcx-last INTERFACE ingress|egress next|pass, or xdp INTERFACE\n",
		      stderr);
		return 2;
	}
	tcx_attach(argv[1], ifindex, argv[3], argv[4]);
	wait_for_end();
	return 0;
}
