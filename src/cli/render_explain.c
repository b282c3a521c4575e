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

static void verdict_print(const struct cli *cli, const json_t *answer)
{
	const char *verdict = cli_text(answer, "verdict");

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		if (strcmp(verdicts[i].verdict, verdict) == 0)
			printf("%s%s%s", cli_colour(cli, verdicts[i].colour), verdicts[i].word,
			       cli_colour(cli, COLOUR_PLAIN));
	if (strcmp(cli_text(answer, "mode"), "audit") == 0)
		printf(" %s(audit: reported, and let pass)%s", cli_colour(cli, COLOUR_YELLOW),
		       cli_colour(cli, COLOUR_PLAIN));
}

static void end_print(const json_t *answer, const char *word, const char *what)
{
	printf("%s", cli_text(answer, word));
	if (*cli_text(answer, what) && strcmp(cli_text(answer, what), cli_text(answer, word)) != 0)
		printf(" (%s)", cli_text(answer, what));
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

/* A place as compilers show it: file:line, then the line itself. */
static void place_print(const struct cli *cli, const json_t *at)
{
	const char *text = json_string_value(json_object_get(at, "text"));

	if (!*cli_place(at))
		return;
	printf("  %s%s%s\n", cli_colour(cli, COLOUR_BOLD), cli_place(at), cli_colour(cli, COLOUR_PLAIN));
	if (!text)
		return;
	while (isspace((unsigned char)*text))
		text++;
	printf("   %lld | %s\n", (long long)cli_number(at, "line"), cli_escape(text));
}

static void list_print(const struct cli *cli, const json_t *list, const char *heading)
{
	json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("%s%s%s\n", cli_colour(cli, COLOUR_BOLD), heading, cli_colour(cli, COLOUR_PLAIN));
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(json_object_get(item, "text"));

		while (text && isspace((unsigned char)*text))
			text++;
		printf("  %s%s%s%s%s\n", cli_text(item, "action"), *cli_text(item, "action") ? " " : "",
		       cli_place(item), text ? "  " : "", text ? cli_escape(text) : cli_text(item, "name"));
	}
}

static void cases_print(const struct cli *cli, const json_t *cases)
{
	json_t *item;
	size_t i;

	if (json_array_size(cases) == 0)
		return;
	printf("%sfor example%s\n", cli_colour(cli, COLOUR_BOLD), cli_colour(cli, COLOUR_PLAIN));
	json_array_foreach(cases, i, item)
	{
		const char *place = cli_place(json_object_get(item, "at"));

		printf("  %s → %s  %s  ", cli_text(item, "from"), cli_text(item, "to"), cli_text(item, "service"));
		verdict_print(cli, item);
		printf("  %s\n", *place ? place : reason_words(cli_text(item, "reason")));
	}
}

void render_explain(const struct cli *cli, const json_t *answer)
{
	const char *reason = cli_text(answer, "reason");

	end_print(answer, "from", "from_is");
	fputs(" → ", stdout);
	end_print(answer, "to", "to_is");
	printf("  %s  ", cli_text(answer, "service"));
	verdict_print(cli, answer);
	putchar('\n');
	if (*reason)
		printf("%s\n", reason_words(reason));
	place_print(cli, json_object_get(answer, "at"));
	cases_print(cli, json_object_get(answer, "cases"));
	list_print(cli, json_object_get(answer, "staged"), "staged rules that match (reported, decide nothing)");
	list_print(cli, json_object_get(answer, "next"),
		   "other rules that match, in the order in which they would decide");
}
