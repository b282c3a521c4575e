/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "cni_cache.h"
#include "follow.h"
#include "netlink.h"

struct cni_file {
	struct timespec written; /* 0: it was not whole when it was read */
	uint64_t inode;
	bool seen;
	struct cni_result *result; /* NULL: it leads to no port */
	uint64_t cookie;	   /* of the namespace that it was seen to lead to; 0: not seen yet */
};
struct cni_files {
	ARRAY_OF(struct cni_file *);
};

struct cni_cache {
	struct port_watch *watch;
	struct follow *follow;
	bool follows;
	bool read; /* since the last change */
	uint64_t read_scan;
	bool here, left_out;
	struct map *files;   /* name → cni_file */
	struct map *by_link; /* name of a link on the host's side → cni_files */
	size_t bad_files;
};

static void file_free(void *value)
{
	struct cni_file *file = value;

	if (!file)
		return;
	if (file->result)
		cni_result_free(file->result);
	free(file->result);
	free(file);
}

static void files_free(void *value)
{
	struct cni_files *files = value;

	if (!files)
		return;
	array_free(files);
	free(files);
}

/* Half written: not whole, and read again with the next change. */
static int file_parse(struct cni_file *file, const char *data, size_t size)
{
	json_t *json = port_json_parse(data, size);
	struct cni_result *result = json ? calloc(1, sizeof(*result)) : NULL;
	int r = json ? -ENOMEM : -EBADMSG;

	if (result)
		r = cni_result_parse(json, result);
	json_decref(json);
	if (r < 0)
		free(result);
	else
		file->result = result;
	return r == -EINVAL ? 0 : r;
}

/* 1: there is something new. */
static int file_read_one(struct cni_cache *cache, int dir_fd, const char *name, const struct stat *status)
{
	struct cni_file *file = map_get_text(cache->files, name);
	AUTO_FREE char *data = NULL;
	size_t size;
	int r;

	if (file && file->inode == status->st_ino && file->written.tv_sec == status->st_mtim.tv_sec &&
	    file->written.tv_nsec == status->st_mtim.tv_nsec) {
		file->seen = true;
		return 0;
	}
	if (!file && map_count(cache->files) >= CNI_RESULTS_MAX) {
		cache->left_out = true;
		return 0;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->seen = true;
	file->inode = status->st_ino;
	r = file_read_at(dir_fd, name, CNI_RESULT_SIZE_MAX, &data, &size, NULL);
	if (r == 0)
		r = file_parse(file, data, size);
	if (r == 0)
		file->written = status->st_mtim;
	else
		cache->bad_files++;
	void *old = NULL;
	if (r == -ENOMEM || map_set_text(cache->files, name, file, &old) < 0) {
		file_free(file);
		return -ENOMEM;
	}
	file_free(old);
	return 1;
}

static int folder_read(struct cni_cache *cache, DIR *folder)
{
	const struct dirent *item;
	int changed = 0;

	while ((item = readdir(folder))) {
		struct stat status;

		if (item->d_name[0] == '.' || fstatat(dirfd(folder), item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(status.st_mode))
			continue;
		int r = file_read_one(cache, dirfd(folder), item->d_name, &status);
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}

static int sweep(struct cni_cache *cache)
{
	const void *key;
	size_t key_size;
	void *value;
	int changed = 0;

	for (size_t at = 0; map_next(cache->files, &at, &key, &key_size, &value);) {
		if (((struct cni_file *)value)->seen)
			continue;
		file_free(map_remove(cache->files, key, key_size));
		changed = 1;
	}
	return changed;
}

static int index_add(struct map *index, const char *link, struct cni_file *file)
{
	struct cni_files *files = map_get_text(index, link);
	struct cni_file **slot;

	if (!files) {
		files = calloc(1, sizeof(*files));
		if (!files || map_set_text(index, link, files, NULL) < 0) {
			free(files);
			return -ENOMEM;
		}
	}
	slot = array_append(files);
	if (!slot)
		return -ENOMEM;
	*slot = file;
	return 0;
}

static int index_build(struct cni_cache *cache)
{
	struct map *index = map_new();
	void *value;
	int r = index ? 0 : -ENOMEM;

	for (size_t at = 0; r == 0 && map_next(cache->files, &at, NULL, NULL, &value);) {
		struct cni_file *file = value;

		for (size_t i = 0; r == 0 && file->result && i < file->result->host_link_count; i++)
			r = index_add(index, file->result->host_links[i], file);
	}
	if (r < 0) {
		map_free(index, files_free);
		return r;
	}
	map_free(cache->by_link, files_free);
	cache->by_link = index;
	return 0;
}

static void cache_read(struct cni_cache *cache)
{
	const char *path = cache->watch->options.cni_results;
	DIR *folder;
	void *value;
	int changed;

	if (!path)
		return;
	if (!cache->follows)
		cache->follows = follow_folder(cache->follow, path) >= 0;
	cache->read_scan = cache->watch->scans;
	cache->read = cache->left_out = false;
	cache->bad_files = 0;
	for (size_t at = 0; map_next(cache->files, &at, NULL, NULL, &value);)
		((struct cni_file *)value)->seen = false;
	folder = opendir(path);
	cache->here = folder != NULL;
	changed = folder ? folder_read(cache, folder) : 0;
	if (folder)
		closedir(folder);
	else
		cache->follows = false;
	if (changed >= 0)
		changed |= sweep(cache);
	/* Without memory there is no index that names what is gone: nothing is found until the next reading. */
	if (changed < 0 || ((changed > 0 || !cache->by_link) && index_build(cache) < 0)) {
		map_free(cache->by_link, files_free);
		cache->by_link = NULL;
		return;
	}
	cache->read = true;
}

static void cache_changed(void *arg)
{
	struct cni_cache *cache = arg;

	cache->read = false;
	port_watch_dirty(cache->watch);
}

int cni_cache_new(struct port_watch *watch, struct cni_cache **ret_cache)
{
	struct cni_cache *cache = calloc(1, sizeof(*cache));
	int r = -ENOMEM;

	if (!cache)
		return r;
	cache->watch = watch;
	cache->files = map_new();
	if (cache->files)
		r = follow_new(watch->loop, NULL, cache_changed, cache, &cache->follow);
	if (r < 0) {
		cni_cache_free(cache);
		return r;
	}
	cache_read(cache);
	*ret_cache = cache;
	return 0;
}

void cni_cache_free(struct cni_cache *cache)
{
	if (!cache)
		return;
	follow_free(cache->follow);
	map_free(cache->by_link, files_free);
	map_free(cache->files, file_free);
	free(cache);
}

void cni_cache_refresh(struct cni_cache *cache)
{
	cache->follows = false;
	cache->read = false;
}

/* What changed is told, but not before the folder is there: then once a scan. */
static void cache_update(struct cni_cache *cache)
{
	if (!cache->read || ((!cache->follows || cache->bad_files > 0) && cache->read_scan != cache->watch->scans))
		cache_read(cache);
}

static int sandbox_open(const struct port_watch *watch, const char *sandbox, int *ret_fd)
{
	char path[PATH_MAX];
	bool process = strncmp(sandbox, "/proc/", 6) == 0;

	if (sandbox[0] != '/' || snprintf(path, sizeof(path), "%s%s", process ? watch->options.proc : "",
					  process ? sandbox + 5 : sandbox) >= (int)sizeof(path))
		return -EINVAL;
	return namespace_open(path, ret_fd);
}

static bool leads_to(const struct port_watch *watch, struct cni_file *file, const struct namespace *namespace)
{
	AUTO_CLOSE int fd = -1;
	uint64_t cookie;
	int32_t nsid;

	/* Its namespace may have gone since, but a cookie is never given twice. */
	if (file->cookie == namespace->cookie)
		return true;
	if (sandbox_open(watch, file->result->sandbox, &fd) < 0 ||
	    netlink_nsid(watch->netlink_fd, fd, &nsid, NULL) < 0 || nsid != namespace->nsid ||
	    namespace_cookie(fd, &cookie) < 0 || cookie != namespace->cookie)
		return false;
	file->cookie = cookie;
	return true;
}

const struct cni_result *cni_cache_find(struct cni_cache *cache, const struct runtime_question *question,
					const char *container)
{
	const struct cni_files *files;

	cache_update(cache);
	files = cache->by_link ? map_get_text(cache->by_link, question->link->name) : NULL;
	for (size_t i = 0; files && i < files->count; i++) {
		struct cni_file *file = files->items[i];
		bool found = file->result->sandbox ? leads_to(cache->watch, file, question->namespace)
						   : container && strcmp(file->result->container, container) == 0;

		if (found)
			return file->result;
	}
	return NULL;
}

int cni_cache_pins(struct cni_cache *cache, struct processes *processes)
{
	void *value;
	int r = 0;

	cache_update(cache);
	for (size_t at = 0; r == 0 && map_next(cache->files, &at, NULL, NULL, &value);) {
		const struct cni_result *result = ((struct cni_file *)value)->result;
		int32_t pid = result ? cni_result_pid(result) : 0;

		if (pid > 0)
			r = processes_add(processes, pid, 0);
	}
	return r;
}

json_t *cni_cache_status(const struct cni_cache *cache)
{
	json_t *status = json_object();
	char why[REASON_MAX];

	json_object_set_new(status, "reachable", json_boolean(cache->here));
	json_object_set_new(status, "results", json_integer((json_int_t)map_count(cache->files)));
	if (!cache->here)
		json_object_set_new(status, "why", json_string("there is no folder of CNI results"));
	else if (cache->bad_files > 0) {
		snprintf(why, sizeof(why), "%zu files can't be read", cache->bad_files);
		json_object_set_new(status, "why", json_string(why));
	}
	if (cache->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}

int cni_cache_evidence(struct cni_cache *cache, const struct runtime_question *question, const char *container,
		       struct evidence *evidence, char reason[REASON_MAX])
{
	const struct cni_result *result = cni_cache_find(cache, question, container);

	if (result)
		return cni_result_evidence(result, evidence, reason);
	if (monotonic_ms() - question->since_ms < CNI_WAIT_MS) {
		snprintf(reason, REASON_MAX, "there is no CNI result yet that says what its addresses are");
		return -EAGAIN;
	}
	evidence->claim = true;
	return 0;
}
