/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf_judge --policy PATH --world FILE --batch -: what the eBPF programs say of the first packet of a flow.
 *
 * Reads 'FROM TO SERVICE' a line (FROM, TO: a container, `container@network`, `host` or an address) and prints a JSON
 * object a line with `verdict`, `mode`, `reason` and `rule`, as explain does; what a guard dropped has its reason. Or
 * it reads 'frame INTERFACE,from|to,STAMP,RECEIVED HEX', a frame at one port: STAMP is `host`, `remote`, another port's
 * interface or a number; RECEIVED is 0 for what the host itself has made. The
 * policy is compiled and written into the programs' maps by the tc gate itself, for veths in a namespace of this
 * process; then the packet that each flow would begin with is run through them by BPF_PROG_TEST_RUN as it would travel:
 * from the sender's port, and with the stamp that it got there, to the receiver's. Needs root. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>

#include "base/file.h"
#include "flow/event.h"
#include "gate/tc.h"
#include "policy/load.h"
#include "table/table.h"
#include "tests/lib/frame_words.h"

#define PIN_DIR	  "/sys/fs/bpf/bulkhead"
#define FRAME_MAX 4096

struct judge {
	struct policy *policy;
	struct world world;
	struct sources world_sources;
	struct registry *registry;
	struct table *table;
	struct tc_gate *tc;
	struct gate_port *ports; /* of each world port */
	struct gate_desired desired;
	int programs[2]; /* from a port, to a port */
	uint16_t serial; /* so that no two flows have the same ends */
};

/* One end of a question: a world port, the host, or an address outside. */
struct party_end {
	uint32_t port; /* UINT32_MAX: none */
	bool host;
	struct addr addr;
};
struct party_ends {
	ARRAY_OF(struct party_end);
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bpf_judge: %s: %s\n", what, why);
	exit(1);
}

/* ---- The set-up ---- */

static void namespaces_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		die("namespaces", strerror(errno));
}

static void policy_and_world_load(struct judge *judge, const char *policy, const char *world)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};

	if (policy_load(&policy, 1, (int64_t)time(NULL) * 1000000000, &judge->policy, &diagnostics, &error) < 0) {
		if (judge->policy)
			diagnostics_print(&diagnostics, &judge->policy->sources, false, stderr);
		die(policy, error.text);
	}
	if (world_load(world, &judge->world, &judge->world_sources, &diagnostics, &error) < 0) {
		diagnostics_print(&diagnostics, &judge->world_sources, false, stderr);
		die(world, error.text);
	}
	world_mark_unpoliced(&judge->world, &judge->policy->settings);
	diagnostics_free(&diagnostics);
}

static void interfaces_make(struct judge *judge)
{
	char command[128];

	for (size_t i = 0; i < judge->world.ports.count; i++) {
		struct world_port *port = &judge->world.ports.items[i];

		snprintf(command, sizeof(command), "ip link add 'bh%zu' type veth peer name 'bp%zu'", i, i);
		if (system(command) != 0)
			die(command, "failed");
		snprintf(command, sizeof(command), "bh%zu", i);
		port->ifindex = if_nametoindex(command);
		if (memcmp(port->mac.bytes, (uint8_t[6]){0}, 6) == 0)
			memcpy(port->mac.bytes, (uint8_t[]){2, 0x42, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	}
}

static void gate_fill(struct judge *judge)
{
	const struct gate_options options = {
		.pin_dir = PIN_DIR, .stamp_shift = BH_STAMP_SHIFT_DEFAULT, .flow_quota = BH_FLOWS_PER_PORT_DEFAULT};
	struct error error = {0};
	size_t count = judge->world.ports.count;

	if (registry_new(&judge->registry) < 0 ||
	    table_compile(judge->policy, &judge->world, judge->registry, time(NULL), &judge->table, &error) < 0)
		die("compile", error.text);
	judge->table->generation = 1;
	judge->ports = calloc(count ? count : 1, sizeof(*judge->ports));
	judge->desired = (struct gate_desired){.table = judge->table, .ports = judge->ports};
	for (size_t i = 0; judge->ports && i < count; i++) {
		const struct world_port *port = &judge->world.ports.items[i];
		struct gate_port *gate = &judge->ports[judge->desired.port_count];

		if (port->unpoliced)
			continue;
		snprintf(gate->name, sizeof(gate->name), "bh%u", (unsigned int)(i % 1000000));
		gate->ifindex = port->ifindex;
		gate->domain = port->domain;
		gate->mac = port->mac;
		gate->addresses = port->addresses.items;
		gate->address_count = port->addresses.count;
		gate->identity = judge->table->ports.items[i].identity;
		gate->open = true;
		judge->desired.port_count++;
	}
	if (tc_gate_open(&options, &judge->tc, &error) < 0 ||
	    tc_gate_prepare(judge->tc, &judge->desired, false, &error) < 0)
		die("the tc gate", error.text);
	tc_gate_flip(judge->tc);
	judge->programs[0] = bpf_obj_get(PIN_DIR "/prog_ingress");
	judge->programs[1] = bpf_obj_get(PIN_DIR "/prog_egress");
	if (judge->programs[0] < 0 || judge->programs[1] < 0)
		die("the pinned programs", strerror(errno));
}

/* ---- Words ---- */

static int end_add(struct party_ends *ends, uint32_t port, bool host, const struct addr *addr)
{
	struct party_end *end = array_append(ends);

	if (!end)
		return -ENOMEM;
	*end = (struct party_end){.port = port, .host = host, .addr = *addr};
	return 0;
}

/* `web-1`, or `web-1@shop_net`: one of its ports. */
static bool port_is_named(const struct world *world, const struct world_port *port, const char *word)
{
	const char *name = port->container == WORLD_NOBODY ? NULL : world->containers.items[port->container].name;
	size_t length = name ? strlen(name) : 0;

	if (!name || strncmp(name, word, length) != 0)
		return false;
	return !word[length] || (word[length] == '@' && port->network && strcmp(port->network, word + length + 1) == 0);
}

/* Every address of a container; `host` and plain addresses as such. */
static int ends_of(const struct judge *judge, const char *word, struct party_ends *ends)
{
	const struct world *world = &judge->world;
	struct addr addr;
	bool plain = addr_parse(word, &addr) == 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < world->ports.count; i++) {
		const struct world_port *port = &world->ports.items[i];

		for (size_t j = 0; r == 0 && j < port->addresses.count; j++)
			if (plain ? addr_equal(&port->addresses.items[j], &addr) : port_is_named(world, port, word))
				r = end_add(ends, port->unpoliced ? UINT32_MAX : i, false, &port->addresses.items[j]);
	}
	for (size_t i = 0; r == 0 && i < world->host_addresses.count; i++)
		if (plain ? addr_equal(&world->host_addresses.items[i], &addr) : strcmp(word, "host") == 0)
			r = end_add(ends, UINT32_MAX, true, &world->host_addresses.items[i]);
	if (r == 0 && ends->count == 0)
		r = plain ? end_add(ends, UINT32_MAX, false, &addr) : -EINVAL;
	return r;
}

/* ---- Frames ---- */

static size_t put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = (uint8_t)value;
	return 2;
}

static size_t transport_put(uint8_t *at, uint8_t protocol, uint16_t service, uint16_t serial)
{
	memset(at, 0, 32);
	switch (protocol) {
	case IPPROTO_TCP:
		put16(at, serial);
		put16(at + 2, service);
		at[12] = 5 << 4;
		at[13] = 0x02; /* SYN */
		put16(at + 14, 65535);
		return 20;
	case IPPROTO_UDP:
		put16(at, serial);
		put16(at + 2, service);
		put16(at + 4, 8 + 12);
		return 20;
	case IPPROTO_SCTP:
		put16(at, serial);
		put16(at + 2, service);
		at[12] = 1; /* INIT */
		put16(at + 14, 20);
		put16(at + 18, 1); /* its tag: never 0 (RFC 9260, 3.3.2) */
		return 32;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put16(at, service); /* type and code */
		put16(at + 4, serial);
		return 16;
	default:
		return 32;
	}
}

static size_t frame_put(uint8_t *frame, const struct party_end *from, const struct party_end *to,
			const struct mac *to_mac, const struct mac *from_mac, uint8_t protocol, uint16_t service,
			uint16_t serial)
{
	bool v6 = to->addr.family == ADDR_V6;
	uint8_t *ip = frame + 14;
	size_t size;

	memset(frame, 0, FRAME_MAX);
	memcpy(frame, to_mac->bytes, 6);
	memcpy(frame + 6, from_mac->bytes, 6);
	put16(frame + 12, v6 ? 0x86dd : 0x0800);
	size = transport_put(ip + (v6 ? 40 : 20), protocol, service, serial);
	if (v6) {
		ip[0] = 6 << 4;
		put16(ip + 4, (uint16_t)size);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, from->addr.bytes, 16);
		memcpy(ip + 24, to->addr.bytes, 16);
		return 14 + 40 + size;
	}
	ip[0] = 4 << 4 | 5;
	put16(ip + 2, (uint16_t)(20 + size));
	put16(ip + 4, serial);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, from->addr.bytes, 4);
	memcpy(ip + 16, to->addr.bytes, 4);
	return 14 + 20 + size;
}

/* ---- A packet's way ---- */

struct answer {
	bool asked, allow, audit;
	uint32_t decision; /* of the last gate that named one */
	enum bh_reason reason;
};

static void counters_read(struct judge *judge, uint64_t *counters)
{
	struct bh_counter counter;

	for (size_t i = 0; i < judge->table->decisions.count; i++) {
		counter = (struct bh_counter){0};
		tc_gate_rule_counter(judge->tc, judge->table->decisions.items[i].number, &counter);
		counters[i] = counter.packets;
	}
}

static void reasons_read(struct judge *judge, uint64_t *reasons)
{
	struct bh_counter counter;

	for (int i = 0; i < BH_REASON_MAX; i++) {
		counter = (struct bh_counter){0};
		tc_gate_reason_counter(judge->tc, (enum bh_reason)i, &counter);
		reasons[i] = counter.packets;
	}
}

/* One program; *mark in and out. True: it passes. */
static bool gate_run(struct judge *judge, int program, uint32_t ifindex, bool received, uint8_t *frame, size_t size,
		     uint32_t *mark, struct answer *answer)
{
	struct __sk_buff in = {.ifindex = ifindex, .ingress_ifindex = received ? ifindex : 0, .mark = *mark}, out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out), .repeat = 1);
	size_t count = judge->table->decisions.count;
	AUTO_FREE uint64_t *before = calloc(count + 1, sizeof(*before)), *after = calloc(count + 1, sizeof(*after));
	uint64_t reasons_before[BH_REASON_MAX], reasons_after[BH_REASON_MAX];

	if (!before || !after)
		die("memory", "is short");
	counters_read(judge, before);
	reasons_read(judge, reasons_before);
	if (bpf_prog_test_run_opts(program, &opts) < 0)
		die("BPF_PROG_TEST_RUN", strerror(errno));
	counters_read(judge, after);
	reasons_read(judge, reasons_after);
	*mark = out.mark;
	for (int i = 0; i < BH_REASON_MAX; i++)
		if (reasons_before[i] != reasons_after[i])
			answer->reason = (enum bh_reason)i;
	for (size_t i = 0; i < count; i++)
		if (before[i] != after[i])
			answer->decision = judge->table->decisions.items[i].number;
	return (int)opts.retval == TC_ACT_UNSPEC;
}

static void answer_finish(const struct judge *judge, bool pass, struct answer *answer)
{
	const struct decision *decision = table_decision(judge->table, answer->decision);

	answer->asked = true;
	answer->audit = pass && decision && decision->deny;
	answer->allow = pass && !answer->audit;
}

/* What the real path does to a packet: the sender's port, then the receiver's. */
static void packet_run(struct judge *judge, const struct party_end *from, const struct party_end *to, uint8_t protocol,
		       uint16_t service, struct answer *answer)
{
	static const struct mac elsewhere = {{2, 0x42, 0xff, 0, 0, 1}};
	const struct world_port *source = from->port == UINT32_MAX ? NULL : &judge->world.ports.items[from->port];
	const struct world_port *target = to->port == UINT32_MAX ? NULL : &judge->world.ports.items[to->port];
	uint32_t mark = (uint32_t)(from->host ? BH_CLASS_HOST : BH_CLASS_REMOTE) << BH_STAMP_SHIFT_DEFAULT;
	uint8_t frame[FRAME_MAX];
	size_t size;
	bool pass = true;

	judge->serial = judge->serial >= 60000 || judge->serial < 32768 ? 32768 : (uint16_t)(judge->serial + 1);
	size = frame_put(frame, from, to, target ? &target->mac : &elsewhere, source ? &source->mac : &elsewhere,
			 protocol, service, judge->serial);
	if (source)
		pass = gate_run(judge, judge->programs[0], source->ifindex, true, frame, size, &mark, answer);
	if (pass && target)
		pass = gate_run(judge, judge->programs[1], target->ifindex, true, frame, size, &mark, answer);
	answer_finish(judge, pass, answer);
}

/* ---- Questions ---- */

static uint8_t atom_protocol(const struct service_atom *atom)
{
	return atom->kind == SERVICE_ALL ? IPPROTO_TCP : atom->protocol;
}

static uint16_t atom_point(const struct service_atom *atom)
{
	switch (atom->kind) {
	case SERVICE_PORTS:
		return atom->low;
	case SERVICE_ICMP:
		return (uint16_t)(atom->low << 8 | (atom->high == SERVICE_CODE_ANY ? 0 : atom->high));
	case SERVICE_PROTOCOL:
		return atom->protocol == IPPROTO_ICMP ? 8 << 8 : atom->protocol == IPPROTO_ICMPV6 ? 128 << 8 : 9;
	case SERVICE_ALL:
	case SERVICE_KIND_MAX:
		break;
	}
	return 9; /* discard: in no tunnel */
}

static bool family_fits(const struct service_atom *atom, uint8_t family)
{
	uint8_t protocol = atom_protocol(atom);

	if (protocol == IPPROTO_ICMP && atom->kind == SERVICE_ICMP)
		return family == ADDR_V4;
	if (protocol == IPPROTO_ICMPV6 && atom->kind == SERVICE_ICMP)
		return family == ADDR_V6;
	return true;
}

/* In the words of explain: it knows no guards, and calls what allows and what denies by one name. */
static const char *answer_reason(const struct answer *answer, const struct decision *decision)
{
	if (answer->audit && decision) /* passes, and is counted so */
		return reason_names[decision->reason];
	if (answer->reason == BH_ALLOW_UNASSIGNED)
		return "unassigned";
	return answer->reason == BH_DENY_RULE ? "rule" : reason_name(answer->reason);
}

static json_t *answer_json(const struct judge *judge, const struct answer *answer, bool mixed)
{
	const struct decision *decision = table_decision(judge->table, answer->decision);
	json_t *json = json_pack("{s:s,s:s}", "verdict",
				 !answer->asked	 ? "unpoliced"
				 : mixed	 ? "mixed"
				 : answer->allow ? "allow"
						 : "deny",
				 "mode", answer->audit ? "audit" : "enforce");

	if (answer->asked && !mixed)
		json_object_set_new(json, "reason", json_string(answer_reason(answer, decision)));
	if (answer->asked && !mixed && decision && decision->rule >= 0)
		json_object_set_new(json, "rule",
				    json_pack("{s:s,s:i}", "file", decision->file ? decision->file : "", "line",
					      (int)decision->place.line));
	return json;
}

static bool ends_are_one_container(const struct world *world, const struct party_end *a, const struct party_end *b)
{
	if (a->port == UINT32_MAX || b->port == UINT32_MAX)
		return false;
	return a->port == b->port || (world->ports.items[a->port].container != WORLD_NOBODY &&
				      world->ports.items[a->port].container == world->ports.items[b->port].container);
}

static json_t *question_answer(struct judge *judge, const char *from_word, const char *to_word, const char *service)
{
	struct party_ends from = {0}, to = {0};
	struct service_atoms atoms = {0};
	struct error error = {0};
	struct answer first = {0};
	bool mixed = false;
	json_t *json;

	if (ends_of(judge, from_word, &from) < 0 || ends_of(judge, to_word, &to) < 0)
		return json_pack("{s:s}", "error", "an end is not understood");
	if (service_parse(judge->policy, service, &atoms, &error) < 0)
		return json_pack("{s:s}", "error", error.text);
	for (size_t i = 0; i < from.count; i++) {
		for (size_t j = 0; j < to.count; j++) {
			const struct party_end *source = &from.items[i], *target = &to.items[j];

			if (source->addr.family != target->addr.family ||
			    (source->port == UINT32_MAX && target->port == UINT32_MAX) ||
			    ends_are_one_container(&judge->world, source, target))
				continue;
			for (size_t k = 0; k < atoms.count; k++) {
				struct answer answer = {0};

				if (!family_fits(&atoms.items[k], target->addr.family))
					continue;
				packet_run(judge, source, target, atom_protocol(&atoms.items[k]),
					   atom_point(&atoms.items[k]), &answer);
				mixed = mixed || (first.asked && first.allow != answer.allow);
				first = answer;
			}
		}
	}
	json = answer_json(judge, &first, mixed);
	array_free(&from);
	array_free(&to);
	array_free(&atoms);
	return json;
}

/* ---- Frames as they are ---- */

/* A frame at one port, as it stands there. */
static json_t *frame_answer(struct judge *judge, char *place, const char *hex)
{
	char *interface = strtok(place, ","), *way = strtok(NULL, ","), *stamp = strtok(NULL, ",");
	char *received = strtok(NULL, ",");
	struct answer answer = {0};
	uint8_t frame[FRAME_MAX];
	uint32_t index, mark;
	size_t size;
	bool from;

	if (!received || !port_word_read(&judge->world, interface, &index) ||
	    !stamp_word_read(judge->table, &judge->world, stamp, &mark) || !hex_read(hex, frame, sizeof(frame), &size))
		return json_pack("{s:s}", "error", "a line is frame INTERFACE,WAY,STAMP,RECEIVED HEX");
	from = strcmp(way, "from") == 0;
	mark <<= BH_STAMP_SHIFT_DEFAULT;
	answer_finish(judge,
		      gate_run(judge, judge->programs[from ? 0 : 1], judge->world.ports.items[index].ifindex,
			       from || strcmp(received, "1") == 0, frame, size, &mark, &answer),
		      &answer);
	return json_pack("{s:s,s:s}", "verdict", answer.allow || answer.audit ? "allow" : "deny", "reason",
			 reason_name(answer.reason));
}

static int batch(struct judge *judge)
{
	static char line[3 * FRAME_MAX], service[3 * FRAME_MAX];
	char from[1024], to[1024];

	while (fgets(line, sizeof(line), stdin)) {
		json_t *json;

		if (sscanf(line, "%1023s %1023s %12287s", from, to, service) != 3)
			json = json_pack("{s:s}", "error", "a line is FROM TO SERVICE");
		else if (strcmp(from, "frame") == 0)
			json = frame_answer(judge, to, service);
		else
			json = question_answer(judge, from, to, service);
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(json);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"policy", required_argument, NULL, 'p'},
						{"world", required_argument, NULL, 'w'},
						{"batch", required_argument, NULL, 'b'},
						{0}};
	const char *policy = NULL, *world = NULL;
	struct judge judge = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			policy = optarg;
		else if (option == 'w')
			world = optarg;
	}
	if (!policy || !world)
		die("usage", "bpf_judge --policy PATH --world FILE --batch -");
	namespaces_enter();
	policy_and_world_load(&judge, policy, world);
	interfaces_make(&judge);
	gate_fill(&judge);
	return batch(&judge);
}
