/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF_PROG_TEST_RUN can't make: tags beside the frame, frames shorter than an IP header, headers outside the
 * linear part. A veth pair in the test's own network namespace, the programs attached to one end. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#define OUTSIDE "203.0.113.9"

static void command(const char *text)
{
	if (system(text))
		fail_msg("failed: %s", text);
}

static void attach(int program, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = world.a.ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .handle = 1, .priority = 1);
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int error = bpf_tc_hook_create(&hook);

	libbpf_set_print(print);
	assert_true(!error || error == -EEXIST); /* one hook has both points */
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static int live_setup(void **state)
{
	int file;

	if (world_setup(state))
		return -1;
	/* Nobody but the test speaks here. */
	file = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (file >= 0) {
		assert_int_equal(write(file, "1", 1), 1);
		close(file);
	}
	command("ip link set bhta mtu 9000 arp off up && ip link set bhpa mtu 9000 arp off up");
	attach(world.ingress, BPF_TC_INGRESS);
	attach(world.egress, BPF_TC_EGRESS);
	return world_reset(state);
}

/* Sends a frame out of a link; `linear` of its bytes (0: all) lie in the linear part. */
static void send_frame(const char *link, const uint8_t *data, size_t size, uint16_t linear, uint32_t mark)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(link), .sll_halen = 6};
	struct virtio_net_hdr head = {.hdr_len = linear};
	struct iovec parts[2] = {{&head, linear ? sizeof(head) : 0}, {(void *)data, size}};
	struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 2};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	if (linear)
		assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	/* What the program at this link's egress drops is told so. */
	if (sendmsg(fd, &message, 0) < 0)
		assert_int_equal(errno, ENOBUFS);
	close(fd);
}

/* The reason that is counted next; waits for it. */
static struct outcome outcome_wait(void)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	struct outcome outcome = {0};

	for (int i = 0; i < 2000 && !outcome.reasons; i++) {
		for (uint32_t reason = 0; reason < BH_REASON_MAX; reason++) {
			uint64_t now = reason_counter(reason).packets;

			if (now == world.reasons[reason])
				continue;
			outcome.reason = reason;
			outcome.reasons += now - world.reasons[reason];
			world.reasons[reason] = now;
		}
		if (!outcome.reasons)
			nanosleep(&nap, NULL);
	}
	outcome.pass = outcome.reason < BH_DENY_RULE;
	return outcome;
}

static void live_from(uint8_t reason, const struct frame *frame, uint16_t linear, int line)
{
	uint8_t buffer[9100];
	size_t size = frame_build(frame, &world.a, true, buffer);

	if (linear) { /* frames of more than a page are the ones that may lie scattered */
		memset(buffer + size, 0, 5000);
		size += 5000;
	}
	send_frame("bhpa", buffer, size, linear, 0);
	expect(outcome_wait(), reason, __FILE__, line);
}

#define LIVE_FROM(reason, linear, ...) live_from(reason, &(struct frame){__VA_ARGS__}, linear, __LINE__)

/* The kernel takes the tag off on arrival and keeps it beside the frame: priority tags (VLAN 0), too. */
static void test_tags_beside_the_frame(void **state)
{
	uint8_t buffer[FRAME_MAX];
	size_t size;

	(void)state;
	LIVE_FROM(BH_ALLOW_RULE, 0, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	LIVE_FROM(BH_DROP_VLAN, 0, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	LIVE_FROM(BH_DROP_VLAN, 0, .tag = QINQ, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	size = frame_build(
		&(struct frame){.tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53}, &world.a,
		true, buffer);
	memset(buffer + 14, 0, 2); /* VLAN 0 */
	send_frame("bhpa", buffer, size, 0, 0);
	expect(outcome_wait(), BH_DROP_VLAN, __FILE__, __LINE__);
	class_set(FRONT, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_PERMIT_VLAN, 910);
	LIVE_FROM(BH_ALLOW_FLOW, 0, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	LIVE_FROM(BH_DROP_VLAN, 0, .tag = QINQ, .tag2 = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP,
		  .dport = 53);
}

/* Cut anywhere within the IP header. */
static void test_shorter_than_a_header(void **state)
{
	static const struct frame frames[] = {
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53},
		{.from = "fd00::2", .to = "2001:db8::9", .protocol = UDP, .dport = 53},
		{.type = ARP, .from = "10.0.0.2", .to = "10.0.0.1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		uint8_t buffer[FRAME_MAX], back[FRAME_MAX];
		size_t size = frame_build(&frames[i], &world.a, true, buffer);

		assert_int_equal(frame_build(&frames[i], &world.a, false, back), size);
		while (--size > 14) { /* packet sockets want more than a header */
			send_frame("bhpa", buffer, size, 0, 0);
			expect(outcome_wait(), BH_DROP_SHORT, __FILE__, __LINE__);
			send_frame("bhta", back, size, 0, BH_CLASS_HOST << BH_STAMP_SHIFT_DEFAULT);
			expect(outcome_wait(), BH_DROP_SHORT, __FILE__, __LINE__);
		}
	}
}

/* Only the frame's own header is linear: the rest is pulled in, and judged alike. */
static void test_scattered_headers(void **state)
{
	(void)state;
	LIVE_FROM(BH_ALLOW_RULE, 14, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
		  .scale = 8);
	LIVE_FROM(BH_DENY_DEFAULT, 14, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = SYN);
	LIVE_FROM(BH_ALLOW_RULE, 14, .from = "fd00::2", .to = "2001:db8::9", .protocol = UDP, .dport = 53);
	LIVE_FROM(BH_ALLOW_RULE, 34, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	LIVE_FROM(BH_ALLOW_RULE, 14, .from = "fd00::2", .to = "2001:db8::9", .protocol = TCP, .dport = 443,
		  .flags = SYN, .next_header = 60, .options = (uint8_t[8]){TCP, 0, 1, 4}, .options_size = 8);
	LIVE_FROM(BH_DROP_SOURCE_ROUTE, 14, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
		  .flags = SYN, .options = (uint8_t[4]){131, 3, 4, 0}, .options_size = 4);
	LIVE_FROM(BH_ALLOW_LIFE, 14, .type = ARP, .from = "10.0.0.2", .to = "10.0.0.1");
	LIVE_FROM(BH_DROP_ARP_SPOOF, 14, .type = ARP, .from = "10.0.0.3", .to = "10.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tags_beside_the_frame, world_reset),
		cmocka_unit_test_setup(test_shorter_than_a_header, world_reset),
		cmocka_unit_test_setup(test_scattered_headers, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: live", tests, live_setup, world_teardown);
}
