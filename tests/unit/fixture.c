/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "policy/load.h"

void fixture_load(struct fixture *fixture, const char *policy, const char *world)
{
	static const char nobody[] = "version: 1\n";
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	int r;

	memset(fixture, 0, sizeof(*fixture));
	r = policy_load_text("test.yaml", policy, strlen(policy), FIXTURE_NOW, &fixture->policy, &diagnostics, &error);
	if (r < 0) {
		if (fixture->policy)
			diagnostics_print(&diagnostics, &fixture->policy->sources, false, stderr);
		fail_msg("the policy does not load: %s", error.text);
	}
	diagnostics_free(&diagnostics);
	if (!world)
		world = nobody;
	r = world_load_text("world.yaml", world, strlen(world), &fixture->world, &fixture->sources, &diagnostics,
			    &error);
	if (r < 0) {
		diagnostics_print(&diagnostics, &fixture->sources, false, stderr);
		fail_msg("the world does not load: %s", error.text);
	}
	diagnostics_free(&diagnostics);
	world_mark_unpoliced(&fixture->world, &fixture->policy->settings);
	fixture->naive = (struct naive){.policy = fixture->policy, .world = &fixture->world};
	assert_int_equal(
		explain_new(fixture->policy, &fixture->world, naive_judge, &fixture->naive, &fixture->explain, &error),
		0);
}

void fixture_free(struct fixture *fixture)
{
	explain_free(fixture->explain);
	world_free(&fixture->world);
	policy_free(fixture->policy);
	for (size_t i = 0; i < fixture->sources.count; i++) {
		free(fixture->sources.items[i].path);
		free(fixture->sources.items[i].text);
	}
	array_free(&fixture->sources);
}

static uint32_t domain_of(const struct fixture *fixture, const char *network)
{
	for (size_t i = 0; i < fixture->world.ports.count; i++) {
		const struct world_port *port = &fixture->world.ports.items[i];

		if (port->network && strcmp(port->network, network) == 0)
			return port->domain;
	}
	fail_msg("no port is on '%s'", network);
	return 0;
}

struct party fixture_party(const struct fixture *fixture, const char *word)
{
	struct party party = {.kind = PARTY_ADDRESS};
	char name[128];
	const char *network;

	if (strcmp(word, "host") == 0)
		return (struct party){.kind = PARTY_HOST};
	network = strchr(word, '@');
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "@"), word);
	if (network)
		network++;
	if (addr_parse(name, &party.addr) == 0) {
		party.domain = network ? domain_of(fixture, network) : 0;
		return party;
	}
	for (uint32_t i = 0; i < fixture->world.ports.count; i++) {
		const struct world_port *port = &fixture->world.ports.items[i];

		if (strcmp(fixture->world.containers.items[port->container].name, name) == 0 &&
		    (!network || strcmp(port->network, network) == 0))
			return (struct party){.kind = PARTY_PORT, .port = i};
	}
	fail_msg("nobody is called '%s'", word);
	return party;
}

static struct service_point fixture_service(const struct fixture *fixture, const char *word)
{
	struct service_atoms atoms = {0};
	struct service_point point = {0};
	struct error error = {0};

	if (service_parse(fixture->policy, word, &atoms, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(atoms.count, 1);
	point.protocol = atoms.items[0].protocol;
	if (atoms.items[0].kind == SERVICE_PORTS)
		point.port = atoms.items[0].low;
	else if (atoms.items[0].kind == SERVICE_ICMP)
		point.port = (uint16_t)(atoms.items[0].low << 8 |
					(atoms.items[0].high == SERVICE_CODE_ANY ? 0 : atoms.items[0].high));
	array_free(&atoms);
	return point;
}

static void rule_append(const struct fixture *fixture, uint32_t index, struct text *text)
{
	const struct rule *rule = &fixture->policy->rules.items[index];

	if (rule->name)
		text_appendf(text, " '%s'", rule->name);
	else
		text_appendf(text, " line %u", rule->place.line);
}

char *fixture_judge(const struct fixture *fixture, const char *from, const char *to, const char *service, int64_t now)
{
	struct party from_party = fixture_party(fixture, from), to_party = fixture_party(fixture, to);
	struct service_point point = fixture_service(fixture, service);
	struct naive naive = fixture->naive;
	struct verdict verdict = {0};
	struct text text = {0};

	assert_int_equal(naive_judge(&naive, &from_party, &to_party, &point, now, &verdict), 0);
	if (verdict.unpoliced) {
		text_append(&text, "unpoliced");
	} else {
		text_appendf(&text, "%s%s %s", verdict.audit ? "audit " : "", verdict.allow ? "allow" : "deny",
			     reason_names[verdict.reason]);
		if (verdict.reason == REASON_RULE)
			rule_append(fixture, (uint32_t)verdict.rule, &text);
		else
			assert_int_equal(verdict.rule, -1);
	}
	for (size_t i = 0; i < verdict.staged.count; i++) {
		text_append(&text, ", staged");
		rule_append(fixture, verdict.staged.items[i], &text);
	}
	verdict_free(&verdict);
	return text_take(&text);
}

void fixture_ask(const struct fixture *fixture, const struct question *questions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct question *question = &questions[i];
		char *answer = fixture_judge(fixture, question->from, question->to, question->service, FIXTURE_NOW);

		assert_non_null(answer);
		if (strcmp(answer, question->expected) != 0)
			fail_msg("%s %s %s: '%s', expected '%s'", question->from, question->to, question->service,
				 answer, question->expected);
		free(answer);
	}
}

void fixture_check(const char *policy, const char *world, const struct question *questions, size_t count)
{
	struct fixture fixture;

	fixture_load(&fixture, policy, world);
	fixture_ask(&fixture, questions, count);
	fixture_free(&fixture);
}
