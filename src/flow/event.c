/* SPDX-License-Identifier: GPL-2.0-only */
#include "flow/event.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "policy/model.h"
#include "table/table.h"

static const char *const verdict_names[] = {
	[BH_EVENT_ALLOW] = "allow",   [BH_EVENT_DENY] = "deny", [BH_EVENT_WOULD_DENY] = "would-deny",
	[BH_EVENT_STAGED] = "staged", [BH_EVENT_LOST] = "lost",
};

static int json_put_text(json_t *object, const char *key, const char *text)
{
	char safe[512];

	if (!text || !*text)
		return 0;
	if (text_is_utf8(text, strlen(text)))
		return json_object_set_new(object, key, json_string(text));
	return json_object_set_new(object, key, json_string(text_escape(safe, sizeof(safe), text)));
}

/* Of the event's addresses; 0: it has none. ARP is not IP, but speaks of IPv4 addresses. */
static int address_family(const struct bh_event *event)
{
	static const uint8_t none[16];

	if (event->family == ADDR_V4 || event->family == ADDR_V6)
		return event->family;
	if (event->ethertype != ETH_P_ARP ||
	    (memcmp(event->source, none, sizeof(none)) == 0 && memcmp(event->destination, none, sizeof(none)) == 0))
		return 0;
	return ADDR_V4;
}

static int put_address(json_t *end, const struct bh_event *event, const uint8_t *bytes)
{
	int family = address_family(event);
	char buffer[ADDR_TEXT_MAX];
	struct addr addr;

	if (!family)
		return 0;
	addr = addr_from_bytes(family, bytes);
	return json_put_text(end, "address", addr_format(&addr, buffer));
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static bool mac_is_set(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) != 0;
}

/* One end of the event. `own`: it is the port that the event is of. */
static json_t *end_json(const struct bh_event *event, const struct event_names *names, bool source, bool own)
{
	const uint8_t *bytes = source ? event->source : event->destination;
	const uint8_t *mac_bytes = source ? event->source_mac : event->destination_mac;
	uint32_t class = source ? event->src_class : event->dst_class;
	uint16_t port = source ? event->source_port : event->destination_port;
	const char *container = NULL, *identity = NULL;
	json_t *others = NULL;
	char mac_text[MAC_TEXT_MAX];
	json_t *end = json_object();
	struct mac mac;
	int ret = 0;

	if (!end)
		return NULL;
	if (own && names->container)
		container = names->container(names->arg, event->port_id, event->ifindex);
	else if (!own && address_family(event) && names->container_at)
		container = names->container_at(names->arg, address_family(event), bytes, event->ifindex);
	if (class && names->class_name)
		identity = names->class_name(names->arg, event->generation, class);
	ret |= json_put_text(end, "container", container);
	if (container && names->others)
		others = names->others(names->arg, address_family(event), own ? NULL : bytes, event->ifindex);
	if (others)
		ret |= json_object_set_new(end, "others", others);
	ret |= json_put_text(end, "identity", identity);
	ret |= put_address(end, event, bytes);
	if (has_ports(event->protocol) && event->family)
		ret |= json_object_set_new(end, "port", json_integer(port));
	if (mac_is_set(mac_bytes)) {
		memcpy(mac.bytes, mac_bytes, sizeof(mac.bytes));
		ret |= json_put_text(end, "mac", mac_format(&mac, mac_text));
	}
	if (ret != 0) {
		json_decref(end);
		return NULL;
	}
	return end;
}

static void protocol_name(const struct bh_event *event, char *buffer, size_t size)
{
	switch (event->protocol) {
	case IPPROTO_TCP:
		snprintf(buffer, size, "tcp");
		break;
	case IPPROTO_UDP:
		snprintf(buffer, size, "udp");
		break;
	case IPPROTO_SCTP:
		snprintf(buffer, size, "sctp");
		break;
	case IPPROTO_ICMP:
		snprintf(buffer, size, "icmp");
		break;
	case IPPROTO_ICMPV6:
		snprintf(buffer, size, "icmpv6");
		break;
	default:
		snprintf(buffer, size, "proto/%u", event->protocol);
		break;
	}
}

/* The service as a policy would write it. */
static int put_service(json_t *json, const struct bh_event *event)
{
	char protocol[16], service[64];
	struct service_atom atom = {.kind = SERVICE_ICMP, .protocol = event->protocol};
	struct text text = {0};
	int ret;

	if (!event->family) {
		ret = json_object_set_new(json, "ethertype", json_sprintf("0x%04x", event->ethertype));
		if (event->ethertype == ETH_P_ARP)
			ret |= json_put_text(json, "service", "arp");
		return ret;
	}
	protocol_name(event, protocol, sizeof(protocol));
	ret = json_put_text(json, "protocol", protocol);
	if (has_ports(event->protocol)) {
		snprintf(service, sizeof(service), "%s/%u", protocol, event->destination_port);
		return ret | json_put_text(json, "service", service);
	}
	if (event->protocol != IPPROTO_ICMP && event->protocol != IPPROTO_ICMPV6)
		return ret | json_put_text(json, "service", protocol);
	atom.low = event->destination_port >> 8;
	atom.high = event->destination_port & 0xff;
	/* Most types have no code but 0: the type alone reads better. */
	if (atom.high == 0)
		atom.high = SERVICE_CODE_ANY;
	service_atom_format(&atom, &text);
	ret |= json_put_text(json, "service", text_string(&text));
	text_free(&text);
	return ret;
}

static int put_tcp_flags(json_t *json, const struct bh_event *event)
{
	static const char letters[] = "FSRPAUEC"; /* RFC 9293: FIN is bit 0 */
	char flags[9] = "";
	size_t length = 0;

	if (event->protocol != IPPROTO_TCP || !event->family)
		return 0;
	for (unsigned int bit = 0; bit < 8; bit++)
		if (event->tcp_flags & (1u << bit))
			flags[length++] = letters[bit];
	flags[length] = '\0';
	return json_put_text(json, "tcp_flags", flags);
}

static int put_rule(json_t *json, const struct bh_event *event, const struct event_names *names)
{
	const struct decision *decision = NULL;
	json_t *rule;
	int ret;

	if (!event->decision)
		return 0;
	if (names->decision)
		decision = names->decision(names->arg, event->generation, event->decision);
	ret = json_object_set_new(json, "decision", json_integer(event->decision));
	if (!decision)
		return ret;
	rule = json_object();
	if (!rule)
		return -1;
	if (decision->file && decision->place.line) {
		ret |= json_put_text(rule, "file", decision->file);
		ret |= json_object_set_new(rule, "line", json_integer(decision->place.line));
	}
	ret |= json_put_text(rule, "text", decision->text);
	return ret | json_object_set_new(json, "rule", rule);
}

static int put_time(json_t *json, int64_t ns)
{
	char date[32], text[48];
	int millis = (int)(ns / 1000000 % 1000);

	time_format(date, ns);
	/* "2027-01-31T18:00:00Z" → with milliseconds before the Z. */
	snprintf(text, sizeof(text), "%.*s.%03dZ", (int)strcspn(date, "Z"), date, millis);
	return json_object_set_new(json, "time", json_string(text));
}

json_t *event_json(const struct bh_event *event, const struct event_names *names, int64_t boot_to_epoch)
{
	bool from_port = event->direction == BH_EVENT_FROM_PORT;
	const char *verdict = event->verdict <= BH_EVENT_LOST ? verdict_names[event->verdict] : "unknown";
	json_t *json = json_object();
	int ret;

	if (!json)
		return NULL;
	ret = put_time(json, (int64_t)event->time + boot_to_epoch);
	ret |= json_put_text(json, "verdict", verdict);
	if (event->verdict != BH_EVENT_STAGED && event->verdict != BH_EVENT_LOST) {
		ret |= json_put_text(json, "reason", reason_name(event->reason));
		ret |= json_put_text(json, "reason_text", reason_sentence(event->reason));
	}
	ret |= json_put_text(json, "direction", from_port ? "from" : "to");
	if (names->interface)
		ret |= json_put_text(json, "interface", names->interface(names->arg, event->ifindex));
	ret |= json_object_set_new(json, "ifindex", json_integer(event->ifindex));
	ret |= json_object_set_new(json, "from", end_json(event, names, true, from_port));
	ret |= json_object_set_new(json, "to", end_json(event, names, false, !from_port));
	ret |= put_service(json, event);
	ret |= put_tcp_flags(json, event);
	ret |= json_object_set_new(json, "length", json_integer(event->length));
	ret |= put_rule(json, event, names);
	ret |= json_object_set_new(json, "generation", json_integer(event->generation));
	if (event->suppressed)
		ret |= json_object_set_new(json, "suppressed", json_integer(event->suppressed));
	if (ret != 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
