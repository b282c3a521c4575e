/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

#define DEFAULT_SOCKET "/run/bulkhead/control.sock"

const struct cli_command cli_commands[] = {
	{"status", "", "what is policed, how, and what is wrong", NULL, command_status},
	{"ports", "", "a line a port: container, zone, addresses, state, packets", NULL, command_ports},
	{"explain", "FROM TO SERVICE", "may FROM reach TO, and which line says so",
	 "  --policy PATH --world FILE   offline: this policy, these containers\n"
	 "  --batch FILE                 'FROM TO SERVICE' a line ('-': standard input), a JSON object a line\n"
	 "  --now TIME                   the clock that `expires` is held against (RFC 3339)\n"
	 "FROM and TO: an address, a container (web-1, web-1@shop_net), a zone or group (shop, shop/front), a network "
	 "or a\n"
	 "built-in end (any host world internet private metadata multicast unassigned). 'container:', 'zone:' and "
	 "'net:'\n"
	 "in front make it plain. SERVICE: tcp/443, icmp/echo-request, a service's name.\n",
	 command_explain},
	{"matrix", "", "everybody against everybody",
	 "  --policy PATH --world FILE   offline: this policy, these containers\n"
	 "  --dot                        for Graphviz\n",
	 command_matrix},
	{"flows", "", "what happened: allowed and denied, and by which line",
	 "  -f, --follow       go on as it happens\n"
	 "  -n, --last N       only the last N (100)\n"
	 "      --denied       only what was denied, or would be in audit mode\n"
	 "      --from NAME    from this container, identity or address\n"
	 "      --to NAME      to it\n"
	 "      --zone ZONE    with this zone at an end\n",
	 command_flows},
	{"counters", "", "packets and bytes by rule", "  --unused   only what was never hit\n", command_counters},
	{"check", "[PATH]...", "the errors and warnings of a policy", NULL, command_check},
	{"reload", "", "load the policy again", NULL, command_reload},
	{"uninstall", "", "take every trace of Bulkhead out of the kernel",
	 "  --pins DIR    where programs and maps are pinned (/sys/fs/bpf/bulkhead)\n"
	 "  --state DIR   with --purge: what outlives the daemon (/var/lib/bulkhead)\n"
	 "  --purge       remove that as well\n",
	 command_uninstall},
	{"version", "", "versions, features, and what this kernel supports", NULL, command_version},
};
const size_t cli_command_count = sizeof(cli_commands) / sizeof(*cli_commands);

static void print_help(void)
{
	puts("Usage: bulkhead [OPTION]... [COMMAND [ARGUMENT]...]\n"
	     "Shows, checks and explains what bulkheadd polices. Without a command: status.\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", cli_commands[i].name, *cli_commands[i].synopsis ? " " : "",
			 cli_commands[i].synopsis);
		printf("  %-24s  %s\n", left, cli_commands[i].summary);
	}
	puts("\n  -s, --socket PATH       the daemon's control socket (" DEFAULT_SOCKET ")\n"
	     "      --json              JSON with stable field names (docs/json.md)\n"
	     "      --color WHEN        auto, always or never\n"
	     "  -h, --help              this text; after a command: that command's\n"
	     "  -V, --version           the version\n");
}

static void print_command_help(const struct cli_command *command)
{
	printf("Usage: bulkhead %s%s%s\n%c%s.\n", command->name, *command->synopsis ? " " : "", command->synopsis,
	       command->summary[0] - 'a' + 'A', command->summary + 1);
	if (command->help)
		printf("\n%s", command->help);
}

static const struct cli_command *command_find(const char *name)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

static const char *command_nearest(const char *name)
{
	const char *names[16];
	size_t count = 0;

	for (size_t i = 0; i < cli_command_count && count < 16; i++)
		names[count++] = cli_commands[i].name;
	return text_nearest(name, names, count);
}

static int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return atoi(columns);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

/* --color, NO_COLOR (no-color.org), and whether it is a terminal. */
static bool colour_wanted(const char *when)
{
	const char *no_colour = getenv("NO_COLOR");

	if (strcmp(when, "always") == 0)
		return true;
	if (strcmp(when, "never") == 0 || (no_colour && *no_colour))
		return false;
	return isatty(STDOUT_FILENO) == 1;
}

/* These may stand anywhere: before the command and after it. They are taken out of argv. */
static int take_global(struct cli *cli, int *argc, char **argv, const char **ret_colour)
{
	static const struct {
		const char *name;
		bool value;
	} globals[] = {{"--socket", true}, {"-s", true}, {"--json", false}, {"--color", true}, {"--colour", true}};
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const char *value = NULL;
		size_t option = 0;

		for (; option < sizeof(globals) / sizeof(*globals); option++) {
			size_t length = strlen(globals[option].name);

			if (strncmp(argv[i], globals[option].name, length) != 0)
				continue;
			if (argv[i][length] == '=' && globals[option].value) {
				value = argv[i] + length + 1;
				break;
			}
			if (argv[i][length] == '\0') {
				if (globals[option].value && i + 1 == *argc)
					return cli_usage(cli, "", "%s needs a value", argv[i]);
				value = globals[option].value ? argv[++i] : "";
				break;
			}
		}
		if (!value)
			argv[kept++] = argv[i];
		else if (option <= 1)
			cli->socket_path = value;
		else if (option == 2)
			cli->json = true;
		else
			*ret_colour = value;
	}
	*argc = kept;
	argv[kept] = NULL;
	return CLI_OK;
}

int main(int argc, char **argv)
{
	struct cli cli = {.socket_path = DEFAULT_SOCKET};
	const struct cli_command *command;
	const char *colour = "auto", *near;
	char *only_status[] = {(char[]){"status"}, NULL};
	int code;

	code = take_global(&cli, &argc, argv, &colour);
	if (code != CLI_OK)
		return code;
	if (strcmp(colour, "auto") != 0 && strcmp(colour, "always") != 0 && strcmp(colour, "never") != 0)
		return cli_usage(&cli, "", "--color is auto, always or never, not '%s'", colour);
	cli.colour = !cli.json && colour_wanted(colour);
	cli.width = terminal_width();
	if (argc < 2)
		return command_status(&cli, 1, only_status);
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc < 3)) {
		print_help();
		return CLI_OK;
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		puts("bulkhead " BULKHEAD_VERSION);
		return CLI_OK;
	}
	if (strcmp(argv[1], "help") == 0) {
		argv++;
		argc--;
		command = command_find(argv[1]);
		if (command) {
			print_command_help(command);
			return CLI_OK;
		}
	}
	command = command_find(argv[1]);
	if (!command) {
		near = command_nearest(argv[1]);
		return cli_usage(&cli, "", "no command '%s'%s%s%s", argv[1], near ? " (did you mean '" : "",
				 near ? near : "", near ? "'?)" : "");
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			print_command_help(command);
			return CLI_OK;
		}
	}
	return command->run(&cli, argc - 1, argv + 1);
}
