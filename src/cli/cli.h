/* SPDX-License-Identifier: GPL-2.0-only */
/* The command `bulkhead`: one file and one row of a table a command. Text is rendered from the JSON that the daemon (or
 * the same code, offline) answers, so that the two can't drift. */
#ifndef BULKHEAD_CLI_CLI_H
#define BULKHEAD_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/array.h"
#include "base/error.h"
#include "base/talk.h"
#include "base/text.h"

enum cli_exit { /* docs: bulkhead(1), EXIT STATUS */
		CLI_OK = 0,
		CLI_ERROR = 1,	     /* it failed; check, reload: the policy has errors */
		CLI_USAGE = 2,	     /* the command line makes no sense; a batch has malformed lines */
		CLI_DENIED = 3,	     /* explain: denied, or not the same for all */
		CLI_UNREACHABLE = 4, /* the daemon does not answer */
};

enum cli_colour { COLOUR_PLAIN, COLOUR_BOLD, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_DIM, COLOUR_MAX };

struct cli {
	const char *socket_path;
	const char *policy_path; /* --policy: offline; NULL: ask the daemon */
	const char *world_path;	 /* --world */
	bool json;
	bool colour; /* of standard output */
	int width;   /* columns of the terminal; 0: no terminal, don't cut */
	bool quiet;  /* a daemon that is away is no news: cli_ask() and cli_follow() don't tell */
};

struct cli_command {
	const char *name;
	const char *synopsis;				    /* its arguments */
	const char *summary;				    /* one line of help */
	const char *help;				    /* its options; may be NULL */
	bool offline;					    /* takes --policy and --world */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command's name; returns enum cli_exit */
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

int command_check(struct cli *cli, int argc, char **argv);
int command_status(struct cli *cli, int argc, char **argv);
int command_ports(struct cli *cli, int argc, char **argv);
int command_explain(struct cli *cli, int argc, char **argv);
int command_matrix(struct cli *cli, int argc, char **argv);
int command_flows(struct cli *cli, int argc, char **argv);
int command_counters(struct cli *cli, int argc, char **argv);
int command_reload(struct cli *cli, int argc, char **argv);
int command_adopt(struct cli *cli, int argc, char **argv);
int command_release(struct cli *cli, int argc, char **argv);
int command_uninstall(struct cli *cli, int argc, char **argv);
int command_version(struct cli *cli, int argc, char **argv);

/* ---- output.c ---- */
/* The escape sequence of a colour, or "" when colours are off. */
const char *cli_colour(const struct cli *cli, enum cli_colour colour);
/* Says what is wrong: "bulkhead: …" on standard error, or {"error": …} on standard output with --json. Returns `code`.
 */
int cli_fail(const struct cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The daemon's error object: its diagnostics' text if there are any. Returns CLI_ERROR. */
int cli_fail_with(const struct cli *cli, const json_t *error);
/* A usage error of a command: what, and where help is. Returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *command, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct option;
/* getopt_long(3), whose mistakes are told as all others: then it returns '?', the answer to which is CLI_USAGE.
 * `letters` begins with a colon. */
int cli_option(const struct cli *cli, const char *command, int argc, char **argv, const char *letters,
	       const struct option *options);
/* CLI_USAGE, told, when words are left at optind. */
int cli_no_more(const struct cli *cli, const char *command, int argc, char **argv);
/* Prints JSON (indented on a terminal) and a newline; returns CLI_OK, or CLI_ERROR when it can't be written. */
int cli_print_json(const struct cli *cli, const json_t *json);
/* One of many, on a line of its own, which may stay in the buffer; false when it can't be written. */
bool cli_print_json_line(const json_t *json);
/* A field's text, "" when it is absent; escaped for a terminal into a static ring of buffers: good until 64 calls
 * later. */
const char *cli_text(const json_t *object, const char *key);
const char *cli_container(const json_t *object); /* "web-1", or where it shares its port with two others, "web-1 +2" */
const char *cli_escape(const char *untrusted);
json_int_t cli_number(const json_t *object, const char *key);
/* "2 minutes ago" of an RFC 3339 time field; "" when it is absent. In the same ring. */
const char *cli_ago(const json_t *object, const char *key);
/* "path:line" of {"path" or "file", "line"}, for an editor to jump to; "" when absent. In the same ring. */
const char *cli_place(const json_t *rule);
/* The same with the file's own name only: for lists. */
const char *cli_short_place(const json_t *rule);
/* Prints as much of an (escaped) text as fits a line of which `taken` columns are; "…" for the rest. */
void cli_print_cut(const struct cli *cli, size_t taken, const char *text);

/* A table of aligned columns: cells are copied; printed with two blanks between columns, those that are empty in every
 * row left out. Never cut: its words are for copying. Numbers (columns in `right`) are aligned right. */
struct cli_table {
	size_t columns;
	uint32_t right; /* bit i: column i is aligned right */
	struct {
		ARRAY_OF(char *);
	} cells;
	struct {
		ARRAY_OF(enum cli_colour);
	} colours; /* by cell */
};
int cli_table_add(struct cli_table *table, enum cli_colour colour, const char *cell);
void cli_table_print(const struct cli *cli, struct cli_table *table); /* the first row is the header; frees the cells */
/* Columns that a text takes on a terminal (UTF-8: one a character). */
size_t cli_columns(const char *text);

/* ---- client.c ---- */
/* Sends a request (stolen) and waits for the answer. CLI_OK: *ret_result is a new reference. Otherwise the failure has
 * been told already and its exit code is returned. */
int cli_ask(const struct cli *cli, json_t *request, json_t **ret_result);
/* Shows the answer: as it is with --json, or by `render`. */
int cli_ask_and_show(const struct cli *cli, json_t *request,
		     void (*render)(const struct cli *cli, const json_t *result));
/* The same as cli_ask() over a connection that stays open: TALK_CLOSED at first; the caller closes it. */
int cli_ask_on(const struct cli *cli, struct talk *talk, json_t *request, json_t **ret_result);
/* Sends a request (stolen) and calls `fn` for each line until the daemon hangs up or `fn` returns false. */
int cli_follow(const struct cli *cli, json_t *request, bool (*fn)(void *arg, json_t *line), void *arg);

/* ---- render: from the answers' JSON to text, on standard output ---- */
void render_status(const struct cli *cli, const json_t *status);
void render_ports(const struct cli *cli, const json_t *ports);
void render_counters(const struct cli *cli, const json_t *counters);
/* {"rules": those of the policy's rules that were never hit}: a new reference, NULL when memory is short. */
json_t *counters_unused(const json_t *counters);
void render_reload(const struct cli *cli, const json_t *report);
void render_explain(const struct cli *cli, const json_t *answer);
void render_matrix(const struct cli *cli, const json_t *matrix);
void render_matrix_dot(const json_t *matrix);
void render_flow(const struct cli *cli, const json_t *flow);
void render_version(const struct cli *cli, const json_t *daemon);

#endif
