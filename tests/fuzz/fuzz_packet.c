/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc gate's programs on packets of any kind: the very code of tc-bpf, compiled for user space (gate_user.h), in a
 * small world (gate_world.h). The sanitizers see what the verifier only proves; and whatever comes, a packet that
 * passes is whole, says who it is, and carries the right stamp, one reason is counted, and the flows' account is exact.
 *
 * The input is packets one after the other, each with a head of eight bytes, see struct record. All are judged twice:
 * with the linear part that the record tells, and in one piece; the verdicts must be the same. Dictionary: packet.dict.
 */
#include "gate_world.h"

#include "flow/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MAX 64u
#define HEAD_SIZE   8u

enum how {
	HOW_TO_PORT = 1 << 0,
	HOW_FIX_MACS = 1 << 1,	 /* the frame gets the port's own */
	HOW_FIX_LENGTH = 1 << 2, /* the IP header states the length that there is */
	HOW_GSO = 1 << 3,
	HOW_TAGGED = 1 << 4,	/* a VLAN tag beside the frame */
	HOW_MADE_HERE = 1 << 5, /* no interface has received it */
	HOW_FLIP = 1 << 6,	/* a new policy first */
	HOW_RING_FULL = 1 << 7,
};
enum more {
	MORE_REJECT = 1 << 0,
	MORE_SOCKET = 1 << 1,	 /* a process of the host has sent it */
	MORE_CAME_BACK = 1 << 2, /* received by the very port that it goes to */
};
struct record {
	uint8_t how; /* enum how */
	uint8_t port;
	uint8_t stamp;	/* of stamps[] */
	uint8_t wait;	/* of waits[]: seconds before it */
	uint8_t linear; /* bytes of its linear part; 0: all */
	uint8_t more;	/* enum more */
	uint16_t size;	/* little endian; of the frame that follows */
};
_Static_assert(sizeof(struct record) == HEAD_SIZE, "as the corpus has it");

static const uint32_t stamps[] = {
	BH_CLASS_REMOTE,     BH_CLASS_HOST,    FRONT,	      BACK, ROUTER,	    AUDITED, BH_CLASS_UNASSIGNED,
	BH_CLASS_CONFLICTED, BH_CLASS_REFUSED, BH_CLASS_NONE, 9,    BH_CLASS_ANSWER};
static const uint32_t waits[] = {0, 1, 31, 61, 121, 301, 601, 432001};

/* One packet's way. */
struct pass {
	struct record record;
	uint8_t *frame; /* as sent: fixed up */
	size_t size;
	uint32_t port, mark;
	struct __sk_buff skb;
	int action;
};

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static bool from_port(const struct pass *pass)
{
	return !(pass->record.how & HOW_TO_PORT);
}

static void frame_fix(struct pass *pass)
{
	uint8_t *frame = pass->frame, mac[6] = {2, 0, 0, 0, 0, 10 + pass->port};

	if (pass->record.how & HOW_FIX_MACS && pass->size >= 12)
		memcpy(from_port(pass) ? frame + 6 : frame, mac, sizeof(mac));
	if (!(pass->record.how & HOW_FIX_LENGTH) || pass->size < 14 + 20)
		return;
	if (get16(frame + 12) == ETH_P_IP)
		put16(frame + 16, pass->size - 14);
	else if (get16(frame + 12) == ETH_P_IPV6 && pass->size >= 14 + 40)
		put16(frame + 18, pass->size - 14 - 40);
}

/* The transport header of a packet that is no later part: all of it must be there. */
static void must_have_transport(const uint8_t *at, size_t room, uint8_t protocol, bool v6)
{
	switch (protocol) {
	case IPPROTO_TCP:
		must(room >= 20 && (at[12] >> 4) * 4u >= 20 && (at[12] >> 4) * 4u <= room);
		must(at[13] & (TCP_SYN | TCP_RST | TCP_ACK));
		break;
	case IPPROTO_UDP:
		must(room >= 8);
		break;
	case PROTOCOL_SCTP:
		must(room >= 12);
		break;
	case IPPROTO_ICMP:
		must(v6 || room >= 8);
		must(v6 || at[0] != 5);
		break;
	case IPPROTO_ICMPV6:
		must(!v6 || room >= 8);
		must(!v6 || at[0] != ICMP6_REDIRECT);
		break;
	default:
		break;
	}
}

static void must_be_whole4(const struct pass *pass, const uint8_t *ip, size_t room)
{
	size_t header, total;

	must(room >= 20 && ip[0] >> 4 == 4);
	header = (ip[0] & 15) * 4u;
	total = get16(ip + 2);
	if (!total && pass->skb.gso_size)
		total = room;
	must(header >= 20 && header <= total && total <= room);
	for (size_t at = 20; at < header && ip[at] != 0;) {
		must(ip[at] != IPV4_OPTION_LSRR && ip[at] != IPV4_OPTION_SSRR);
		at += ip[at] == 1 || at + 1 >= header || ip[at + 1] < 2 ? 1 : ip[at + 1];
	}
	if (!(get16(ip + 6) & IPV4_FRAGMENT_OFFSET))
		must_have_transport(ip + header, total - header, ip[9], false);
	if (pass->port == PORT_R)
		return;
	must(ip[from_port(pass) ? 12 : 16] != 127);
	if (from_port(pass)) /* its own address, or none yet: DHCP */
		must(get32(ip + 12) == 0x0a000002 + pass->port ||
		     (!get32(ip + 12) && get32(ip + 16) == 0xffffffff && ip[9] == IPPROTO_UDP));
}

/* An address of the port that the packet left. */
static bool is_own6(const struct pass *pass, const uint8_t *addr)
{
	struct bh_own_key key = {.port_id = 100 + pass->port, .family = 6};
	struct bh_own *found;

	memcpy(key.addr, addr, sizeof(key.addr));
	found = kernel_map_lookup(user_map(&own), &key);
	return found && found->kind == BH_OWN_ADDRESS;
}

static void must_be_whole6(const struct pass *pass, const uint8_t *ip, size_t room)
{
	static const uint8_t none[16];
	size_t at = 40, end;
	uint8_t next;

	must(room >= 40 && ip[0] >> 4 == 6);
	end = 40 + get16(ip + 4);
	if (end == 40 && pass->skb.gso_size)
		end = room;
	must(end <= room);
	next = ip[6];
	for (uint32_t i = 0; next == 0 || next == 60 || next == 43 || next == 44 || next == 51; i++) {
		size_t size;

		must(i < BH_EXTENSION_HEADERS_MAX && at + 8 <= end && (next != 0 || i == 0));
		must(next != 43 || ip[at + 2] != 0);
		if (next == 44 && get16(ip + at + 2) & 0xfff8)
			return; /* what follows is no header */
		size = next == 44 ? 8 : next == 51 ? (ip[at + 1] + 2u) * 4 : (ip[at + 1] + 1u) * 8;
		next = ip[at];
		at += size;
		must(at <= end);
	}
	must_have_transport(ip + at, end - at, next, true);
	if (pass->port != PORT_R && from_port(pass))
		must(is_own6(pass, ip + 8) || memcmp(ip + 8, none, sizeof(none)) == 0);
}

static void must_be_arp(const struct pass *pass, const uint8_t *arp, size_t room)
{
	must(room >= 28);
	must(get16(arp) == 1 && get16(arp + 2) == ETH_P_IP && arp[4] == 6 && arp[5] == 4);
	must(get16(arp + 6) == 1 || get16(arp + 6) == 2);
	if (pass->port == PORT_R || !from_port(pass))
		return;
	must(memcmp(arp + 8, pass->frame + 6, 6) == 0);
	must(get32(arp + 14) == 0x0a000002 + pass->port || (!get32(arp + 14) && get16(arp + 6) == 1));
}

/* What may be said of a packet that passes, read by itself and plainly. */
static void must_be_whole(const struct pass *pass)
{
	const uint8_t *frame = pass->frame, mac[6] = {2, 0, 0, 0, 0, 10 + pass->port};
	size_t size = pass->size, at = 14;
	uint16_t type;

	must(pass->port < PORT_CLOSED && size >= at);
	type = get16(frame + 12);
	if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		must(pass->port == PORT_R && !pass->skb.vlan_present && size >= 18);
		type = get16(frame + 16);
		at = 18;
	}
	must(!pass->skb.vlan_present || pass->port == PORT_R);
	if (pass->port != PORT_R && from_port(pass))
		must(memcmp(frame + 6, mac, sizeof(mac)) == 0);
	else if (pass->port != PORT_R)
		must(frame[0] & 1 || memcmp(frame, mac, sizeof(mac)) == 0);
	switch (type) {
	case ETH_P_IP:
		must_be_whole4(pass, frame + at, size - at);
		break;
	case ETH_P_IPV6:
		must_be_whole6(pass, frame + at, size - at);
		break;
	case ETH_P_ARP:
		must_be_arp(pass, frame + at, size - at);
		break;
	default:
		must(false);
	}
}

/* RFC 1071: with its checksum in it, all adds up to ones. */
static uint32_t sum16(const uint8_t *at, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A reset, or an ICMP error that quotes what was sent. `sum`: the pseudo header's. */
static void must_be_refusal(const struct pass *pass, const uint8_t *at, size_t size, uint8_t protocol, uint32_t sum)
{
	bool v6 = protocol == IPPROTO_ICMPV6;

	if (protocol == IPPROTO_TCP) {
		must(size == 20 && at[12] == 5 << 4 && (at[13] & ~TCP_ACK) == TCP_RST);
		must(sum16(at, size, sum) == 0xffff);
		return;
	}
	must(protocol == (get16(pass->frame + 12) == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6));
	must(size >= 8 + 20 && at[0] == (v6 ? 1 : 3) && at[1] == (v6 ? 1 : 13) && !get32(at + 4));
	must(sum16(at, size, v6 ? sum : 0) == 0xffff);
	must(memcmp(at + 8, pass->frame + 14, size - 8) == 0);
}

/* What has taken the place of a packet that is refused: it is for the port, from whom the packet was for, or came. */
static void must_be_answer(const struct pass *pass)
{
	const uint8_t *frame = user.packet.bytes, *ip = frame + 14, mac[6] = {2, 0, 0, 0, 0, 10 + pass->port};
	size_t size = user.packet.size - 14;
	uint8_t ends[40] = {0};

	must(pass->record.more & MORE_REJECT && pass->port < PORT_CLOSED && pass->skb.len == user.packet.size);
	must(size >= 40 && size <= 1280 && memcmp(frame, mac, sizeof(mac)) == 0);
	must(memcmp(frame + 6, pass->frame + (from_port(pass) ? 0 : 6), 6) == 0);
	must(get16(frame + 12) == get16(pass->frame + 12));
	if (get16(frame + 12) == ETH_P_IP) {
		must(ip[0] == 0x45 && get16(ip + 2) == size && sum16(ip, 20, 0) == 0xffff);
		must(get32(ip + 16) == 0x0a000002 + pass->port);
		must_be_refusal(pass, ip + 20, size - 20, ip[9], sum16(ip + 12, 8, ip[9] + (uint32_t)size - 20));
	} else {
		must(ip[0] == 0x60 && get16(ip + 4) == size - 40 && is_own6(pass, ip + 24));
		memcpy(ends, ip + 8, 32);
		must_be_refusal(pass, ip + 40, size - 40, ip[6], sum16(ends, 32, ip[6] + (uint32_t)size - 40));
	}
}

static bool stamp_may_pass(const struct pass *pass)
{
	uint32_t stamp = pass->mark >> BH_STAMP_SHIFT_DEFAULT;
	bool made_here = !pass->skb.ingress_ifindex;

	if (made_here) /* the kernel itself has no socket, and answers where it rejects */
		return stamp == BH_CLASS_HOST || (stamp == BH_CLASS_NONE && pass->record.more & MORE_REJECT &&
						  !(pass->record.more & MORE_SOCKET));
	return stamp >= BH_IDENTITY_FIRST || stamp == BH_CLASS_HOST || stamp == BH_CLASS_REMOTE ||
	       stamp == BH_CLASS_UNASSIGNED || stamp == BH_CLASS_CONFLICTED ||
	       (stamp == BH_CLASS_ANSWER && pass->record.more & MORE_CAME_BACK);
}

static void must_be_stamped(const struct pass *pass)
{
	const uint32_t other = 0x7ffff;

	if (pass->action == TC_ACT_SHOT || !from_port(pass)) {
		must(pass->skb.mark == pass->mark);
	} else {
		must((pass->skb.mark & other) == (pass->mark & other));
		must(pass->skb.mark >> BH_STAMP_SHIFT_DEFAULT == (user.written ? BH_CLASS_ANSWER : FRONT + pass->port));
	}
	if (pass->action != TC_ACT_SHOT && !from_port(pass))
		must(stamp_may_pass(pass));
}

/* Passed, answered, or dropped. */
static void must_be_done(const struct pass *pass)
{
	must_be_stamped(pass);
	switch (pass->action) {
	case TC_ACT_SHOT:
		break;
	case TC_ACT_REDIRECT:
		must(from_port(pass) && user.written && user.redirected == pass->skb.ifindex);
		must_be_answer(pass);
		break;
	case TC_ACT_UNSPEC:
		must(!user.redirected);
		if (user.written) {
			must(!from_port(pass));
			must_be_answer(pass);
		} else {
			must_be_whole(pass);
		}
		break;
	default:
		must(false);
	}
}

/* One reason, of those that there are, and an allow only for what passes. */
static void must_be_counted(uint64_t before)
{
	const struct kernel_map *counters = user_map(&reason_counters);
	uint64_t packets = 0;

	for (size_t i = 0; i < counters->count; i++) {
		const struct bh_counter *counter = counters->entries[i].value;
		uint32_t reason = *(const uint32_t *)counters->entries[i].key;

		packets += counter->packets;
		must(!counter->packets || reason_name((enum bh_reason)reason));
		must(!counter->packets || reason != BH_DROP_INTERNAL);
	}
	must(packets == before + 1);
	must(!user.locked && !user.reserved);
}

/* What a port is charged for is what it holds, to the last flow. */
static void must_be_charged(uint32_t index)
{
	const struct port_state *state = kernel_map_lookup(user_map(&port_state), &index);
	int32_t held[2] = {0}, half_open[2] = {0};

	for (size_t i = 0; i < world.flows[index].count; i++) {
		const struct bh_flow *flow = world.flows[index].entries[i].value;

		must(flow->direction <= BH_FLOW_IN && flow->tcp_state <= BH_TCP_RESET && flow->expires);
		held[flow->direction]++;
		half_open[flow->direction] += !(flow->flags & BH_FLOW_REPLIED);
	}
	for (uint32_t way = 0; way < 2; way++)
		must(state->flows[way] == held[way] && state->half_open[way] == half_open[way]);
}

static void must_be_reported(const struct pass *pass, uint32_t before)
{
	bool passed = pass->action == TC_ACT_UNSPEC && !user.written;

	if (user.events == before)
		return;
	must(user.event.verdict <= BH_EVENT_LOST && user.event.reason < BH_REASON_MAX);
	must(user.event.ifindex == PORT_IFINDEX + pass->port && user.event.direction <= BH_EVENT_TO_PORT);
	if (user.event.verdict <= BH_EVENT_WOULD_DENY)
		must(user.event.length == pass->size && (user.event.verdict == BH_EVENT_DENY) == !passed);
}

static void settings_set(const struct record *record)
{
	static const uint32_t zero;
	struct bh_config *settings = kernel_map_lookup(user_map(&config), &zero);
	uint64_t wait = waits[record->wait % (sizeof(waits) / sizeof(*waits))] * NS_PER_SEC;

	if (record->how & HOW_FLIP)
		settings->active = ((settings->active >> 1) + 1) << 1 | ((settings->active & 1) ^ 1);
	user.boot_ns += wait;
	user.tai_ns += wait;
	settings->reject = !!(record->more & MORE_REJECT);
	user.written = false;
	user.redirected = 0;
	user.ring_room = record->how & HOW_RING_FULL ? 0 : 1000;
}

static uint32_t received_on(const struct pass *pass)
{
	if (pass->record.how & HOW_MADE_HERE)
		return 0;
	return pass->record.more & MORE_CAME_BACK ? PORT_IFINDEX + pass->port : 3;
}

static void pass_run(struct pass *pass, bool in_one_piece)
{
	uint32_t stamp = stamps[pass->record.stamp % (sizeof(stamps) / sizeof(*stamps))], told = user.events;
	static struct bpf_sock some_socket;
	size_t linear = pass->record.linear && !in_one_piece ? pass->record.linear : pass->size;

	pass->mark = stamp << BH_STAMP_SHIFT_DEFAULT | 0x2a;
	pass->skb = (struct __sk_buff){.len = pass->size,
				       .ifindex = PORT_IFINDEX + pass->port,
				       .ingress_ifindex = received_on(pass),
				       .mark = pass->mark,
				       .vlan_present = !!(pass->record.how & HOW_TAGGED),
				       .gso_size = pass->record.how & HOW_GSO ? 1400 : 0,
				       .sk = pass->record.more & MORE_SOCKET ? &some_socket : NULL};
	settings_set(&pass->record);
	kernel_packet_set(&user.packet, pass->frame, pass->size, linear);
	pass->action = from_port(pass) ? bulkhead_ingress(&pass->skb) : bulkhead_egress(&pass->skb);
	must_be_counted(user.packets++);
	must_be_done(pass);
	must_be_reported(pass, told);
	for (uint32_t i = 0; i < PORT_COUNT; i++)
		must_be_charged(i);
	kernel_packet_free(&user.packet);
}

/* Judges all packets of an input; their verdicts go to `actions`. How many there were. */
static size_t input_run(const uint8_t *data, size_t size, bool in_one_piece, int actions[PACKETS_MAX])
{
	size_t count = 0;

	world_reset();
	while (size >= HEAD_SIZE && count < PACKETS_MAX) {
		struct pass pass = {0};

		memcpy(&pass.record, data, HEAD_SIZE);
		data += HEAD_SIZE;
		size -= HEAD_SIZE;
		pass.size = pass.record.size < size ? pass.record.size : size;
		pass.port = pass.record.port % PORT_COUNT;
		pass.frame = malloc(pass.size + 1);
		must(pass.frame);
		memcpy(pass.frame, data, pass.size);
		frame_fix(&pass);
		pass_run(&pass, in_one_piece);
		free(pass.frame);
		data += pass.size;
		size -= pass.size;
		actions[count++] = pass.action;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int actions[PACKETS_MAX], again[PACKETS_MAX];
	static bool made;
	size_t count;

	if (!made)
		world_make();
	made = true;
	count = input_run(data, size, false, actions);
	must(input_run(data, size, true, again) == count);
	must(memcmp(actions, again, count * sizeof(*actions)) == 0);
	return 0;
}
