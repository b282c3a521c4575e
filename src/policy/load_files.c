/* SPDX-License-Identifier: GPL-2.0-only */
/* Which files a policy is made of. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "policy/loader.h"

int load_source(struct loader *loader, const char *path, char *text, size_t size, uint32_t *ret_file)
{
	struct sources *sources = &loader->policy->sources;
	char *copy = strdup(path);
	struct source *source = copy ? array_append(sources) : NULL;

	if (!source) {
		free(copy);
		free(text);
		return -ENOMEM;
	}
	*source = (struct source){.path = copy, .text = text, .size = size};
	*ret_file = (uint32_t)(sources->count - 1);
	return 0;
}

int load_watch(struct loader *loader, const char *path)
{
	char *copy = strdup(path);
	char **slot = copy ? array_append(&loader->policy->watched) : NULL;

	if (!slot) {
		free(copy);
		return -ENOMEM;
	}
	*slot = copy;
	return 0;
}

/* A finding about the file as a whole. */
static int refuse_file(struct loader *loader, const char *path, int code)
{
	struct place place = {.width = 1};
	int r = load_source(loader, path, NULL, 0, &place.file);

	if (r < 0)
		return r;
	loader->incomplete = true;
	if (code == -EINVAL)
		loader_error(loader, &place, "not a regular file");
	else if (code == -EFBIG)
		loader_error(loader, &place, "larger than %u MiB", POLICY_FILE_SIZE_MAX >> 20);
	else
		loader_error(loader, &place, "can't be read: %s", strerror(-code));
	return 0;
}

static int load_file(struct loader *loader, const char *path)
{
	char *text;
	size_t size;
	uint32_t file;
	int r;

	r = load_watch(loader, path);
	if (r < 0)
		return r;
	r = file_read(path, POLICY_FILE_SIZE_MAX, &text, &size, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse_file(loader, path, r);
	r = load_source(loader, path, text, size, &file);
	return r < 0 ? r : load_document(loader, file);
}

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length > end_length && !strcmp(name + length - end_length, end);
}

/* *.yaml and *.yml, but not what editors leave beside a file: .#x.yaml and .x.yaml.swp begin with a dot, x.yaml~ and
 * #x.yaml# do not end in .yaml; #x.yaml does. */
static int is_policy_file(const struct dirent *entry)
{
	const char *name = entry->d_name;

	return name[0] != '.' && name[0] != '#' && (ends_with(name, ".yaml") || ends_with(name, ".yml"));
}

static int name_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* bytes, so that the locale changes nothing */
}

static int load_entries(struct loader *loader, const char *directory, struct dirent **entries, int count)
{
	size_t length = strlen(directory);
	int r = 0;

	while (length > 1 && directory[length - 1] == '/')
		length--;
	for (int i = 0; i < count && r == 0; i++) {
		AUTO_FREE char *path = NULL;

		if (loader->policy->sources.count >= POLICY_FILES_MAX) {
			struct place place = {.file = POLICY_FILES_MAX - 1, .width = 1};

			loader_error(loader, &place, "this is file %u of the policy, and '%s' would be one too many",
				     POLICY_FILES_MAX, SHOWN(entries[i]->d_name));
			loader->incomplete = true;
			break;
		}
		if (asprintf(&path, "%.*s%s%s", (int)length, directory, directory[length - 1] == '/' ? "" : "/",
			     entries[i]->d_name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = load_file(loader, path);
	}
	return r;
}

static int load_directory(struct loader *loader, const char *directory, struct error *error)
{
	struct dirent **entries = NULL;
	int count, r = load_watch(loader, directory);

	if (r < 0)
		return r;
	count = scandir(directory, &entries, is_policy_file, name_order);
	if (count < 0) {
		r = -errno;
		return error_set(error, r, "directory '%s': %s", SHOWN(directory), strerror(-r));
	}
	r = load_entries(loader, directory, entries, count);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	if (r == 0 && !count)
		return error_set(error, -ENOENT, "directory '%s' has no *.yaml or *.yml file", SHOWN(directory));
	return r;
}

static int path_mode(const char *path, mode_t *ret_mode, struct error *error)
{
	struct stat status;
	int r;

	if (stat(path, &status) < 0) {
		r = -errno;
		return error_set(error, r, "'%s': %s", SHOWN(path), strerror(-r));
	}
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return error_set(error, -ENOTSUP, "'%s' is neither a regular file nor a directory", SHOWN(path));
	*ret_mode = status.st_mode;
	return 0;
}

int load_paths(struct loader *loader, const char *const *paths, size_t count, struct error *error)
{
	mode_t mode = 0;
	int r = 0;

	/* A path that is not there is said before anything is found in the others. */
	for (size_t i = 0; i < count && r == 0; i++)
		r = path_mode(paths[i], &mode, error);
	for (size_t i = 0; i < count && r == 0; i++) {
		r = path_mode(paths[i], &mode, error);
		if (r == 0)
			r = S_ISDIR(mode) ? load_directory(loader, paths[i], error) : load_file(loader, paths[i]);
	}
	return r;
}
