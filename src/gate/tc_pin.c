/* SPDX-License-Identifier: GPL-2.0-only */
/* Pins: under a temporary name first, then renamed, so that a name always stands for something whole. The
 * configuration is pinned last: without it there is nothing to take over. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "bulkhead.skel.h"
#include "gate/tc_private.h"

const char *tc_pin_path(const char *pin_dir, const char *name, char buffer[TC_PATH_MAX])
{
	snprintf(buffer, TC_PATH_MAX, "%s/%s", pin_dir, name);
	return buffer;
}

int tc_pin_directory(const char *pin_dir, struct error *error)
{
	char path[TC_PATH_MAX];
	bool mounted;
	int result = tc_bpffs_ensure(pin_dir, &mounted, error);

	if (result == 0)
		result = file_make_directories(pin_dir, 0700, error);
	if (result < 0)
		return result;
	if (!tc_on_bpffs(pin_dir))
		return error_set(error, -EINVAL, "%s is not on a BPF file system", pin_dir);
	/* Nobody but root may reach what is pinned, whatever the mode of the mount. */
	if (chmod(pin_dir, 0700) < 0)
		return error_set(error, -errno, "cannot set the mode of %s: %s", pin_dir, strerror(errno));
	if (mounted && mkdir(tc_pin_path(pin_dir, TC_MARK_MOUNTED, path), 0700) < 0 && errno != EEXIST)
		return error_set(error, -errno, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

int tc_pin_replace(const char *pin_dir, int fd, const char *name, struct error *error)
{
	char path[TC_PATH_MAX], new_path[TC_PATH_MAX], new_name[80];
	int result;

	snprintf(new_name, sizeof(new_name), TC_PIN_NEW "%s", name);
	tc_pin_path(pin_dir, new_name, new_path);
	unlink(new_path);
	result = bpf_obj_pin(fd, new_path);
	if (result < 0)
		return error_set(error, result, "cannot pin %s: %s", new_path, strerror(-result));
	if (rename(new_path, tc_pin_path(pin_dir, name, path)) < 0) {
		result = -errno;
		unlink(new_path);
		return error_set(error, result, "cannot rename %s to %s: %s", new_path, name, strerror(-result));
	}
	return 0;
}

static const char *map_pin_name(const char *map, char buffer[64])
{
	snprintf(buffer, 64, "map_%s", map);
	return buffer;
}

/* Is the map pinned under the name the one behind `fd`? 1: yes, 0: no, -errno */
static int map_is_pinned(const char *pin_dir, int fd, const char *map)
{
	char path[TC_PATH_MAX], name[64];
	uint32_t have, want;
	AUTO_CLOSE int pinned = bpf_obj_get(tc_pin_path(pin_dir, map_pin_name(map, name), path));
	int result = tc_map_id(fd, &want);

	if (result < 0)
		return result;
	return pinned >= 0 && tc_map_id(pinned, &have) == 0 && have == want;
}

int tc_pin_repair(struct tc_gate *tc, struct error *error)
{
	const struct bpf_map *config = NULL, *map;
	char name[64];
	int result;

	result = tc_pin_directory(tc->pin_dir, error);
	bpf_object__for_each_map(map, tc->skeleton->obj)
	{
		if (result < 0)
			return result;
		if (bpf_map__is_internal(map))
			continue;
		if (strcmp(bpf_map__name(map), tc_map_names[TC_CONFIG]) == 0) {
			config = map;
			continue;
		}
		if (map_is_pinned(tc->pin_dir, bpf_map__fd(map), bpf_map__name(map)) > 0)
			continue;
		result = tc_pin_replace(tc->pin_dir, bpf_map__fd(map), map_pin_name(bpf_map__name(map), name), error);
	}
	if (result == 0 && config && map_is_pinned(tc->pin_dir, bpf_map__fd(config), bpf_map__name(config)) <= 0)
		result = tc_pin_replace(tc->pin_dir, bpf_map__fd(config), map_pin_name(bpf_map__name(config), name),
					error);
	return result;
}

static const char *program_pin_name(int direction, char buffer[64])
{
	snprintf(buffer, 64, "prog_%s", tc_direction_names[direction]);
	return buffer;
}

static bool program_is_pinned(const struct tc_gate *tc, int direction)
{
	char path[TC_PATH_MAX], name[64];
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	AUTO_CLOSE int fd = bpf_obj_get(tc_pin_path(tc->pin_dir, program_pin_name(direction, name), path));

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.id == tc->program_ids[direction];
}

int tc_pin_programs(struct tc_gate *tc, struct error *error)
{
	char name[64];
	int result = 0;

	for (int i = 0; i < TC_DIRECTION_MAX && result == 0; i++)
		if (!program_is_pinned(tc, i))
			result = tc_pin_replace(tc->pin_dir, tc->programs[i], program_pin_name(i, name), error);
	return result;
}

int tc_pin_check(struct tc_gate *tc, struct text *drift)
{
	const struct bpf_map *map;
	int found = 0;

	if (tc->config->magic != BH_ABI_MAGIC || tc->config->version != BH_ABI_VERSION) {
		text_appendf(drift, "the configuration map has magic %#x and version %u\n", tc->config->magic,
			     tc->config->version);
		found = 1;
	}
	bpf_object__for_each_map(map, tc->skeleton->obj)
	{
		int result = 1;

		if (!bpf_map__is_internal(map))
			result = map_is_pinned(tc->pin_dir, bpf_map__fd(map), bpf_map__name(map));
		if (result < 0)
			return result;
		if (result == 0) {
			text_appendf(drift, "the map %s is not pinned in %s\n", bpf_map__name(map), tc->pin_dir);
			found = 1;
		}
	}
	for (int i = 0; i < TC_DIRECTION_MAX; i++) {
		if (!program_is_pinned(tc, i)) {
			text_appendf(drift, "the program %s is not pinned in %s\n", tc_program_names[i], tc->pin_dir);
			found = 1;
		}
	}
	return found;
}

/* Temporary names of a daemon that was killed; links of interfaces that have no port any more. */
int tc_pin_sweep(struct tc_gate *tc)
{
	DIR *dir = opendir(tc->pin_dir);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char path[TC_PATH_MAX], direction[16];
		uint32_t ifindex;

		if (strncmp(entry->d_name, TC_PIN_NEW, strlen(TC_PIN_NEW)) == 0)
			unlink(tc_pin_path(tc->pin_dir, entry->d_name, path));
		else if (sscanf(entry->d_name, "link_%u_%15s", &ifindex, direction) == 2 &&
			 !tc_port_find(tc, ifindex)) {
			tc_grace_shorten(tc);
			tc_tcx_detach(tc->pin_dir, ifindex, strcmp(direction, "egress") == 0 ? TC_EGRESS : TC_INGRESS);
		} else if (sscanf(entry->d_name, TC_MARK_CLSACT "%u", &ifindex) == 1 && !tc_port_find(tc, ifindex)) {
			tc_clsact_detach(tc->pin_dir, ifindex);
		}
	}
	closedir(dir);
	return 0;
}
