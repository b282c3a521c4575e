/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/answer.h"

static json_t *rule_json(struct daemon *daemon, const struct decision *decision)
{
	struct bh_counter counter = {0};
	json_t *json, *rule = json_object();

	if (daemon->gate)
		gate_rule_counter(daemon->gate, decision->number, &counter);
	if (decision->rule >= 0 && (size_t)decision->rule < daemon->policy->rules.count &&
	    daemon->policy->rules.items[decision->rule].name)
		json_object_set_new(rule, "name", json_string(daemon->policy->rules.items[decision->rule].name));
	if (decision->file && decision->place.line) {
		json_object_set_new(rule, "file", json_string(decision->file));
		json_object_set_new(rule, "line", json_integer(decision->place.line));
	}
	if (decision->text)
		json_object_set_new(rule, "text", json_string(decision->text));
	json = json_pack("{s:I,s:s,s:s,s:o,s:I,s:I}", "decision", (json_int_t)decision->number, "reason",
			 reason_names[decision->reason], "verdict", decision->deny ? "deny" : "allow", "rule", rule,
			 "packets", (json_int_t)counter.packets, "bytes", (json_int_t)counter.bytes);
	return json;
}

json_t *answer_counters(struct daemon *daemon)
{
	json_t *rules = json_array(), *reasons = json_array();

	for (size_t i = 0; daemon->table && i < daemon->table->decisions.count; i++)
		json_array_append_new(rules, rule_json(daemon, &daemon->table->decisions.items[i]));
	for (int i = 1; daemon->gate && i < BH_REASON_MAX; i++) {
		struct bh_counter counter = {0};

		if (gate_reason_counter(daemon->gate, i, &counter) < 0 || counter.packets == 0)
			continue;
		json_array_append_new(reasons, json_pack("{s:s,s:s,s:I,s:I}", "reason", reason_name(i), "text",
							 reason_sentence(i), "packets", (json_int_t)counter.packets,
							 "bytes", (json_int_t)counter.bytes));
	}
	return json_pack("{s:o,s:o}", "rules", rules, "reasons", reasons);
}
