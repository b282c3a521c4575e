/* SPDX-License-Identifier: GPL-2.0-only */
/* Every trace taken out: works from what is pinned alone, whatever made it, and can be run again. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define BPFFS_USUAL "/sys/fs/bpf"

struct removal {
	const char *pin_dir;
	void (*report)(void *arg, const char *line);
	void *arg;
	unsigned int links, filters, pins;
	bool stay, mounted; /* the BPF file system, with the mark that it is ours; it has one */
};

static void removal_say(const struct removal *removal, unsigned int count, const char *done, const char *what)
{
	char line[TC_PATH_MAX + 128];

	if (!count)
		return;
	snprintf(line, sizeof(line), "%s %u %s%s (%s)", done, count, what, count == 1 ? "" : "s", removal->pin_dir);
	removal->report(removal->arg, line);
}

/* Filters of interfaces that the pinned map of ports knows: those have no pin of their own. */
static void filters_remove(struct removal *removal)
{
	char path[TC_PATH_MAX];
	AUTO_CLOSE int ports = bpf_obj_get(tc_pin_path(removal->pin_dir, "map_ports", path));
	uint32_t ifindex, *last = NULL;

	while (ports >= 0 && bpf_map_get_next_key(ports, last, &ifindex) == 0) {
		removal->filters += (unsigned int)tc_clsact_detach(removal->pin_dir, ifindex);
		last = &ifindex;
	}
}

static int entry_remove(struct removal *removal, const char *name)
{
	char path[TC_PATH_MAX], direction[16];
	uint32_t ifindex;

	if (sscanf(name, "link_%u_%15s", &ifindex, direction) == 2) {
		tc_tcx_detach(removal->pin_dir, ifindex, strcmp(direction, "egress") == 0 ? TC_EGRESS : TC_INGRESS);
		removal->links++;
		return 0;
	}
	if (sscanf(name, TC_MARK_CLSACT "%u", &ifindex) == 1) {
		removal->filters += (unsigned int)tc_clsact_detach(removal->pin_dir, ifindex);
		return 0;
	}
	if (strcmp(name, TC_MARK_MOUNTED) == 0) {
		removal->mounted = true;
		if (removal->stay)
			return 0;
		return rmdir(tc_pin_path(removal->pin_dir, name, path)) < 0 ? -errno : 0;
	}
	if (strcmp(name, TC_MARK_GRACE) == 0) {
		tc_grace_restore(removal->pin_dir);
		return rmdir(tc_pin_path(removal->pin_dir, name, path)) < 0 ? -errno : 0;
	}
	removal->pins++;
	return unlink(tc_pin_path(removal->pin_dir, name, path)) < 0 ? -errno : 0;
}

/* A pass over the names with this beginning, or all. The maps go last: they tell where filters are. */
static int entries_remove(struct removal *removal, const char *beginning)
{
	DIR *dir = opendir(removal->pin_dir);
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (result == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, beginning, strlen(beginning)) == 0)
			result = entry_remove(removal, entry->d_name);
	closedir(dir);
	return result;
}

/* Is something there but the mark that the file system is ours? */
bool tc_gate_is_there(const struct gate_options *options)
{
	DIR *dir = opendir(options->pin_dir);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return errno != ENOENT;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && strcmp(entry->d_name, TC_MARK_MOUNTED) != 0;
	closedir(dir);
	return found;
}

static int take_out(struct removal *removal, struct error *error)
{
	int result;

	if (strlen(removal->pin_dir) >= TC_PIN_DIR_MAX)
		return error_set(error, -ENAMETOOLONG, "the pin directory's name is too long");
	if (access(removal->pin_dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	tc_libbpf_quiet();
	filters_remove(removal);
	result = entries_remove(removal, "link_");
	if (result == 0)
		result = entries_remove(removal, "clsact_");
	if (result == 0)
		result = entries_remove(removal, "");
	if (result == 0 && !(removal->stay && removal->mounted) && rmdir(removal->pin_dir) < 0)
		result = -errno;
	/* Only if nobody else has come to use it: umount says so by refusing. */
	if (result == 0 && removal->mounted && !removal->stay)
		umount(BPFFS_USUAL);
	removal_say(removal, removal->links, "detached", "tcx program");
	removal_say(removal, removal->filters, "removed", "clsact filter");
	removal_say(removal, removal->pins, "unpinned", "object");
	if (result < 0)
		return error_set(error, result, "cannot empty %s: %s", removal->pin_dir, strerror(-result));
	return 0;
}

int tc_gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		      struct error *error)
{
	struct removal removal = {.pin_dir = options->pin_dir, .report = report, .arg = arg};

	return take_out(&removal, error);
}

static void line_ignore(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

int tc_gate_leave(const struct gate_options *options, struct error *error)
{
	struct removal removal = {.pin_dir = options->pin_dir, .report = line_ignore, .stay = true};

	return take_out(&removal, error);
}
