/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "nspawn.h"

/* The value of a line KEY=VALUE; the caller frees. */
static char *line_value(const char *data, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = data; *line;) {
		size_t size = strcspn(line, "\n");

		if (size > length && strncmp(line, key, length) == 0 && line[length] == '=')
			return strndup(line + length + 1, size - length - 1);
		line += size + (line[size] == '\n');
	}
	return NULL;
}

int nspawn_machine_parse(const char *data, struct nspawn_machine *machine)
{
	AUTO_FREE char *service = line_value(data, "SERVICE");
	AUTO_FREE char *class = line_value(data, "CLASS");
	AUTO_FREE char *leader = line_value(data, "LEADER");
	AUTO_FREE char *unit = line_value(data, "SCOPE");
	char *end;
	long pid;

	if (!service || strcmp(service, "systemd-nspawn") != 0 || !class || strcmp(class, "container") != 0 ||
	    !leader || !unit || !unit[0])
		return -EINVAL;
	pid = strtol(leader, &end, 10);
	if (end == leader || *end || pid <= 0 || pid > INT32_MAX)
		return -EINVAL;
	machine->first = (struct process){.pid = (int32_t)pid};
	machine->unit = TAKE(unit);
	return 0;
}

/* nspawn's options, as far as it takes to tell them from their values, and from the machine's own command. */
#define SHORT_WITH_VALUE "DuLMSZipEoP"

static const char *const long_without_value[] = {
	"help",		 "version",
	"quiet",	 "boot",
	"as-pid2",	 "ephemeral",
	"read-only",	 "volatile",
	"private-users", "private-network",
	"network-veth",	 "keep-unit",
	"share-system",	 "pipe",
	"no-pager",	 "private-users-chown",
};

struct words { /* what was found; into the arguments */
	const char *machine, *directory, *image;
	bool ephemeral;
};

static void word_keep(struct words *words, const char *option, size_t length, const char *value)
{
	if (length == 7 && strncmp(option, "machine", length) == 0)
		words->machine = value;
	else if (length == 9 && strncmp(option, "directory", length) == 0)
		words->directory = value;
	else if (length == 5 && strncmp(option, "image", length) == 0)
		words->image = value;
}

/* True when the next word is this one's value. */
static bool long_word(struct words *words, const char *option, const char *next)
{
	size_t length = strcspn(option, "=");

	if (option[length] == '=') {
		word_keep(words, option, length, option + length + 1);
		return false;
	}
	words->ephemeral |= strcmp(option, "ephemeral") == 0;
	for (size_t i = 0; i < sizeof(long_without_value) / sizeof(*long_without_value); i++) {
		if (strcmp(option, long_without_value[i]) == 0)
			return false;
	}
	word_keep(words, option, length, next);
	return true;
}

static bool short_word(struct words *words, const char *letters, const char *next)
{
	for (const char *at = letters; *at; at++) {
		const char *value = at[1] ? at + 1 : next;

		words->ephemeral |= *at == 'x';
		if (!strchr(SHORT_WITH_VALUE, *at))
			continue;
		if (*at == 'M')
			words->machine = value;
		else if (*at == 'D')
			words->directory = value;
		else if (*at == 'i')
			words->image = value;
		return at[1] == '\0';
	}
	return false;
}

static char *last_part(const char *path, const char *ending)
{
	size_t length = strlen(path), cut = strlen(ending);
	const char *slash;

	while (length > 0 && path[length - 1] == '/')
		length--;
	slash = memrchr(path, '/', length);
	if (slash) {
		length -= (size_t)(slash + 1 - path);
		path = slash + 1;
	}
	if (length > cut && strncmp(path + length - cut, ending, cut) == 0)
		length -= cut;
	return length > 0 ? strndup(path, length) : NULL;
}

char *nspawn_arguments_parse(const char *arguments, size_t size)
{
	const char *end = arguments + size, *word;
	struct words words = {0};

	if (size == 0 || end[-1] != '\0')
		return NULL;
	for (word = arguments + strlen(arguments) + 1; word < end && word[0] == '-' && strcmp(word, "--") != 0;) {
		const char *next = word + strlen(word) + 1;
		const char *value = next < end ? next : "";
		bool taken = word[1] == '-' ? long_word(&words, word + 2, value) : short_word(&words, word + 1, value);

		word = taken && next < end ? next + strlen(next) + 1 : next;
	}
	if (words.machine)
		return words.machine[0] ? strdup(words.machine) : NULL;
	if (words.ephemeral)
		return NULL;
	if (words.image)
		return last_part(words.image, ".raw");
	return words.directory ? last_part(words.directory, "") : NULL;
}

const char *nspawn_link_name(const char *interface)
{
	return strncmp(interface, "vb-", 3) == 0 || strncmp(interface, "ve-", 3) == 0 ? interface + 3 : NULL;
}
