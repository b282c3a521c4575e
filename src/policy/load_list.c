/* SPDX-License-Identifier: GPL-2.0-only */
/* A `file:` of a network: one prefix a line, # comments. Read in one pass, since such lists are long. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "policy/loader.h"

/* The list's path: relative ones begin at the directory of the policy file that names it. NULL: no memory. */
static char *list_path(struct loader *loader, const struct node *word)
{
	const char *policy_path = loader->policy->sources.items[word->place.file].path;
	const char *slash = strrchr(policy_path, '/');
	char *path = NULL;

	if (word->text[0] == '/' || !slash)
		return loader_copy(loader, word->text);
	if (asprintf(&path, "%.*s/%s", (int)(slash - policy_path), policy_path, word->text) < 0) {
		loader_no_memory(loader);
		return NULL;
	}
	return path;
}

static void list_entry(struct loader *loader, char *entry, const struct place *place, struct prefixes *prefixes)
{
	struct prefix prefix, *slot;
	bool host_bits = false;
	char text[PREFIX_TEXT_MAX];

	if (prefix_parse(entry, &prefix, &host_bits) < 0) {
		loader_error(loader, place, "bad prefix '%s'", SHOWN(entry));
		return;
	}
	if (host_bits)
		loader_warning(loader, place, "host bits are set in prefix '%s': it is read as %s", SHOWN(entry),
			       prefix_format(&prefix, text));
	if (!load_count_prefix(loader, place))
		return;
	slot = array_append(prefixes);
	if (slot)
		*slot = prefix;
	else
		loader_no_memory(loader);
}

/* Cuts comment and blanks off the line in place, then reads what is left. */
static void list_line(struct loader *loader, char *line, size_t length, struct place *place, struct prefixes *prefixes)
{
	char *comment = memchr(line, '#', length);
	char *start = line;

	if (memchr(line, '\0', length)) {
		place->column = 1;
		loader_error(loader, place, "a NUL byte is not accepted");
		return;
	}
	if (comment)
		length = (size_t)(comment - line);
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	line[length] = '\0';
	start += strspn(line, " \t");
	if (!*start)
		return;
	place->column = (uint32_t)(start - line) + 1;
	place->width = (uint32_t)strlen(start);
	list_entry(loader, start, place, prefixes);
}

static void read_list(struct loader *loader, uint32_t file, char *text, size_t size, struct prefixes *prefixes)
{
	struct place place = {.file = file, .line = 1, .column = 1, .width = 1};
	bool bom = size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);
	char *end = text + size;

	for (char *line = text + (bom ? 3 : 0); line < end && !loader->failure; place.line++) {
		char *newline = memchr(line, '\n', (size_t)(end - line));

		/* past the last line stands the NUL of file_read(), so there is always a byte to end the line in */
		list_line(loader, line, (size_t)((newline ? newline : end) - line), &place, prefixes);
		line = newline ? newline + 1 : end;
		if (loader->prefixes > POLICY_PREFIXES_MAX)
			return;
	}
}

static void refuse_list(struct loader *loader, const struct node *word, const char *path, int code)
{
	if (code == -ENOMEM)
		loader_no_memory(loader);
	else if (code == -EINVAL)
		loader_error(loader, &word->place, "list '%s' is not a regular file", SHOWN(path));
	else if (code == -EFBIG)
		loader_error(loader, &word->place, "list '%s' is larger than %u MiB", SHOWN(path),
			     POLICY_LIST_SIZE_MAX >> 20);
	else
		loader_error(loader, &word->place, "list '%s' can't be read: %s", SHOWN(path), strerror(-code));
}

void load_list(struct loader *loader, const struct node *word, struct prefixes *prefixes)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	size_t size;
	uint32_t file;
	int r;

	if (loader->in_memory) {
		loader_error(loader, &word->place, "'file' needs a policy that is read from files");
		return;
	}
	path = list_path(loader, word);
	if (!path)
		return;
	if (load_watch(loader, path) < 0) {
		loader_no_memory(loader);
		return;
	}
	r = file_read(path, POLICY_LIST_SIZE_MAX, &text, &size, NULL);
	if (r < 0) {
		refuse_list(loader, word, path, r);
		return;
	}
	if (load_source(loader, path, NULL, 0, &file) < 0) {
		loader_no_memory(loader);
		return;
	}
	read_list(loader, file, text, size, prefixes);
}
