/* SPDX-License-Identifier: GPL-2.0-only */
/* 'What is allowed', steps 1 to 6, in the page's order. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "policy/judge.h"
#include "policy/naive.h"

bool service_is_tunnel(const struct service_point *point)
{
	switch (point->protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
		return true;
	case IPPROTO_UDP: /* VXLAN by IANA and by Linux, Geneve */
		return point->port == 4789 || point->port == 8472 || point->port == 6081;
	default:
		return false;
	}
}

static bool icmp_atom_matches(const struct service_atom *atom, const struct service_point *point)
{
	uint16_t type = point->port >> 8, code = point->port & 0xff;

	return atom->low == type && (atom->high == SERVICE_CODE_ANY || atom->high == code);
}

bool service_atom_matches(const struct service_atom *atom, const struct service_point *point)
{
	if (atom->without_tunnels && service_is_tunnel(point))
		return false;
	switch (atom->kind) {
	case SERVICE_ALL:
		return true;
	case SERVICE_PROTOCOL:
		return atom->protocol == point->protocol;
	case SERVICE_PORTS:
		return atom->protocol == point->protocol && atom->low <= point->port && point->port <= atom->high;
	case SERVICE_ICMP:
		return atom->protocol == point->protocol && icmp_atom_matches(atom, point);
	case SERVICE_KIND_MAX:
		break;
	}
	return false;
}

static bool rule_matches_service(const struct rule *rule, const struct service_point *point)
{
	for (size_t i = 0; i < rule->services.count; i++)
		if (service_atom_matches(&rule->services.items[i], point))
			return true;
	return false;
}

static bool ends_match(const struct ends *ends, const struct policy *policy, const struct standing *standing, bool deny)
{
	for (size_t i = 0; i < ends->count; i++)
		if (standing_matches(standing, policy, &ends->items[i], deny))
			return true;
	return false;
}

bool rule_matches_ends(const struct rule *rule, const struct policy *policy, const struct standing *from,
		       const struct standing *to)
{
	return ends_match(&rule->from, policy, from, rule->deny) && ends_match(&rule->to, policy, to, rule->deny);
}

bool rule_matches(const struct rule *rule, const struct policy *policy, const struct standing *from,
		  const struct standing *to, const struct service_point *point, int64_t now)
{
	/* At the instant of `expires` it has expired. */
	if (rule->expires != TIME_NEVER && now >= rule->expires)
		return false;
	return rule_matches_service(rule, point) && rule_matches_ends(rule, policy, from, to);
}

static bool place_before(const struct place *a, const struct place *b)
{
	if (a->file != b->file)
		return a->file < b->file;
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

bool rule_decides_before(const struct rule *a, const struct rule *b)
{
	if (a->expires != b->expires)
		return a->expires > b->expires;
	return place_before(&a->place, &b->place);
}

/* Is the zone at this end audited? True as well where there is no zone: it has no say. */
static bool end_is_audited(const struct policy *policy, const struct standing *standing)
{
	return standing->zone == UINT32_MAX || policy->zones.items[standing->zone].mode == MODE_AUDIT;
}

bool flow_is_audited(const struct policy *policy, const struct standing *from, const struct standing *to)
{
	if (policy->settings.mode == MODE_AUDIT)
		return true;
	if (from->zone == UINT32_MAX && to->zone == UINT32_MAX)
		return false;
	return end_is_audited(policy, from) && end_is_audited(policy, to);
}

/* An ambiguous address is some port's. */
static bool is_policed(const struct standing *standing)
{
	return standing->kind == STANDING_PORT || standing->kind == STANDING_AMBIGUOUS;
}

/* A port that is not policed, without an address: nothing to judge it by. */
static bool is_nobody(const struct standing *standing)
{
	return standing->kind == STANDING_OUTSIDE && standing->addr.family == ADDR_NONE;
}

/* Traffic that no port's program sees, or that never leaves its container. */
static bool flow_is_unpoliced(const struct world *world, const struct standing *from, const struct standing *to)
{
	uint32_t owner;

	if (is_nobody(from) || is_nobody(to) || (!is_policed(from) && !is_policed(to)))
		return true;
	if (from->kind != STANDING_PORT || to->kind != STANDING_PORT)
		return false;
	if (from->port == to->port)
		return true;
	owner = world->ports.items[from->port].container;
	return owner != WORLD_NOBODY && owner == world->ports.items[to->port].container;
}

struct question {
	const struct policy *policy;
	struct standing from, to;
	const struct service_point *service;
	int64_t now;
};

/* Steps 1 and 2: the deny or allow rule that decides; -1 when none matches. */
static int rule_that_decides(const struct question *question, bool deny)
{
	const struct policy *policy = question->policy;
	int best = -1;

	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct rule *rule = &policy->rules.items[i];

		if (rule->deny != deny || rule->mode == MODE_AUDIT ||
		    !rule_matches(rule, policy, &question->from, &question->to, question->service, question->now))
			continue;
		if (best < 0 || rule_decides_before(rule, &policy->rules.items[best]))
			best = (int)i;
	}
	return best;
}

static int collect_staged(const struct question *question, struct verdict *verdict)
{
	const struct policy *policy = question->policy;

	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct rule *rule = &policy->rules.items[i];
		uint32_t *slot;

		if (rule->mode != MODE_AUDIT ||
		    !rule_matches(rule, policy, &question->from, &question->to, question->service, question->now))
			continue;
		slot = array_append(&verdict->staged);
		if (!slot)
			return -ENOMEM;
		*slot = (uint32_t)i;
	}
	return 0;
}

static void decide(struct verdict *verdict, bool allow, enum reason reason, const struct place *place)
{
	verdict->allow = allow;
	verdict->reason = reason;
	verdict->place = *place;
}

static bool decide_by_rule(const struct question *question, struct verdict *verdict)
{
	int rule = rule_that_decides(question, true);

	if (rule < 0)
		rule = rule_that_decides(question, false);
	if (rule < 0)
		return false;
	decide(verdict, !question->policy->rules.items[rule].deny, REASON_RULE,
	       &question->policy->rules.items[rule].place);
	verdict->rule = rule;
	return true;
}

/* The first group that both ends are in; NULL when they share none. */
static const struct group *shared_group(const struct question *question)
{
	for (uint32_t i = 0; i < question->policy->groups.count; i++)
		if (standing_in_group(&question->from, question->policy, i) &&
		    standing_in_group(&question->to, question->policy, i))
			return &question->policy->groups.items[i];
	return NULL;
}

/* Where a zone says it; the zone itself when the default holds. */
static const struct place *said_at(const struct place *key, const struct zone *zone)
{
	return key->line ? key : &zone->place;
}

/* Steps 3 and 4, which are step 6 where they do not allow: two ends of one zone. */
static bool decide_within_zone(const struct question *question, struct verdict *verdict)
{
	const struct group *group = shared_group(question);
	const struct zone *zone;

	if (question->from.zone == UINT32_MAX || question->from.zone != question->to.zone)
		return false;
	zone = &question->policy->zones.items[question->from.zone];
	if (group && !zone->within_deny)
		decide(verdict, true, REASON_GROUP, &group->place);
	else if (group)
		decide(verdict, false, REASON_DEFAULT, said_at(&zone->within_place, zone));
	else if (zone->between_groups_allow)
		decide(verdict, true, REASON_ZONE, said_at(&zone->between_place, zone));
	else
		decide(verdict, false, REASON_DEFAULT, said_at(&zone->between_place, zone));
	return true;
}

static bool decide_host(const struct question *question, struct verdict *verdict)
{
	const struct settings *settings = &question->policy->settings;

	if (question->from.kind != STANDING_HOST || !settings->host_to_containers)
		return false;
	decide(verdict, true, REASON_HOST, &settings->host_place);
	return true;
}

/* What `unassigned: allow` asks of the end beside an unassigned one. */
static bool is_open_to_unassigned(const struct standing *other)
{
	if (other->kind == STANDING_METADATA)
		return false;
	return standing_is_unassigned(other) || other->zone == UINT32_MAX;
}

static bool decide_unassigned(const struct question *question, struct verdict *verdict)
{
	const struct settings *settings = &question->policy->settings;
	bool from = standing_is_unassigned(&question->from), to = standing_is_unassigned(&question->to);

	if (!from && !to)
		return false;
	if (settings->unassigned == UNASSIGNED_DENY) {
		decide(verdict, false, REASON_UNASSIGNED, &settings->unassigned_place);
		return true;
	}
	if (!is_open_to_unassigned(from ? &question->to : &question->from))
		return false;
	if (question->from.kind == STANDING_HOST && !settings->host_to_containers)
		return false;
	decide(verdict, true, REASON_UNASSIGNED, &settings->unassigned_place);
	return true;
}

/* Step 6: the zone that the flow would have entered, else the one that it would have left, else the setting. */
static void decide_default(const struct question *question, struct verdict *verdict)
{
	const struct policy *policy = question->policy;
	const struct place *place = &policy->settings.unassigned_place;

	if (question->to.zone != UINT32_MAX)
		place = &policy->zones.items[question->to.zone].place;
	else if (question->from.zone != UINT32_MAX)
		place = &policy->zones.items[question->from.zone].place;
	else if (question->from.kind == STANDING_HOST)
		place = &policy->settings.host_place;
	decide(verdict, false, REASON_DEFAULT, place);
}

static bool end_is_conflicted_port(const struct standing *standing)
{
	return standing->kind == STANDING_PORT && standing_is_conflicted(standing);
}

/* Before the rules, and no audit loosens it. Where it comes from: the first member of the port that matched. */
static bool decide_conflicted(const struct question *question, struct verdict *verdict)
{
	static const struct place nowhere;
	const struct place *place = &nowhere;

	if (!standing_is_conflicted(&question->from) && !standing_is_conflicted(&question->to))
		return false;
	if (end_is_conflicted_port(&question->from))
		place = &question->from.membership.place;
	else if (end_is_conflicted_port(&question->to))
		place = &question->to.membership.place;
	decide(verdict, false, REASON_CONFLICTED, place);
	return true;
}

static int judge(const struct question *question, struct verdict *verdict)
{
	int r;

	if (decide_conflicted(question, verdict))
		return 0;
	r = collect_staged(question, verdict);
	if (r < 0)
		return r;
	verdict->audit = flow_is_audited(question->policy, &question->from, &question->to);
	if (!decide_by_rule(question, verdict) && !decide_within_zone(question, verdict) &&
	    !decide_host(question, verdict) && !decide_unassigned(question, verdict))
		decide_default(question, verdict);
	return 0;
}

int naive_judge(void *context, const struct party *from, const struct party *to, const struct service_point *service,
		int64_t now, struct verdict *ret_verdict)
{
	const struct naive *naive = context;
	struct question question = {.policy = naive->policy, .service = service, .now = now};
	struct verdict verdict = {.rule = -1, .reason = REASON_DEFAULT};
	int r;

	r = standing_find(naive->policy, naive->world, from, &question.from);
	if (r < 0)
		return r;
	r = standing_find(naive->policy, naive->world, to, &question.to);
	if (r < 0)
		goto free_from;
	if (flow_is_unpoliced(naive->world, &question.from, &question.to))
		verdict.unpoliced = true;
	else
		r = judge(&question, &verdict);
	if (r < 0)
		verdict_free(&verdict);
	else
		*ret_verdict = verdict;
	standing_free(&question.to);
free_from:
	standing_free(&question.from);
	return r;
}
