/* SPDX-License-Identifier: GPL-2.0-only */
/* Judging sets: every pair of sides, once for each span of services that the rules between them tell apart. The rules
 * decide by service alone once the ends are given (steps 3 to 6 do not look at the service), so one service of a span
 * speaks for all of it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "table/explain_private.h"

/* ---- Spans ---- */

/* What a protocol tells apart: ports (0 is no port), ICMP type << 8 | code, or nothing. */
static void protocol_range(uint8_t protocol, uint16_t *ret_low, uint16_t *ret_high)
{
	*ret_low = 0;
	*ret_high = 0;
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		*ret_low = 1;
		*ret_high = UINT16_MAX;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		*ret_high = UINT16_MAX;
		break;
	default:
		break;
	}
}

static void atom_range(const struct service_atom *atom, uint16_t *ret_low, uint16_t *ret_high)
{
	if (atom->kind == SERVICE_PORTS) {
		*ret_low = atom->low;
		*ret_high = atom->high;
	} else if (atom->kind == SERVICE_ICMP) {
		bool any = atom->high == SERVICE_CODE_ANY;

		*ret_low = (uint16_t)(atom->low << 8 | (any ? 0 : atom->high));
		*ret_high = (uint16_t)(atom->low << 8 | (any ? 0xff : atom->high));
	} else {
		protocol_range(atom->protocol, ret_low, ret_high);
	}
}

struct cuts {
	ARRAY_OF(uint32_t); /* where a new span begins */
};

static int cut_range(struct cuts *cuts, uint32_t low, uint32_t high)
{
	uint32_t *slots;

	if (array_reserve(cuts, cuts->count + 2) < 0)
		return -ENOMEM;
	slots = cuts->items + cuts->count;
	slots[0] = low;
	slots[1] = high + 1;
	cuts->count += 2;
	return 0;
}

static int cut_by_atom(struct cuts *cuts, const struct service_atom *atom, uint8_t protocol)
{
	static const uint16_t tunnels[] = {4789, 6081, 8472};
	uint16_t low, high;
	int r = 0;

	if (atom->kind != SERVICE_ALL && atom->protocol != protocol)
		return 0;
	if (atom->without_tunnels && protocol == IPPROTO_UDP)
		for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]) && r == 0; i++)
			r = cut_range(cuts, tunnels[i], tunnels[i]);
	if (r < 0 || atom->kind == SERVICE_ALL)
		return r;
	atom_range(atom, &low, &high);
	return cut_range(cuts, low, high);
}

static int uint32_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static int spans_add(struct spans *spans, uint8_t protocol, uint32_t low, uint32_t high, bool rest)
{
	struct span *span = array_append(spans);

	if (!span)
		return -ENOMEM;
	*span = (struct span){.protocol = protocol, .low = (uint16_t)low, .high = (uint16_t)high, .rest = rest};
	return 0;
}

/* low..high of one protocol, cut by the rules. */
static int spans_cut(struct spans *spans, const struct policy *policy, const struct rule_list *rules, uint8_t protocol,
		     uint16_t low, uint16_t high)
{
	struct cuts cuts = {0};
	uint32_t start = low;
	int r = 0;

	for (size_t i = 0; i < rules->count && r == 0; i++) {
		const struct service_atoms *atoms = &policy->rules.items[rules->items[i]].services;

		for (size_t j = 0; j < atoms->count && r == 0; j++)
			r = cut_by_atom(&cuts, &atoms->items[j], protocol);
	}
	if (r == 0 && cuts.count)
		qsort(cuts.items, cuts.count, sizeof(cuts.items[0]), uint32_compare);
	for (size_t i = 0; i < cuts.count && r == 0; i++) {
		if (cuts.items[i] <= start || cuts.items[i] > high)
			continue;
		r = spans_add(spans, protocol, start, cuts.items[i] - 1, false);
		start = cuts.items[i];
	}
	if (r == 0)
		r = spans_add(spans, protocol, start, high, false);
	array_free(&cuts);
	return r;
}

/* Every protocol that some rule or the language tells apart, and one for all others. */
static int spans_of_all(const struct explain *explain, const struct rule_list *rules, struct spans *spans)
{
	int rest = -1, r = 0;

	for (unsigned int protocol = 0; protocol < 256 && r == 0; protocol++) {
		uint16_t low, high;

		if (!explain->protocols[protocol]) {
			if (rest < 0)
				rest = (int)protocol;
			continue;
		}
		protocol_range((uint8_t)protocol, &low, &high);
		r = spans_cut(spans, explain->policy, rules, (uint8_t)protocol, low, high);
	}
	return r == 0 && rest >= 0 ? spans_add(spans, (uint8_t)rest, 0, 0, true) : r;
}

int spans_find(const struct explain *explain, const struct service_atoms *atoms, const struct rule_list *rules,
	       struct spans *ret_spans)
{
	struct spans spans = {0};
	int r = 0;

	for (size_t i = 0; i < atoms->count && r == 0; i++) {
		const struct service_atom *atom = &atoms->items[i];
		uint16_t low, high;

		if (atom->kind == SERVICE_ALL) {
			r = spans_of_all(explain, rules, &spans);
			continue;
		}
		atom_range(atom, &low, &high);
		r = spans_cut(&spans, explain->policy, rules, atom->protocol, low, high);
	}
	if (r < 0) {
		array_free(&spans);
		return r;
	}
	*ret_spans = spans;
	return 0;
}

/* ---- Rules between two sides ---- */

static bool side_matches(const struct side *side, const struct policy *policy, const struct end *end, bool deny)
{
	if (end->kind != END_NETWORK)
		return standing_matches(&side->standing, policy, end, deny);
	for (size_t i = 0; i < side->reaches.count; i++)
		if (side->reaches.items[i].network == end->index)
			return deny || side->reaches.items[i].allow;
	return false;
}

static int rule_list_add(struct rule_list *list, uint32_t rule)
{
	uint32_t *slot = array_append(list);

	if (!slot)
		return -ENOMEM;
	*slot = rule;
	return 0;
}

/* The rules that have this side at their `from` (or `to`) and have not expired. */
static int side_rules(const struct side *side, const struct policy *policy, bool from, int64_t now,
		      struct rule_list *list)
{
	int r = 0;

	for (uint32_t i = 0; i < policy->rules.count && r == 0; i++) {
		const struct rule *rule = &policy->rules.items[i];
		const struct ends *ends = from ? &rule->from : &rule->to;

		if (rule->expires != TIME_NEVER && now >= rule->expires)
			continue;
		for (size_t j = 0; j < ends->count; j++) {
			if (!side_matches(side, policy, &ends->items[j], rule->deny))
				continue;
			r = rule_list_add(list, i);
			break;
		}
	}
	return r;
}

static void rule_lists_free(struct rule_list *lists, size_t count)
{
	for (size_t i = 0; lists && i < count; i++)
		array_free(&lists[i]);
	free(lists);
}

static int sides_rules(const struct survey *survey, const struct sides *sides, bool from, struct rule_list **ret_lists)
{
	struct rule_list *lists = calloc(sides->count + 1, sizeof(*lists));
	int r = lists ? 0 : -ENOMEM;

	for (size_t i = 0; i < sides->count && r == 0; i++)
		r = side_rules(&sides->items[i], survey->explain->policy, from, survey->now, &lists[i]);
	if (r < 0) {
		rule_lists_free(lists, sides->count);
		return r;
	}
	*ret_lists = lists;
	return 0;
}

/* What stands in both, which are ascending. */
static int rule_lists_common(const struct rule_list *a, const struct rule_list *b, struct rule_list *common)
{
	size_t i = 0, j = 0;
	int r = 0;

	common->count = 0;
	while (i < a->count && j < b->count && r == 0) {
		if (a->items[i] < b->items[j]) {
			i++;
		} else if (a->items[i] > b->items[j]) {
			j++;
		} else {
			r = rule_list_add(common, a->items[i]);
			i++;
			j++;
		}
	}
	return r;
}

int survey_rules(const struct survey *survey, struct rule_list *ret_rules)
{
	const struct policy *policy = survey->explain->policy;
	struct rule_list *from = NULL, *to = NULL, all = {0};
	uint8_t *seen = calloc(policy->rules.count + 1, 1);
	int r = seen ? sides_rules(survey, survey->from, true, &from) : -ENOMEM;

	if (r == 0)
		r = sides_rules(survey, survey->to, false, &to);
	if (r == 0) {
		for (size_t i = 0; i < survey->from->count; i++)
			for (size_t j = 0; j < from[i].count; j++)
				seen[from[i].items[j]] |= 1;
		for (size_t i = 0; i < survey->to->count; i++)
			for (size_t j = 0; j < to[i].count; j++)
				seen[to[i].items[j]] |= 2;
	}
	for (uint32_t i = 0; i < policy->rules.count && r == 0; i++)
		if (seen[i] == 3)
			r = rule_list_add(&all, i);
	rule_lists_free(from, survey->from->count);
	rule_lists_free(to, survey->to->count);
	free(seen);
	if (r < 0) {
		array_free(&all);
		return r;
	}
	*ret_rules = all;
	return 0;
}

/* ---- Pairs ---- */

static uint32_t sample_port(const struct side *side, size_t index)
{
	if (side->samples[index].kind == PARTY_PORT)
		return side->samples[index].port;
	return side->standing.port;
}

/* A member with itself, or a container with another port of its own. */
static bool is_itself(const struct side *from, size_t i, const struct side *to, size_t j)
{
	if (from->owners[i] != WORLD_NOBODY && from->owners[i] == to->owners[j])
		return true;
	return sample_port(from, i) != UINT32_MAX && sample_port(from, i) == sample_port(to, j);
}

static bool is_port(const struct side *side)
{
	return side->standing.kind == STANDING_PORT;
}

static bool pair_samples(const struct side *from, const struct side *to, const struct party **ret_from,
			 const struct party **ret_to)
{
	for (size_t i = 0; i < from->sample_count; i++) {
		for (size_t j = 0; j < to->sample_count; j++) {
			if (is_itself(from, i, to, j))
				continue;
			*ret_from = &from->samples[i];
			*ret_to = &to->samples[j];
			return true;
		}
	}
	return false;
}

/* An address that several ports have, seen from a domain where one of them is: that one alone is meant. */
static bool is_meant(const struct sides *sides, const struct side *side, const struct side *seen_from)
{
	if (!side->ambiguous || seen_from->domain == 0 || side->domain == seen_from->domain)
		return true;
	for (size_t i = 0; i < sides->count; i++)
		if (sides->items[i].ambiguous && sides->items[i].domain == seen_from->domain)
			return false;
	return true;
}

static bool families_carry(uint8_t families, uint8_t protocol)
{
	if (protocol == IPPROTO_ICMP)
		return families & FAMILY_V4;
	if (protocol == IPPROTO_ICMPV6)
		return families & FAMILY_V6;
	return true;
}

static int survey_too_large(const struct survey *survey, struct error *error)
{
	return error_set(error, -E2BIG, "this asks for more than %zu verdicts: ask about fewer ends or services",
			 survey->work_max);
}

static int survey_ask(struct survey *survey, struct finding *finding, struct error *error)
{
	struct explain *explain = survey->explain;
	struct service_point point = {.protocol = finding->span.protocol, .port = finding->span.low};
	struct verdict verdict = {0};
	int r;

	if (survey->work_left == 0)
		return survey_too_large(survey, error);
	survey->work_left--;
	r = explain->judge(explain->context, finding->from_party, finding->to_party, &point, survey->now, &verdict);
	if (r < 0)
		return r;
	/* cppcheck-suppress autoVariables; found() does not keep it */
	finding->verdict = &verdict;
	finding->audit = verdict.unpoliced
				 ? flow_is_audited(explain->policy, &finding->from->standing, &finding->to->standing)
				 : verdict.audit;
	r = survey->found(survey->arg, finding);
	verdict_free(&verdict);
	return r;
}

static int survey_pair(struct survey *survey, const struct side *from, const struct side *to,
		       const struct rule_list *rules, struct error *error)
{
	struct finding finding = {.from = from, .to = to, .rules = rules};
	uint8_t families = from->families & to->families;
	struct spans spans = {0};
	int r = spans_find(survey->explain, survey->atoms, rules, &spans);

	if (r < 0 || !pair_samples(from, to, &finding.from_party, &finding.to_party))
		goto out;
	for (size_t i = 0; i < spans.count && r == 0; i++) {
		if (!families_carry(families, spans.items[i].protocol))
			continue;
		finding.span = spans.items[i];
		r = survey_ask(survey, &finding, error);
		/* No service changes that no port sees it. */
		if (!is_port(from) && !is_port(to))
			break;
	}
out:
	array_free(&spans);
	return r;
}

/* Pairs without a port are unpoliced, all of them; it matters only whether there are any, and whether they are audited.
 * So of sides that are no ports, the first of each family and mode speaks for all. */
static int sides_that_speak(const struct survey *survey, const struct sides *sides, uint8_t **ret_speaks)
{
	enum { NO_ZONE, AUDITED, ENFORCED, MODES };
	bool seen[FAMILY_BOTH + 1][MODES] = {0};
	uint8_t *speaks = calloc(sides->count + 1, 1);

	if (!speaks)
		return -ENOMEM;
	for (size_t i = 0; i < sides->count; i++) {
		const struct side *side = &sides->items[i];
		unsigned int mode = NO_ZONE;

		if (side->standing.zone != UINT32_MAX)
			mode = flow_is_audited(survey->explain->policy, &side->standing, &side->standing) ? AUDITED
													  : ENFORCED;
		speaks[i] = is_port(side) || !seen[side->families][mode];
		if (!is_port(side))
			seen[side->families][mode] = true;
	}
	*ret_speaks = speaks;
	return 0;
}

static size_t port_count(const struct sides *sides)
{
	size_t count = 0;

	for (size_t i = 0; i < sides->count; i++)
		count += is_port(&sides->items[i]);
	return count;
}

/* Also pairs that turn out to be none take their time. */
static bool survey_is_too_large(const struct survey *survey)
{
	size_t from_ports = port_count(survey->from), to_ports = port_count(survey->to);

	return (from_ports && survey->to->count > survey->work_max / from_ports) ||
	       (to_ports && survey->from->count > survey->work_max / to_ports);
}

struct survey_lists {
	struct rule_list *from_rules, *to_rules; /* by side */
	uint8_t *from_speaks, *to_speaks;
	struct rule_list common;
	/* The sides of `to` that one that does not speak is held against. */
	struct {
		ARRAY_OF(uint32_t);
	} to_ports;
};

static int survey_lists_make(const struct survey *survey, struct survey_lists *lists)
{
	int r = sides_rules(survey, survey->from, true, &lists->from_rules);

	if (r == 0)
		r = sides_rules(survey, survey->to, false, &lists->to_rules);
	if (r == 0)
		r = sides_that_speak(survey, survey->from, &lists->from_speaks);
	if (r == 0)
		r = sides_that_speak(survey, survey->to, &lists->to_speaks);
	for (uint32_t j = 0; j < survey->to->count && r == 0; j++) {
		uint32_t *slot;

		if (!is_port(&survey->to->items[j]))
			continue;
		slot = array_append(&lists->to_ports);
		if (!slot)
			return -ENOMEM;
		*slot = j;
	}
	return r;
}

static void survey_lists_free(const struct survey *survey, struct survey_lists *lists)
{
	rule_lists_free(lists->from_rules, survey->from->count);
	rule_lists_free(lists->to_rules, survey->to->count);
	free(lists->from_speaks);
	free(lists->to_speaks);
	array_free(&lists->common);
	array_free(&lists->to_ports);
}

static int survey_two(struct survey *survey, struct survey_lists *lists, size_t i, size_t j, struct error *error)
{
	const struct side *a = &survey->from->items[i], *b = &survey->to->items[j];
	int r;

	if (!(a->families & b->families) || !is_meant(survey->from, a, b) || !is_meant(survey->to, b, a))
		return 0;
	if (!is_port(a) && !is_port(b) && !(lists->from_speaks[i] && lists->to_speaks[j]))
		return 0;
	r = rule_lists_common(&lists->from_rules[i], &lists->to_rules[j], &lists->common);
	return r < 0 ? r : survey_pair(survey, a, b, &lists->common, error);
}

int survey_run(struct survey *survey, struct error *error)
{
	struct survey_lists lists = {0};
	int r;

	if (survey_is_too_large(survey))
		return survey_too_large(survey, error);
	r = survey_lists_make(survey, &lists);
	for (size_t i = 0; i < survey->from->count && r == 0; i++) {
		size_t count = lists.from_speaks[i] ? survey->to->count : lists.to_ports.count;

		for (size_t j = 0; j < count && r == 0; j++)
			r = survey_two(survey, &lists, i, lists.from_speaks[i] ? j : lists.to_ports.items[j], error);
	}
	survey_lists_free(survey, &lists);
	return r == -ENOMEM ? error_set(error, r, "out of memory") : r;
}
