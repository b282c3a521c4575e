/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine.h"
#include "lxc.h"

#define NET_PREFIX    "lxc.net."
#define MONITOR_TITLE "[lxc monitor] "

void lxc_config_free(struct lxc_config *config)
{
	for (size_t i = 0; i < config->nets.count; i++) {
		array_free(&config->nets.items[i].addresses);
		array_free(&config->nets.items[i].gateways);
	}
	array_free(&config->nets);
}

static void refuse(struct lxc_config *config, const char *reason)
{
	if (!config->reason[0])
		snprintf(config->reason, sizeof(config->reason), "%s", reason);
}

static struct lxc_net *net_get(struct lxc_config *config, unsigned int number)
{
	struct lxc_net *net;

	for (size_t i = 0; i < config->nets.count; i++) {
		if (config->nets.items[i].number == number)
			return &config->nets.items[i];
	}
	if (config->nets.count == LXC_NETS_MAX) {
		refuse(config, "its configuration has more networks than are read");
		return NULL;
	}
	net = array_append(&config->nets);
	if (net)
		net->number = number;
	return net;
}

/* An address is followed by its broadcast address, perhaps. A gateway may be a word, "auto" or "dev". */
static int net_address(struct lxc_config *config, struct port_addrs *addrs, char *value, bool gateway)
{
	int r;

	value[strcspn(value, " \t")] = '\0';
	if (gateway && (strcmp(value, "auto") == 0 || strcmp(value, "dev") == 0))
		return 0;
	r = engine_add_addr(addrs, value);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		refuse(config, "an address in its configuration is none that a container can have");
	return 0;
}

/* "00:16:3e:xx:xx:xx" is filled at the container's start, by what nobody tells. */
static void net_mac(struct lxc_config *config, struct lxc_net *net, const char *value)
{
	net->has_mac = false;
	if (strpbrk(value, "xX"))
		return;
	if (mac_parse(value, &net->mac) < 0)
		refuse(config, "the MAC address in its configuration is none");
	else
		net->has_mac = true;
}

static int net_set(struct lxc_config *config, struct lxc_net *net, const char *key, char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		{"type", net->type, sizeof(net->type)},
		{"link", net->link, sizeof(net->link)},
		{"veth.pair", net->pair, sizeof(net->pair)},
		{"name", net->name, sizeof(net->name)},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (strcmp(key, texts[i].key) != 0)
			continue;
		if (strlen(value) >= texts[i].size)
			refuse(config, "a name in its configuration is longer than one can be");
		else
			memcpy(texts[i].to, value, strlen(value) + 1);
		return 0;
	}
	if (strcmp(key, "hwaddr") == 0)
		net_mac(config, net, value);
	else if (strcmp(key, "ipv4.address") == 0 || strcmp(key, "ipv6.address") == 0)
		return net_address(config, &net->addresses, value, false);
	else if (strcmp(key, "ipv4.gateway") == 0 || strcmp(key, "ipv6.gateway") == 0)
		return net_address(config, &net->gateways, value, true);
	return 0;
}

/* "lxc.net.0.link": nothing behind the number takes back what was said of it, as nothing behind `net` does of all. */
static int config_set(struct lxc_config *config, const char *key, char *value)
{
	unsigned long number;
	struct lxc_net *net;
	char *end;

	if (strcmp(key, "lxc.net") == 0) {
		lxc_config_free(config);
		return 0;
	}
	if (strncmp(key, NET_PREFIX, strlen(NET_PREFIX)) != 0 || !isdigit((unsigned char)key[strlen(NET_PREFIX)]))
		return 0;
	number = strtoul(key + strlen(NET_PREFIX), &end, 10);
	if (number > INT32_MAX || (*end != '.' && *end != '\0'))
		return 0;
	net = net_get(config, (unsigned int)number);
	if (!net)
		return config->reason[0] ? 0 : -ENOMEM;
	if (*end == '\0') {
		array_free(&net->addresses);
		array_free(&net->gateways);
		*net = (struct lxc_net){.number = (unsigned int)number};
		return 0;
	}
	return net_set(config, net, end + 1, value);
}

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	for (length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]); length--)
		text[length - 1] = '\0';
	return text;
}

static char *unquote(char *value)
{
	size_t length = strlen(value);

	if (length < 2 || (value[0] != '"' && value[0] != '\'') || value[length - 1] != value[0])
		return value;
	value[length - 1] = '\0';
	return value + 1;
}

static int line_parse(struct lxc_config *config, char *line)
{
	char *equals;

	line = trim(line);
	equals = strchr(line, '=');
	if (line[0] == '#' || !equals)
		return 0;
	*equals = '\0';
	return config_set(config, trim(line), unquote(trim(equals + 1)));
}

int lxc_config_parse(const char *data, struct lxc_config *ret_config)
{
	AUTO_FREE char *copy = strdup(data);
	struct lxc_config config = {0};
	char *rest = copy, *line;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (line = strsep(&rest, "\n")))
		r = line_parse(&config, line);
	if (r < 0) {
		lxc_config_free(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

static bool is_veth(const struct lxc_net *net)
{
	return strcmp(net->type, "veth") == 0;
}

const struct lxc_net *lxc_net_find(const struct lxc_config *config, const struct runtime_question *question)
{
	const char *bridge = question->bridge ? question->bridge->name : "";
	const struct lxc_net *alone = NULL, *named = NULL;
	size_t count = 0;

	for (size_t i = 0; i < config->nets.count; i++) {
		const struct lxc_net *net = &config->nets.items[i];

		if (!is_veth(net))
			continue;
		if (net->pair[0] && strcmp(net->pair, question->link->name) == 0)
			return net;
		if (net->pair[0] || strcmp(net->link, bridge) != 0)
			continue;
		count++;
		alone = net;
		if (net->name[0] && strcmp(net->name, question->peer->name) == 0)
			named = net;
	}
	for (size_t i = 0; question->peer->has_mac && i < config->nets.count; i++) {
		const struct lxc_net *net = &config->nets.items[i];

		if (is_veth(net) && net->has_mac && strcmp(net->link, bridge) == 0 &&
		    memcmp(&net->mac, &question->peer->mac, sizeof(net->mac)) == 0)
			return net;
	}
	return named ? named : count == 1 ? alone : NULL;
}

bool lxc_net_may_be(const struct lxc_config *config, const struct runtime_question *question)
{
	const char *bridge = question->bridge ? question->bridge->name : "";

	for (size_t i = 0; i < config->nets.count; i++) {
		const struct lxc_net *net = &config->nets.items[i];

		/* The name of the host's end is nothing that the container can change. */
		if (is_veth(net) && !net->pair[0] && net->addresses.count > 0 && strcmp(net->link, bridge) == 0)
			return true;
	}
	return false;
}

/* The words of `lxc-start -F`: who it is and where. */
static char *start_parse(const char *arguments, size_t size, const char *folder)
{
	const char *name = NULL, *path = folder, *word = arguments, *end = arguments + size;

	for (bool first = true; word < end; first = false) {
		const char *next = word + strlen(word) + 1;
		const char *value = next < end ? next : "";

		if (first) {
			const char *slash = strrchr(word, '/');

			if (strcmp(slash ? slash + 1 : word, "lxc-start") != 0)
				return NULL;
		} else if (strcmp(word, "--") == 0) {
			break;
		} else if (strcmp(word, "-n") == 0 || strcmp(word, "--name") == 0) {
			name = value;
		} else if (strcmp(word, "-P") == 0 || strcmp(word, "--lxcpath") == 0) {
			path = value;
		} else if (strncmp(word, "--name=", 7) == 0) {
			name = word + 7;
		} else if (strncmp(word, "--lxcpath=", 10) == 0) {
			path = word + 10;
		}
		word = next;
	}
	return name && strcmp(path, folder) == 0 ? strdup(name) : NULL;
}

char *lxc_monitor_parse(const char *arguments, size_t size, const char *folder)
{
	size_t title = strlen(MONITOR_TITLE), length = strlen(folder);
	char *name;

	if (size == 0 || arguments[size - 1] != '\0')
		return NULL;
	if (strncmp(arguments, MONITOR_TITLE, title) != 0) {
		name = start_parse(arguments, size, folder);
	} else {
		if (strncmp(arguments + title, folder, length) != 0 || arguments[title + length] != ' ')
			return NULL;
		name = strdup(arguments + title + length + 1);
	}
	/* It is the name of a folder. */
	if (name && (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))) {
		free(name);
		return NULL;
	}
	return name;
}
