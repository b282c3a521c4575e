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

#include "base/file.h"
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

static int pin_add(struct namespace_pins *pins, enum namespace_dir dir, const char *name, int32_t nsid)
{
	AUTO_FREE char *copy = strdup(name);
	struct namespace_pin *pin = copy ? array_append(pins) : NULL;

	if (!pin)
		return -ENOMEM;
	*pin = (struct namespace_pin){.nsid = nsid, .dir = dir, .name = TAKE(copy)};
	return 0;
}

/* 0 also when there is no such namespace any more, or it has no number here. */
static int pin_read(const char *folder, enum namespace_dir dir, const char *name, int netlink_fd,
		    struct namespace_pins *pins)
{
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int32_t nsid;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) || namespace_open(path, &fd) < 0)
		return 0;
	int r = netlink_nsid(netlink_fd, fd, &nsid, NULL);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : pin_add(pins, dir, name, nsid);
}

static int pins_read_dir(const char *folder, enum namespace_dir dir, int netlink_fd, struct namespace_pins *pins)
{
	DIR *listing = opendir(folder);
	const struct dirent *item;
	int r = 0;

	if (!listing)
		return 0;
	for (size_t count = 0; r == 0 && (item = readdir(listing));) {
		if (item->d_name[0] == '.')
			continue;
		if (++count > NAMESPACE_PINS_MAX) {
			pins->cut = true;
			break;
		}
		r = pin_read(folder, dir, item->d_name, netlink_fd, pins);
	}
	closedir(listing);
	return r;
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

int namespace_pins_read(const char *const dirs[NAMESPACE_DIR_MAX], int netlink_fd, struct namespace_pins *ret_pins)
{
	struct namespace_pins pins = {0};

	for (int dir = 0; dir < NAMESPACE_DIR_MAX; dir++) {
		int r = dirs[dir] ? pins_read_dir(dirs[dir], (enum namespace_dir)dir, netlink_fd, &pins) : 0;

		if (r < 0) {
			namespace_pins_free(&pins);
			return r;
		}
	}
	if (pins.count > 0)
		qsort(pins.items, pins.count, sizeof(*pins.items), pin_compare);
	*ret_pins = pins;
	return 0;
}

void namespace_free(struct namespace *namespace)
{
	for (size_t i = 0; i < namespace->pins.count; i++)
		free(namespace->pins.items[i].name);
	array_free(&namespace->pins);
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

/* The pin may have gone, or lead elsewhere by now: what counts is what is opened here. */
static int pin_check(const char *folder, const struct namespace_pin *pin, int netlink_fd, uint64_t *ret_cookie,
		     int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int32_t nsid;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", folder, pin->name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = namespace_open(path, &fd);
	if (r < 0)
		return r;
	r = netlink_nsid(netlink_fd, fd, &nsid, NULL);
	if (r < 0)
		return r;
	if (nsid != pin->nsid)
		return -ENOENT;
	r = namespace_cookie(fd, ret_cookie);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int namespace_add_pin(struct namespace *namespace, const struct namespace_pin *pin)
{
	AUTO_FREE char *name = strdup(pin->name);
	struct namespace_pin *slot = name ? array_append(&namespace->pins) : NULL;

	if (!slot)
		return -ENOMEM;
	*slot = (struct namespace_pin){.nsid = pin->nsid, .dir = pin->dir, .name = TAKE(name)};
	return 0;
}

int namespace_find(const char *const dirs[NAMESPACE_DIR_MAX], int netlink_fd, const struct namespace_pins *pins,
		   int32_t nsid, struct namespace *ret_namespace, int *ret_fd)
{
	struct namespace found = {.nsid = nsid};
	AUTO_CLOSE int found_fd = -1;

	for (size_t i = 0; i < pins->count && found.pins.count < NAMESPACE_NAMES_MAX; i++) {
		const struct namespace_pin *pin = &pins->items[i];
		AUTO_CLOSE int fd = -1;
		uint64_t cookie;

		if (pin->nsid != nsid || pin_check(dirs[pin->dir], pin, netlink_fd, &cookie, &fd) < 0)
			continue;
		if (found_fd < 0) {
			found.cookie = cookie;
			found_fd = TAKE_FD(fd);
		}
		int r = cookie == found.cookie ? namespace_add_pin(&found, pin) : 0;
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
