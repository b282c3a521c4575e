/* SPDX-License-Identifier: GPL-2.0-only */
/* The door against the kernel: who gets in, who is reached, and whose stamp is believed. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/bpf/nft_lab.h"

#define POLICY                                                                      \
	"version: 1\n"                                                              \
	"zones:\n"                                                                  \
	"  red: { members: { name: a* } }\n"                                        \
	"  blue: { members: { name: b* }, permit: [ router ] }\n"                   \
	"  partners: { subnets: [ 192.0.2.0/24, \"fd0a::/64\" ], via: [ eth1 ] }\n" \
	"rules:\n"                                                                  \
	"  - { from: red, to: host, allow: tcp/80 }\n"

static const int families[] = {ADDR_V4, ADDR_V6};
static struct lab *const lab = &nft_lab.lab;

static bool passes(struct lab_box *from, struct lab_box *to, int family, bool expected)
{
	int receiver = nft_lab_receiver(to, family, 5000);
	bool received;

	nft_lab_send(from, to, family, 5000, 0);
	received = nft_lab_received(receiver, expected);
	close(receiver);
	return received;
}

/* The host knows its neighbours without asking. */
static void host_knows(const struct lab_box *box)
{
	char mac[MAC_TEXT_MAX], v4[ADDR_TEXT_MAX], v6[ADDR_TEXT_MAX];

	lab_run(lab, NULL,
		"ip neigh replace %s lladdr %s dev br0 nud permanent; ip neigh replace %s lladdr %s dev br0 nud "
		"permanent",
		addr_format(&box->addresses[0], v4), mac_format(&box->mac, mac), addr_format(&box->addresses[1], v6),
		mac);
}

/* ---- Closed ---- */

static void test_closed_both_ways_from_the_start(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");

	(void)state;
	host_knows(a);
	nft_lab_ready();
	for (size_t i = 0; i < 2; i++) {
		assert_true(passes(a, b, families[i], true));
		assert_true(passes(NULL, a, families[i], true));
	}
	nft_lab_start();
	for (size_t i = 0; i < 2; i++) {
		assert_false(passes(a, b, families[i], false));
		assert_false(passes(NULL, a, families[i], false));
	}
	assert_true(nft_lab_dropped_at_least("closed_in", 2) >= 2);
	assert_true(nft_lab_dropped_at_least("closed_out", 2) >= 2);
	/* What the kernel of a container sends by itself (MLD, neighbour solicitation) gets nowhere either. */
	lab_box_add(lab, "c");
	nft_lab_ready();
	assert_false(passes(&lab->boxes[2], a, ADDR_V6, false));
}

static void test_only_judged_packets_pass_and_only_to_open_ports(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	static const uint32_t reserved[] = {BH_CLASS_NONE, BH_CLASS_HOST, BH_CLASS_REMOTE, BH_CLASS_REFUSED};

	(void)state;
	nft_lab_start();
	nft_lab_apply(POLICY);
	for (size_t i = 0; i < 2; i++)
		assert_true(passes(a, b, families[i], true));
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
		nft_lab_stamp(a, reserved[i]);
		assert_false(passes(a, b, ADDR_V4, false));
		assert_false(passes(a, b, ADDR_V6, false));
	}
	nft_lab_stamp(a, BH_CLASS_UNASSIGNED);
	assert_true(passes(a, b, ADDR_V4, true));
	/* A judged packet to a closed port. */
	b->open = false;
	nft_lab_apply(POLICY);
	assert_false(passes(a, b, ADDR_V4, false));
	assert_false(passes(a, b, ADDR_V6, false));
}

static void test_close_ports_takes_out_and_opens_nothing(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	struct error error = {0};

	(void)state;
	b->open = false;
	nft_lab_start();
	nft_lab_apply(POLICY);
	b->open = true;
	a->open = false;
	nft_lab_desire(POLICY);
	assert_int_equal(nft_gate_close_ports(nft_lab.nft, &lab->desired, &error), 0);
	assert_false(nft_lab_prints("nft list set inet bulkhead open; nft list set bridge bulkhead open", "va"));
	assert_false(nft_lab_prints("nft list set inet bulkhead open; nft list set bridge bulkhead open", "vb"));
	nft_lab_commit();
	assert_true(nft_lab_prints("nft list set bridge bulkhead open", "\"vb\""));
	/* A port that could not be opened stays closed. */
	lab->ports[1].ret_result = -EBUSY;
	nft_lab_commit();
	assert_false(nft_lab_prints("nft list set bridge bulkhead open", "\"vb\""));
	/* And one whose interface has gone leaves no trace. */
	lab_box_remove(lab, b);
	nft_lab_apply(POLICY);
	assert_false(nft_lab_prints("nft list set arp bulkhead open", "elements"));
}

/* A frame to a link-local group passes around bridge prerouting: its source must not be learnt. */
static void test_link_local_groups_teach_the_bridge_nothing(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	uint8_t frame[60] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	char command[96], mac[MAC_TEXT_MAX];
	bool moved = false;

	(void)state;
	memcpy(frame + 6, b->mac.bytes, 6);
	frame[12] = 0x88;
	frame[13] = 0xcc; /* LLDP */
	snprintf(command, sizeof(command), "bridge fdb show br br0 | grep '%s'", mac_format(&b->mac, mac));
	nft_lab_ready();
	/* That is what must not be. What b's kernel sends by itself moves the entry back: more than one try. */
	for (int i = 0; i < 20 && !moved; i++) {
		nft_lab_frame(a, "eth0", frame, sizeof(frame), 0);
		moved = nft_lab_prints(command, "dev va");
	}
	assert_true(moved);
	passes(b, a, ADDR_V4, true);
	assert_true(nft_lab_prints_soon(command, "dev vb"));
	nft_lab_start();
	a->open = false;
	nft_lab_apply(POLICY);
	for (int i = 0; i < 10; i++) {
		nft_lab_frame(a, "eth0", frame, sizeof(frame), 0);
		assert_false(nft_lab_prints(command, "dev va"));
	}
	/* LLDP goes by all hooks to packet sockets; other groups of the link come by input, and are counted. */
	assert_int_equal(nft_lab_dropped("link_local"), 0);
	frame[5] = 0x03;
	nft_lab_frame(a, "eth0", frame, sizeof(frame), 0);
	assert_int_equal(nft_lab_dropped_at_least("link_local", 1), 1);
	/* One veth keeps the order: the frame before has been through as well. */
	assert_true(nft_lab_prints(command, "dev vb"));
	assert_false(nft_lab_prints(command, "dev va"));
	/* From an open port neither. */
	a->open = true;
	nft_lab_apply(POLICY);
	nft_lab_frame(a, "eth0", frame, sizeof(frame), 0);
	assert_int_equal(nft_lab_dropped_at_least("link_local", 2), 2);
	assert_false(nft_lab_prints(command, "dev va"));
}

/* A veth without a bridge: inet and arp hold its door. */
static void test_routed_veth_is_closed_too(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a");
	struct gate_port *port = &lab->ports[0];
	int receiver;

	(void)state;
	nft_lab_start();
	lab_run(lab, NULL,
		"ip link set va nomaster && ip addr del 10.9.0.1/24 dev br0 && ip addr add 10.9.0.1/24 dev va");
	receiver = nft_lab_receiver(NULL, ADDR_V4, 5000);
	nft_lab_send(a, NULL, ADDR_V4, 5000, 0);
	assert_false(nft_lab_received(receiver, false));
	/* Not even the address was answered. */
	lab_run(lab, a, "! ip neigh show 10.9.0.1 | grep -q REACHABLE");
	assert_true(nft_lab_dropped_at_least("closed_in", 1) >= 1);
	nft_lab_send(NULL, a, ADDR_V4, 5000, 0);
	assert_true(nft_lab_dropped_at_least("closed_out", 1) >= 1);
	nft_lab_desire("version: 1\nzones:\n  red: { members: { name: a* } }\n"
		       "rules:\n  - { from: red, to: host, allow: udp/5000 }\n");
	port->domain = 0;
	nft_lab_commit();
	nft_lab_watch_stamps("va", BH_CLASS_HOST, "ether type arp");
	lab_run(lab, a, "ip neigh flush all");
	lab_run(lab, NULL, "ip neigh flush all");
	nft_lab_send(a, NULL, ADDR_V4, 5000, 0);
	assert_true(nft_lab_received(receiver, true));
	/* Answered with the host's stamp, for the port's program to see. */
	assert_true(nft_lab_right_stamps("va", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("va"), 0);
	close(receiver);
}

/* ---- Stamps ---- */

static void test_host_processes_cannot_choose_their_stamp(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a");
	uint8_t frame[60] = {0};

	(void)state;
	nft_lab_start();
	nft_lab_apply(POLICY);
	nft_lab_watch_stamps("va", BH_CLASS_HOST, "");
	for (size_t i = 0; i < 2; i++)
		nft_lab_send(NULL, a, families[i], 5000, STAMP(nft_lab_identity(a)));
	/* Frames pass no inet hook: IPv4, ARP and what nobody knows. */
	static const uint16_t types[] = {0x0800, 0x0806, 0x88b5};
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		memcpy(frame, a->mac.bytes, 6);
		frame[12] = (uint8_t)(types[i] >> 8);
		frame[13] = (uint8_t)types[i];
		nft_lab_frame(NULL, "br0", frame, sizeof(frame), STAMP(nft_lab_identity(a)));
	}
	/* Others' mangle rules come after our first chain. */
	lab_run(lab, NULL,
		"nft 'add table inet meddler; add chain inet meddler o { type route hook output priority mangle; }; "
		"add rule inet meddler o meta mark set 0x%x'",
		STAMP(nft_lab_identity(a)));
	for (size_t i = 0; i < 2; i++)
		nft_lab_send(NULL, a, families[i], 5000, 0);
	assert_true(nft_lab_right_stamps("va", 7) >= 7);
	assert_int_equal(nft_lab_wrong_stamps("va"), 0);
}

static void test_judged_stamps_survive_bridge_and_routing(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");

	(void)state;
	nft_lab_start();
	nft_lab_apply(POLICY);
	nft_lab_watch_stamps("vb", nft_lab_identity(a), "udp dport 5000");
	assert_true(passes(a, b, ADDR_V4, true));
	assert_true(passes(a, b, ADDR_V6, true));
	assert_true(nft_lab_right_stamps("vb", 2) >= 2);
	assert_int_equal(nft_lab_wrong_stamps("vb"), 0);
	/* Routed between two bridges, under masquerade: bridge output sees it too. */
	lab_run(lab, NULL,
		"sysctl -qw net.ipv4.ip_forward=1; ip link add br1 type bridge mcast_snooping 0 && ip link set br1 up "
		"&& "
		"ip addr add 10.10.0.1/24 dev br1 && ip link set vb master br1 && "
		"nft 'add table ip masq; add chain ip masq p { type nat hook postrouting priority srcnat; }; "
		"add rule ip masq p oifname br1 masquerade'");
	lab_run(lab, b, "ip addr flush dev eth0; ip addr add 10.10.0.12/24 dev eth0");
	lab_run(lab, a, "ip neigh flush all; ip route add 10.10.0.0/24 via 10.9.0.1");
	assert_int_equal(addr_parse("10.10.0.12", &b->addresses[0]), 0);
	nft_lab_stamp(a, nft_lab_identity(a));
	/* The watcher tells of a new bridge, and its address is among the bridges'. */
	nft_lab_commit();
	assert_true(passes(a, b, ADDR_V4, true));
	assert_true(nft_lab_right_stamps("vb", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("vb"), 0);
	assert_int_equal(nft_lab_dropped("forged"), 0);
}

/* A macvlan of the bridge, in another namespace: its frames take the way of the host's, with any mark. */
static void test_what_is_stacked_on_a_bridge_is_not_the_host(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *m = lab_box_add(lab, "m");
	uint8_t frame[60];
	int receiver;

	(void)state;
	/* A box with another interface in place of its own. */
	lab_run(lab, NULL,
		"ip link del vm && ip link add link br0 name vm type macvlan mode bridge && ip link set vm netns "
		"/proc/%d/fd/%d",
		(int)getpid(), m->netns);
	lab_run(lab, m, "ip link set vm name eth0 up && ip addr add 10.9.0.12/24 dev eth0");
	m->open = false;
	nft_lab_start();
	nft_lab_desire(POLICY);
	lab->desired.port_count = 1;
	nft_lab_commit();
	nft_lab_watch_stamps("va", BH_CLASS_REMOTE, "udp dport 5000");
	receiver = nft_lab_receiver(a, ADDR_V4, 5000);
	nft_lab_send(m, a, ADDR_V4, 5000, 0);
	assert_true(nft_lab_received(receiver, true));
	nft_lab_send(m, a, ADDR_V4, 5000, STAMP(BH_CLASS_HOST));
	assert_true(nft_lab_received(receiver, true));
	assert_int_equal(nft_lab_right_stamps("va", 2), 2);
	nft_lab_send(m, a, ADDR_V4, 5000, STAMP(nft_lab_identity(a)));
	assert_false(nft_lab_received(receiver, false));
	assert_int_equal(nft_lab_dropped_at_least("forged", 1), 1);
	/* With the bridge's own address, as a frame: no route. */
	memset(frame, 0, sizeof(frame));
	memcpy(frame, a->mac.bytes, 6);
	lab_run(lab, NULL, "ip link set br0 address 02:00:00:00:00:01");
	nft_lab_commit();
	memcpy(frame + 6, (const uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	frame[12] = 8;
	nft_lab_frame(m, "eth0", frame, sizeof(frame), STAMP(nft_lab_identity(a)));
	assert_int_equal(nft_lab_dropped_at_least("forged", 2), 2);
	assert_int_equal(nft_lab_wrong_stamps("va"), 0);
	close(receiver);
}

static void test_stamps_are_cleared_where_packets_leave(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a");
	uint8_t unknown[60] = {0x02, 0, 0, 0, 0, 0x77};

	(void)state;
	nft_lab_start();
	nft_lab_apply(POLICY);
	lab_run(lab, NULL,
		"sysctl -qw net.ipv4.ip_forward=1; ip link add up0 type ifb && ip link set up0 master br0 up; "
		"ip link add up1 type ifb && ip link set up1 up && ip addr add 10.11.0.1/24 dev up1 && "
		"ip neigh add 10.11.0.2 lladdr 02:00:00:00:00:99 dev up1");
	nft_lab_watch_stamps("up0", BH_CLASS_NONE, "");
	nft_lab_watch_stamps("up1", BH_CLASS_NONE, "udp dport 5000");
	memcpy(unknown + 6, a->mac.bytes, 6);
	unknown[12] = 8;
	nft_lab_frame(a, "eth0", unknown, sizeof(unknown), 0);
	lab_run(lab, a, "ip route add 10.11.0.0/24 via 10.9.0.1");
	assert_true(nft_lab_send_to(a, "10.11.0.2", 5000));
	assert_true(nft_lab_right_stamps("up0", 1) >= 1);
	assert_true(nft_lab_right_stamps("up1", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("up0"), 0);
	assert_int_equal(nft_lab_wrong_stamps("up1"), 0);
}

/* An uplink that is a veth to another namespace, as hosts in containers have it: named in `ignore`. */
static struct lab_box *uplink_add(const char *name, const char *interface, struct gate_ignored *ret_ignored, bool patch)
{
	struct lab_box *box = lab_box_add(lab, name);

	lab_run(lab, NULL, "ip link set %s down && ip link set %s nomaster name %s && ip link set %s up",
		box->interface, box->interface, interface, interface);
	strcpy(box->interface, interface);
	*ret_ignored = (struct gate_ignored){.ifindex = box->ifindex, .patch = patch};
	strcpy(ret_ignored->name, interface);
	return box;
}

/* Uplinks are no ports. */
static void desire_with_uplinks(struct gate_ignored *ignored, size_t count)
{
	size_t kept = 0;

	/* What comes from outside is judged in inet, too. */
	nft_lab_desire(POLICY "  - { from: 10.0.0.0/8, to: [ red, blue ], allow: udp/5000 }\n");
	for (size_t i = 0; i < lab->desired.port_count; i++) {
		bool uplink = false;

		for (size_t j = 0; j < count; j++)
			uplink = uplink || ignored[j].ifindex == lab->ports[i].ifindex;
		if (!uplink)
			lab->ports[kept++] = lab->ports[i];
	}
	lab->desired.port_count = kept;
	lab->desired.ignored = ignored;
	lab->desired.ignored_count = count;
}

static void test_ignored_veths_are_remote_whatever_they_bring(void **state)
{
	struct gate_ignored ignored[1];
	struct lab_box *a = lab_box_add(lab, "a"), *up = uplink_add("u", "eth1", &ignored[0], false);
	int receiver;

	(void)state;
	nft_lab_start();
	desire_with_uplinks(ignored, 1);
	nft_lab_commit();
	nft_lab_stamp(up, BH_IDENTITY_FIRST);
	lab_run(lab, NULL,
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0; ip addr add 10.12.0.1/24 dev eth1");
	lab_run(lab, up,
		"ip addr flush dev eth0; ip addr add 10.12.0.2/24 dev eth0; ip route add 10.9.0.0/24 via 10.12.0.1");
	nft_lab_watch_stamps("va", BH_CLASS_REMOTE, "udp dport 5000");
	nft_lab_watch_stamps("eth1", BH_CLASS_NONE, "udp dport 5000");
	nft_lab_send(up, a, ADDR_V4, 5000, 0);
	assert_true(nft_lab_right_stamps("va", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("va"), 0);
	/* To the host: not our business. */
	receiver = nft_lab_receiver(NULL, ADDR_V4, 5000);
	lab_run(lab, up, "ip route add 10.9.0.1 via 10.12.0.1");
	nft_lab_send(up, NULL, ADDR_V4, 5000, 0);
	assert_true(nft_lab_received(receiver, true));
	close(receiver);
	/* A container's packets that leave by it are clean. */
	lab_run(lab, a, "ip route add 10.12.0.0/24 via 10.9.0.1");
	assert_true(nft_lab_send_to(a, "10.12.0.2", 5000));
	assert_true(nft_lab_right_stamps("eth1", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("eth1"), 0);
}

static void test_via_believes_a_subnet_only_on_its_interfaces(void **state)
{
	struct gate_ignored ignored[2];
	struct lab_box *good = uplink_add("u", "eth1", &ignored[0], false);
	struct lab_box *bad = uplink_add("w", "eth2", &ignored[1], false);
	struct prefix subnets[2];
	const char *const interfaces[] = {"eth1"};
	struct gate_via via = {"partners", subnets, 2, interfaces, 1};
	int receiver, receiver6;

	(void)state;
	prefix_parse("192.0.2.0/24", &subnets[0], NULL);
	prefix_parse("fd0a::/64", &subnets[1], NULL);
	lab_run(lab, NULL,
		"sysctl -qw net.ipv4.conf.all.rp_filter=0; for i in eth1 eth2; do sysctl -qw "
		"net.ipv4.conf.$i.rp_filter=0; "
		"ip addr add 192.0.2.1/32 dev $i; done; ip addr add 10.9.0.1/32 dev lo; ip -6 addr add fd0a::1/128 dev "
		"lo");
	for (int i = 0; i < 2; i++)
		lab_run(lab, i ? bad : good,
			"ip addr flush dev eth0; ip addr add 192.0.2.%d/24 dev eth0; ip addr add fd0a::%d/64 dev eth0 "
			"nodad; "
			"ip route add 10.9.0.1 dev eth0; ip -6 route add fd09::1 dev eth0",
			5 + i, 5 + i);
	nft_lab_start();
	desire_with_uplinks(ignored, 2);
	lab->desired.via = &via;
	lab->desired.via_count = 1;
	nft_lab_commit();
	receiver = nft_lab_receiver(NULL, ADDR_V4, 5000);
	receiver6 = nft_lab_receiver(NULL, ADDR_V6, 5000);
	for (int i = 0; i < 2; i++) {
		char command[160], mac[32] = "";
		FILE *out;

		snprintf(command, sizeof(command), "ip -o link show eth%d | sed 's/.*ether //;s/ .*//'", i + 1);
		out = popen(command, "re");
		assert_non_null(fgets(mac, sizeof(mac), out));
		pclose(out);
		mac[strcspn(mac, "\n")] = '\0';
		lab_run(lab, i ? bad : good,
			"ip neigh replace 10.9.0.1 lladdr %s dev eth0; ip neigh replace fd09::1 lladdr %s dev eth0",
			mac, mac);
	}
	nft_lab_send(good, NULL, ADDR_V4, 5000, 0);
	assert_true(nft_lab_received(receiver, true));
	nft_lab_send(good, NULL, ADDR_V6, 5000, 0);
	assert_true(nft_lab_received(receiver6, true));
	assert_int_equal(nft_lab_dropped("foreign_subnet"), 0);
	nft_lab_send(bad, NULL, ADDR_V4, 5000, 0);
	assert_false(nft_lab_received(receiver, false));
	nft_lab_send(bad, NULL, ADDR_V6, 5000, 0);
	assert_false(nft_lab_received(receiver6, false));
	assert_true(nft_lab_dropped_at_least("foreign_subnet", 2) >= 2);
	close(receiver);
	close(receiver6);
}

/* In the bridge's table an interface is a port: a bridge in `via` stands for its uplinks. */
static void test_via_knows_bridges_and_their_ports(void **state)
{
	struct prefix subnet;
	const char *const by_bridge[] = {"br0"}, *const by_port[] = {"up0"};
	struct gate_via via = {"partners", &subnet, 1, by_bridge, 1};

	(void)state;
	lab_box_add(lab, "a");
	prefix_parse("192.0.2.0/24", &subnet, NULL);
	lab_run(lab, NULL, "ip link add up0 type ifb && ip link set up0 master br0 up");
	nft_lab_start();
	nft_lab_desire(POLICY);
	lab->desired.via = &via;
	lab->desired.via_count = 1;
	nft_lab_commit();
	assert_true(nft_lab_prints("nft list set bridge bulkhead zone_partners_on", "\"up0\""));
	assert_false(nft_lab_prints("nft list set bridge bulkhead zone_partners_on", "va"));
	assert_false(nft_lab_prints("nft list set inet bulkhead zone_partners_on", "\"up0\""));
	via.interfaces = by_port;
	nft_lab_commit();
	assert_true(nft_lab_prints("nft list set inet bulkhead zone_partners_on", "\"br0\""));
}

static void test_patch_veths_keep_a_stamp(void **state)
{
	struct gate_ignored patch[2] = {{.patch = true}, {.patch = true}};
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");

	(void)state;
	/* Two bridges, joined by a veth pair: a on one, b on the other. */
	lab_run(lab, NULL,
		"ip link add br1 type bridge mcast_snooping 0 && ip link set br1 up && ip link add p0 type veth peer "
		"name p1 && "
		"ip link set p0 master br0 up && ip link set p1 master br1 up && ip link set vb master br1");
	/* The kernel hears of a carrier when it comes to it. */
	lab_run(lab, NULL,
		"for port in p0 p1 vb; do timeout 10 sh -c \"until bridge link show dev $port | grep -q 'state "
		"forwarding'; do sleep 0.01; done\" || exit 1; done");
	patch[0].ifindex = if_nametoindex("p0");
	patch[1].ifindex = if_nametoindex("p1");
	nft_lab_start();
	nft_lab_desire(POLICY);
	lab->desired.ignored = patch;
	lab->desired.ignored_count = 2;
	nft_lab_commit();
	nft_lab_watch_stamps("vb", nft_lab_identity(a), "udp dport 5000");
	assert_true(passes(a, b, ADDR_V4, true));
	assert_true(nft_lab_right_stamps("vb", 1) >= 1);
	assert_int_equal(nft_lab_wrong_stamps("vb"), 0);
}

/* ---- Bridges ---- */

static void test_bridge_settings_come_and_go(void **state)
{
	struct error error = {0};

	(void)state;
	lab_box_add(lab, "a");
	lab_box_add(lab, "b");
	lab_run(lab, NULL, "bridge link set dev va mcast_router 2");
	nft_lab_start();
	nft_lab_apply(POLICY);
	assert_true(nft_lab_prints("ip -d link show br0", "no_linklocal_learn 1"));
	assert_true(nft_lab_prints("bridge -d link show dev va", "guard on"));
	assert_true(nft_lab_prints("bridge -d link show dev va", "mcast_router 0"));
	assert_true(nft_lab_prints("bridge -d link show dev vb", "mcast_router 1")); /* permit: router */
	/* A newcomer with the lowest address would give it to the bridge. */
	lab_run(lab, NULL, "ip link set va address 02:00:00:00:00:01");
	assert_false(nft_lab_prints("ip link show br0", "02:00:00:00:00:01"));
	/* A new daemon knows what was there before the first. */
	nft_lab_stop();
	nft_lab_start();
	nft_lab_apply(POLICY);
	nft_lab_stop();
	assert_int_equal(nft_gate_uninstall(&nft_lab.options, lab_ignore_line, NULL, &error), 0);
	assert_true(nft_lab_prints("ip -d link show br0", "no_linklocal_learn 0"));
	assert_true(nft_lab_prints("bridge -d link show dev va", "guard off"));
	assert_true(nft_lab_prints("bridge -d link show dev va", "mcast_router 2"));
	assert_false(nft_lab_prints("nft list tables", "bulkhead"));
}

#define TEST(test)                                                 \
	{                                                          \
#test, test, nft_lab_setup, nft_lab_teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_closed_both_ways_from_the_start),
		TEST(test_only_judged_packets_pass_and_only_to_open_ports),
		TEST(test_close_ports_takes_out_and_opens_nothing),
		TEST(test_link_local_groups_teach_the_bridge_nothing),
		TEST(test_routed_veth_is_closed_too),
		TEST(test_host_processes_cannot_choose_their_stamp),
		TEST(test_judged_stamps_survive_bridge_and_routing),
		TEST(test_what_is_stacked_on_a_bridge_is_not_the_host),
		TEST(test_stamps_are_cleared_where_packets_leave),
		TEST(test_ignored_veths_are_remote_whatever_they_bring),
		TEST(test_via_believes_a_subnet_only_on_its_interfaces),
		TEST(test_via_knows_bridges_and_their_ports),
		TEST(test_patch_veths_keep_a_stamp),
		TEST(test_bridge_settings_come_and_go),
	};

	return cmocka_run_group_tests_name("gate_nft", tests, NULL, NULL);
}
