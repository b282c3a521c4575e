/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking the table: the look-ups that the eBPF programs make (tc-bpf/classify.h), one for one. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "table/table.h"

/* ---- Classes ---- */

const struct address_entry *table_address(const struct table *table, uint32_t domain, const struct addr *addr)
{
	size_t low = 0, high = table->addresses.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct address_entry *entry = &table->addresses.items[middle];
		int order =
			entry->domain != domain ? (entry->domain < domain ? -1 : 1) : addr_compare(&entry->addr, addr);

		if (order == 0)
			return entry;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct address_entry *address_seen(const struct table *table, const struct addr *addr, uint32_t domain)
{
	const struct address_entry *entry = domain ? table_address(table, domain, addr) : NULL;

	return entry ? entry : table_address(table, 0, addr);
}

/* The IPv4 address inside an IPv6 one, if a NAT64 prefix holds it. */
static bool address_nat64(const struct table *table, const struct addr *addr, struct addr *ret_inner)
{
	for (size_t i = 0; addr->family == ADDR_V6 && i < table->nat64.count; i++)
		if (prefix_holds(&table->nat64.items[i], addr)) {
			*ret_inner = addr_from_bytes(ADDR_V4, addr->bytes + 12);
			return true;
		}
	return false;
}

/* The longest prefix: the last one that is not above the address in the order, or one around it. */
static uint32_t prefix_class(const struct table *table, const struct addr *addr)
{
	struct prefix whole = prefix_of(addr);
	size_t low = 0, high = table->prefixes.count;
	uint32_t index;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_compare(&table->prefixes.items[middle].prefix, &whole) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (index = (uint32_t)low - 1; index != UINT32_MAX; index = table->prefix_parents[index])
		if (prefix_holds(&table->prefixes.items[index].prefix, addr))
			return table->prefixes.items[index].class;
	return BH_CLASS_NONE; /* no address at all: both /0 are there */
}

uint32_t table_class(const struct table *table, const struct addr *addr, uint32_t domain)
{
	const struct address_entry *entry = address_seen(table, addr, domain);
	struct addr inner;

	if (entry)
		return entry->class;
	if (address_nat64(table, addr, &inner)) {
		entry = address_seen(table, &inner, domain);
		return entry ? entry->class : prefix_class(table, &inner);
	}
	return prefix_class(table, addr);
}

uint32_t table_service(const struct table *table, const struct service_point *service)
{
	uint32_t row = BH_ROW_PROTO, column = service->protocol;

	switch (service->protocol) {
	case IPPROTO_TCP:
		row = BH_ROW_TCP;
		break;
	case IPPROTO_UDP:
		row = BH_ROW_UDP;
		break;
	case IPPROTO_SCTP:
		row = BH_ROW_SCTP;
		break;
	case IPPROTO_ICMP:
		row = BH_ROW_ICMP;
		break;
	case IPPROTO_ICMPV6:
		row = BH_ROW_ICMPV6;
		break;
	default: /* an IP protocol number, no enum of ours */
		return table->services[row].class[column];
	}
	return table->services[row + (service->port >> 8)].class[service->port & 0xff];
}

/* ---- Verdicts ---- */

const struct bh_cell *table_cell(const struct table *table, uint64_t key)
{
	size_t low = 0, high = table->cells.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->cells.items[middle].key == key)
			return &table->cells.items[middle].cell;
		if (table->cells.items[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct bh_class_info *class_info(const struct table *table, uint32_t class)
{
	static const struct bh_class_info unknown = {.flags = BH_CLASS_ZONE | BH_CLASS_LOG_DENIED};

	return class < table->class_count ? &table->class_info[class] : &unknown;
}

/* abi.h, bh_class_info, 4: audited iff an end is and no end has a zone that is not. */
static bool flags_audited(uint32_t source, uint32_t destination)
{
	const uint32_t both = BH_CLASS_ZONE | BH_CLASS_AUDIT;

	return (source | destination) & BH_CLASS_AUDIT && (source & both) != BH_CLASS_ZONE &&
	       (destination & both) != BH_CLASS_ZONE;
}

/* Ends that are refused before any cell. */
static bool lookup_refused(const struct table *table, uint32_t src, uint32_t dst, struct table_verdict *verdict)
{
	uint32_t class = BH_CLASS_CONFLICTED;

	if (src != BH_CLASS_CONFLICTED && dst != BH_CLASS_CONFLICTED) {
		class = BH_CLASS_AMBIGUOUS;
		if (src != BH_CLASS_AMBIGUOUS && dst != BH_CLASS_AMBIGUOUS)
			return false;
	}
	verdict->reason = class == BH_CLASS_CONFLICTED ? BH_DENY_CONFLICTED : BH_DENY_AMBIGUOUS;
	verdict->decision = class_info(table, class)->default_decision;
	verdict->log = true;
	return true;
}

static void lookup_default(const struct table *table, uint32_t src, uint32_t dst, struct table_verdict *verdict)
{
	const struct bh_class_info *source = class_info(table, src), *destination = class_info(table, dst);
	const struct bh_class_info *logged = destination->flags & BH_CLASS_ZONE ? destination : source;

	verdict->reason = BH_DENY_DEFAULT;
	verdict->decision = destination->default_decision ? destination->default_decision : source->default_decision;
	verdict->audit = flags_audited(source->flags, destination->flags);
	verdict->log = logged->flags & BH_CLASS_LOG_DENIED;
}

static void lookup_cell(const struct bh_cell *cell, uint64_t now, struct table_verdict *verdict)
{
	verdict->audit = cell->flags & BH_CELL_AUDIT;
	if (now < cell->staged_until) {
		verdict->staged = cell->staged_decision;
		verdict->staged_deny = cell->flags & BH_CELL_STAGED_DENY;
	}
	if (now < cell->deny_until) {
		verdict->reason = BH_DENY_RULE;
		verdict->decision = cell->deny_decision;
		verdict->log = cell->flags & BH_CELL_DENY_LOG;
		verdict->valid_until = cell->deny_until;
	} else if (now < cell->allow_until) {
		verdict->allow = true;
		verdict->reason = BH_ALLOW_RULE;
		verdict->decision = cell->allow_decision;
		verdict->log = cell->flags & BH_CELL_ALLOW_LOG;
		verdict->valid_until = cell->allow_until;
	} else {
		verdict->allow = cell->flags & BH_CELL_BASE_ALLOW;
		verdict->reason = cell->base_reason;
		verdict->decision = cell->base_decision;
		verdict->log = cell->flags & BH_CELL_BASE_LOG;
	}
}

void table_lookup(const struct table *table, uint32_t src, uint32_t dst, uint32_t service, int64_t now,
		  struct table_verdict *ret_verdict)
{
	struct table_verdict verdict = {.valid_until = BH_FOREVER};
	const struct bh_cell *cell;

	if (!lookup_refused(table, src, dst, &verdict)) {
		cell = table_cell(table, BH_CELL_KEY(src, dst, service));
		if (!cell)
			cell = table_cell(table, BH_CELL_KEY(src, dst, BH_SERVICE_ANY));
		if (cell)
			lookup_cell(cell, now < 0 ? 0 : (uint64_t)now, &verdict);
		else
			lookup_default(table, src, dst, &verdict);
	}
	*ret_verdict = verdict;
}

const struct decision *table_decision(const struct table *table, uint32_t number)
{
	size_t low = 0, high = table->decisions.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->decisions.items[middle].number == number)
			return &table->decisions.items[middle];
		if (table->decisions.items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *table_class_name(const struct table *table, uint32_t class)
{
	if (class >= BH_CLASS_FIRST)
		return class - BH_CLASS_FIRST < table->classes.count ? table->classes.items[class - BH_CLASS_FIRST].name
								     : "unknown";
	for (size_t i = 0; i < table->identities.count; i++)
		if (table->identities.items[i].number == class)
			return table->identities.items[i].name;
	switch (class) {
	case BH_CLASS_HOST:
		return "host";
	case BH_CLASS_REMOTE:
		return "remote";
	case BH_CLASS_REFUSED:
		return "refused";
	case BH_CLASS_AMBIGUOUS:
		return "ambiguous";
	default: /* numbers, of which an enum names some */
		return class >= BH_IDENTITY_FIRST ? "retired" : "nobody";
	}
}

/* ---- As a judge ---- */

/* An end as the table sees it. */
struct judged_end {
	uint32_t class;
	uint32_t container; /* whose it is, if one port has it; WORLD_NOBODY */
	uint32_t port;	    /* WORLD_NOBODY: none */
	bool nowhere;	    /* an unpoliced port without an address */
};

/* A port of the world that is policed and has this address, in this domain if there is one. */
static uint32_t judge_find_port(const struct world *world, const struct addr *addr, uint32_t domain)
{
	uint32_t found = WORLD_NOBODY;

	for (size_t i = 0; i < world->ports.count; i++) {
		const struct world_port *port = &world->ports.items[i];

		for (size_t k = 0; !port->unpoliced && k < port->addresses.count; k++) {
			if (!addr_equal(&port->addresses.items[k], addr))
				continue;
			if (domain && port->domain == domain)
				return (uint32_t)i;
			if (found == WORLD_NOBODY)
				found = (uint32_t)i;
		}
	}
	return found;
}

static bool class_is_port(uint32_t class)
{
	return class == BH_CLASS_UNASSIGNED || class == BH_CLASS_CONFLICTED || class == BH_CLASS_AMBIGUOUS ||
	       (class >= BH_IDENTITY_FIRST && class < BH_IDENTITY_MAX);
}

static void judge_address(const struct table_judge *judge, const struct addr *addr, uint32_t domain,
			  struct judged_end *end)
{
	struct addr inner;

	end->class = table_class(judge->table, addr, domain);
	if (!class_is_port(end->class) || end->class == BH_CLASS_AMBIGUOUS)
		return;
	if (!address_seen(judge->table, addr, domain) && address_nat64(judge->table, addr, &inner))
		addr = &inner;
	end->port = judge_find_port(judge->world, addr, domain);
	if (end->port != WORLD_NOBODY)
		end->container = judge->world->ports.items[end->port].container;
}

static int judge_end(const struct table_judge *judge, const struct party *party, struct judged_end *ret_end)
{
	struct judged_end end = {.container = WORLD_NOBODY, .port = WORLD_NOBODY};
	const struct world_port *port;

	switch (party->kind) {
	case PARTY_HOST:
		end.class = BH_CLASS_HOST;
		break;
	case PARTY_ADDRESS:
		if (party->addr.family != ADDR_V4 && party->addr.family != ADDR_V6)
			return -EINVAL;
		judge_address(judge, &party->addr, party->domain, &end);
		break;
	case PARTY_PORT:
		if (party->port >= judge->world->ports.count || party->port >= judge->table->ports.count)
			return -EINVAL;
		port = &judge->world->ports.items[party->port];
		end.class = judge->table->ports.items[party->port].identity;
		if (end.class != BH_CLASS_NONE) {
			end.port = party->port;
			end.container = port->container;
		} else if (port->addresses.count) {
			judge_address(judge, &port->addresses.items[0], port->domain, &end);
		} else {
			end.nowhere = true;
		}
		break;
	}
	*ret_end = end;
	return 0;
}

static bool judge_unpoliced(const struct judged_end *from, const struct judged_end *to)
{
	if (from->nowhere || to->nowhere || (!class_is_port(from->class) && !class_is_port(to->class)))
		return true;
	return (from->port != WORLD_NOBODY && from->port == to->port) ||
	       (from->container != WORLD_NOBODY && from->container == to->container);
}

static enum reason judge_reason(uint8_t reason)
{
	switch (reason) {
	case BH_ALLOW_RULE:
	case BH_DENY_RULE:
		return REASON_RULE;
	case BH_ALLOW_GROUP:
		return REASON_GROUP;
	case BH_ALLOW_ZONE:
		return REASON_ZONE;
	case BH_ALLOW_HOST:
		return REASON_HOST;
	case BH_ALLOW_UNASSIGNED:
	case BH_DENY_UNASSIGNED:
		return REASON_UNASSIGNED;
	case BH_DENY_CONFLICTED:
	case BH_DENY_AMBIGUOUS:
		return REASON_CONFLICTED;
	default: /* BH_DENY_DEFAULT; the others are no verdicts of a table */
		return REASON_DEFAULT;
	}
}

/* The member that puts a conflicted port in the first of its zones: the class alone does not tell. */
static int judge_conflict_place(const struct table_judge *judge, const struct judged_end *from,
				const struct judged_end *to, struct place *place)
{
	const struct judged_end *end = from->class == BH_CLASS_CONFLICTED ? from : to;
	struct membership membership = {0};
	int r;

	if (end->class != BH_CLASS_CONFLICTED || end->port == WORLD_NOBODY)
		return 0;
	r = membership_find(judge->policy, judge->world, &judge->world->ports.items[end->port], &membership);
	if (r < 0)
		return r;
	*place = membership.place;
	membership_free(&membership);
	return 0;
}

int table_judge(void *context, const struct party *from, const struct party *to, const struct service_point *service,
		int64_t now, struct verdict *ret_verdict)
{
	const struct table_judge *judge = context;
	struct judged_end source, destination;
	const struct decision *decision;
	struct table_verdict found;
	struct verdict verdict = {.rule = -1};
	int r = judge_end(judge, from, &source);

	if (r == 0)
		r = judge_end(judge, to, &destination);
	if (r < 0)
		return r;
	verdict.unpoliced = judge_unpoliced(&source, &destination);
	if (verdict.unpoliced) {
		*ret_verdict = verdict;
		return 0;
	}
	table_lookup(judge->table, source.class, destination.class, table_service(judge->table, service), now, &found);
	verdict.allow = found.allow;
	verdict.audit = found.audit;
	verdict.reason = judge_reason(found.reason);
	decision = table_decision(judge->table, found.decision);
	if (decision) {
		verdict.rule = decision->rule;
		verdict.place = decision->place;
	}
	if (verdict.reason == REASON_CONFLICTED) {
		r = judge_conflict_place(judge, &source, &destination, &verdict.place);
		if (r < 0)
			return r;
	}
	decision = found.staged ? table_decision(judge->table, found.staged) : NULL;
	if (decision) {
		uint32_t *slot = array_append(&verdict.staged);

		if (!slot)
			return -ENOMEM;
		*slot = (uint32_t)decision->rule;
	}
	*ret_verdict = verdict;
	return 0;
}
