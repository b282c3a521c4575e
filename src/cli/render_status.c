/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "cli/cli.h"

static void line(const struct cli *cli, const char *key, const char *value)
{
	if (*value)
		printf("  %s%s%s: %s\n", cli_colour(cli, COLOUR_BOLD), key, cli_colour(cli, COLOUR_PLAIN), value);
}

static void subject(const struct cli *cli, const char *word, const char *name, enum cli_colour colour)
{
	printf("%s%s%s%s%s\n", cli_colour(cli, colour), word, *name ? ": " : "", name, cli_colour(cli, COLOUR_PLAIN));
}

static void render_health(const struct cli *cli, const json_t *status)
{
	json_t *problems = json_object_get(status, "problems"), *problem;
	const char *error = json_string_value(json_object_get(json_object_get(status, "policy_error"), "text"));
	size_t i;

	if (json_array_size(problems) == 0)
		return;
	subject(cli, "degraded", "", COLOUR_RED);
	json_array_foreach(problems, i, problem) printf("  %s\n", cli_escape(json_string_value(problem)));
	if (error)
		fputs(error, stdout);
	putchar('\n');
}

static void plural_append(struct text *text, json_int_t count, const char *one)
{
	text_appendf(text, "%lld %s%s", (long long)count, one, count == 1 ? "" : "s");
}

static void render_policy(const struct cli *cli, const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy"), *path;
	struct text text = {0};
	char buffer[256];
	size_t i;

	subject(cli, "bulkhead", cli_text(status, "version"), COLOUR_BOLD);
	snprintf(buffer, sizeof(buffer), "%lld, started %s", (long long)cli_number(status, "pid"),
		 cli_ago(status, "started"));
	line(cli, "process", buffer);
	line(cli, "mode", cli_text(status, "mode"));
	if (!policy)
		return;
	if (cli_number(policy, "generation"))
		text_appendf(&text, "generation %lld, ", (long long)cli_number(policy, "generation"));
	text_appendf(&text, "loaded %s; ", cli_ago(policy, "since"));
	plural_append(&text, cli_number(policy, "rules"), "rule");
	text_append(&text, ", ");
	plural_append(&text, cli_number(policy, "zones"), "zone");
	line(cli, "policy", text_string(&text));
	text_clear(&text);
	json_array_foreach(json_object_get(policy, "paths"), i, path)
		text_appendf(&text, "%s%s", i ? " " : "", cli_escape(json_string_value(path)));
	line(cli, "files", text_string(&text));
	text_free(&text);
}

static void count_append(struct text *text, const json_t *ports, const char *key, const char *words)
{
	json_int_t count = cli_number(ports, key);

	if (count)
		text_appendf(text, "%s%lld %s", text->length ? ", " : "", (long long)count, words);
}

static void render_counts(const struct cli *cli, const json_t *status)
{
	const json_t *ports = json_object_get(status, "ports");
	struct text text = {0};

	count_append(&text, ports, "open", "open");
	count_append(&text, ports, "unassigned", "of them in no zone");
	count_append(&text, ports, "closed", "closed");
	count_append(&text, ports, "waiting", "waiting");
	count_append(&text, ports, "conflicted", "in two zones (denied everything)");
	count_append(&text, ports, "conflict", "with a conflict of addresses (closed)");
	count_append(&text, ports, "ignored", "ignored");
	line(cli, "ports", text.length ? text_string(&text) : "none");
	text_free(&text);
}

static void render_gate(const struct cli *cli, const json_t *status)
{
	const json_t *gate = json_object_get(status, "gate"), *tc = json_object_get(gate, "tc"),
		     *nft = json_object_get(gate, "nft");
	const json_t *repairs = json_object_get(status, "repairs");
	struct text text = {0};

	if (json_object_size(tc))
		text_appendf(&text, "tc (%s) %s", cli_text(tc, "attach"),
			     json_is_false(json_object_get(tc, "healthy")) ? "NOT WHOLE" : "whole");
	if (json_object_size(nft))
		text_appendf(&text, "%snft (%s) %s", text.length ? ", " : "",
			     json_is_true(json_object_get(nft, "owned")) ? "owned" : "not owned",
			     json_is_false(json_object_get(nft, "healthy")) ? "NOT WHOLE" : "whole");
	line(cli, "gates", text_string(&text));
	text_clear(&text);
	if (cli_number(repairs, "count")) {
		text_appendf(&text, "%lld, the last one %s: %s", (long long)cli_number(repairs, "count"),
			     cli_ago(repairs, "last"), cli_text(repairs, "what"));
		if (*cli_text(repairs, "who"))
			text_appendf(&text, " (by %s)", cli_text(repairs, "who"));
		line(cli, "repairs", text_string(&text));
	}
	text_free(&text);
}

static void render_sandbox(const struct cli *cli, const json_t *status)
{
	const json_t *sandbox = json_object_get(status, "sandbox");
	const json_t *capabilities = json_object_get(sandbox, "capabilities");
	struct text text = {0};

	if (!sandbox)
		return; /* of a daemon from before */
	if (!json_is_true(json_object_get(sandbox, "filter"))) {
		line(cli, "sandbox", "OFF");
		return;
	}
	text_append(&text, "on, keeps");
	for (size_t i = 0; i < json_array_size(capabilities); i++)
		text_appendf(&text, "%s %s", i ? "," : "", json_string_value(json_array_get(capabilities, i)));
	line(cli, "sandbox", text_string(&text));
	text_free(&text);
}

static void render_zones(const struct cli *cli, const json_t *status)
{
	json_t *zones = json_object_get(status, "zones"), *zone, *group;
	size_t i, j;

	json_array_foreach(zones, i, zone)
	{
		json_t *groups = json_object_get(zone, "groups");

		putchar('\n');
		subject(cli, "zone", cli_text(zone, "zone"), COLOUR_BOLD);
		line(cli, "description", cli_text(zone, "description"));
		if (strcmp(cli_text(zone, "mode"), "enforce") != 0)
			line(cli, "mode", cli_text(zone, "mode"));
		printf("  %sports%s: %lld\n", cli_colour(cli, COLOUR_BOLD), cli_colour(cli, COLOUR_PLAIN),
		       (long long)cli_number(zone, "ports"));
		json_array_foreach(groups, j, group)
			printf("  %s%s%s: %lld\n", cli_colour(cli, COLOUR_BOLD), cli_text(group, "group"),
			       cli_colour(cli, COLOUR_PLAIN), (long long)cli_number(group, "ports"));
	}
}

/* A list with a heading; `fields` are shown in order, those that are absent left out. */
static void render_list(const struct cli *cli, const json_t *status, const char *key, const char *heading,
			const char *const *fields)
{
	json_t *list = json_object_get(status, key), *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, heading, "", COLOUR_YELLOW);
	json_array_foreach(list, i, item)
	{
		bool first = true;

		fputs("  ", stdout);
		for (const char *const *field = fields; *field; field++) {
			if (!*cli_text(item, *field))
				continue;
			printf("%s%s", first ? "" : "  ", cli_text(item, *field));
			first = false;
		}
		putchar('\n');
	}
}

static void render_conflicted(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(status, "conflicted"), *item, *member;
	size_t i, j;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, "in two zones, denied everything", "", COLOUR_RED);
	json_array_foreach(list, i, item)
	{
		json_t *zones = json_object_get(item, "zones"), *members = json_object_get(item, "members");

		printf("  %s  %s", cli_container(item), cli_text(item, "interface"));
		json_array_foreach(members, j, member) printf(
			"  %s by %s", cli_escape(json_string_value(json_array_get(zones, j))), cli_place(member));
		putchar('\n');
	}
}

static void render_not_given(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(json_object_get(json_object_get(status, "gate"), "nft"), "not_given"), *sentence;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, "nftables alone does not give", "", COLOUR_YELLOW);
	json_array_foreach(list, i, sentence) printf("  %s\n", cli_escape(json_string_value(sentence)));
}

static void render_bridging(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(status, "bridging"), *item, *zone;
	size_t i, j;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, "has ports in several zones: a bridge between them", "", COLOUR_YELLOW);
	json_array_foreach(list, i, item)
	{
		printf("  %s ", cli_text(item, "container"));
		json_array_foreach(json_object_get(item, "zones"), j, zone)
			printf(" %s", cli_escape(json_string_value(zone)));
		putchar('\n');
	}
}

static void render_shared(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(status, "shared"), *item, *other;
	size_t i, j;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, "ports of several containers: in the zone of whichever matches", "", COLOUR_PLAIN);
	json_array_foreach(list, i, item)
	{
		printf("  %s  %s  shared by", cli_text(item, "container"), cli_text(item, "interface"));
		json_array_foreach(json_object_get(item, "others"), j, other)
			printf("%s %s", j ? "," : "", cli_escape(json_string_value(other)));
		putchar('\n');
	}
}

static void render_relayed(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(status, "relayed"), *item, *published;
	size_t i, j;

	if (json_array_size(list) == 0)
		return;
	putchar('\n');
	subject(cli, "relayed by a process of the host: who asks there is the host (docs/published.md)", "",
		COLOUR_YELLOW);
	json_array_foreach(list, i, item)
	{
		printf("  %s  %s ", cli_text(item, "container"), cli_text(item, "runtime"));
		json_array_foreach(json_object_get(item, "published"), j, published)
		{
			bool v6 = strchr(cli_text(published, "address"), ':');

			printf(" %s%s%s:%lld/%s", v6 ? "[" : "", cli_text(published, "address"), v6 ? "]" : "",
			       (long long)cli_number(published, "port"), cli_text(published, "protocol"));
		}
		putchar('\n');
	}
}

/* Most hosts have one runtime: that another's socket is not there is no news. */
static void render_runtimes(const struct cli *cli, const json_t *status)
{
	json_t *list = json_object_get(status, "runtimes"), *item;
	struct text text = {0};
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *why = cli_text(item, "why");

		if (json_is_true(json_object_get(item, "reachable")))
			text_appendf(&text, "%s%s (%lld)", text.length ? ", " : "", cli_text(item, "runtime"),
				     (long long)cli_number(item, "containers"));
		else if (*why && !strstr(why, "No such file") && !strstr(why, "there is no "))
			text_appendf(&text, "%s%s not reachable (%s)", text.length ? ", " : "",
				     cli_text(item, "runtime"), why);
	}
	line(cli, "runtimes", text.length ? text_string(&text) : "none found");
	text_free(&text);
}

static const char *unassigned_heading(const json_t *status)
{
	return strcmp(cli_text(json_object_get(status, "policy"), "unassigned"), "allow") == 0
		       ? "in no zone (may reach what is in none either, and what rules allow)"
		       : "in no zone (only what rules allow)";
}

void render_status(const struct cli *cli, const json_t *status)
{
	static const char *const waiting[] = {"interface", "container", "runtime", "state", "reason", NULL};
	static const char *const unassigned[] = {"container", "interface", "runtime", "reason", NULL};
	static const char *const unpoliced[] = {"name", "runtime", "why", NULL};
	static const char *const ignored[] = {"interface", "reason", NULL};

	render_health(cli, status);
	render_policy(cli, status);
	render_counts(cli, status);
	render_gate(cli, status);
	render_sandbox(cli, status);
	render_runtimes(cli, status);
	render_zones(cli, status);
	render_conflicted(cli, status);
	render_list(cli, status, "waiting", "not open", waiting);
	render_list(cli, status, "unassigned", unassigned_heading(status), unassigned);
	render_bridging(cli, status);
	render_not_given(cli, status);
	render_shared(cli, status);
	render_list(cli, status, "unpoliced", "can't be policed", unpoliced);
	render_relayed(cli, status);
	render_list(cli, status, "ignored", "ignored", ignored);
}

void render_version(const struct cli *cli, const json_t *daemon)
{
	const json_t *kernel = json_object_get(daemon, "kernel"), *gate = json_object_get(daemon, "gate");
	const json_t *tc = json_object_get(gate, "tc"), *nft = json_object_get(gate, "nft"), *feature;
	struct text text = {0};
	size_t i;

	printf("bulkheadd %s, ABI %lld\n", cli_text(daemon, "version"), (long long)cli_number(daemon, "abi"));
	json_array_foreach(json_object_get(daemon, "features"), i, feature)
		text_appendf(&text, "%s%s", i ? " " : "", cli_escape(json_string_value(feature)));
	line(cli, "features", text_string(&text));
	text_clear(&text);
	text_appendf(&text, "%s %s", cli_text(kernel, "release"), cli_text(kernel, "machine"));
	line(cli, "kernel", text_string(&text));
	line(cli, "attached by",
	     strcmp(cli_text(tc, "attach"), "tcx") == 0		  ? "tcx: first in line, whatever others attach"
	     : json_is_true(json_object_get(tc, "tcx_supported")) ? "clsact, though the kernel has tcx"
	     : json_object_size(tc)				  ? "clsact: this kernel has no tcx"
								  : "");
	line(cli, "nft tables",
	     !json_object_size(nft)			   ? ""
	     : json_is_true(json_object_get(nft, "owned")) ? "owned: others' flushes leave them alone"
							   : "not owned: a flush is repaired");
	line(cli, "packet mark", cli_text(gate, "stamp_mask"));
	if (json_is_false(json_object_get(nft, "conntrack")))
		line(cli, "conntrack", "missing: replies to the host pass only where rules allow them");
	if (json_is_false(json_object_get(nft, "log")))
		line(cli, "nft log", "missing: what the door drops is counted, not told");
	text_free(&text);
}
