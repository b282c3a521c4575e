/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers as JSON. Where memory is short, a part is NULL, and so is the whole that should hold it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "table/explain_private.h"

static void json_put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

static void json_push(json_t **list, json_t *value)
{
	if (json_array_append_new(*list, value) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

static json_t *text_json(const struct text *text)
{
	return text->failed ? NULL : json_string(text_string(text));
}

/* Text of a file or a caller: escaped where it is no UTF-8, which JSON can't hold. */
static json_t *json_text(const char *bytes, size_t length)
{
	struct text text = {0};
	json_t *json;
	char *copy;

	if (text_is_utf8(bytes, length))
		return json_stringn(bytes, length);
	copy = strndup(bytes, length);
	if (!copy)
		return NULL;
	text_append_escaped(&text, copy);
	json = text_json(&text);
	free(copy);
	text_free(&text);
	return json;
}

static json_t *json_word(const char *word)
{
	return json_text(word, strlen(word));
}

/* The file's own name: policies are shown by what stands in their directory. */
static const char *source_name(const struct policy *policy, const struct place *place)
{
	const char *path = "", *slash;

	if (place->file < policy->sources.count && policy->sources.items[place->file].path)
		path = policy->sources.items[place->file].path;
	slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static json_t *json_rule(const struct policy *policy, uint32_t index)
{
	const struct rule *rule = &policy->rules.items[index];
	json_t *json = json_object();

	if (rule->name)
		json_put(&json, "name", json_word(rule->name));
	json_put(&json, "file", json_word(source_name(policy, &rule->place)));
	json_put(&json, "line", json_integer(rule->place.line));
	return json;
}

/* A line of the policy, whole characters of it. */
static json_t *json_line(const char *line, size_t length)
{
	if (length > EXPLAIN_TEXT_MAX) {
		length = EXPLAIN_TEXT_MAX;
		while (length > 0 && ((unsigned char)line[length] & 0xc0) == 0x80)
			length--;
	}
	return json_text(line, length);
}

/* {path, file, line, column, text}, added to what `json` holds. */
static void json_put_place(json_t **json, const struct policy *policy, const struct place *place)
{
	size_t length;
	const char *line = source_line(&policy->sources, place, &length);

	if (place->file < policy->sources.count && policy->sources.items[place->file].path)
		json_put(json, "path", json_word(policy->sources.items[place->file].path));
	json_put(json, "file", json_word(source_name(policy, place)));
	json_put(json, "line", json_integer(place->line));
	json_put(json, "column", json_integer(place->column));
	if (line)
		json_put(json, "text", json_line(line, length));
}

static json_t *json_place(const struct policy *policy, const struct place *place)
{
	json_t *json = json_object();

	json_put_place(&json, policy, place);
	return json;
}

static const char *tally_verdict(const struct tally *tally)
{
	if (tally->allowed && tally->denied)
		return "mixed";
	if (tally->allowed || tally->denied)
		return tally->allowed ? "allow" : "deny";
	return "unpoliced";
}

static bool tally_is_audited(const struct tally *tally)
{
	if (tally->allowed || tally->denied)
		return !tally->enforced;
	if (tally->unpoliced)
		return !tally->unpoliced_enforced;
	return tally->policy->settings.mode == MODE_AUDIT;
}

static void json_put_staged(json_t **json, const struct tally *tally)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < tally->policy->rules.count; i++)
		if (tally->rules[i] & MARK_STAGED)
			json_push(&list, json_rule(tally->policy, i));
	if (list && json_array_size(list) == 0)
		json_decref(list);
	else
		json_put(json, "staged", list);
}

/* The part that a batch has. */
static json_t *json_answer(const struct tally *tally, const struct asked *asked)
{
	json_t *json = json_object();

	json_put(&json, "from", json_word(asked->from));
	json_put(&json, "to", json_word(asked->to));
	json_put(&json, "service", json_word(asked->service));
	json_put(&json, "verdict", json_string(tally_verdict(tally)));
	json_put(&json, "mode", json_string(mode_names[tally_is_audited(tally) ? MODE_AUDIT : MODE_ENFORCE]));
	if (tally->allowed != tally->denied) {
		const struct way *way = &tally->ways.items[0];

		json_put(&json, "reason", json_string(reason_names[way->reason]));
		if (way->reason == REASON_RULE)
			json_put(&json, "rule", json_rule(tally->policy, (uint32_t)way->rule));
	}
	json_put_staged(&json, tally);
	return json;
}

/* For qsort_r(3). */
static int rule_order(const void *a, const void *b, void *rules)
{
	const struct rule *left = &((const struct rule *)rules)[*(const uint32_t *)a];
	const struct rule *right = &((const struct rule *)rules)[*(const uint32_t *)b];

	if (rule_decides_before(left, right))
		return -1;
	return rule_decides_before(right, left);
}

/* The rules of one action that match and decide nothing, in the order in which they would. */
static void json_push_next(json_t **list, const struct tally *tally, const char *action, uint8_t mark, bool deny)
{
	const struct rule *all = tally->policy->rules.items;
	uint32_t *order = calloc(tally->policy->rules.count + 1, sizeof(*order));
	size_t count = 0;

	if (!order) {
		json_push(list, NULL);
		return;
	}
	for (uint32_t i = 0; i < tally->policy->rules.count; i++)
		if ((tally->rules[i] & mark) && !(tally->rules[i] & MARK_DECIDES) &&
		    (mark == MARK_STAGED || all[i].deny == deny))
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), rule_order, tally->policy->rules.items);
	for (size_t i = 0; i < count && json_array_size(*list) < EXPLAIN_NEXT_MAX; i++) {
		const struct rule *rule = &all[order[i]];
		json_t *json = json_object();

		json_put(&json, "action", json_string(action));
		if (rule->name)
			json_put(&json, "name", json_word(rule->name));
		json_put_place(&json, tally->policy, &rule->place);
		json_push(list, json);
	}
	free(order);
}

static json_t *json_party(const struct explain *explain, const struct party *party)
{
	struct text text = {0};
	json_t *json;

	party_name(explain, party, &text);
	json = text_json(&text);
	text_free(&text);
	return json;
}

void span_format(const struct span *span, struct text *text)
{
	struct service_atom atom = {.kind = SERVICE_PROTOCOL, .protocol = span->protocol};

	switch (span->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (span->low > 1 || span->high < UINT16_MAX) {
			atom.kind = SERVICE_PORTS;
			atom.low = span->low;
			atom.high = span->high;
		}
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (span->low == span->high || (span->low >> 8 == span->high >> 8 && (span->low & 0xff) == 0)) {
			atom.kind = SERVICE_ICMP;
			atom.low = span->low >> 8;
			atom.high = span->low == span->high ? span->low & 0xff : SERVICE_CODE_ANY;
		}
		break;
	default:
		break;
	}
	service_atom_format(&atom, text);
}

static json_t *json_case(const struct explain *explain, const struct way *way)
{
	struct span point = way->span;
	struct text service = {0};
	json_t *json = json_object();

	point.high = point.low;
	span_format(&point, &service);
	json_put(&json, "from", json_party(explain, &way->from_party));
	json_put(&json, "to", json_party(explain, &way->to_party));
	json_put(&json, "service", text_json(&service));
	json_put(&json, "verdict", json_string(way->allow ? "allow" : "deny"));
	json_put(&json, "mode", json_string(mode_names[way->audit ? MODE_AUDIT : MODE_ENFORCE]));
	json_put(&json, "reason", json_string(reason_names[way->reason]));
	if (way->reason == REASON_RULE)
		json_put(&json, "rule", json_rule(explain->policy, (uint32_t)way->rule));
	if (way->place.line)
		json_put(&json, "at", json_place(explain->policy, &way->place));
	text_free(&service);
	return json;
}

static json_t *json_selection(const struct explain *explain, const struct selection *selection)
{
	struct text text = {0};
	json_t *json;

	if (selection->is.length) {
		text_append(&text, text_string(&selection->is));
	} else {
		for (size_t i = 0; i < selection->sides.count && i < EXPLAIN_CASES_MAX; i++) {
			text_append(&text, i ? "; " : "");
			side_describe(explain, &selection->sides.items[i], &text);
		}
	}
	json = text_json(&text);
	text_free(&text);
	return json;
}

/* What a single question has beyond a batch. */
static void json_put_details(json_t **json, const struct explain *explain, const struct tally *tally,
			     const struct asked *asked)
{
	json_t *next = json_array(), *cases;

	json_put(json, "from_is", json_selection(explain, &asked->from_selection));
	json_put(json, "to_is", json_selection(explain, &asked->to_selection));
	if (tally->allowed != tally->denied && tally->ways.items[0].place.line)
		json_put(json, "at", json_place(explain->policy, &tally->ways.items[0].place));
	json_push_next(&next, tally, "deny", MARK_MATCHES, true);
	json_push_next(&next, tally, "allow", MARK_MATCHES, false);
	json_push_next(&next, tally, "staged", MARK_STAGED, false);
	if (next && json_array_size(next) == 0)
		json_decref(next);
	else
		json_put(json, "next", next);
	if (tally->ways.count < 2)
		return;
	cases = json_array();
	for (size_t i = 0; i < tally->ways.count; i++)
		json_push(&cases, json_case(explain, &tally->ways.items[i]));
	json_put(json, "cases", cases);
}

json_t *tally_json(const struct explain *explain, const struct tally *tally, const struct asked *asked, bool details)
{
	json_t *json = json_answer(tally, asked);

	if (details)
		json_put_details(&json, explain, tally, asked);
	return json;
}
