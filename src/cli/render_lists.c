/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void header(struct cli_table *table, const char *const *titles)
{
	for (size_t i = 0; i < table->columns; i++)
		cli_table_add(table, COLOUR_BOLD, titles[i]);
}

static void list_cell(struct cli_table *table, const json_t *list)
{
	struct text text = {0};
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		text_appendf(&text, "%s%s", i ? " " : "", cli_escape(json_string_value(item)));
	cli_table_add(table, COLOUR_PLAIN, text_string(&text));
	text_free(&text);
}

static void number_cell(struct cli_table *table, json_int_t number, enum cli_colour colour)
{
	char buffer[32];

	cli_table_add(table, colour, number ? text_grouped(buffer, sizeof(buffer), (uint64_t)number) : "0");
}

/* ---- ports ---- */

static json_int_t packets(const json_t *port, const char *what)
{
	const json_t *both = json_object_get(port, what);

	return cli_number(json_object_get(both, "from"), "packets") +
	       cli_number(json_object_get(both, "to"), "packets");
}

static enum cli_colour state_colour(const char *state)
{
	if (strcmp(state, "open") == 0)
		return COLOUR_GREEN;
	return strcmp(state, "ignored") == 0 ? COLOUR_DIM : COLOUR_YELLOW;
}

void render_ports(const struct cli *cli, const json_t *ports)
{
	static const char *const titles[] = {"PORT",  "CONTAINER", "RUNTIME", "IDENTITY", "STATE",
					     "FLOWS", "ALLOWED",   "DENIED",  "REASON",	  "ADDRESSES"};
	struct cli_table table = {.columns = 10, .right = 7u << 5};
	json_t *port;
	size_t i;

	if (json_array_size(ports) == 0) {
		puts("no container's port is here");
		return;
	}
	header(&table, titles);
	json_array_foreach(ports, i, port)
	{
		const char *state = cli_text(port, "state");

		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "interface"));
		cli_table_add(&table, COLOUR_PLAIN, cli_container(port));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "runtime"));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "identity"));
		cli_table_add(&table, state_colour(state), state);
		/* A port that is not policed has no counters: a nought would be a claim. */
		if (json_object_get(port, "allowed")) {
			number_cell(&table, cli_number(port, "flows"), COLOUR_PLAIN);
			number_cell(&table, packets(port, "allowed"), COLOUR_PLAIN);
			number_cell(&table, packets(port, "denied"),
				    packets(port, "denied") ? COLOUR_RED : COLOUR_PLAIN);
		} else {
			for (size_t column = 0; column < 3; column++)
				cli_table_add(&table, COLOUR_PLAIN, "");
		}
		cli_table_add(&table, COLOUR_YELLOW, cli_text(port, "reason"));
		list_cell(&table, json_object_get(port, "addresses"));
	}
	cli_table_print(cli, &table);
}

/* ---- counters ---- */

static void amount_cells(struct cli_table *table, const json_t *item)
{
	json_int_t packets_counted = cli_number(item, "packets");
	char bytes[32];

	number_cell(table, packets_counted, packets_counted ? COLOUR_PLAIN : COLOUR_DIM);
	cli_table_add(table, packets_counted ? COLOUR_PLAIN : COLOUR_DIM,
		      text_bytes(bytes, sizeof(bytes), (uint64_t)cli_number(item, "bytes")));
}

static bool is_of_a_rule(const json_t *item)
{
	return strcmp(cli_text(item, "reason"), "rule") == 0;
}

/* The rules first, then what decides where no rule does. */
static void decisions_print(const struct cli *cli, const json_t *decisions)
{
	static const char *const titles[] = {"PACKETS", "BYTES", "VERDICT", "PLACE", "WHAT"};
	struct cli_table table = {.columns = 5, .right = 3};
	json_t *item;
	size_t i;

	header(&table, titles);
	for (size_t pass = 0; pass < 2; pass++) {
		json_array_foreach(decisions, i, item)
		{
			const json_t *rule = json_object_get(item, "rule");
			const char *verdict = cli_text(item, "verdict"), *name = cli_text(rule, "name");

			if (is_of_a_rule(item) != (pass == 0))
				continue;
			amount_cells(&table, item);
			cli_table_add(&table, strcmp(verdict, "deny") == 0 ? COLOUR_RED : COLOUR_GREEN, verdict);
			cli_table_add(&table, COLOUR_PLAIN, cli_short_place(rule));
			cli_table_add(&table, COLOUR_PLAIN, *name ? name : cli_text(rule, "text"));
		}
	}
	cli_table_print(cli, &table);
}

static void reasons_print(const struct cli *cli, const json_t *reasons)
{
	static const char *const titles[] = {"PACKETS", "BYTES", "REASON", "WHAT"};
	struct cli_table table = {.columns = 4, .right = 3};
	json_t *item;
	size_t i;

	if (json_array_size(reasons) == 0)
		return;
	putchar('\n');
	header(&table, titles);
	json_array_foreach(reasons, i, item)
	{
		amount_cells(&table, item);
		cli_table_add(&table, COLOUR_PLAIN, cli_text(item, "reason"));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(item, "text"));
	}
	cli_table_print(cli, &table);
}

void render_counters(const struct cli *cli, const json_t *counters)
{
	const json_t *rules = json_object_get(counters, "rules"), *reasons = json_object_get(counters, "reasons");

	if (json_array_size(rules) == 0)
		puts(reasons ? "no policy is in force yet" : "every rule was hit");
	else
		decisions_print(cli, rules);
	reasons_print(cli, reasons);
}

json_t *counters_unused(const json_t *counters)
{
	json_t *unused = json_array(), *item;
	size_t i;

	json_array_foreach(json_object_get(counters, "rules"), i,
			   item) if (is_of_a_rule(item) && cli_number(item, "packets") == 0)
		json_array_append(unused, item);
	return json_pack("{s:o}", "rules", unused);
}

/* ---- reload ---- */

static void end_append(struct text *text, const json_t *end);

/* What a dry run would end, a flow a line. */
static void ended_print(const struct cli *cli, const json_t *flows)
{
	const json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		const json_t *rule = json_object_get(flow, "rule");
		struct text ends = {0};

		end_append(&ends, json_object_get(flow, "from"));
		text_append(&ends, " → ");
		end_append(&ends, json_object_get(flow, "to"));
		printf("%s  %s  %s%s%s%s%s\n", text_string(&ends), cli_text(flow, "service"),
		       cli_colour(cli, COLOUR_DIM), cli_short_place(rule), *cli_short_place(rule) ? "  " : "",
		       cli_text(rule, "text"), cli_colour(cli, COLOUR_PLAIN));
		text_free(&ends);
	}
}

static void render_dry_run(const struct cli *cli, const json_t *ended)
{
	const json_t *flows = json_object_get(ended, "flows");
	long long count = (long long)cli_number(ended, "count");

	ended_print(cli, flows);
	if (count > (long long)json_array_size(flows))
		printf("and %lld more\n", count - (long long)json_array_size(flows));
	if (ended)
		printf("the policy is good; it would end %lld open flow%s\n", count, count == 1 ? "" : "s");
	else
		puts("the policy is good; which open flows it would end is not known");
}

void render_reload(const struct cli *cli, const json_t *report)
{
	const json_t *ended = json_object_get(report, "ended");
	const char *text = json_string_value(json_object_get(report, "text"));

	if (text && *text)
		fputs(text, stderr);
	if (json_is_true(json_object_get(report, "dry_run"))) {
		render_dry_run(cli, ended);
		return;
	}
	/* Before the daemon knows what is there, it has read the policy and no more. */
	if (cli_number(report, "generation") == 0)
		puts("read; it comes into force with the first look at the containers");
	else
		printf("%sgeneration %lld%s in force after %.0f ms\n", cli_colour(cli, COLOUR_BOLD),
		       (long long)cli_number(report, "generation"), cli_colour(cli, COLOUR_PLAIN),
		       json_number_value(json_object_get(report, "milliseconds")));
	if (ended)
		printf("%lld open flow%s ended\n", (long long)cli_number(ended, "count"),
		       cli_number(ended, "count") == 1 ? "" : "s");
}

/* ---- flows ---- */

static enum cli_colour verdict_colour(const char *verdict)
{
	if (strcmp(verdict, "deny") == 0)
		return COLOUR_RED;
	return strcmp(verdict, "allow") == 0 ? COLOUR_GREEN : COLOUR_YELLOW;
}

/* "web-1 (shop/front)", "10.0.0.5 (internet)". */
static void end_append(struct text *text, const json_t *end)
{
	const char *identity = cli_text(end, "identity");

	if (*cli_text(end, "container"))
		text_append(text, cli_container(end));
	else if (*cli_text(end, "address"))
		text_append(text, cli_text(end, "address"));
	else
		text_append(text, *cli_text(end, "mac") ? cli_text(end, "mac") : "?");
	if (*identity && strcmp(identity, cli_text(end, "container")) != 0)
		text_appendf(text, " (%s)", identity);
}

void render_flow(const struct cli *cli, const json_t *flow)
{
	const char *verdict = cli_text(flow, "verdict"), *service = cli_text(flow, "service");
	const json_t *rule = json_object_get(flow, "rule");
	struct text ends = {0};

	if (strcmp(verdict, "lost") == 0) {
		printf("%s%s%s%lld flows left out: they came faster than they could be told\n",
		       cli_colour(cli, COLOUR_YELLOW), cli_text(flow, "time"), *cli_text(flow, "time") ? "  " : "",
		       (long long)cli_number(flow, "suppressed"));
		fputs(cli_colour(cli, COLOUR_PLAIN), stdout);
		return;
	}
	end_append(&ends, json_object_get(flow, "from"));
	text_append(&ends, " → ");
	end_append(&ends, json_object_get(flow, "to"));
	printf("%s%s%s  %s  %s  %s%s%s", cli_colour(cli, COLOUR_DIM), cli_text(flow, "time"),
	       cli_colour(cli, COLOUR_PLAIN), text_string(&ends), *service ? service : cli_text(flow, "ethertype"),
	       cli_colour(cli, verdict_colour(verdict)), verdict, cli_colour(cli, COLOUR_PLAIN));
	if (*cli_text(flow, "reason_text"))
		printf("  %s", cli_text(flow, "reason_text"));
	if (*cli_short_place(rule))
		printf("  %s", cli_short_place(rule));
	else if (*cli_text(rule, "text"))
		printf("  %s", cli_text(rule, "text"));
	if (cli_number(flow, "suppressed"))
		printf("  (+%lld like it)", (long long)cli_number(flow, "suppressed"));
	putchar('\n');
	text_free(&ends);
}
