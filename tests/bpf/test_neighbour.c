/* SPDX-License-Identifier: GPL-2.0-only */
/* What a port needs to live: ARP, neighbour discovery, DHCP, group membership; and who may play the router. */
#include <arpa/inet.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE "203.0.113.9"
#define ALL	"ff:ff:ff:ff:ff:ff"
#define PROBE	.type = ARP, .from = "0.0.0.0"

static void test_arp_from_port(void **state)
{
	struct bh_event event;

	(void)state;
	FROM(a, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.1"); /* the gateway */
	assert_int_equal(last.mark >> BH_STAMP_SHIFT_DEFAULT, FRONT);
	FROM(a, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.3"); /* may reach it */
	FROM(b, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.3", .to = "10.0.0.2"); /* be reached */
	FROM(a, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.2"); /* gratuitous */
	FROM(a, BH_ALLOW_LIFE, .to_mac = ALL, PROBE, .to = "10.0.0.2");
	FROM(a, BH_ALLOW_LIFE, .type = ARP, .operation = 2, .from = "10.0.0.2", .to = "10.0.0.3");
	FROM(a, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = OUTSIDE); /* on the link */
	events_none();
	FROM(a, BH_DROP_ARP_TARGET, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.5");
	event = event_only();
	assert_int_equal(event.dst_class, AUDITED);
	assert_int_equal(event.family, 0);
	assert_int_equal(event.ethertype, ARP);
	assert_memory_equal(event.source, ((uint8_t[4]){10, 0, 0, 2}), 4);
	assert_memory_equal(event.destination, ((uint8_t[4]){10, 0, 0, 5}), 4);
	FROM(a, BH_DROP_ARP_TARGET, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.77");
	FROM(a, BH_DROP_ARP_TARGET, .to_mac = ALL, PROBE, .to = "10.0.0.3");
	FROM(a, BH_DROP_ARP_SPOOF, .operation = 2, PROBE, .to = "10.0.0.3");
	FROM(a, BH_DROP_ARP_SPOOF, .type = ARP, .operation = 2, .from = "10.0.0.3", .to = "10.0.0.1");
	FROM(a, BH_DROP_ARP_SPOOF, .type = ARP, .from = "10.0.0.1", .to = "10.0.0.1", .to_mac = ALL);
	FROM(a, BH_DROP_ARP_SPOOF, .type = ARP, .arp_mac = "02:00:00:00:00:0b", .from = "10.0.0.2", .to = "10.0.0.1");
	FROM(a, BH_DROP_SOURCE_MAC, .type = ARP, .from_mac = "02:00:00:00:00:0b", .from = "10.0.0.2", .to = "10.0.0.1");
	FROM(r, BH_ALLOW_LIFE, .type = ARP, .arp_mac = "02:00:00:00:00:77", .operation = 2, .from = "10.0.0.99",
	     .to = "10.0.0.1");
	FROM(c, BH_ALLOW_LIFE, .type = ARP, .from = "10.0.0.6", .to = "10.0.0.1");
	FROM(c, BH_DROP_ARP_TARGET, .type = ARP, .from = "10.0.0.6", .to = "10.0.0.2");
}

static void test_arp_to_port(void **state)
{
	(void)state;
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.1", .to = "10.0.0.2");
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .type = ARP, .operation = 2, .from = "10.0.0.1", .to = "10.0.0.2");
	TO(b, FRONT, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.3");
	TO(b, FRONT, BH_ALLOW_LIFE, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.2");
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .to_mac = ALL, PROBE, .to = "10.0.0.2");
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .type = ARP, .operation = 2, .from = OUTSIDE, .to = "10.0.0.2");
	events_none();
	/* Flooded, for somebody else: nobody's news. */
	TO(a, BH_CLASS_HOST, BH_DROP_ARP_TARGET, .type = ARP, .to_mac = ALL, .from = "10.0.0.1", .to = "10.0.0.9");
	TO(u, FRONT, BH_DROP_ARP_TARGET, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.2");
	events_none();
	TO(u, FRONT, BH_DROP_ARP_TARGET, .type = ARP, .to_mac = ALL, .from = "10.0.0.2", .to = "10.0.0.5");
	assert_int_equal(event_only().src_class, FRONT);
	TO(a, 0, BH_DROP_NO_STAMP, .type = ARP, .to_mac = ALL, .from = "10.0.0.1", .to = "10.0.0.2");
	TO(b, FRONT, BH_DROP_ARP_SPOOF, .type = ARP, .operation = 2, .from = "10.0.0.1", .to = "10.0.0.3");
	TO(b, FRONT, BH_DROP_ARP_SPOOF, .type = ARP, .operation = 2, .from = "10.0.0.5", .to = "10.0.0.3");
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .type = ARP, .operation = 2, .from = "10.0.0.3",
	   .to = "10.0.0.2");
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .type = ARP, .operation = 2, .from = "10.0.0.1",
	   .to = "10.0.0.2");
	TO(a, BH_CLASS_HOST, BH_DROP_NOT_ADDRESSED, .type = ARP, .to_mac = "02:00:00:00:00:0b", .from = "10.0.0.1",
	   .to = "10.0.0.2");
}

static void test_arp_malformed(void **state)
{
	static const struct {
		uint8_t at, value;
	} wrong[] = {{15, 6}, {16, 0x86}, {18, 8}, {19, 16}, {21, 3}, {21, 0}, {20, 1}};
	struct frame frame = {.type = ARP, .from = "10.0.0.2", .to = "10.0.0.1"};
	uint8_t buffer[FRAME_MAX];
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		size = frame_build(&frame, &world.a, true, buffer);
		buffer[wrong[i].at] = wrong[i].value;
		expect(run_raw(&world.a, true, 0, buffer, size, 0), BH_DROP_MALFORMED, __FILE__, __LINE__);
	}
	for (frame.cut = 1; frame.cut <= 28; frame.cut++)
		expect(run_from(&world.a, &frame), BH_DROP_SHORT, __FILE__, __LINE__);
}

/* Target and one link-layer address option, as behind the first eight bytes of a neighbour message. */
static const uint8_t *nd_body(const char *target, uint8_t option, uint8_t mac)
{
	static uint8_t body[24];

	assert_int_equal(inet_pton(AF_INET6, target, body), 1);
	memcpy(body + 16, (uint8_t[8]){option, 1, 2, 0, 0, 0, 0, mac}, 8);
	return body;
}

#define ND(kind, target, option, mac) \
	.protocol = ICMP6, .icmp_type = kind, .hop_limit = 255, .body = nd_body(target, option, mac), .payload = 24
#define ROUTER_MESSAGE(kind) .protocol = ICMP6, .icmp_type = kind, .hop_limit = 255, .payload = kind == 134 ? 8 : 0

static void test_nd_from_port(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::1:ff00:1", ND(135, "fd00::1", 1, 0x0a));
	FROM(a, BH_ALLOW_LIFE, .from = "fd00::2", .to = "ff02::1:ff00:3", ND(135, "fd00::3", 1, 0x0a));
	FROM(a, BH_ALLOW_LIFE, .from = "fd00::2", .to = "fd00::3", ND(136, "fd00::2", 2, 0x0a));
	FROM(a, BH_ALLOW_LIFE, .from = "::", .to = "ff02::1:ff00:2", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = nd_body("fd00::2", 0, 0), .payload = 16); /* duplicate address detection */
	FROM(a, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::2", ROUTER_MESSAGE(133));
	FROM(a, BH_ALLOW_LIFE, .from = "::", .to = "ff02::2", ROUTER_MESSAGE(133));
	events_none();
	FROM(a, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "ff02::1:ff00:5", ND(135, "fd00::5", 1, 0x0a));
	FROM(a, BH_DROP_ARP_TARGET, .from = "::", .to = "ff02::1:ff00:3", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = nd_body("fd00::3", 0, 0), .payload = 16);
	/* To one alone: only to those that it may reach, or be reached by. */
	FROM(a, BH_ALLOW_LIFE, .from = "fd00::2", .to = "fd00::1", ROUTER_MESSAGE(133));
	FROM(a, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "fd00::5", ROUTER_MESSAGE(133));
	FROM(a, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "fd00::5", ND(136, "fd00::2", 2, 0x0a));
	FROM(a, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "fd00::5", ND(135, "fd00::1", 1, 0x0a));
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "ff02::1:ff00:3", ND(135, "fd00::3", 1, 0x0b));
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::3", .to = "ff02::1:ff00:1", ND(135, "fd00::1", 1, 0x0a));
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::3", ND(136, "fd00::1", 2, 0x0a));
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::3", ND(136, "fd00::2", 2, 0x01));
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 64, .body = nd_body("fd00::1", 1, 0x0a), .payload = 24);
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .icmp_code = 1, .hop_limit = 255, .body = nd_body("fd00::1", 1, 0x0a), .payload = 24);
	FROM(a, BH_DROP_MALFORMED, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = nd_body("fd00::1", 1, 0x0a), .payload = 20);
	FROM(a, BH_DROP_SHORT, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = nd_body("fd00::1", 1, 0x0a), .payload = 15);
	FROM(a, BH_DROP_ROUTER_ADVERTISEMENT, .from = "fe80::2", .to = "ff02::1", ROUTER_MESSAGE(134));
	FROM(a, BH_DROP_REDIRECT, .from = "fe80::2", .to = "fd00::3", .protocol = ICMP6, .icmp_type = 137,
	     .hop_limit = 255, .payload = 32);
	FROM(r, BH_DROP_REDIRECT, .from = "fe80::4", .to = "fd00::3", .protocol = ICMP6, .icmp_type = 137,
	     .hop_limit = 255, .payload = 32);
	FROM(r, BH_ALLOW_LIFE, .from = "fe80::4", .to = "ff02::1", ROUTER_MESSAGE(134));
	FROM(r, BH_ALLOW_LIFE, .from = "fd00::99", .to = "fd00::3", ND(136, "fd00::99", 2, 0x77));
	/* RFC 6980: no fragments, not even one. */
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::1", ND(135, "fd00::1", 1, 0x0a), .more = true);
	FROM(a, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::1", ND(135, "fd00::1", 1, 0x0a), .next_header = 44,
	     .options = (uint8_t[8]){ICMP6}, .options_size = 8);
}

/* A router on the uplink is known by its link-local address alone. */
static void test_nd_uplink_router(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::1:ff00:99", ND(135, "fe80::99", 1, 0x0a));
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .from = "fe80::99", .to = "fe80::2", ND(136, "fe80::99", 2, 0x99));
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .from = "fe80::99", .to = "fe80::2", ND(135, "fe80::2", 1, 0x99));
	/* Not a container's, and not from a container. */
	FROM(a, BH_DROP_ARP_TARGET, .from = "fe80::2", .to = "ff02::1:ff00:5", ND(135, "fe80::5", 1, 0x0a));
	TO(u, FRONT, BH_DROP_ND_SPOOF, .from = "fe80::99", .to = "fe80::5", ND(136, "fe80::99", 2, 0x0a));
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "fe80::3", .to = "fe80::2", ND(136, "fe80::3", 2, 9));
}

static void test_nd_options_without_end(void **state)
{
	uint8_t body[16 + 9 * 8] = {0};

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00::1", body), 1);
	for (int i = 0; i < 9; i++)
		memcpy(body + 16 + 8 * i, (uint8_t[8]){14, 1}, 8);
	FROM(a, BH_DROP_MALFORMED, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = body, .payload = sizeof(body));
	FROM(a, BH_ALLOW_LIFE, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = body, .payload = sizeof(body) - 8);
	body[17] = 0; /* an option of no length */
	FROM(a, BH_DROP_MALFORMED, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 135,
	     .hop_limit = 255, .body = body, .payload = sizeof(body) - 8);
}

static void test_nd_to_port(void **state)
{
	(void)state;
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .from = "fd00::1", .to = "ff02::1:ff00:2", ND(135, "fd00::2", 1, 1));
	TO(b, FRONT, BH_ALLOW_LIFE, .from = "fd00::2", .to = "ff02::1:ff00:3", ND(135, "fd00::3", 1, 0x0a));
	TO(b, FRONT, BH_ALLOW_LIFE, .from = "fd00::2", .to = "fd00::3", ND(136, "fd00::2", 2, 0x0a));
	TO(a, BACK, BH_ALLOW_LIFE, .from = "::", .to = "ff02::1:ff00:2", ND(135, "fd00::2", 0, 0));
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .from = "fe80::1", .to = "ff02::1", ROUTER_MESSAGE(134));
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .from = "fe80::99", .to = "ff02::1", ROUTER_MESSAGE(134));
	TO(a, ROUTER, BH_ALLOW_LIFE, .from = "fe80::4", .to = "ff02::1", ROUTER_MESSAGE(134));
	TO(r, FRONT, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::2", ROUTER_MESSAGE(133));
	TO(a, BACK, BH_DROP_ARP_TARGET, .from = "::", .to = "ff02::1:ff00:7", ND(135, "fd00::7", 0, 0));
	TO(a, BH_CLASS_HOST, BH_DROP_ARP_TARGET, .from = "fd00::1", .to = "ff02::1:ff00:7", ND(135, "fd00::7", 1, 1));
	TO(a, BACK, BH_DROP_ARP_TARGET, .from = "fe80::3", .to = "ff02::2", ROUTER_MESSAGE(133));
	TO(u, FRONT, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "ff02::1", ND(136, "fd00::2", 2, 0x0a));
	events_none();
	TO(a, BACK, BH_DROP_ROUTER_ADVERTISEMENT, .from = "fe80::3", .to = "ff02::1", ROUTER_MESSAGE(134));
	TO(u, FRONT, BH_DROP_ARP_TARGET, .from = "fd00::2", .to = "fd00::5", ND(135, "fd00::5", 1, 0x0a));
	TO(b, FRONT, BH_DROP_ND_SPOOF, .from = "fd00::2", .to = "fd00::3", ND(136, "fd00::1", 2, 0x0a));
	TO(b, FRONT, BH_DROP_ND_SPOOF, .from = "fd00::5", .to = "fd00::3", ND(135, "fd00::3", 1, 0x0a));
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "fd00::3", .to = "fd00::2", ND(136, "fd00::3", 2, 9));
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "fe80::9", .to = "fd00::2", ND(136, "fd00::1", 2, 9));
	TO(a, BH_CLASS_HOST, BH_DROP_REDIRECT, .from = "fe80::1", .to = "fd00::2", .protocol = ICMP6, .icmp_type = 137,
	   .hop_limit = 255, .payload = 32);
	TO(a, BH_CLASS_HOST, BH_DROP_NOT_ADDRESSED, .from = "fd00::1", .to = "fd00::7", ND(135, "fd00::7", 1, 1));
	TO(a, 0, BH_DROP_NO_STAMP, .from = "fd00::1", .to = "ff02::1:ff00:2", ND(135, "fd00::2", 1, 1));
}

/* A BOOTP message's first 44 bytes. */
static const uint8_t *dhcp_body(uint8_t operation, uint8_t mac)
{
	static uint8_t body[240];

	memset(body, 0, sizeof(body));
	memcpy(body, (uint8_t[4]){operation, 1, 6, 0}, 4);
	memcpy(body + 28, (uint8_t[6]){2, 0, 0, 0, 0, mac}, 6);
	return body;
}

#define DHCP(operation, mac) .protocol = UDP, .body = dhcp_body(operation, mac), .payload = 240
#define ASKS		     .sport = 68, .dport = 67
#define ANSWERS		     .sport = 67, .dport = 68

static void test_dhcp_client(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_LIFE, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS, DHCP(1, 0x0a));
	FROM(a, BH_ALLOW_LIFE, .to_mac = ALL, .from = "10.0.0.2", .to = "255.255.255.255", ASKS, DHCP(1, 0x0a));
	FROM(a, BH_ALLOW_LIFE, .from = "10.0.0.2", .to = "10.0.0.1", ASKS, DHCP(1, 0x0a));
	assert_int_equal(flow_count(&world.a), 0);
	/* Elsewhere it is any UDP. */
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, ASKS, DHCP(1, 0x0a));
	FROM(a, BH_DROP_MARTIAN, .from = "0.0.0.0", .to = OUTSIDE, ASKS, DHCP(1, 0x0a));
	FROM(a, BH_DROP_MARTIAN, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", .protocol = UDP,
	     .sport = 69, .dport = 67);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .to_mac = ALL, .from = "10.0.0.3", .to = "255.255.255.255", ASKS,
	     DHCP(1, 0x0a));
	/* Not in another's name, and no tunnel. */
	FROM(a, BH_DROP_SOURCE_MAC, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS, DHCP(1, 0x0b));
	FROM(a, BH_DROP_SOURCE_MAC, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS, DHCP(2, 0x0a));
	FROM(a, BH_DROP_SOURCE_MAC, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS, .protocol = UDP,
	     .payload = 30);
	/* Towards the host and the uplink, not to a neighbour. */
	events_take(NULL, 0);
	TO(b, FRONT, BH_DROP_NEIGHBOUR_DHCP, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS,
	   DHCP(1, 0x0a));
	events_none();
	TO(r, FRONT, BH_ALLOW_LIFE, .to_mac = ALL, .from = "0.0.0.0", .to = "255.255.255.255", ASKS, DHCP(1, 0x0a));
	/* The offered address is not its own yet. */
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .from = "10.0.0.1", .to = "10.0.0.50", ANSWERS, DHCP(2, 0x0a));
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .to_mac = ALL, .from = "192.168.0.1", .to = "255.255.255.255", ANSWERS,
	   DHCP(2, 0x0a));
	TO(a, ROUTER, BH_ALLOW_LIFE, .from = "10.0.0.4", .to = "10.0.0.50", ANSWERS, DHCP(2, 0x0a));
	TO(a, BH_CLASS_HOST, BH_DROP_NOT_ADDRESSED, .to_mac = ALL, .from = "10.0.0.1", .to = "255.255.255.255", ANSWERS,
	   DHCP(2, 0x0b));
	TO(a, BACK, BH_DROP_DHCP_SERVER, .from = "10.0.0.3", .to = "10.0.0.50", ANSWERS, DHCP(2, 0x0a));
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.3", .to = "10.0.0.50", ANSWERS, DHCP(2, 0x0a));
}

static void test_dhcp_server(void **state)
{
	(void)state;
	FROM(a, BH_DROP_DHCP_SERVER, .to_mac = ALL, .from = "10.0.0.2", .to = "255.255.255.255", ANSWERS,
	     DHCP(2, 0x0b));
	FROM(a, BH_DROP_DHCP_SERVER, .from = "fe80::2", .to = "fe80::3", .protocol = UDP, .sport = 547, .dport = 546);
	/* Nor as the answer of a flow that a rule allows. */
	cell_allow(BACK, FRONT, BH_SERVICE_ANY, 99);
	TO(a, BACK, BH_ALLOW_RULE, .from = "10.0.0.3", .to = "10.0.0.2", ASKS, DHCP(1, 0x0b));
	FROM(a, BH_DROP_DHCP_SERVER, .from = "10.0.0.2", .to = "10.0.0.3", ANSWERS, DHCP(2, 0x0b));
	FROM(r, BH_ALLOW_LIFE, .to_mac = ALL, .from = "10.0.0.4", .to = "255.255.255.255", ANSWERS, DHCP(2, 0x0b));
	FROM(r, BH_ALLOW_LIFE, .from = "fe80::4", .to = "fe80::3", .protocol = UDP, .sport = 547, .dport = 546);
}

static void test_dhcp6_client(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::1:2", .protocol = UDP, .sport = 546, .dport = 547);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "fe80::3", .to = "ff02::1:2", .protocol = UDP, .sport = 546,
	     .dport = 547);
	FROM(a, BH_DROP_MARTIAN, .from = "::", .to = "ff02::1:2", .protocol = UDP, .sport = 546, .dport = 547);
	TO(b, FRONT, BH_DROP_NEIGHBOUR_DHCP, .from = "fe80::2", .to = "ff02::1:2", .protocol = UDP, .sport = 546,
	   .dport = 547);
	TO(r, FRONT, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::1:2", .protocol = UDP, .sport = 546, .dport = 547);
	TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .from = "fe80::1", .to = "fe80::2", .protocol = UDP, .sport = 547,
	   .dport = 546);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .from = "fe80::99", .to = "fe80::2", .protocol = UDP, .sport = 547,
	   .dport = 546);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "2001:db8::9", .to = "fd00::2", .protocol = UDP, .sport = 547,
	   .dport = 546); /* over a router */
	TO(a, BH_CLASS_HOST, BH_DROP_NOT_ADDRESSED, .from = "fe80::1", .to = "fe80::7", .protocol = UDP, .sport = 547,
	   .dport = 546);
	TO(a, BACK, BH_DROP_DHCP_SERVER, .from = "fe80::3", .to = "fe80::2", .protocol = UDP, .sport = 547,
	   .dport = 546);
}

#define IGMP_TYPE(kind) .protocol = IGMP, .body = (uint8_t[8]){kind}, .payload = 8

static void test_membership(void **state)
{
	static const uint8_t reports[] = {0x12, 0x16, 0x17, 0x22}, reports6[] = {131, 132, 143};
	static const uint8_t routers[] = {0x11, 0x13, 0x14, 0x1e, 0x30}, routers6[] = {130, 151, 152, 153};

	(void)state;
	for (size_t i = 0; i < sizeof(reports); i++)
		FROM(a, BH_ALLOW_LIFE, .from = "10.0.0.2", .to = "224.0.0.22", IGMP_TYPE(reports[i]));
	for (size_t i = 0; i < sizeof(reports6); i++) {
		FROM(a, BH_ALLOW_LIFE, .from = "fe80::2", .to = "ff02::16", .protocol = ICMP6, .icmp_type = reports6[i],
		     .hop_limit = 1);
		FROM(a, BH_ALLOW_LIFE, .from = "::", .to = "ff02::16", .protocol = ICMP6, .icmp_type = reports6[i],
		     .hop_limit = 1);
		FROM(a, BH_DROP_MALFORMED, .from = "fe80::2", .to = "ff02::16", .protocol = ICMP6,
		     .icmp_type = reports6[i], .hop_limit = 2);
	}
	for (size_t i = 0; i < sizeof(routers); i++) {
		FROM(a, BH_DROP_MULTICAST_ROUTER, .from = "10.0.0.2", .to = "224.0.0.1", IGMP_TYPE(routers[i]));
		FROM(r, BH_ALLOW_LIFE, .from = "10.0.0.4", .to = "224.0.0.1", IGMP_TYPE(routers[i]));
		TO(a, BH_CLASS_HOST, BH_ALLOW_LIFE, .from = "10.0.0.1", .to = "224.0.0.1", IGMP_TYPE(routers[i]));
		TO(a, BACK, BH_DROP_MULTICAST_ROUTER, .from = "10.0.0.3", .to = "224.0.0.1", IGMP_TYPE(routers[i]));
	}
	for (size_t i = 0; i < sizeof(routers6); i++) {
		FROM(a, BH_DROP_MULTICAST_ROUTER, .from = "fe80::2", .to = "ff02::1", .protocol = ICMP6,
		     .icmp_type = routers6[i], .hop_limit = 1);
		TO(a, BH_CLASS_REMOTE, BH_ALLOW_LIFE, .from = "fe80::99", .to = "ff02::1", .protocol = ICMP6,
		   .icmp_type = routers6[i], .hop_limit = 1);
	}
	FROM(a, BH_DROP_MULTICAST_ROUTER, .from = "10.0.0.2", .to = "224.0.0.13", .protocol = PIM, .payload = 8);
	FROM(r, BH_ALLOW_LIFE, .from = "10.0.0.4", .to = "224.0.0.13", .protocol = PIM, .payload = 8);
	FROM(a, BH_DROP_MULTICAST_ROUTER, .from = "fe80::2", .to = "ff02::d", .protocol = PIM, .payload = 8);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = "224.0.0.22", IGMP_TYPE(0x22));
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, IGMP_TYPE(0x22));
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = "224.0.0.22", .protocol = IGMP, .payload = 7);
	FROM(a, BH_DROP_ROUTER_ADVERTISEMENT, .from = "10.0.0.2", .to = "224.0.0.1", .protocol = ICMP, .icmp_type = 9);
	/* A report is for routers: no way to whisper to a neighbour. */
	events_take(NULL, 0);
	TO(b, FRONT, BH_DROP_MULTICAST_ROUTER, .from = "10.0.0.2", .to = "224.0.0.22", IGMP_TYPE(0x22));
	events_none();
	TO(r, FRONT, BH_ALLOW_LIFE, .from = "10.0.0.2", .to = "224.0.0.22", IGMP_TYPE(0x22));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_arp_from_port, world_reset),
		cmocka_unit_test_setup(test_arp_to_port, world_reset),
		cmocka_unit_test_setup(test_arp_malformed, world_reset),
		cmocka_unit_test_setup(test_nd_from_port, world_reset),
		cmocka_unit_test_setup(test_nd_uplink_router, world_reset),
		cmocka_unit_test_setup(test_nd_options_without_end, world_reset),
		cmocka_unit_test_setup(test_nd_to_port, world_reset),
		cmocka_unit_test_setup(test_dhcp_client, world_reset),
		cmocka_unit_test_setup(test_dhcp_server, world_reset),
		cmocka_unit_test_setup(test_dhcp6_client, world_reset),
		cmocka_unit_test_setup(test_membership, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: neighbour", tests, world_setup, world_teardown);
}
