/* SPDX-License-Identifier: GPL-2.0-only */
/* The table and the nft renderings of it agree: on what containers may send to the host, and, nftables alone, to one
 * another. Random policies, senders, services; real packets through the kernel's rules, counted by the decision that
 * took them.
 *
 * $SEED and $CASES choose others than the first ones. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/bpf/nft_lab.h"
#include "tests/lib/random_policy.h"

#define CASES	  12
#define QUESTIONS 60 /* a sender */
#define PAIRS	  5  /* a policy */
#define HOUR	  (3600 * 1000000000ull)

static struct {
	struct random_case made;
	struct random_state random;
	struct table *table;
	struct lab_box *box, *to; /* `to` NULL: the host */
	uint8_t host_mac[6];
	uint32_t asked_class; /* of the receiver */
	uint64_t *counted;    /* by decision, before the packets; then what is expected */
	size_t asked, passed, refused;
} subject;

/* The kernel's clock can't be set: instants are moved around it, each to the side it has. */
static uint64_t instant_move(uint64_t until, int64_t now)
{
	uint64_t clock = (uint64_t)time(NULL) * 1000000000;

	if (!until || until == BH_FOREVER)
		return until;
	return until > (uint64_t)now ? clock + HOUR : clock - HOUR;
}

static void case_make(uint64_t seed)
{
	struct registry *registry;
	struct error error = {0};
	int64_t now;

	assert_int_equal(random_case_new(seed, &subject.made, &subject.random), 0);
	assert_int_equal(registry_new(&registry), 0);
	if (table_compile(subject.made.policy, &subject.made.world, registry, RANDOM_NOW_FIRST / 1000000000 - 1,
			  &subject.table, &error) < 0)
		fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
	registry_free(registry);
	now = random_now(&subject.random);
	for (size_t i = 0; i < subject.table->cells.count; i++) {
		struct bh_cell *cell = &subject.table->cells.items[i].cell;

		cell->deny_until = instant_move(cell->deny_until, now);
		cell->allow_until = instant_move(cell->allow_until, now);
		cell->staged_until = instant_move(cell->staged_until, now);
	}
	subject.table->generation = (uint32_t)seed + 1;
}

static void case_commit(void)
{
	struct gate_port port = {.ifindex = subject.box->ifindex,
				 .domain = nft_lab.lab.bridge,
				 .mac = subject.box->mac,
				 .identity = BH_CLASS_UNASSIGNED,
				 .open = true};
	struct gate_desired desired = {.table = subject.table, .ports = &port, .port_count = 1};
	struct error error = {0};

	strcpy(port.name, subject.box->interface);
	if (nft_gate_commit(nft_lab.nft, &desired, &error) < 0)
		fail_msg("seed %llu: %s", (unsigned long long)subject.made.seed, error.text);
}

/* ---- Packets ---- */

static uint16_t sum(const uint8_t *data, size_t size, uint32_t start)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		start += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

#define BODY 32 /* of every packet: enough for a TCP header, and for what opens an SCTP association */

static void body_put(uint8_t *body, const struct service_point *service)
{
	memset(body, 0, BODY);
	if (service->protocol == IPPROTO_ICMP || service->protocol == IPPROTO_ICMPV6) {
		put16(body, service->port);
		put16(body + 4, (uint16_t)random_below(&subject.random, 65536));
		return;
	}
	put16(body, (uint16_t)(1024 + random_below(&subject.random, 60000)));
	put16(body + 2, service->port);
	if (service->protocol == IPPROTO_TCP) {
		body[12] = 5 << 4;
		body[13] = 2; /* SYN */
	} else if (service->protocol == IPPROTO_SCTP) {
		body[12] = 1; /* RFC 9260: INIT, with nothing but what it must have */
		put16(body + 14, BODY - 12);
		body[19] = body[29] = body[31] = 1;
	} else if (service->protocol == IPPROTO_UDP) {
		put16(body + 4, BODY);
	}
}

static size_t packet_v4(uint8_t *packet, const struct service_point *service)
{
	uint8_t *body = packet + 20;

	memset(packet, 0, 20);
	packet[0] = 0x45;
	put16(packet + 2, 20 + BODY);
	packet[8] = 64;
	packet[9] = service->protocol;
	memcpy(packet + 12, subject.box->addresses[0].bytes, 4);
	memcpy(packet + 16, subject.to ? subject.to->addresses[0].bytes : (const uint8_t[]){10, 9, 0, 1}, 4);
	put16(packet + 10, sum(packet, 20, 0));
	body_put(body, service);
	if (service->protocol == IPPROTO_ICMP)
		put16(body + 2, sum(body, BODY, 0));
	else if (service->protocol == IPPROTO_TCP)
		put16(body + 16, sum(body, BODY, (uint32_t)(0xffff & ~sum(packet + 12, 8, 0)) + IPPROTO_TCP + BODY));
	return 20 + BODY;
}

static size_t packet_v6(uint8_t *packet, const struct service_point *service)
{
	uint8_t *body = packet + 40;
	uint32_t pseudo;
	size_t at = service->protocol == IPPROTO_ICMPV6 ? 2 : service->protocol == IPPROTO_TCP ? 16 : 6;

	memset(packet, 0, 40);
	packet[0] = 0x60;
	put16(packet + 4, BODY);
	packet[6] = service->protocol;
	packet[7] = 64;
	memcpy(packet + 8, subject.box->addresses[1].bytes, 16);
	if (subject.to) {
		memcpy(packet + 24, subject.to->addresses[1].bytes, 16);
	} else {
		memcpy(packet + 24, (const uint8_t[]){0xfd, 0x09}, 2);
		packet[39] = 1;
	}
	body_put(body, service);
	pseudo = (uint32_t)(0xffff & ~sum(packet + 8, 32, 0)) + service->protocol + BODY;
	put16(body + at, sum(body, BODY, pseudo));
	return 40 + BODY;
}

static void packet_send(const struct service_point *service, bool v6)
{
	uint8_t frame[14 + 40 + BODY];
	size_t size;

	memcpy(frame, subject.to ? subject.to->mac.bytes : subject.host_mac, 6);
	memcpy(frame + 6, subject.box->mac.bytes, 6);
	put16(frame + 12, v6 ? 0x86dd : 0x0800);
	size = v6 ? packet_v6(frame + 14, service) : packet_v4(frame + 14, service);
	nft_lab_frame(subject.box, "eth0", frame, 14 + size, 0);
}

/* What the door lets pass whatever the table says, because the port's program has judged it: not asked here. */
static bool is_life(const struct service_point *service)
{
	uint8_t type = (uint8_t)(service->port >> 8);

	if (service->protocol == IPPROTO_ICMPV6)
		return (type >= 131 && type <= 137) || type == 143;
	return service->protocol == IPPROTO_IGMP;
}

/* Nothing that conntrack finds in it opens a flow; what a guard refuses; what the programs would see to otherwise. */
static bool is_beyond_conntrack(const struct service_point *service)
{
	uint8_t type = (uint8_t)(service->port >> 8);

	switch (service->protocol) {
	case IPPROTO_ICMP: /* nf_conntrack_proto_icmp.c */
		return type != 8 && type != 13 && type != 15 && type != 17;
	case IPPROTO_ICMPV6:
		return type != 128 && type != 139;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return false;
	default:
		return service->protocol == IPPROTO_GRE || service->protocol == IPPROTO_DCCP ||
		       service->protocol == IPPROTO_UDPLITE || service->protocol == IPPROTO_PIM;
	}
}

/* ---- Asking ---- */

static uint64_t decision_count(uint32_t decision)
{
	struct bh_counter counter;

	assert_int_equal(nft_gate_rule_counter(nft_lab.nft, decision, &counter), 0);
	return counter.packets;
}

static void counts_remember(void)
{
	memset(subject.counted, 0, sizeof(*subject.counted) * BH_DECISIONS_MAX);
	for (size_t i = 0; i < subject.table->decisions.count; i++) {
		uint32_t number = subject.table->decisions.items[i].number;

		subject.counted[number] = decision_count(number);
	}
}

static long passed_count(void)
{
	char line[128];
	FILE *out;
	long packets = -1;

	nft_lab_enter(subject.to);
	out = popen("nft reset counter inet after passed", "re");
	nft_lab_enter(NULL);
	assert_non_null(out);
	while (fgets(line, sizeof(line), out))
		sscanf(line, " packets %ld", &packets);
	pclose(out);
	assert_true(packets >= 0);
	return packets;
}

/* Waits until as many packets were counted as were sent: the last may be on their way. */
static void counts_settle(void)
{
	struct timespec wait = {.tv_nsec = 5000000};

	for (int i = 0; i < 200; i++) {
		uint64_t missing = 0;

		for (size_t j = 0; j < subject.table->decisions.count; j++) {
			uint32_t number = subject.table->decisions.items[j].number;

			missing += subject.counted[number] > decision_count(number);
		}
		if (!missing)
			return;
		nanosleep(&wait, NULL);
	}
}

static void counts_compare(const struct identity *identity, long expected_passes)
{
	long passes;

	counts_settle();
	passes = passed_count();
	for (size_t i = 0; i < subject.table->decisions.count; i++) {
		const struct decision *decision = &subject.table->decisions.items[i];
		uint64_t is = decision_count(decision->number);

		if (is != subject.counted[decision->number])
			fail_msg("seed %llu, %s: decision %u (%s) took %lld packets more than the table says\n%s",
				 (unsigned long long)subject.made.seed, identity->name, decision->number,
				 decision->text, (long long)(is - subject.counted[decision->number]),
				 subject.made.policy_text);
	}
	if (passes != expected_passes)
		fail_msg("seed %llu, %s: %ld packets passed, the table says %ld\n%s",
			 (unsigned long long)subject.made.seed, identity->name, passes, expected_passes,
			 subject.made.policy_text);
}

static void sender_ask(const struct identity *identity)
{
	int64_t clock = (int64_t)time(NULL) * 1000000000;
	long passes = 0;

	if (!subject.to)
		nft_lab_stamp(subject.box, identity->number);
	counts_remember();
	passed_count();
	for (size_t i = 0; i < QUESTIONS; i++) {
		struct service_point service;
		struct table_verdict verdict;
		bool v6;

		random_service(&subject.random, &service);
		/* In IPv6 a number may be an extension header's. */
		v6 = service.protocol == IPPROTO_ICMPV6 ||
		     ((service.protocol == IPPROTO_TCP || service.protocol == IPPROTO_UDP) &&
		      random_chance(&subject.random, 50));
		if (is_life(&service) || (subject.to && is_beyond_conntrack(&service)))
			continue;
		table_lookup(subject.table, identity->number, subject.asked_class,
			     table_service(subject.table, &service), clock, &verdict);
		packet_send(&service, v6);
		subject.counted[verdict.decision]++;
		if (verdict.staged)
			subject.counted[verdict.staged]++;
		passes += verdict.allow || verdict.audit;
		subject.asked++;
		subject.passed += verdict.allow || verdict.audit;
		subject.refused += !verdict.allow && !verdict.audit;
	}
	counts_compare(identity, passes);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void host_mac_read(void)
{
	FILE *out = popen("ip -o link show br0", "re");
	char line[512];
	const char *at;
	struct mac mac;

	assert_non_null(fgets(line, sizeof(line), out));
	pclose(out);
	at = strstr(line, "link/ether ");
	assert_non_null(at);
	memcpy(line, at + strlen("link/ether "), 17);
	line[17] = '\0';
	assert_int_equal(mac_parse(line, &mac), 0);
	memcpy(subject.host_mac, mac.bytes, 6);
}

static void test_random_policies(void **state)
{
	uint64_t first = number_from("SEED", 1), cases = number_from("CASES", CASES);

	(void)state;
	memset(&subject, 0, sizeof(subject));
	subject.counted = calloc(BH_DECISIONS_MAX, sizeof(*subject.counted));
	assert_non_null(subject.counted);
	subject.asked_class = BH_CLASS_HOST;
	subject.box = lab_box_add(&nft_lab.lab, "a");
	lab_run(&nft_lab.lab, NULL,
		"ip link set br0 address 02:00:00:00:00:01 && nft 'add table inet after; add counter inet after "
		"passed; "
		"add chain inet after input { type filter hook input priority 50; policy drop; }; "
		"add rule inet after input ip saddr 10.9.0.11 counter name passed; "
		"add rule inet after input ip6 saddr fd09::11 icmpv6 type { 133, 134, 135, 136 } accept; "
		"add rule inet after input ip6 saddr fd09::11 counter name passed'");
	host_mac_read();
	nft_lab_start();
	for (uint64_t seed = first; seed < first + cases; seed++) {
		case_make(seed);
		case_commit();
		for (size_t i = 0; i < subject.table->identities.count; i++)
			sender_ask(&subject.table->identities.items[i]);
		nft_lab_stop();
		nft_lab_start();
		table_free(subject.table);
		random_case_free(&subject.made);
	}
	print_message("%zu packets: %zu passed, %zu refused\n", subject.asked, subject.passed, subject.refused);
	/* Questions that all have one answer would ask nothing. */
	assert_true(subject.passed > subject.asked / 20);
	assert_true(subject.refused > subject.asked / 20);
	free(subject.counted);
}

/* ---- nftables alone: from container to container ---- */

static void address_put(const struct addr *addr, uint32_t class)
{
	struct address_entry *entry = array_append(&subject.table->addresses);

	if (entry)
		*entry = (struct address_entry){0, *addr, class};
	else
		fail_msg("out of memory");
}

static struct gate_port port_of(const struct lab_box *box, uint32_t identity)
{
	struct gate_port port = {.ifindex = box->ifindex,
				 .domain = nft_lab.lab.bridge,
				 .mac = box->mac,
				 .addresses = box->addresses,
				 .address_count = 2,
				 .identity = identity,
				 .open = true};

	strcpy(port.name, box->interface);
	return port;
}

/* The two boxes are who the policy is asked about. */
static void pair_commit(uint32_t from, uint32_t to)
{
	struct gate_port ports[] = {port_of(subject.box, from), port_of(subject.to, to)};
	struct gate_bridge bridge = {.name = "br0", .ifindex = nft_lab.lab.bridge};
	struct gate_desired desired = {
		.table = subject.table, .ports = ports, .port_count = 2, .bridges = &bridge, .bridge_count = 1};
	struct error error = {0};

	array_free(&subject.table->addresses);
	for (size_t i = 0; i < 2; i++) {
		address_put(&subject.box->addresses[i], from);
		address_put(&subject.to->addresses[i], to);
	}
	if (nft_gate_commit(nft_lab.nft, &desired, &error) < 0)
		fail_msg("seed %llu: %s", (unsigned long long)subject.made.seed, error.text);
	subject.asked_class = to;
}

static void pairs_ask(void)
{
	size_t count = subject.table->identities.count;

	for (size_t i = 0; i < PAIRS; i++) {
		const struct identity *from = &subject.table->identities.items[random_below(&subject.random, count)];
		const struct identity *to = &subject.table->identities.items[random_below(&subject.random, count)];

		pair_commit(from->number, to->number);
		sender_ask(from);
	}
}

static void test_random_pairs(void **state)
{
	uint64_t first = number_from("SEED", 1), cases = number_from("CASES", CASES);

	(void)state;
	memset(&subject, 0, sizeof(subject));
	subject.counted = calloc(BH_DECISIONS_MAX, sizeof(*subject.counted));
	assert_non_null(subject.counted);
	subject.box = lab_box_add(&nft_lab.lab, "a");
	subject.to = lab_box_add(&nft_lab.lab, "b");
	/* What answers would be counted, too. */
	lab_run(&nft_lab.lab, subject.to,
		"nft 'add table inet after; add counter inet after passed; "
		"add chain inet after first { type filter hook prerouting priority -500; policy drop; }; "
		"add rule inet after first ip saddr 10.9.0.11 counter name passed; "
		"add rule inet after first ip6 saddr fd09::11 counter name passed'");
	lab_run(&nft_lab.lab, NULL, "ip link set br0 address 02:00:00:00:00:01");
	nft_lab.options.nft_alone = true;
	for (uint64_t seed = first; seed < first + cases; seed++) {
		nft_lab_start();
		/* The checksum of SCTP is another than the others'. */
		lab_run(&nft_lab.lab, NULL, "sysctl -qw net.netfilter.nf_conntrack_checksum=0");
		case_make(seed);
		pairs_ask();
		nft_lab_stop();
		table_free(subject.table);
		random_case_free(&subject.made);
	}
	print_message("%zu packets: %zu passed, %zu refused\n", subject.asked, subject.passed, subject.refused);
	assert_true(subject.passed > subject.asked / 20);
	assert_true(subject.refused > subject.asked / 20);
	free(subject.counted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"test_random_pairs", test_random_pairs, nft_lab_setup, nft_lab_teardown, NULL},
		{"test_random_policies", test_random_policies, nft_lab_setup, nft_lab_teardown, NULL},
	};

	return cmocka_run_group_tests_name("gate_nft_agree", tests, NULL, NULL);
}
