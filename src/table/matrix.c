/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "table/explain_private.h"
#include "table/matrix.h"

struct row {
	const char *name, *kind;
	struct selection selection;
	bool counts_ports;
	size_t ports;
};
struct rows {
	ARRAY_OF(struct row);
};

/* What is known of one span of services in one cell. */
struct span_tally {
	bool allowed, denied;
};
struct cell {
	struct spans spans;
	struct span_tally *tallies; /* one a span */
	bool judged, enforced;
};

/* ---- Rows ---- */

static int rows_add(struct rows *rows, struct explain *explain, const struct end *end, const char *name,
		    const char *kind, struct error *error)
{
	struct row *row;
	int r;

	if (rows->count == MATRIX_ENDS_MAX)
		return error_set(error, -E2BIG, "a matrix of more than %u zones, groups and networks", MATRIX_ENDS_MAX);
	row = array_append(rows);
	if (!row)
		return error_set(error, -ENOMEM, "out of memory");
	row->name = name;
	row->kind = kind;
	row->counts_ports = end->kind == END_ZONE || end->kind == END_GROUP || end->kind == END_UNASSIGNED;
	r = selection_of_end(explain, end, &row->selection, error);
	for (size_t i = 0; i < row->selection.sides.count; i++)
		if (row->selection.sides.items[i].standing.kind == STANDING_PORT)
			row->ports += row->selection.sides.items[i].members;
	return r;
}

/* The subnets of a zone with groups are in none of them: a row of their own. */
static int rows_add_subnets(struct rows *rows, struct explain *explain, const struct end *end, const char *name,
			    struct error *error)
{
	int r = rows_add(rows, explain, end, name, "subnets", error);
	struct row *row = &rows->items[rows->count - 1];
	struct sides *sides = &row->selection.sides;
	size_t kept = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < sides->count; i++)
		if (sides->items[i].standing.kind == STANDING_SUBNET)
			sides->items[kept++] = sides->items[i];
	sides->count = kept;
	row->ports = 0;
	return 0;
}

static int rows_add_zone(struct rows *rows, struct explain *explain, uint32_t index, struct error *error)
{
	const struct zone *zone = &explain->policy->zones.items[index];
	struct end end = {.kind = END_ZONE, .index = index};
	int r = 0;

	if (!zone->has_groups)
		return rows_add(rows, explain, &end, zone->name, "zone", error);
	if (zone->subnets.count)
		r = rows_add_subnets(rows, explain, &end, zone->name, error);
	for (uint32_t i = 0; i < zone->group_count && r == 0; i++) {
		uint32_t group = zone->group_first + i;

		end = (struct end){.kind = END_GROUP, .index = group};
		r = rows_add(rows, explain, &end, explain->policy->groups.items[group].fullname, "group", error);
	}
	return r;
}

static bool has_unassigned_ports(const struct explain *explain)
{
	for (size_t i = 0; i < explain->port_sides.count; i++)
		if (standing_is_unassigned(&explain->port_sides.items[i].standing))
			return true;
	return false;
}

static int rows_add_builtins(struct rows *rows, struct explain *explain, struct error *error)
{
	static const enum end_kind builtins[] = {END_WORLD, END_INTERNET, END_PRIVATE, END_METADATA};
	struct end unassigned = {.kind = END_UNASSIGNED}, host = {.kind = END_HOST};
	int r = 0;

	if (has_unassigned_ports(explain))
		r = rows_add(rows, explain, &unassigned, end_kind_names[END_UNASSIGNED], "unassigned", error);
	if (r == 0)
		r = rows_add(rows, explain, &host, end_kind_names[END_HOST], "host", error);
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]) && r == 0; i++) {
		struct end end = {.kind = builtins[i]};

		r = rows_add(rows, explain, &end, end_kind_names[builtins[i]], "builtin", error);
	}
	return r;
}

static int rows_find(struct rows *rows, struct explain *explain, struct error *error)
{
	int r = 0;

	for (uint32_t i = 0; i < explain->policy->zones.count && r == 0; i++)
		r = rows_add_zone(rows, explain, i, error);
	if (r == 0)
		r = rows_add_builtins(rows, explain, error);
	for (uint32_t i = 0; i < explain->policy->networks.count && r == 0; i++) {
		struct end end = {.kind = END_NETWORK, .index = i};

		if (explain->policy->networks.items[i].name)
			r = rows_add(rows, explain, &end, explain->policy->networks.items[i].name, "network", error);
	}
	return r;
}

static void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		selection_free(&rows->items[i].selection);
	array_free(rows);
}

/* ---- Cells ---- */

/* In the order in which spans of `all` come: protocols ascending, what stands for the rest last. */
static int span_order(const struct span *a, const struct span *b)
{
	if (a->rest != b->rest)
		return a->rest ? 1 : -1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

/* The first of the cell's spans that does not begin before `span`. */
static size_t cell_find(const struct cell *cell, const struct span *span)
{
	size_t low = 0, high = cell->spans.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_order(&cell->spans.items[middle], span) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int cell_add(void *arg, const struct finding *finding)
{
	struct cell *cell = arg;

	if (finding->verdict->unpoliced)
		return 0;
	cell->judged = true;
	cell->enforced |= !finding->verdict->audit;
	/* The cell's spans are cut by all rules between its ends: what was judged now is one or several of them. */
	for (size_t i = cell_find(cell, &finding->span); i < cell->spans.count; i++) {
		const struct span *span = &cell->spans.items[i];

		if (span->protocol != finding->span.protocol || span->rest != finding->span.rest ||
		    span->high > finding->span.high)
			break;
		cell->tallies[i].allowed |= finding->verdict->allow;
		cell->tallies[i].denied |= !finding->verdict->allow;
	}
	return 0;
}

static int cell_judge(struct cell *cell, struct survey *survey, struct error *error)
{
	struct rule_list rules = {0};
	int r = survey_rules(survey, &rules);

	if (r == 0)
		r = spans_find(survey->explain, survey->atoms, &rules, &cell->spans);
	array_free(&rules);
	if (r == 0) {
		cell->tallies = calloc(cell->spans.count + 1, sizeof(*cell->tallies));
		r = cell->tallies ? 0 : -ENOMEM;
	}
	if (r < 0)
		return error_set(error, r, "out of memory");
	survey->arg = cell;
	return survey_run(survey, error);
}

enum span_state { SPAN_NONE, SPAN_ALLOWED, SPAN_DENIED, SPAN_MIXED };

/* SPAN_NONE: no pair of the cell's families carries it (ICMP between IPv6 ends). */
static enum span_state cell_state(const struct cell *cell, size_t index)
{
	const struct span_tally *tally = &cell->tallies[index];

	if (tally->allowed)
		return tally->denied ? SPAN_MIXED : SPAN_ALLOWED;
	return tally->denied ? SPAN_DENIED : SPAN_NONE;
}

static bool cell_has(const struct cell *cell, enum span_state state)
{
	for (size_t i = 0; i < cell->spans.count; i++)
		if (cell_state(cell, i) == state)
			return true;
	return false;
}

static bool span_is_tunnel(const struct span *span)
{
	struct service_point point = {.protocol = span->protocol, .port = span->low};

	return span->low == span->high && service_is_tunnel(&point);
}

/* Nothing but tunnels is denied: what `allow: all` leaves. */
static bool cell_denies_tunnels_only(const struct cell *cell)
{
	for (size_t i = 0; i < cell->spans.count; i++)
		if (cell_state(cell, i) == SPAN_DENIED && !span_is_tunnel(&cell->spans.items[i]))
			return false;
	return true;
}

/* `tunnels` is three protocols and three ports. */
static bool cell_denies_all_tunnels(const struct cell *cell)
{
	unsigned int denied = 0;

	for (size_t i = 0; i < cell->spans.count; i++)
		denied += cell_state(cell, i) == SPAN_DENIED && span_is_tunnel(&cell->spans.items[i]);
	return denied == 6;
}

/* Spans of one protocol that touch and are in one state are one word. */
static struct span span_widened(const struct cell *cell, size_t *index, enum span_state state)
{
	struct span span = cell->spans.items[*index];

	while (*index + 1 < cell->spans.count) {
		const struct span *next = &cell->spans.items[*index + 1];

		if (next->protocol != span.protocol || next->rest != span.rest || cell_state(cell, *index + 1) != state)
			break;
		span.high = next->high;
		(*index)++;
	}
	return span;
}

/* On failure the list is NULL, and stays so. */
static void words_push(json_t **list, const char *word)
{
	if (!*list || json_array_size(*list) > MATRIX_WORDS_MAX)
		return;
	if (json_array_size(*list) == MATRIX_WORDS_MAX)
		word = "…";
	if (json_array_append_new(*list, json_string(word)) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

static void words_push_span(json_t **list, const struct span *span)
{
	struct text text = {0};

	span_format(span, &text);
	words_push(list, text.failed ? NULL : text_string(&text));
	text_free(&text);
}

/* An ICMP range as types, each with all its codes or with one of them. */
static void words_push_icmp(json_t **list, const struct span *span)
{
	for (uint32_t at = span->low; at <= span->high && *list;) {
		bool whole = (at & 0xff) == 0 && (at | 0xff) <= span->high;
		struct span one = {.protocol = span->protocol, .low = (uint16_t)at};

		one.high = (uint16_t)(whole ? at | 0xff : at);
		if (json_array_size(*list) <= MATRIX_WORDS_MAX)
			words_push_span(list, &one);
		at = one.high + 1u;
	}
}

/* Is the whole protocol in this state? In an allow, the word for it leaves the tunnels out. */
static bool protocol_is(const struct cell *cell, uint8_t protocol, enum span_state state)
{
	bool found = false;

	for (size_t i = 0; i < cell->spans.count; i++) {
		const struct span *span = &cell->spans.items[i];

		if (span->protocol != protocol || span->rest)
			continue;
		if (state != SPAN_DENIED && span_is_tunnel(span) && cell_state(cell, i) == SPAN_DENIED)
			continue;
		if (cell_state(cell, i) != state)
			return false;
		found = true;
	}
	return found;
}

/* `icmp` is both versions; where the ends have one family only, that one. */
static bool icmp_is(const struct cell *cell, enum span_state state)
{
	bool v4 = protocol_is(cell, IPPROTO_ICMP, state), v6 = protocol_is(cell, IPPROTO_ICMPV6, state);

	if (v4 && v6)
		return true;
	return (v4 && protocol_is(cell, IPPROTO_ICMPV6, SPAN_NONE)) ||
	       (v6 && protocol_is(cell, IPPROTO_ICMP, SPAN_NONE));
}

/* The last span of the same protocol. */
static size_t protocol_end(const struct cell *cell, size_t index)
{
	while (index + 1 < cell->spans.count &&
	       cell->spans.items[index + 1].protocol == cell->spans.items[index].protocol)
		index++;
	return index;
}

/* A protocol that has one word; *index is moved over its spans. */
static bool words_push_whole(json_t **list, const struct cell *cell, size_t *index, enum span_state state)
{
	struct span span = cell->spans.items[*index];
	bool icmp = span.protocol == IPPROTO_ICMP || span.protocol == IPPROTO_ICMPV6;

	if (span.rest) {
		words_push(list, "all other protocols");
		return true;
	}
	if (!protocol_is(cell, span.protocol, state))
		return false;
	*index = protocol_end(cell, *index);
	span.high = cell->spans.items[*index].high;
	if (!icmp || !icmp_is(cell, state)) {
		if (!icmp && span.low != span.high)
			span.low = 1;
		words_push_span(list, &span);
	} else if (span.protocol == IPPROTO_ICMP || protocol_is(cell, IPPROTO_ICMP, SPAN_NONE)) {
		words_push(list, "icmp");
	}
	return true;
}

/* The words for all spans in one state; NULL when memory is short. */
static json_t *cell_words(const struct cell *cell, enum span_state state)
{
	json_t *list = json_array();

	for (size_t i = 0; i < cell->spans.count && list; i++) {
		struct span span;

		if (cell_state(cell, i) != state || words_push_whole(&list, cell, &i, state))
			continue;
		span = span_widened(cell, &i, state);
		if (span.protocol == IPPROTO_ICMP || span.protocol == IPPROTO_ICMPV6)
			words_push_icmp(&list, &span);
		else
			words_push_span(&list, &span);
	}
	return list;
}

static const char *cell_verdict(const struct cell *cell)
{
	if (!cell->judged)
		return "unpoliced";
	if (cell_has(cell, SPAN_MIXED))
		return "mixed";
	if (!cell_has(cell, SPAN_ALLOWED))
		return "deny";
	return cell_denies_tunnels_only(cell) ? "allow" : "some";
}

/* Is what no rule names allowed? Then the exceptions are the shorter list. */
static bool cell_allows_rest(const struct cell *cell)
{
	for (size_t i = 0; i < cell->spans.count; i++)
		if (cell->spans.items[i].rest)
			return cell_state(cell, i) == SPAN_ALLOWED;
	return false;
}

static int cell_put_words(json_t *json, const char *key, const struct cell *cell, enum span_state state)
{
	json_t *words;

	if (!cell_has(cell, state))
		return 0;
	if (state == SPAN_DENIED && cell_denies_tunnels_only(cell) && cell_denies_all_tunnels(cell))
		words = json_pack("[s]", "tunnels");
	else
		words = cell_words(cell, state);
	return json_object_set_new(json, key, words) < 0 ? -ENOMEM : 0;
}

static int cell_put(json_t *json, const struct cell *cell)
{
	const char *verdict = cell_verdict(cell);
	bool audited = cell->judged && !cell->enforced;
	int r = 0;

	if (json_object_set_new(json, "verdict", json_string(verdict)) < 0 ||
	    json_object_set_new(json, "mode", json_string(mode_names[audited ? MODE_AUDIT : MODE_ENFORCE])) < 0)
		return -ENOMEM;
	if (strcmp(verdict, "mixed") == 0) {
		r = cell_put_words(json, "services", cell, SPAN_ALLOWED);
		return r < 0 ? r : cell_put_words(json, "mixed", cell, SPAN_MIXED);
	}
	if (strcmp(verdict, "allow") == 0 || (strcmp(verdict, "some") == 0 && cell_allows_rest(cell)))
		return cell_put_words(json, "except", cell, SPAN_DENIED);
	return strcmp(verdict, "some") == 0 ? cell_put_words(json, "services", cell, SPAN_ALLOWED) : 0;
}

/* ---- The whole ---- */

static json_t *rows_json(const struct rows *rows)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];
		json_t *json = json_pack("{s:s, s:s}", "name", row->name, "kind", row->kind);

		if (json && row->counts_ports)
			json_object_set_new(json, "ports", json_integer((json_int_t)row->ports));
		if (json_array_append_new(list, json) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int cell_append(json_t *cells, const struct rows *rows, size_t from, size_t to, struct survey *survey,
		       struct error *error)
{
	json_t *json = json_pack("{s:I, s:I}", "from", (json_int_t)from, "to", (json_int_t)to);
	struct cell cell = {0};
	int r;

	survey->from = &rows->items[from].selection.sides;
	survey->to = &rows->items[to].selection.sides;
	r = cell_judge(&cell, survey, error);
	if (r == 0 && (cell_put(json, &cell) < 0 || json_array_append(cells, json) < 0))
		r = error_set(error, -ENOMEM, "out of memory");
	json_decref(json);
	array_free(&cell.spans);
	free(cell.tallies);
	return r;
}

static int cells_judge(json_t *cells, const struct rows *rows, struct explain *explain, int64_t now,
		       struct error *error)
{
	struct service_atom everything = {.kind = SERVICE_ALL};
	struct service_atoms atoms = {.items = &everything, .count = 1};
	struct survey survey = {
		.explain = explain,
		.atoms = &atoms,
		.now = now,
		.work_max = MATRIX_WORK_MAX,
		.work_left = MATRIX_WORK_MAX,
		.found = cell_add,
	};
	int r = 0;

	for (size_t i = 0; i < rows->count && r == 0; i++)
		for (size_t j = 0; j < rows->count && r == 0; j++)
			r = cell_append(cells, rows, i, j, &survey, error);
	return r;
}

int matrix_json(struct explain *explain, int64_t now, json_t **ret_matrix, struct error *error)
{
	struct rows rows = {0};
	json_t *cells = json_array(), *matrix = NULL;
	int r = cells ? rows_find(&rows, explain, error) : error_set(error, -ENOMEM, "out of memory");

	if (r == 0)
		r = cells_judge(cells, &rows, explain, now, error);
	if (r == 0) {
		matrix = json_pack("{s:o, s:O}", "ends", rows_json(&rows), "cells", cells);
		if (matrix)
			*ret_matrix = matrix;
		else
			r = error_set(error, -ENOMEM, "out of memory");
	}
	json_decref(cells);
	rows_free(&rows);
	return r;
}
