/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void header(struct cli_table *table, const char *const *titles)
{
	for (size_t i = 0; i < table->columns; i++)
		cli_table_add(table, COLOUR_BOLD, titles[i]);
}

static const char *joined(const json_t *list, char *buffer, size_t size)
{
	struct text text = {0};
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		text_appendf(&text, "%s%s", i ? " " : "", cli_escape(json_string_value(item)));
	snprintf(buffer, size, "%s", text_string(&text));
	text_free(&text);
	return buffer;
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
	static const char *const titles[] = {"PORT",  "CONTAINER", "RUNTIME", "IDENTITY",  "STATE",
					     "FLOWS", "ALLOWED",   "DENIED",  "ADDRESSES", "REASON"};
	struct cli_table table = {.columns = 10, .right = 7u << 5};
	char buffer[512];
	json_t *port;
	size_t i;

	header(&table, titles);
	json_array_foreach(ports, i, port)
	{
		const char *state = cli_text(port, "state");

		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "interface"));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "container"));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "runtime"));
		cli_table_add(&table, COLOUR_PLAIN, cli_text(port, "identity"));
		cli_table_add(&table, state_colour(state), state);
		number_cell(&table, cli_number(port, "flows"), COLOUR_PLAIN);
		number_cell(&table, packets(port, "allowed"), COLOUR_PLAIN);
		number_cell(&table, packets(port, "denied"), packets(port, "denied") ? COLOUR_RED : COLOUR_PLAIN);
		cli_table_add(&table, COLOUR_PLAIN, joined(json_object_get(port, "addresses"), buffer, sizeof(buffer)));
		cli_table_add(&table, COLOUR_YELLOW, cli_text(port, "reason"));
	}
	cli_table_print(cli, &table);
}

/* ---- counters ---- */

void render_counters(const struct cli *cli, const json_t *counters, bool unused)
{
	static const char *const titles[] = {"PACKETS", "BYTES", "VERDICT", "PLACE", "WHAT"};
	static const char *const reason_titles[] = {"PACKETS", "BYTES", "REASON", "WHAT"};
	struct cli_table table = {.columns = 5, .right = 3}, reasons = {.columns = 4, .right = 3};
	char bytes[32];
	json_t *item;
	size_t i;

	header(&table, titles);
	json_array_foreach(json_object_get(counters, "rules"), i, item)
	{
		const json_t *rule = json_object_get(item, "rule");
		const char *verdict = cli_text(item, "verdict"), *name = cli_text(rule, "name");
		json_int_t count = cli_number(item, "packets");

		if (unused && count)
			continue;
		number_cell(&table, count, count ? COLOUR_PLAIN : COLOUR_DIM);
		cli_table_add(&table, COLOUR_PLAIN,
			      text_bytes(bytes, sizeof(bytes), (uint64_t)cli_number(item, "bytes")));
		cli_table_add(&table, strcmp(verdict, "deny") == 0 ? COLOUR_RED : COLOUR_GREEN, verdict);
		cli_table_add(&table, COLOUR_PLAIN, cli_place(rule));
		cli_table_add(&table, COLOUR_PLAIN, *name ? name : cli_text(rule, "text"));
	}
	cli_table_print(cli, &table);
	if (unused || json_array_size(json_object_get(counters, "reasons")) == 0)
		return;
	putchar('\n');
	header(&reasons, reason_titles);
	json_array_foreach(json_object_get(counters, "reasons"), i, item)
	{
		number_cell(&reasons, cli_number(item, "packets"), COLOUR_PLAIN);
		cli_table_add(&reasons, COLOUR_PLAIN,
			      text_bytes(bytes, sizeof(bytes), (uint64_t)cli_number(item, "bytes")));
		cli_table_add(&reasons, COLOUR_PLAIN, cli_text(item, "reason"));
		cli_table_add(&reasons, COLOUR_PLAIN, cli_text(item, "text"));
	}
	cli_table_print(cli, &reasons);
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
		text_append(text, cli_text(end, "container"));
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
		printf("… %lld events left out: they came faster than they could be told\n",
		       (long long)cli_number(flow, "suppressed"));
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
	if (*cli_place(rule))
		printf("  %s", cli_place(rule));
	else if (*cli_text(rule, "text"))
		printf("  %s", cli_text(rule, "text"));
	if (cli_number(flow, "suppressed"))
		printf("  (+%lld like it)", (long long)cli_number(flow, "suppressed"));
	putchar('\n');
	text_free(&ends);
}
