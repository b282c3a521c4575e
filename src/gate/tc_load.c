/* SPDX-License-Identifier: GPL-2.0-only */
/* Maps and programs: loaded once, or taken over from the pins of an earlier daemon. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/file.h"
#include "bulkhead.skel.h"
#include "gate/tc_private.h"

const char *const tc_map_names[TC_MAP_MAX] = {
	[TC_CONFIG] = "config",
	[TC_CELLS] = "cells",
	[TC_CLASSES] = "classes",
	[TC_SERVICES] = "services",
	[TC_PREFIXES4] = "prefixes4",
	[TC_PREFIXES6] = "prefixes6",
	[TC_NAT64] = "nat64",
	[TC_PORTS] = "ports",
	[TC_OWN] = "own",
	[TC_ADDRESSES] = "addresses",
	[TC_FLOWS] = "flows",
	[TC_PORT_STATE] = "port_state",
	[TC_REVOKED] = "revoked",
	[TC_FRAGMENTS] = "fragments",
	[TC_ANSWERS] = "answers",
	[TC_ANSWER_SPACE] = "answer_space",
	[TC_PUBLISHED] = "published",
	[TC_RULE_COUNTERS] = "rule_counters",
	[TC_PORT_COUNTERS] = "port_counters",
	[TC_REASON_COUNTERS] = "reason_counters",
	[TC_EVENTS] = "events",
};
const char *const tc_direction_names[TC_DIRECTION_MAX] = {"ingress", "egress"};
const char *const tc_program_names[TC_DIRECTION_MAX] = {"bulkhead_ingress", "bulkhead_egress"};

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

/* What libbpf said last: it prints, a library here returns. */
static char libbpf_words[200];

static int words_keep(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t length;

	/* The first warning is the cause; the verifier's log, which may follow, is for `bpftool prog load`. */
	if (level != LIBBPF_WARN || libbpf_words[0])
		return 0;
	vsnprintf(libbpf_words, sizeof(libbpf_words), format, args);
	length = strcspn(libbpf_words, "\n");
	libbpf_words[length] = '\0';
	return 0;
}

void tc_libbpf_quiet(void)
{
	libbpf_set_print(words_keep);
}

int tc_map_id(int fd, uint32_t *ret_id)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int result = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (result == 0)
		*ret_id = info.id;
	return result;
}

static int program_id(int fd, uint32_t *ret_id)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int result = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (result == 0)
		*ret_id = info.id;
	return result;
}

/* ---- What an earlier daemon left --------------------------------------------------------------------------------- */

/* A map whose pin is gone may still be used by the pinned programs. */
static int map_recover(const char *pin_dir, const char *map_name)
{
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++) {
		uint32_t ids[64] = {0}, size = sizeof(struct bpf_prog_info);
		struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)ids};
		char path[TC_PATH_MAX], name[32];
		AUTO_CLOSE int program = -1;

		snprintf(name, sizeof(name), "prog_%s", tc_direction_names[direction]);
		program = bpf_obj_get(tc_pin_path(pin_dir, name, path));
		if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &size) < 0)
			continue;
		for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++) {
			struct bpf_map_info map_info = {0};
			uint32_t map_size = sizeof(map_info);
			AUTO_CLOSE int map = bpf_map_get_fd_by_id(ids[i]);

			if (map >= 0 && bpf_obj_get_info_by_fd(map, &map_info, &map_size) == 0 &&
			    strncmp(map_info.name, map_name, BPF_OBJ_NAME_LEN - 1) == 0)
				return TAKE_FD(map);
		}
	}
	return -ENOENT;
}

static int map_find(const char *pin_dir, const char *map_name)
{
	char path[TC_PATH_MAX], name[64];
	int fd;

	snprintf(name, sizeof(name), "map_%s", map_name);
	fd = bpf_obj_get(tc_pin_path(pin_dir, name, path));
	return fd == -ENOENT ? map_recover(pin_dir, map_name) : fd;
}

static int config_check(int fd, const char *pin_dir, struct error *error)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info), key = 0;
	AUTO_FREE struct bh_config *config = NULL;
	int result = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (result < 0)
		return error_set(error, result, "cannot look at %s/map_config: %s", pin_dir, strerror(-result));
	if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != 4 || info.value_size < 2 * sizeof(uint32_t))
		return error_set(error, -EINVAL, "%s/map_config is not Bulkhead's", pin_dir);
	config = calloc(1, info.value_size > sizeof(*config) ? info.value_size : sizeof(*config));
	if (!config)
		return error_set(error, -ENOMEM, "out of memory");
	result = bpf_map_lookup_elem(fd, &key, config);
	if (result < 0)
		return error_set(error, result, "cannot read %s/map_config: %s", pin_dir, strerror(-result));
	if (config->magic != BH_ABI_MAGIC)
		return error_set(error, -EINVAL, "%s/map_config is not Bulkhead's (magic %#x)", pin_dir, config->magic);
	if (config->version > BH_ABI_VERSION)
		return error_set(error, -EPROTO,
				 "the state pinned in %s has version %u, made by a newer Bulkhead; this one knows "
				 "versions up to %u",
				 pin_dir, config->version, BH_ABI_VERSION);
	if (config->version < BH_ABI_VERSION)
		return error_set(error, -EPROTO,
				 "the state pinned in %s has version %u, which this Bulkhead (version %u) cannot take "
				 "over: uninstall first",
				 pin_dir, config->version, BH_ABI_VERSION);
	return 0;
}

int tc_pin_version(const char *pin_dir, struct error *error)
{
	AUTO_CLOSE int fd = map_find(pin_dir, "config");

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0)
		return error_set(error, fd, "cannot open %s/map_config: %s", pin_dir, strerror(-fd));
	return config_check(fd, pin_dir, error);
}

static struct tc_shape shape_of(const struct bpf_map *map)
{
	return (struct tc_shape){bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
				 bpf_map__max_entries(map), bpf_map__map_flags(map)};
}

/* A map that is taken over must be laid out as this build would make it, or the version should have been raised. */
static int map_take(struct tc_gate *tc, struct bpf_map *map, int fd, struct error *error)
{
	struct tc_shape shape = shape_of(map);
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int result = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (result < 0)
		return error_set(error, result, "cannot look at the pinned map %s: %s", bpf_map__name(map),
				 strerror(-result));
	if (info.type != shape.type || info.key_size != shape.key_size || info.value_size != shape.value_size ||
	    info.max_entries != shape.max_entries || info.map_flags != shape.flags)
		return error_set(error, -EPROTO,
				 "the map %s pinned in %s is laid out otherwise than this Bulkhead's (of the same "
				 "version %u): uninstall first",
				 bpf_map__name(map), tc->pin_dir, BH_ABI_VERSION);
	result = bpf_map__reuse_fd(map, fd);
	if (result < 0)
		return error_set(error, result, "cannot take over the map %s: %s", bpf_map__name(map),
				 strerror(-result));
	return 0;
}

/* All maps are found, or none is used: ports, flows and numbers of one daemon belong together. */
static int maps_take_over(struct tc_gate *tc, bool *ret_found, struct error *error)
{
	struct bpf_map *map;
	bool complete = true;
	int result = tc_pin_version(tc->pin_dir, error);

	*ret_found = false;
	if (result == -ENOENT)
		return 0;
	if (result < 0)
		return result;
	bpf_object__for_each_map(map, tc->skeleton->obj)
	{
		AUTO_CLOSE int fd = -1;

		if (bpf_map__is_internal(map))
			continue;
		fd = map_find(tc->pin_dir, bpf_map__name(map));
		if (fd == -ENOENT)
			complete = false;
		else if (fd < 0)
			return error_set(error, fd, "cannot open the map %s pinned in %s: %s", bpf_map__name(map),
					 tc->pin_dir, strerror(-fd));
	}
	if (!complete)
		return 0;
	bpf_object__for_each_map(map, tc->skeleton->obj)
	{
		AUTO_CLOSE int fd = -1;

		if (bpf_map__is_internal(map))
			continue;
		fd = map_find(tc->pin_dir, bpf_map__name(map));
		if (fd < 0)
			return error_set(error, fd, "the map %s pinned in %s has gone", bpf_map__name(map),
					 tc->pin_dir);
		result = map_take(tc, map, fd, error);
		if (result < 0)
			return result;
	}
	*ret_found = true;
	return 0;
}

/* ---- Loading -------------------------------------------------------------------------------------------------------
 */

static int maps_note(struct tc_gate *tc, struct error *error)
{
	for (int i = 0; i < TC_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(tc->skeleton->obj, tc_map_names[i]);
		struct bpf_map *inner;

		if (!map)
			return error_set(error, -ENOENT, "the programs have no map %s", tc_map_names[i]);
		tc->shapes[i] = shape_of(map);
		inner = bpf_map__inner_map(map);
		if (inner)
			tc->inner[i] = shape_of(inner);
	}
	return 0;
}

static int programs_note(const struct bulkhead_bpf *skeleton, int programs[TC_DIRECTION_MAX],
			 uint32_t ids[TC_DIRECTION_MAX], struct error *error)
{
	for (int i = 0; i < TC_DIRECTION_MAX; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tc_program_names[i]);
		int result;

		if (!program)
			return error_set(error, -ENOENT, "there is no program %s", tc_program_names[i]);
		programs[i] = bpf_program__fd(program);
		result = program_id(programs[i], &ids[i]);
		if (result < 0)
			return error_set(error, result, "cannot look at the program %s: %s", tc_program_names[i],
					 strerror(-result));
	}
	return 0;
}

static uint64_t netns_cookie(void)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		return 0;
	return cookie;
}

/* One BPF file system may be seen from several network namespaces, in which interfaces have the same numbers. */
static int netns_check(struct tc_gate *tc, struct error *error)
{
	uint64_t cookie = netns_cookie();

	if (tc->config->netns_cookie && cookie && tc->config->netns_cookie != cookie)
		return error_set(error, -EBUSY,
				 "the state pinned in %s belongs to another network namespace: pin elsewhere, or "
				 "uninstall it",
				 tc->pin_dir);
	tc->config->netns_cookie = cookie;
	return 0;
}

static int config_map(struct tc_gate *tc, struct error *error)
{
	void *config = mmap(NULL, sizeof(struct bh_config), PROT_READ | PROT_WRITE, MAP_SHARED, tc->maps[TC_CONFIG], 0);

	if (config == MAP_FAILED)
		return error_set(error, -errno, "cannot map the configuration: %s", strerror(errno));
	tc->config = config;
	if (tc->taken_over)
		return netns_check(tc, error);
	*tc->config = (struct bh_config){
		.magic = BH_ABI_MAGIC,
		.version = BH_ABI_VERSION,
		.next_port_id = 1,
		.netns_cookie = netns_cookie(),
	};
	tc_config_write(tc);
	return 0;
}

void tc_config_write(struct tc_gate *tc)
{
	uint32_t quota = tc->options.flow_quota;

	tc->config->stamp_shift = tc->options.stamp_shift;
	tc->config->stamp_mask = ((1u << BH_STAMP_BITS) - 1) << tc->options.stamp_shift;
	tc->config->flow_quota = quota;
	tc->config->flow_half_quota = quota / 4 ? quota / 4 : 1;
}

static int skeleton_load(struct bulkhead_bpf *skeleton, struct error *error)
{
	int result;

	libbpf_words[0] = '\0';
	result = bulkhead_bpf__load(skeleton);
	if (result < 0)
		return error_set(error, result, "the kernel does not take the programs: %s%s%s", strerror(-result),
				 libbpf_words[0] ? "; " : "", libbpf_words);
	return 0;
}

int tc_load(struct tc_gate *tc, struct error *error)
{
	int result;

	tc_libbpf_quiet();
	result = tc_pin_directory(tc->pin_dir, error);
	if (result < 0)
		return result;
	tc->skeleton = bulkhead_bpf__open();
	if (!tc->skeleton)
		return error_set(error, -errno, "cannot open the programs: %s", strerror(errno));
	result = maps_note(tc, error);
	if (result == 0)
		result = maps_take_over(tc, &tc->taken_over, error);
	if (result == 0)
		result = skeleton_load(tc->skeleton, error);
	if (result < 0)
		return result;
	for (int i = 0; i < TC_MAP_MAX; i++)
		tc->maps[i] = bpf_map__fd(bpf_object__find_map_by_name(tc->skeleton->obj, tc_map_names[i]));
	result = programs_note(tc->skeleton, tc->programs, tc->program_ids, error);
	if (result == 0)
		result = config_map(tc, error);
	if (result == 0)
		result = tc_pin_repair(tc, error);
	return result;
}

int tc_load_spare(struct tc_gate *tc, struct error *error)
{
	struct bpf_map *map;
	int result;

	if (tc->spare)
		return 0;
	tc->spare = bulkhead_bpf__open();
	if (!tc->spare)
		return error_set(error, -errno, "cannot open the programs: %s", strerror(errno));
	bpf_object__for_each_map(map, tc->spare->obj)
	{
		const struct bpf_map *first = bpf_object__find_map_by_name(tc->skeleton->obj, bpf_map__name(map));

		result = bpf_map__is_internal(map) ? 0 : bpf_map__reuse_fd(map, bpf_map__fd(first));
		if (result < 0) {
			bulkhead_bpf__destroy(TAKE(tc->spare));
			return error_set(error, result, "cannot share the map %s: %s", bpf_map__name(map),
					 strerror(-result));
		}
	}
	result = skeleton_load(tc->spare, error);
	if (result == 0)
		result = programs_note(tc->spare, tc->spare_programs, tc->spare_ids, error);
	if (result < 0)
		bulkhead_bpf__destroy(TAKE(tc->spare));
	return result;
}

bool tc_program_is_ours(const struct tc_gate *tc, enum tc_direction direction, uint32_t id)
{
	return id != 0 && (id == tc->program_ids[direction] || (tc->spare && id == tc->spare_ids[direction]));
}

void tc_unload(struct tc_gate *tc)
{
	if (tc->config)
		munmap(tc->config, sizeof(struct bh_config));
	tc->config = NULL;
	bulkhead_bpf__destroy(tc->spare);
	bulkhead_bpf__destroy(tc->skeleton);
	tc->spare = tc->skeleton = NULL;
}
