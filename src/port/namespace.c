/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/map.h"
#include "namespace.h"
#include "netlink.h"

int namespace_open(const char *path, int *ret_fd)
{
	/* A pin that is not mounted yet is an empty file, and might be anything: never block on it. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int socket_cookie(int fd, uint64_t *ret_cookie)
{
	socklen_t size = sizeof(*ret_cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) < 0 ? -errno : 0;
}

int namespace_cookie_here(uint64_t *ret_cookie)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : socket_cookie(fd, ret_cookie);
}

struct visit {
	int ns_fd, protocol;
	int fd; /* the result */
	int error;
};

static void *visit_run(void *arg)
{
	struct visit *visit = arg;

	if (setns(visit->ns_fd, CLONE_NEWNET) < 0)
		visit->error = -errno;
	else
		visit->error = netlink_open(visit->protocol, &visit->fd);
	return NULL;
}

/* A socket stays in the namespace in which it was made, so the thread that enters lives no longer than that. */
int namespace_netlink(int ns_fd, int protocol, int *ret_fd)
{
	struct visit visit = {.ns_fd = ns_fd, .protocol = protocol, .fd = -1};
	pthread_t thread;
	int r = pthread_create(&thread, NULL, visit_run, &visit);

	if (r != 0)
		return -r;
	r = pthread_join(thread, NULL);
	if (r != 0)
		return -r;
	if (visit.error < 0)
		return visit.error;
	*ret_fd = visit.fd;
	return 0;
}

int namespace_cookie(int ns_fd, uint64_t *ret_cookie)
{
	AUTO_CLOSE int fd = -1;
	int r = namespace_netlink(ns_fd, NETLINK_ROUTE, &fd);

	return r < 0 ? r : socket_cookie(fd, ret_cookie);
}

void namespace_pins_free(struct namespace_pins *pins)
{
	for (size_t i = 0; i < pins->count; i++)
		free(pins->items[i].name);
	array_free(pins);
	pins->cut = false;
}

/* Docker's folder first; then by name, so that the order does not hang on the folder's. */
static int pin_compare(const void *a, const void *b)
{
	const struct namespace_pin *left = a, *right = b;

	if (left->nsid != right->nsid)
		return left->nsid < right->nsid ? -1 : 1;
	if (left->dir != right->dir)
		return left->dir < right->dir ? -1 : 1;
	return strcmp(left->name, right->name);
}

static int pin_path(const char *folder, enum namespace_dir dir, const char *name, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, dir == NAMESPACE_DIR_PROC ? "/ns/net" : "");

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Opens what the pin leads to now. Of a process: it was the same one when it was opened, since it still is. */
static int pin_open(const char *folder, const struct namespace_pin *pin, int netlink_fd, int32_t *ret_nsid, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int r = pin_path(folder, pin->dir, pin->name, path);

	if (r == 0)
		r = namespace_open(path, &fd);
	if (r == 0 && pin->dir == NAMESPACE_DIR_PROC && !process_is_still(folder, &pin->process))
		r = -ESRCH;
	if (r == 0)
		r = netlink_nsid(netlink_fd, fd, ret_nsid, NULL);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int pin_keep(struct namespace_pins *pins, const struct namespace_pin *pin)
{
	AUTO_FREE char *name = strdup(pin->name);
	struct namespace_pin *slot = name ? array_append(pins) : NULL;

	if (!slot)
		return -ENOMEM;
	*slot = *pin;
	slot->name = TAKE(name);
	return 0;
}

struct pins_reader {
	const char *const *dirs;
	int netlink_fd;
	struct map *known; /* "DIR NAME" → a namespace_pin; NULL: nothing */
	struct namespace_pins *pins;
};
/* The number of the folder and a space stand before the name. */
#define PIN_KEY_MAX (NAME_MAX + 16)

static void pin_key(const struct namespace_pin *pin, char key[PIN_KEY_MAX])
{
	snprintf(key, PIN_KEY_MAX, "%d %s", pin->dir, pin->name);
}

static int known_map(const struct namespace_pins *known, struct map **ret_map)
{
	struct map *map = map_new();
	char key[PIN_KEY_MAX];
	int r = map ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < known->count; i++) {
		pin_key(&known->items[i], key);
		r = map_set_text(map, key, &known->items[i], NULL);
	}
	if (r < 0) {
		map_free(map, NULL);
		return r;
	}
	*ret_map = map;
	return 0;
}

/* 0 also when there is no such namespace any more, or it has no number here. */
static int pin_read(struct pins_reader *reader, struct namespace_pin *pin)
{
	const char *folder = reader->dirs[pin->dir];
	AUTO_CLOSE int fd = -1;
	char key[PIN_KEY_MAX];
	const struct namespace_pin *known;
	int r;

	pin_key(pin, key);
	known = reader->known ? map_get_text(reader->known, key) : NULL;
	if (known && (pin->process.start == 0 || pin->process.start == known->process.start))
		return pin_keep(reader->pins, known);
	if (pin->dir == NAMESPACE_DIR_PROC && pin->process.start == 0 &&
	    process_start(folder, pin->process.pid, &pin->process.start) < 0)
		return 0;
	r = pin_open(folder, pin, reader->netlink_fd, &pin->nsid, &fd);
	if (r == 0)
		return pin_keep(reader->pins, pin);
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
}

static int pins_read_dir(struct pins_reader *reader, enum namespace_dir dir)
{
	DIR *listing = opendir(reader->dirs[dir]);
	const struct dirent *item;
	int r = 0;

	if (!listing)
		return 0;
	for (size_t count = 0; r == 0 && (item = readdir(listing));) {
		struct namespace_pin pin = {.dir = dir, .name = (char *)item->d_name};

		if (item->d_name[0] == '.')
			continue;
		if (++count > NAMESPACE_PINS_MAX) {
			reader->pins->cut = true;
			break;
		}
		r = pin_read(reader, &pin);
	}
	closedir(listing);
	return r;
}

static int pins_read_processes(struct pins_reader *reader, const struct processes *processes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < processes->count; i++) {
		char name[16];
		struct namespace_pin pin = {.dir = NAMESPACE_DIR_PROC, .name = name, .process = processes->items[i]};

		if (i == NAMESPACE_PINS_MAX) {
			reader->pins->cut = true;
			break;
		}
		snprintf(name, sizeof(name), "%d", pin.process.pid);
		r = pin_read(reader, &pin);
	}
	return r;
}

int namespace_pins_read(const char *const dirs[NAMESPACE_DIR_MAX], const struct processes *processes, int netlink_fd,
			const struct namespace_pins *known, struct namespace_pins *ret_pins)
{
	struct namespace_pins pins = {0};
	struct pins_reader reader = {.dirs = dirs, .netlink_fd = netlink_fd, .pins = &pins};
	int r = known ? known_map(known, &reader.known) : 0;

	for (int dir = 0; r == 0 && dir < NAMESPACE_DIR_MAX; dir++) {
		if (dirs[dir] && dir != NAMESPACE_DIR_PROC)
			r = pins_read_dir(&reader, (enum namespace_dir)dir);
	}
	if (r == 0 && dirs[NAMESPACE_DIR_PROC])
		r = pins_read_processes(&reader, processes);
	map_free(reader.known, NULL);
	if (r < 0) {
		namespace_pins_free(&pins);
		return r;
	}
	if (pins.count > 0)
		qsort(pins.items, pins.count, sizeof(*pins.items), pin_compare);
	*ret_pins = pins;
	return 0;
}

void namespace_free(struct namespace *namespace)
{
	namespace_pins_free(&namespace->pins);
	namespace->cookie = 0;
	namespace->nsid = -1;
}

const char *namespace_pin(const struct namespace *namespace, enum namespace_dir dir)
{
	for (size_t i = 0; i < namespace->pins.count; i++) {
		if (namespace->pins.items[i].dir == dir)
			return namespace->pins.items[i].name;
	}
	return NULL;
}

/* The first pin of the number: they are in the order of these. */
static size_t pins_first(const struct namespace_pins *pins, int32_t nsid)
{
	size_t low = 0, high = pins->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pins->items[middle].nsid < nsid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool namespace_has_pin(const struct namespace *namespace, const struct namespace_pin *pin)
{
	for (size_t i = 0; i < namespace->pins.count; i++) {
		const struct namespace_pin *own = &namespace->pins.items[i];

		if (own->dir == pin->dir && strcmp(own->name, pin->name) == 0 &&
		    own->process.start == pin->process.start)
			return true;
	}
	return false;
}

bool namespace_has_more(const struct namespace *namespace, const struct namespace_pins *pins)
{
	size_t first = pins_first(pins, namespace->nsid);

	for (size_t i = first; i < pins->count && pins->items[i].nsid == namespace->nsid; i++) {
		if (i - first < NAMESPACE_NAMES_MAX && !namespace_has_pin(namespace, &pins->items[i]))
			return true;
	}
	return false;
}

bool namespace_has_process(const struct namespace *namespace, const struct process *process)
{
	for (size_t i = 0; i < namespace->pins.count; i++) {
		const struct namespace_pin *pin = &namespace->pins.items[i];

		if (pin->dir == NAMESPACE_DIR_PROC && pin->process.pid == process->pid &&
		    pin->process.start == process->start)
			return true;
	}
	return false;
}

/* While both are open, one inode number is one namespace. */
static bool same_file(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* The pin may have gone, or lead elsewhere by now: what counts is what is opened here. */
static int pin_check(const char *folder, const struct namespace_pin *pin, int netlink_fd, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	int32_t nsid = -1;
	int r = pin_open(folder, pin, netlink_fd, &nsid, &fd);

	if (r < 0)
		return r;
	if (nsid != pin->nsid)
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int namespace_find(const char *const dirs[NAMESPACE_DIR_MAX], int netlink_fd, const struct namespace_pins *pins,
		   int32_t nsid, struct namespace *ret_namespace, int *ret_fd)
{
	struct namespace found = {.nsid = nsid};
	AUTO_CLOSE int found_fd = -1;
	int r = 0;

	for (size_t i = pins_first(pins, nsid); i < pins->count && pins->items[i].nsid == nsid; i++) {
		const struct namespace_pin *pin = &pins->items[i];
		AUTO_CLOSE int fd = -1;

		if (found.pins.count == NAMESPACE_NAMES_MAX)
			break;
		if (pin_check(dirs[pin->dir], pin, netlink_fd, &fd) < 0)
			continue;
		if (found_fd < 0 && namespace_cookie(fd, &found.cookie) == 0)
			found_fd = TAKE_FD(fd);
		else if (found_fd < 0 || !same_file(fd, found_fd))
			continue;
		r = pin_keep(&found.pins, pin);
		if (r < 0) {
			namespace_free(&found);
			return r;
		}
	}
	if (found_fd < 0)
		return -ENOENT;
	*ret_namespace = found;
	*ret_fd = TAKE_FD(found_fd);
	return 0;
}

void peer_free(struct peer *peer)
{
	array_free(&peer->addrs);
	*peer = (struct peer){0};
}

int peer_read(int ns_fd, uint32_t peer_ifindex, uint32_t ifindex, struct peer *ret_peer, struct error *error)
{
	AUTO_CLOSE int fd = -1;
	struct peer peer = {0};
	struct link link;
	int r = namespace_netlink(ns_fd, NETLINK_ROUTE, &fd);

	if (r < 0)
		return error_set(error, r, "cannot enter the namespace: %s", strerror(-r));
	r = link_get(fd, peer_ifindex, &link, error);
	if (r < 0)
		return r;
	if (link.kind != LINK_VETH || link.below != ifindex || !link.elsewhere)
		return error_set(error, -ENODEV, "link %u in there is not the other end", peer_ifindex);
	/* Its addresses may change while they are read, as often as the container likes: then the next look has them.
	 */
	r = link_dump_addrs(fd, peer_ifindex, LINK_FOREIGN_MAX, &peer.addrs, error);
	if (r < 0 && r != -E2BIG && r != -EAGAIN)
		return r;
	peer.cut = r == -E2BIG;
	memcpy(peer.name, link.name, sizeof(peer.name));
	peer.mac = link.mac;
	peer.has_mac = link.has_mac;
	peer.carrier = link.carrier;
	*ret_peer = peer;
	return 0;
}
