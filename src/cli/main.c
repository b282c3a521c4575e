/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/places.h"
#include "cli/cli.h"

#define OFFLINE_HELP                                                                               \
	"  --policy PATH   not as the daemon sees it, but by this policy: a file or a directory\n" \
	"  --world FILE    with it: the containers and addresses that there would be\n"

const struct cli_command cli_commands[] = {
	{"status", "", "what is policed, how, and what is wrong", NULL, false, command_status},
	{"ports", "", "a line a port: container, zone, addresses, state, packets", NULL, false, command_ports},
	{"explain", "FROM TO SERVICE", "may FROM reach TO, and which line says so",
	 OFFLINE_HELP "  --batch FILE    'FROM TO SERVICE' a line ('-': standard input); a JSON object a line\n"
		      "  --now TIME      the clock that `expires` is held against, as 2027-01-31T18:00:00Z\n"
		      "\n"
		      "FROM and TO: an address or prefix, a container (web-1, web-1@shop_net), a zone or\n"
		      "group (shop, shop/front), a network, or a built-in end (any host world internet\n"
		      "private metadata multicast unassigned). A word that could be two of them is the\n"
		      "first; 'container:', 'zone:' and 'net:' in front make it plain.\n"
		      "SERVICE: tcp/443, udp/1000-2000, icmp/echo-request, proto/47, a service's name, all.\n"
		      "\n"
		      "Exit status: 0 allowed, 3 denied or not the same for all; with --batch 0, or 2 when\n"
		      "a line is no question.\n",
	 true, command_explain},
	{"matrix", "", "everybody against everybody", OFFLINE_HELP "  --dot           for Graphviz\n", true,
	 command_matrix},
	{"flows", "", "what happened: allowed and denied, and by which line",
	 "  -f, --follow       go on as it happens, also over a restart of the daemon\n"
	 "  -n, --last N       only the last N (100)\n"
	 "      --denied       only what was denied, or would be in audit mode\n"
	 "      --from NAME    from this container, identity or address\n"
	 "      --to NAME      to it\n"
	 "      --zone ZONE    with this zone at an end\n"
	 "\n"
	 "Which flows are reported: `log` of rules and zones; denied ones if nothing says\n"
	 "otherwise, sampled where there are many.\n",
	 false, command_flows},
	{"counters", "", "packets and bytes by rule",
	 "  --unused   only rules that were never hit since they are in force\n", false, command_counters},
	{"check", "[PATH]...", "the errors and warnings of a policy",
	 "PATH is a file or a directory (" DEFAULT_POLICY_DIR "). Several are one policy.\n"
	 "\n"
	 "Exit status: 0, or 1 with errors.\n",
	 true, command_check},
	{"reload", "", "load the policy again, and wait until it is in force",
	 "  --dry-run [PATH]...   change nothing: check the policy (or that of PATH, root only),\n"
	 "                        and list the open flows that it would end\n",
	 false, command_reload},
	{"adopt", "INTERFACE", "say whose a port is, and wait until it is open",
	 "  --name NAME           the container's; without it nothing is said, only waited\n"
	 "  --label KEY=VALUE     may stand several times, as --address and --gateway\n"
	 "  --address ADDR/LEN    its own; without any, the first claim counts\n"
	 "  --gateway ADDR        its next hop, which it may not have itself\n"
	 "  --mac MAC             of its end of the link\n"
	 "  --image, --namespace, --network, --runtime, --id TEXT\n"
	 "                        as an engine would tell them\n"
	 "  --netns PATH          the network namespace that the other end must be in;\n"
	 "                        without INTERFACE: every port of it\n"
	 "  --wait MS             for that long at most (10000; 0: don't wait)\n"
	 "\n"
	 "What is said is kept until the port is gone, over restarts of the daemon, too.\n"
	 "Root only. Exit status: 0 when the ports are open, 1 when not.\n",
	 false, command_adopt},
	{"release", "[INTERFACE]", "forget what was adopted",
	 "  --netns PATH   of every port of this network namespace\n"
	 "  --id ID        of the container with this id\n"
	 "\n"
	 "A port that no runtime knows closes at once. Root only.\n",
	 false, command_release},
	{"uninstall", "", "take every trace of Bulkhead out of the kernel",
	 "  --purge       and out of the state directory\n"
	 "  --pins DIR    where programs and maps are pinned (" DEFAULT_PIN_DIR ")\n"
	 "  --run DIR     where the daemon's lock is (" DEFAULT_RUN_DIR ")\n"
	 "  --state DIR   what outlives the daemon (" DEFAULT_STATE_DIR ")\n"
	 "\n"
	 "Stop the daemon first. Containers can then reach whatever the host lets them reach.\n",
	 false, command_uninstall},
	{"version", "", "versions, features, and what this kernel supports", NULL, false, command_version},
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
	     "      --json              JSON with stable field names, errors too (docs/json.md)\n"
	     "      --color WHEN        auto, always or never\n"
	     "      --policy PATH, --world FILE\n"
	     "                          explain, matrix: without a daemon, and without root\n"
	     "  -h, --help              this text; after a command: that command's\n"
	     "  -V, --version           the version\n"
	     "\n"
	     "Exit status: 0; 1 failed; 2 wrong usage; 3 explain: denied; 4 no daemon answers.");
}

static void print_command_help(const struct cli_command *command)
{
	printf("Usage: bulkhead %s%s%s%s\n%c%s.\n", command->name,
	       command->help && strstr(command->help, "  -") ? " [OPTION]..." : "", *command->synopsis ? " " : "",
	       command->synopsis, command->summary[0] - 'a' + 'A', command->summary + 1);
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

/* ---- What may stand anywhere, before the command and after it ---- */

struct global {
	const char *name;
	bool has_value;
	const char **value; /* where to put it */
};

/* Is the word this option? 1: with its value in it; 0: its value, if it has one, is the next word; -1: no. */
static int global_match(const struct global *global, const char *word)
{
	size_t length = strlen(global->name);

	if (strncmp(word, global->name, length) != 0)
		return -1;
	if (word[length] == '\0')
		return 0;
	return global->has_value && word[1] == '-' && word[length] == '=' ? 1 : -1;
}

static int global_take(struct cli *cli, const struct global *global, int match, char **argv, int *index)
{
	const char *value = "";

	if (match == 1)
		value = strchr(argv[*index], '=') + 1;
	else if (global->has_value && !(value = argv[++*index]))
		return cli_usage(cli, "", "%s needs a value", global->name);
	*global->value = value;
	return CLI_OK;
}

/* Takes them out of argv, up to a "--". */
static int globals_take(struct cli *cli, int *argc, char **argv, const char **colour)
{
	const char *json = NULL;
	const struct global globals[] = {
		{"--json", false, &json},
		{"--socket", true, &cli->socket_path},
		{"-s", true, &cli->socket_path},
		{"--color", true, colour},
		{"--colour", true, colour},
		{"--policy", true, &cli->policy_path},
		{"--world", true, &cli->world_path},
	};
	int kept = 1, i, code = CLI_OK;

	/* Mistakes found on the way are to be told in the right form. */
	for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++)
		cli->json |= strcmp(argv[i], "--json") == 0;
	for (i = 1; i < *argc && code == CLI_OK && strcmp(argv[i], "--") != 0; i++) {
		size_t g = 0;
		int match = -1;

		for (; g < sizeof(globals) / sizeof(*globals); g++)
			if ((match = global_match(&globals[g], argv[i])) >= 0)
				break;
		if (match < 0)
			argv[kept++] = argv[i];
		else
			code = global_take(cli, &globals[g], match, argv, &i);
	}
	while (code == CLI_OK && i < *argc)
		argv[kept++] = argv[i++];
	*argc = kept;
	argv[kept] = NULL;
	return code;
}

/* ---- Which command ---- */

static int no_command(const struct cli *cli, const char *word)
{
	const char *near = command_nearest(word);

	if (word[0] == '-')
		return cli_usage(cli, "", "there is no option '%s'", cli_escape(word));
	return cli_usage(cli, "", "there is no command '%s'%s%s%s", cli_escape(word), near ? " (did you mean '" : "",
			 near ? near : "", near ? "'?)" : "");
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static int command_run(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = command_find(argv[0]);
	char name[32];

	if (!command)
		return no_command(cli, argv[0]);
	if (asks_for_help(argc, argv)) {
		print_command_help(command);
		return CLI_OK;
	}
	snprintf(name, sizeof(name), "%s ", command->name);
	if (!command->offline && (cli->policy_path || cli->world_path))
		return cli_usage(cli, name,
				 "%s asks the daemon: --policy and --world are for explain, matrix and check",
				 command->name);
	if (cli->world_path && !cli->policy_path)
		return cli_usage(cli, name, "--world needs --policy");
	return command->run(cli, argc, argv);
}

/* `bulkhead help [COMMAND]` */
static int command_help(const struct cli *cli, const char *name)
{
	const struct cli_command *command = name ? command_find(name) : NULL;

	if (!name)
		print_help();
	else if (command)
		print_command_help(command);
	else
		return no_command(cli, name);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	struct cli cli = {.socket_path = DEFAULT_SOCKET};
	const char *colour = "auto";
	char *only_status[] = {(char[]){"status"}, NULL};
	int code;

	code = globals_take(&cli, &argc, argv, &colour);
	if (code != CLI_OK)
		return code;
	if (strcmp(colour, "auto") != 0 && strcmp(colour, "always") != 0 && strcmp(colour, "never") != 0)
		return cli_usage(&cli, "", "--color is auto, always or never, not '%s'", cli_escape(colour));
	cli.colour = !cli.json && colour_wanted(colour);
	cli.width = terminal_width();
	if (argv[1] && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (!argv[1])
		return command_run(&cli, 1, only_status);
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		puts("bulkhead " BULKHEAD_VERSION);
		return CLI_OK;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		print_help();
		return CLI_OK;
	}
	if (strcmp(argv[1], "help") == 0)
		return command_help(&cli, argv[2]);
	return command_run(&cli, argc - 1, argv + 1);
}
