/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *verdict, *word;
	enum cli_colour colour;
} verdicts[] = {
	{"allow", "ALLOWED", COLOUR_GREEN},
	{"deny", "DENIED", COLOUR_RED},
	{"mixed", "MIXED", COLOUR_YELLOW},
	{"unpoliced", "UNPOLICED", COLOUR_YELLOW},
};

static const char *text_padded(char *buffer, size_t size, json_int_t line)
{
	snprintf(buffer, size, "%5lld | ", (long long)line);
	return buffer;
}

static void verdict_print(const struct cli *cli, const json_t *answer)
{
	const char *verdict = cli_text(answer, "verdict");

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		if (strcmp(verdicts[i].verdict, verdict) == 0)
			printf("%s%s%s", cli_colour(cli, verdicts[i].colour), verdicts[i].word,
			       cli_colour(cli, COLOUR_PLAIN));
	if (strcmp(cli_text(answer, "mode"), "audit") == 0)
		printf(" %s(audit mode%s)%s", cli_colour(cli, COLOUR_YELLOW),
		       strcmp(verdict, "allow") == 0 ? "" : ": reported, and let pass", cli_colour(cli, COLOUR_PLAIN));
}

/* Who is meant, unless the word says all there is to say. */
static void end_print(const struct cli *cli, const json_t *answer, const char *word, const char *what)
{
	const char *is = cli_text(answer, what);

	if (!*is || strcmp(is, cli_text(answer, word)) == 0)
		return;
	printf("  %s%-4s%s  ", cli_colour(cli, COLOUR_BOLD), word, cli_colour(cli, COLOUR_PLAIN));
	cli_print_cut(cli, 8, is);
	putchar('\n');
}

static const char *reason_words(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} words[] = {
		{"rule", "a rule decides"},
		{"group", "both ends share a trust group"},
		{"zone", "the zone lets its groups reach one another"},
		{"host", "the host may reach its containers"},
		{"unassigned", "an end is in no zone"},
		{"conflicted", "an end matches two zones: it is denied everything"},
		{"default", "nothing allows it"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].reason, reason) == 0)
			return words[i].words;
	return reason;
}

static const char *line_text(const json_t *item)
{
	const char *text = json_string_value(json_object_get(item, "text"));

	while (text && isspace((unsigned char)*text))
		text++;
	return text ? cli_escape(text) : "";
}

/* A place as compilers show it: path:line, then the line itself. */
static void place_print(const struct cli *cli, const json_t *at)
{
	char number[32];

	if (!*cli_place(at))
		return;
	printf("  %s%s%s\n", cli_colour(cli, COLOUR_BOLD), cli_place(at), cli_colour(cli, COLOUR_PLAIN));
	if (!*line_text(at))
		return;
	printf("%s", text_padded(number, sizeof(number), cli_number(at, "line")));
	cli_print_cut(cli, cli_columns(number), line_text(at));
	putchar('\n');
}

/* Columns that a list's widest place takes. */
static int places_width(const json_t *list, const char *key)
{
	const json_t *item;
	size_t i, width = 0;

	json_array_foreach(list, i, item)
	{
		size_t columns = cli_columns(cli_short_place(key ? json_object_get(item, key) : item));

		if (columns > width)
			width = columns;
	}
	return (int)width;
}

static void list_print(const struct cli *cli, const json_t *list, const char *heading)
{
	int width = places_width(list, NULL);
	json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("%s%s%s\n", cli_colour(cli, COLOUR_BOLD), heading, cli_colour(cli, COLOUR_PLAIN));
	json_array_foreach(list, i, item)
	{
		const char *action = cli_text(item, "action"), *place = cli_short_place(item), *text = line_text(item);

		if (*action)
			printf("  %-6s", action);
		printf("  %s%*s  ", place, width - (int)cli_columns(place), "");
		cli_print_cut(cli, (size_t)width + (*action ? 12 : 4), *text ? text : cli_text(item, "name"));
		putchar('\n');
	}
}

static void case_print(const struct cli *cli, const json_t *item)
{
	const char *place = cli_short_place(json_object_get(item, "at"));

	fputs("  ", stdout);
	verdict_print(cli, item);
	printf("  %s → %s  %s  %s\n", cli_text(item, "from"), cli_text(item, "to"), cli_text(item, "service"),
	       *place ? place : reason_words(cli_text(item, "reason")));
}

static void cases_print(const struct cli *cli, const json_t *cases)
{
	json_t *item;
	size_t i;

	if (json_array_size(cases) == 0)
		return;
	printf("%sfor example%s\n", cli_colour(cli, COLOUR_BOLD), cli_colour(cli, COLOUR_PLAIN));
	json_array_foreach(cases, i, item) case_print(cli, item);
}

static void reason_print(const json_t *answer)
{
	const char *verdict = cli_text(answer, "verdict"), *reason = cli_text(answer, "reason");
	const char *name = cli_text(json_object_get(answer, "rule"), "name");

	if (*reason)
		printf("  %s%s%s\n", reason_words(reason), *name ? ": " : "", name);
	else if (strcmp(verdict, "unpoliced") == 0)
		puts("  no packet of it passes a policed port");
	else if (strcmp(verdict, "mixed") == 0)
		puts("  not the same for all of it");
}

void render_explain(const struct cli *cli, const json_t *answer)
{
	verdict_print(cli, answer);
	printf("  %s → %s  %s\n", cli_text(answer, "from"), cli_text(answer, "to"), cli_text(answer, "service"));
	end_print(cli, answer, "from", "from_is");
	end_print(cli, answer, "to", "to_is");
	reason_print(answer);
	place_print(cli, json_object_get(answer, "at"));
	cases_print(cli, json_object_get(answer, "cases"));
	list_print(cli, json_object_get(answer, "next"),
		   json_object_get(answer, "staged")
			   ? "other rules that match, in the order in which they would decide (staged: never)"
			   : "other rules that match, in the order in which they would decide");
}
