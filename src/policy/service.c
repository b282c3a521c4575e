/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/node.h"

#define FEW_ATOMS	32 /* up to here their order is kept when doubles are taken out */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- names ---- */

struct number_name {
	uint8_t number;
	const char *name;
};

/* As nft(8) calls them. */
static const struct number_name icmp_types[] = {
	{0, "echo-reply"},	   {3, "destination-unreachable"}, {4, "source-quench"},	{5, "redirect"},
	{8, "echo-request"},	   {9, "router-advertisement"},	   {10, "router-solicitation"}, {11, "time-exceeded"},
	{12, "parameter-problem"}, {13, "timestamp-request"},	   {14, "timestamp-reply"},	{15, "info-request"},
	{16, "info-reply"},	   {17, "address-mask-request"},   {18, "address-mask-reply"},
};
static const struct number_name icmpv6_types[] = {
	{1, "destination-unreachable"},	 {2, "packet-too-big"},		{3, "time-exceeded"},
	{4, "parameter-problem"},	 {128, "echo-request"},		{129, "echo-reply"},
	{130, "mld-listener-query"},	 {131, "mld-listener-report"},	{132, "mld-listener-done"},
	{132, "mld-listener-reduction"}, {133, "nd-router-solicit"},	{134, "nd-router-advert"},
	{135, "nd-neighbor-solicit"},	 {136, "nd-neighbor-advert"},	{137, "nd-redirect"},
	{138, "router-renumbering"},	 {141, "ind-neighbor-solicit"}, {142, "ind-neighbor-advert"},
	{143, "mld2-listener-report"},
};
/* Codes of destination-unreachable, which alone have names. */
static const struct number_name icmp_codes[] = {
	{0, "net-unreachable"}, {1, "host-unreachable"}, {2, "prot-unreachable"}, {3, "port-unreachable"},
	{4, "frag-needed"},	{9, "net-prohibited"},	 {10, "host-prohibited"}, {13, "admin-prohibited"},
};
static const struct number_name icmpv6_codes[] = {
	{0, "no-route"},	 {1, "admin-prohibited"}, {3, "addr-unreachable"},
	{4, "port-unreachable"}, {5, "policy-fail"},	  {6, "reject-route"},
};

/* One of the two ICMPs, as `icmp/…` and `icmpv6/…` spell it. */
struct icmp_family {
	const char *word;
	uint8_t protocol;
	const struct number_name *types;
	size_t type_count;
	const struct number_name *codes;
	size_t code_count;
	uint8_t coded_type; /* the type whose codes have names */
};
static const struct icmp_family icmp_families[] = {
	{"icmp", IPPROTO_ICMP, icmp_types, COUNT_OF(icmp_types), icmp_codes, COUNT_OF(icmp_codes), 3},
	{"icmpv6", IPPROTO_ICMPV6, icmpv6_types, COUNT_OF(icmpv6_types), icmpv6_codes, COUNT_OF(icmpv6_codes), 1},
};

static const struct number_name port_protocols[] = {
	{IPPROTO_TCP, "tcp"},
	{IPPROTO_UDP, "udp"},
	{IPPROTO_SCTP, "sctp"},
};

const char *const service_reserved_names[] = {
	"all", "tcp", "udp", "sctp", "icmp", "dns", "http", "https", "ssh", "ntp", "ping", "tunnels", "icmpv6", "proto",
};
const size_t service_reserved_count = COUNT_OF(service_reserved_names);
const size_t service_builtin_count = COUNT_OF(service_reserved_names) - 2; /* all but icmpv6 and proto */

/* ---- built-in services ---- */

static const struct builtin {
	const char *name;
	struct service_atom atom; /* a service of several atoms has several lines */
} builtins[] = {
	{"all", {.kind = SERVICE_ALL}},
	{"tcp", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_TCP}},
	{"udp", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_UDP}},
	{"sctp", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_SCTP}},
	{"icmp", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_ICMP}},
	{"icmp", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_ICMPV6}},
	{"dns", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 53, .high = 53}},
	{"dns", {.kind = SERVICE_PORTS, .protocol = IPPROTO_TCP, .low = 53, .high = 53}},
	{"http", {.kind = SERVICE_PORTS, .protocol = IPPROTO_TCP, .low = 80, .high = 80}},
	{"https", {.kind = SERVICE_PORTS, .protocol = IPPROTO_TCP, .low = 443, .high = 443}},
	{"https", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 443, .high = 443}},
	{"ssh", {.kind = SERVICE_PORTS, .protocol = IPPROTO_TCP, .low = 22, .high = 22}},
	{"ntp", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 123, .high = 123}},
	{"ping", {.kind = SERVICE_ICMP, .protocol = IPPROTO_ICMP, .low = 8, .high = SERVICE_CODE_ANY}},
	{"ping", {.kind = SERVICE_ICMP, .protocol = IPPROTO_ICMPV6, .low = 128, .high = SERVICE_CODE_ANY}},
	{"tunnels", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_IPIP}},
	{"tunnels", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_IPV6}},
	{"tunnels", {.kind = SERVICE_PROTOCOL, .protocol = IPPROTO_GRE}},
	{"tunnels", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 4789, .high = 4789}},
	{"tunnels", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 8472, .high = 8472}},
	{"tunnels", {.kind = SERVICE_PORTS, .protocol = IPPROTO_UDP, .low = 6081, .high = 6081}},
};

static int atom_append(struct service_atoms *atoms, const struct service_atom *atom)
{
	struct service_atom *slot = array_append(atoms);

	if (!slot)
		return -ENOMEM;
	*slot = *atom;
	return 0;
}

static int builtin_parse(const char *word, struct service_atoms *atoms)
{
	bool found = false;

	for (size_t i = 0; i < COUNT_OF(builtins); i++) {
		if (strcmp(builtins[i].name, word) != 0)
			continue;
		found = true;
		if (atom_append(atoms, &builtins[i].atom) < 0)
			return -ENOMEM;
	}
	return found ? 0 : -ENOENT;
}

/* ---- proto/… ---- */

/* A decimal number without sign, blanks or leading zeros. */
static bool number_parse(const char *text, size_t length, unsigned int max, unsigned int *ret_number)
{
	unsigned int number = 0;

	if (!length || length > 5 || (text[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned int)(text[i] - '0');
	}
	if (number > max)
		return false;
	*ret_number = number;
	return true;
}

static int word_refuse(struct error *error, const char *what, const char *word, const char *hint)
{
	char shown[SHOWN_MAX];

	return error_set(error, -EINVAL, "%s '%s'%s", what, text_escape(shown, sizeof(shown), word), hint);
}

static int ports_parse(const char *word, const char *ports, uint8_t protocol, struct service_atoms *atoms,
		       struct error *error)
{
	const char *dash = strchr(ports, '-');
	size_t length = dash ? (size_t)(dash - ports) : strlen(ports);
	struct service_atom atom = {.kind = SERVICE_PORTS, .protocol = protocol};
	unsigned int low, high;

	if (!number_parse(ports, length, UINT16_MAX, &low) || !low)
		return word_refuse(error, "bad port in", word, ": ports are 1 to 65535, as PORT or LOW-HIGH");
	high = low;
	if (dash && (!number_parse(dash + 1, strlen(dash + 1), UINT16_MAX, &high) || !high))
		return word_refuse(error, "bad port in", word, ": ports are 1 to 65535, as PORT or LOW-HIGH");
	if (high < low)
		return word_refuse(error, "bad port range in", word, ": the lower port comes first");
	atom.low = (uint16_t)low;
	atom.high = (uint16_t)high;
	return atom_append(atoms, &atom);
}

static int protocol_parse(const char *word, const char *number, struct service_atoms *atoms, struct error *error)
{
	struct service_atom atom = {.kind = SERVICE_PROTOCOL};
	unsigned int protocol;

	if (!number_parse(number, strlen(number), UINT8_MAX, &protocol))
		return word_refuse(error, "bad protocol in", word,
				   ": proto/N is the number of an IP protocol, 0 to 255");
	atom.protocol = (uint8_t)protocol;
	return atom_append(atoms, &atom);
}

/* " (did you mean '…'?)" for a name out of a table. */
static const char *name_hint(char *buffer, size_t size, const char *name, const struct number_name *names, size_t count)
{
	const char *candidates[32];
	const char *nearest;

	_Static_assert(COUNT_OF(icmpv6_types) <= COUNT_OF(candidates), "all names fit");
	for (size_t i = 0; i < count; i++)
		candidates[i] = names[i].name;
	nearest = text_nearest(name, candidates, count);
	if (nearest)
		snprintf(buffer, size, " (did you mean '%s'?)", nearest);
	else
		buffer[0] = '\0';
	return buffer;
}

static bool name_parse(const char *text, const struct number_name *names, size_t count, unsigned int *ret_number)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i].name, text)) {
			*ret_number = names[i].number;
			return true;
		}
	return number_parse(text, strlen(text), UINT8_MAX, ret_number);
}

static const char *number_name(const struct number_name *names, size_t count, unsigned int number)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

static int icmp_parse(const char *word, const char *rest, const struct icmp_family *family, struct service_atoms *atoms,
		      struct error *error)
{
	struct service_atom atom = {.kind = SERVICE_ICMP, .protocol = family->protocol, .high = SERVICE_CODE_ANY};
	const char *slash = strchr(rest, '/');
	char type_text[SHOWN_MAX], hint[SHOWN_MAX];
	size_t named_codes;
	unsigned int type, code;

	snprintf(type_text, sizeof(type_text), "%.*s", slash ? (int)(slash - rest) : -1, rest);
	if (!name_parse(type_text, family->types, family->type_count, &type))
		return word_refuse(error, "unknown ICMP type in", word,
				   name_hint(hint, sizeof(hint), type_text, family->types, family->type_count));
	named_codes = type == family->coded_type ? family->code_count : 0;
	if (slash && !name_parse(slash + 1, family->codes, named_codes, &code))
		return word_refuse(error, "unknown ICMP code in", word,
				   name_hint(hint, sizeof(hint), slash + 1, family->codes, named_codes));
	atom.low = (uint16_t)type;
	if (slash)
		atom.high = (uint16_t)code;
	return atom_append(atoms, &atom);
}

static int prefix_refuse(const char *word, size_t length, struct error *error)
{
	const char *candidates[] = {"tcp", "udp", "sctp", "icmp", "icmpv6", "proto"};
	char protocol[SHOWN_MAX], shown[SHOWN_MAX], shown_word[SHOWN_MAX];
	const char *nearest;

	snprintf(protocol, sizeof(protocol), "%.*s", (int)(length < SHOWN_MAX ? length : SHOWN_MAX - 1), word);
	nearest = text_nearest(protocol, candidates, COUNT_OF(candidates));
	text_escape(shown, sizeof(shown), protocol);
	text_escape(shown_word, sizeof(shown_word), word);
	if (nearest)
		return error_set(error, -EINVAL, "unknown protocol '%s' in '%s' (did you mean '%s'?)", shown,
				 shown_word, nearest);
	return error_set(error, -EINVAL, "unknown protocol '%s' in '%s': tcp, udp, sctp, icmp, icmpv6 or proto", shown,
			 shown_word);
}

int service_word_parse(const char *word, struct service_atoms *atoms, struct error *error)
{
	const char *slash = strchr(word, '/');
	size_t length = slash ? (size_t)(slash - word) : 0;

	if (!slash)
		return builtin_parse(word, atoms);
	for (size_t i = 0; i < COUNT_OF(port_protocols); i++)
		if (length == strlen(port_protocols[i].name) && !memcmp(word, port_protocols[i].name, length))
			return ports_parse(word, slash + 1, port_protocols[i].number, atoms, error);
	for (size_t i = 0; i < COUNT_OF(icmp_families); i++)
		if (length == strlen(icmp_families[i].word) && !memcmp(word, icmp_families[i].word, length))
			return icmp_parse(word, slash + 1, &icmp_families[i], atoms, error);
	if (length == strlen("proto") && !memcmp(word, "proto", length))
		return protocol_parse(word, slash + 1, atoms, error);
	return prefix_refuse(word, length, error);
}

static int unknown_service(const struct policy *policy, const char *word, struct error *error)
{
	size_t own = policy ? policy->services.count : 0;
	const char **names = calloc(service_builtin_count + own, sizeof(*names));
	char hint[NODE_HINT_MAX] = "";

	if (names) {
		/* cppcheck-suppress bufferAccessOutOfBounds; the builtin ones are the first of these */
		memcpy(names, service_reserved_names, service_builtin_count * sizeof(*names));
		for (size_t i = 0; i < own; i++)
			names[service_builtin_count + i] = policy->services.items[i].name;
		node_hint(hint, word, names, service_builtin_count + own);
	}
	free(names);
	return error_set(error, -EINVAL, "unknown service '%s'%s", SHOWN(word), hint);
}

int service_parse(const struct policy *policy, const char *word, struct service_atoms *ret_atoms, struct error *error)
{
	int r = service_word_parse(word, ret_atoms, error);

	if (r == -ENOMEM)
		return error_set(error, r, "out of memory");
	if (r != -ENOENT)
		return r;
	for (size_t i = 0; policy && i < policy->services.count; i++) {
		const struct service *service = &policy->services.items[i];

		if (strcmp(service->name, word) != 0)
			continue;
		for (size_t j = 0; j < service->atoms.count; j++)
			if (atom_append(ret_atoms, &service->atoms.items[j]) < 0)
				return error_set(error, -ENOMEM, "out of memory");
		return 0;
	}
	return unknown_service(policy, word, error);
}

/* ---- sets of atoms ---- */

static int atom_compare(const void *a, const void *b)
{
	const struct service_atom *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return (int)x->without_tunnels - (int)y->without_tunnels;
}

void service_atoms_unique(struct service_atoms *atoms)
{
	bool many = atoms->count > FEW_ATOMS;
	size_t kept = 0;

	if (many)
		qsort(atoms->items, atoms->count, sizeof(*atoms->items), atom_compare);
	for (size_t i = 0; i < atoms->count; i++) {
		bool there = false;

		for (size_t j = many && kept ? kept - 1 : 0; j < kept && !there; j++)
			there = !atom_compare(&atoms->items[j], &atoms->items[i]);
		if (!there)
			atoms->items[kept++] = atoms->items[i];
	}
	atoms->count = kept;
}

void service_atoms_without_tunnels(struct service_atoms *atoms)
{
	for (size_t i = 0; i < atoms->count; i++) {
		struct service_atom *atom = &atoms->items[i];

		atom->without_tunnels =
			atom->kind == SERVICE_ALL || (atom->kind == SERVICE_PROTOCOL && atom->protocol == IPPROTO_UDP);
	}
}

bool service_atom_covers(const struct service_atom *outer, const struct service_atom *inner)
{
	if (outer->kind == SERVICE_ALL)
		return true;
	if (inner->kind == SERVICE_ALL || outer->protocol != inner->protocol)
		return false;
	switch (outer->kind) {
	case SERVICE_PROTOCOL:
		return true;
	case SERVICE_PORTS:
		return inner->kind == SERVICE_PORTS && outer->low <= inner->low && inner->high <= outer->high;
	case SERVICE_ICMP:
		return inner->kind == SERVICE_ICMP && outer->low == inner->low &&
		       (outer->high == SERVICE_CODE_ANY || outer->high == inner->high);
	case SERVICE_ALL:
	case SERVICE_KIND_MAX:
		break;
	}
	return false;
}

/* ---- as text ---- */

static const struct icmp_family *icmp_family_of(uint8_t protocol)
{
	return protocol == IPPROTO_ICMPV6 ? &icmp_families[1] : &icmp_families[0];
}

static void icmp_format(const struct service_atom *atom, struct text *text)
{
	const struct icmp_family *family = icmp_family_of(atom->protocol);
	const char *type = number_name(family->types, family->type_count, atom->low);
	const char *code = NULL;

	text_appendf(text, "%s/", family->word);
	if (type)
		text_append(text, type);
	else
		text_appendf(text, "%u", atom->low);
	if (atom->high == SERVICE_CODE_ANY)
		return;
	if (atom->low == family->coded_type)
		code = number_name(family->codes, family->code_count, atom->high);
	if (code)
		text_appendf(text, "/%s", code);
	else
		text_appendf(text, "/%u", atom->high);
}

void service_atom_format(const struct service_atom *atom, struct text *text)
{
	const char *protocol = number_name(port_protocols, COUNT_OF(port_protocols), atom->protocol);

	switch (atom->kind) {
	case SERVICE_ALL:
		text_append(text, "all");
		break;
	case SERVICE_PROTOCOL:
		if (protocol)
			text_append(text, protocol);
		else
			text_appendf(text, "proto/%u", atom->protocol);
		break;
	case SERVICE_PORTS:
		text_appendf(text, "%s/%u", protocol ? protocol : "?", atom->low);
		if (atom->high != atom->low)
			text_appendf(text, "-%u", atom->high);
		break;
	case SERVICE_ICMP:
		icmp_format(atom, text);
		break;
	case SERVICE_KIND_MAX:
		break;
	}
}
