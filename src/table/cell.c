/* SPDX-License-Identifier: GPL-2.0-only */
/* The cells. One source at a time: the rules that can match it are dealt out to the destinations that they match
 * (a counting sort); then each destination's rules are read together, service class by service class. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

#define NO_RULE UINT32_MAX

/* For one service, the rules that decide: places in compile.rules, the smallest of each kind that match. */
struct picks {
	uint32_t deny, allow, staged_deny, staged_allow;
};
static const struct picks no_picks = {NO_RULE, NO_RULE, NO_RULE, NO_RULE};

/* The rules of one pair that have the same services. */
struct pick_set {
	uint32_t set;
	struct picks picks;
};

struct cells {
	struct compile *compile;
	/* by end list: the rules that have it as `from` */
	struct numbers *rules_from;
	/* by subject: the end lists that match it, as far as they are a `from` */
	struct numbers *lists_of;

	/* of the source in hand, by destination */
	uint32_t *starts; /* into `dealt` */
	struct numbers dealt;

	/* of the pair in hand */
	struct {
		ARRAY_OF(struct pick_set);
	} sets;
	uint32_t *set_slot;	   /* by service set: index in `sets` + 1, when `sets` has it */
	struct numbers touched;	   /* classes that may differ from class 0, ascending */
	struct picks *class_picks; /* by service class */
	uint64_t *class_stamp;	   /* by service class */
	uint64_t stamp;
};

static void cells_free(struct cells *cells)
{
	for (size_t i = 0; cells->rules_from && i < cells->compile->ends.count; i++)
		array_free(&cells->rules_from[i]);
	for (size_t i = 0; cells->lists_of && i < cells->compile->subjects.count; i++)
		array_free(&cells->lists_of[i]);
	free(cells->rules_from);
	free(cells->lists_of);
	free(cells->starts);
	array_free(&cells->dealt);
	array_free(&cells->sets);
	free(cells->set_slot);
	array_free(&cells->touched);
	free(cells->class_picks);
	free(cells->class_stamp);
}

static int cells_new(struct cells *cells)
{
	struct compile *compile = cells->compile;
	size_t subject_count = compile->subjects.count, class_count = compile->table->service_class_count;
	int r = 0;

	cells->rules_from = calloc(compile->ends.count + 1, sizeof(*cells->rules_from));
	cells->lists_of = calloc(subject_count + 1, sizeof(*cells->lists_of));
	cells->starts = calloc(subject_count + 2, sizeof(*cells->starts));
	cells->set_slot = calloc(lists_count(&compile->sets) + 1, sizeof(*cells->set_slot));
	cells->class_picks = calloc(class_count + 1, sizeof(*cells->class_picks));
	cells->class_stamp = calloc(class_count + 1, sizeof(*cells->class_stamp));
	if (!cells->rules_from || !cells->lists_of || !cells->starts || !cells->set_slot || !cells->class_picks ||
	    !cells->class_stamp)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < compile->rules.count; i++)
		r = numbers_add(&cells->rules_from[compile->rules.items[i].from], (uint32_t)i);
	for (size_t i = 0; r == 0 && i < compile->ends.count; i++) {
		size_t count;
		const uint32_t *subjects = lists_get(&compile->subjects_of, i, &count);

		for (size_t k = 0; r == 0 && cells->rules_from[i].count && k < count; k++)
			r = numbers_add(&cells->lists_of[subjects[k]], (uint32_t)i);
	}
	return r;
}

/* ---- One pair: which rules decide what ---- */

static void picks_merge(struct picks *picks, const struct picks *more)
{
	if (more->deny < picks->deny)
		picks->deny = more->deny;
	if (more->allow < picks->allow)
		picks->allow = more->allow;
	if (more->staged_deny < picks->staged_deny)
		picks->staged_deny = more->staged_deny;
	if (more->staged_allow < picks->staged_allow)
		picks->staged_allow = more->staged_allow;
}

static void picks_add_rule(const struct compile *compile, struct picks *picks, uint32_t ranked)
{
	const struct rule *rule = &compile->policy->rules.items[compile->rules.items[ranked].rule];
	struct picks more = no_picks;

	if (rule->mode == MODE_AUDIT && rule->deny)
		more.staged_deny = ranked;
	else if (rule->mode == MODE_AUDIT)
		more.staged_allow = ranked;
	else if (rule->deny)
		more.deny = ranked;
	else
		more.allow = ranked;
	picks_merge(picks, &more);
}

static int pair_gather_sets(struct cells *cells, const uint32_t *ranked, size_t count)
{
	for (size_t i = 0; i < cells->sets.count; i++)
		cells->set_slot[cells->sets.items[i].set] = 0;
	cells->sets.count = 0;
	for (size_t i = 0; ranked && i < count; i++) {
		uint32_t set = cells->compile->rules.items[ranked[i]].services;
		struct pick_set *slot;

		if (!cells->set_slot[set]) {
			slot = array_append(&cells->sets);
			if (!slot)
				return -ENOMEM;
			*slot = (struct pick_set){set, no_picks};
			cells->set_slot[set] = (uint32_t)cells->sets.count;
		}
		picks_add_rule(cells->compile, &cells->sets.items[cells->set_slot[set] - 1].picks, ranked[i]);
	}
	return 0;
}

/* The classes that some of the sets tell apart from class 0. */
static int pair_find_touched(struct cells *cells)
{
	int r = 0;

	cells->touched.count = 0;
	cells->stamp++;
	for (size_t i = 0; i < cells->sets.count; i++) {
		size_t count;
		const uint32_t *classes = lists_get(&cells->compile->set_classes, cells->sets.items[i].set, &count);

		for (size_t k = 0; r == 0 && k < count; k++) {
			if (cells->class_stamp[classes[k]] == cells->stamp)
				continue;
			cells->class_stamp[classes[k]] = cells->stamp;
			cells->class_picks[classes[k]] = no_picks;
			r = numbers_add(&cells->touched, classes[k]);
		}
	}
	numbers_sort(&cells->touched);
	return r;
}

/* Fills class_picks of the touched classes; *ret_any is that of all others. */
static int pair_pick(struct cells *cells, struct picks *ret_any)
{
	const struct compile *compile = cells->compile;
	int r = pair_find_touched(cells);

	*ret_any = no_picks;
	for (size_t i = 0; r == 0 && i < cells->sets.count; i++) {
		const struct pick_set *set = &cells->sets.items[i];
		size_t count;
		const uint32_t *classes = lists_get(&compile->set_classes, set->set, &count);

		cells->stamp++;
		for (size_t k = 0; k < count; k++) {
			if (compile->set_holds_any[set->set])
				cells->class_stamp[classes[k]] = cells->stamp; /* not this one */
			else
				picks_merge(&cells->class_picks[classes[k]], &set->picks);
		}
		if (!compile->set_holds_any[set->set])
			continue;
		picks_merge(ret_any, &set->picks);
		for (size_t k = 0; k < cells->touched.count; k++)
			if (cells->class_stamp[cells->touched.items[k]] != cells->stamp)
				picks_merge(&cells->class_picks[cells->touched.items[k]], &set->picks);
	}
	return r;
}

/* ---- One cell ---- */

static const struct rule *ranked_rule(const struct compile *compile, uint32_t ranked)
{
	return &compile->policy->rules.items[compile->rules.items[ranked].rule];
}

static uint64_t ranked_until(const struct compile *compile, uint32_t ranked)
{
	const struct rule *rule = ranked_rule(compile, ranked);

	return rule->expires == TIME_NEVER ? BH_FOREVER : (uint64_t)rule->expires;
}

static enum log_what ranked_log(const struct compile *compile, uint32_t ranked, const struct base *base)
{
	const struct rule *rule = ranked_rule(compile, ranked);

	return rule->log == LOG_WHAT_UNSET ? base->log : rule->log;
}

/* A staged rule is reported where it would have decided: a deny before later denies, an allow where no deny stands
 * before it. There is room for one; a deny would have come first. */
static void cell_stage(const struct compile *compile, const struct picks *picks, struct bh_cell *cell)
{
	uint32_t staged = NO_RULE;

	if (picks->staged_deny < picks->deny)
		staged = picks->staged_deny;
	else if (picks->staged_allow < picks->allow && ranked_until(compile, picks->staged_allow) > cell->deny_until)
		staged = picks->staged_allow;
	if (staged == NO_RULE)
		return;
	cell->staged_until = ranked_until(compile, staged);
	cell->staged_decision = compile->rules.items[staged].decision;
	if (ranked_rule(compile, staged)->deny)
		cell->flags |= BH_CELL_STAGED_DENY;
}

static struct bh_cell cell_make(const struct compile *compile, const struct picks *picks, const struct base *base)
{
	struct bh_cell cell = {
		.base_decision = base->decision,
		.base_reason = base->reason,
		.flags = (uint8_t)((base->allow ? BH_CELL_BASE_ALLOW : 0) | (base->audit ? BH_CELL_AUDIT : 0)),
	};

	if (base->log >= (base->allow ? LOG_WHAT_ALL : LOG_WHAT_DENIED))
		cell.flags |= BH_CELL_BASE_LOG;
	if (picks->deny != NO_RULE) {
		cell.deny_until = ranked_until(compile, picks->deny);
		cell.deny_decision = compile->rules.items[picks->deny].decision;
		if (ranked_log(compile, picks->deny, base) >= LOG_WHAT_DENIED)
			cell.flags |= BH_CELL_DENY_LOG;
	}
	/* An allow that ends before the deny does never decides. */
	if (picks->allow != NO_RULE && ranked_until(compile, picks->allow) > cell.deny_until) {
		cell.allow_until = ranked_until(compile, picks->allow);
		cell.allow_decision = compile->rules.items[picks->allow].decision;
		if (ranked_log(compile, picks->allow, base) == LOG_WHAT_ALL)
			cell.flags |= BH_CELL_ALLOW_LOG;
	}
	cell_stage(compile, picks, &cell);
	return cell;
}

static bool cell_is_plain(const struct bh_cell *cell, const struct base *base)
{
	return base->plain && !cell->deny_until && !cell->allow_until && !cell->staged_until;
}

static int cell_emit(struct compile *compile, const struct subject *source, const struct subject *destination,
		     uint32_t service, const struct bh_cell *cell)
{
	struct cell_entry *entry;

	if (compile->table->cells.count >= compile->limits->cells)
		return error_set(
			compile->error, -E2BIG,
			"the decision table has more than %u cells: too many identities, networks and services "
			"that the rules tell apart",
			compile->limits->cells);
	entry = array_append(&compile->table->cells);
	if (!entry)
		return -ENOMEM;
	*entry = (struct cell_entry){BH_CELL_KEY(source->class, destination->class, service), *cell};
	return 0;
}

/* ---- Reach ---- */

struct reach {
	bool base;	      /* some service is allowed without a rule */
	uint64_t allow_until; /* some service is by a rule, until then */
	uint32_t allow_decision;
};

static void reach_note(struct reach *reach, const struct bh_cell *cell)
{
	if (cell->deny_until == BH_FOREVER)
		return;
	reach->base = reach->base || cell->flags & BH_CELL_BASE_ALLOW;
	if (cell->allow_until > reach->allow_until) {
		reach->allow_until = cell->allow_until;
		reach->allow_decision = cell->allow_decision;
	}
}

static int reach_emit(struct compile *compile, const struct subject *source, const struct subject *destination,
		      const struct reach *reach, const struct base *base)
{
	struct bh_cell cell = cell_make(compile, &no_picks, base);

	if (!reach->base && !reach->allow_until)
		return 0;
	if (!reach->base && base->allow) {
		/* Denied in every service that steps 3 to 5 would have allowed. */
		cell.flags &= (uint8_t)~BH_CELL_BASE_ALLOW;
		cell.base_reason = BH_DENY_RULE;
		cell.base_decision = 0;
	}
	cell.allow_until = reach->allow_until;
	cell.allow_decision = reach->allow_decision;
	return cell_emit(compile, source, destination, BH_SERVICE_REACH, &cell);
}

/* ---- One pair ---- */

static int pair_cells(struct cells *cells, const struct subject *source, const struct subject *destination,
		      const uint32_t *ranked, size_t count)
{
	struct compile *compile = cells->compile;
	struct reach reach = {0};
	struct bh_cell any, cell;
	struct picks any_picks;
	struct base base;
	bool any_plain;
	int r = compile_base(compile, source, destination, &base);

	if (r < 0 || (count == 0 && base.plain))
		return r;
	if (pair_gather_sets(cells, ranked, count) < 0 || pair_pick(cells, &any_picks) < 0)
		return -ENOMEM;
	any = cell_make(compile, &any_picks, &base);
	any_plain = cell_is_plain(&any, &base);
	reach_note(&reach, &any);
	if (!any_plain)
		r = cell_emit(compile, source, destination, BH_SERVICE_ANY, &any);
	for (size_t i = 0; r == 0 && i < cells->touched.count; i++) {
		uint32_t class = cells->touched.items[i];

		cell = cell_make(compile, &cells->class_picks[class], &base);
		reach_note(&reach, &cell);
		/* The fallback, or having no cell at all, says it already. */
		if (any_plain ? cell_is_plain(&cell, &base) : memcmp(&cell, &any, sizeof(cell)) == 0)
			continue;
		r = cell_emit(compile, source, destination, class, &cell);
	}
	return r == 0 ? reach_emit(compile, source, destination, &reach, &base) : r;
}

/* ---- One source ---- */

/* Flows are judged where a port is: what is no port here has cells only towards ports. */
struct destinations {
	size_t begin, end;
};
static struct destinations source_destinations(const struct compile *compile, size_t source)
{
	if (source >= SUBJECT_INDEX_LOCAL && source < compile->local_end)
		return (struct destinations){0, compile->subjects.count};
	return (struct destinations){SUBJECT_INDEX_LOCAL, compile->local_end};
}

/* Counts (`fill` false) or deals out the source's rules by destination. After counting, starts[d + 1] is how many d
 * has; after the filling, starts[d + 1] is where those of d end. */
static void source_deal(struct cells *cells, size_t source, struct destinations wanted, bool fill)
{
	const struct compile *compile = cells->compile;
	const struct numbers *lists = &cells->lists_of[source];

	for (size_t i = 0; i < lists->count; i++) {
		const struct numbers *rules = &cells->rules_from[lists->items[i]];

		for (size_t k = 0; k < rules->count; k++) {
			size_t count;
			const uint32_t *to =
				lists_get(&compile->subjects_of, compile->rules.items[rules->items[k]].to, &count);

			for (size_t d = 0; d < count && to[d] < wanted.end; d++) {
				if (to[d] < wanted.begin) /* the host at most */
					continue;
				if (fill)
					cells->dealt.items[cells->starts[to[d] + 1]++] = rules->items[k];
				else
					cells->starts[to[d] + 1]++;
			}
		}
	}
}

static int source_gather(struct cells *cells, size_t source, struct destinations wanted)
{
	uint64_t total = 0;

	memset(cells->starts + wanted.begin, 0, (wanted.end - wanted.begin + 1) * sizeof(*cells->starts));
	source_deal(cells, source, wanted, false);
	for (size_t d = wanted.begin; d < wanted.end; d++) {
		uint32_t count = cells->starts[d + 1];

		cells->starts[d + 1] = (uint32_t)total;
		total += count;
		if (total > cells->compile->limits->incidences)
			return error_set(cells->compile->error, -E2BIG,
					 "the rules match destinations of one source more than %u times",
					 cells->compile->limits->incidences);
	}
	if (array_reserve(&cells->dealt, (size_t)total) < 0)
		return -ENOMEM;
	source_deal(cells, source, wanted, true);
	return 0;
}

static int source_cells(struct cells *cells, size_t source)
{
	struct compile *compile = cells->compile;
	const struct subject *subjects = compile->subjects.items;
	struct destinations wanted = source_destinations(compile, source);
	int r = source_gather(cells, source, wanted);

	/* starts[d + 1] has moved to the end of d's rules, which is where those of d + 1 began. */
	for (size_t d = wanted.begin; r == 0 && d < wanted.end; d++) {
		uint32_t begin = cells->starts[d], count = cells->starts[d + 1] - begin;

		r = pair_cells(cells, &subjects[source], &subjects[d], count ? cells->dealt.items + begin : NULL,
			       count);
	}
	return r;
}

int compile_cells(struct compile *compile)
{
	struct cells cells = {.compile = compile};
	int r = cells_new(&cells);

	/* Subjects, and so cells, are in the order of their classes. */
	for (size_t source = 0; r == 0 && source < compile->subjects.count; source++)
		r = source_cells(&cells, source);
	cells_free(&cells);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
