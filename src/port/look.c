/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking at one port: which namespace holds its other end, whose that is, which addresses it has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "runtime_adopted.h"
#include "watch.h"

const struct runtime *const runtimes[RUNTIME_COUNT] = {
	[RUNTIME_ADOPTED] = &runtime_adopted,
	[RUNTIME_DOCKER] = &runtime_docker,
	[RUNTIME_CONTAINERD] = &runtime_containerd,
	[RUNTIME_CRIO] = &runtime_crio,
	[RUNTIME_PODMAN] = &runtime_podman,
	[RUNTIME_LXC] = &runtime_lxc,
	[RUNTIME_NSPAWN] = &runtime_nspawn,
	[RUNTIME_RUNC] = &runtime_runc,
	[RUNTIME_CRUN] = &runtime_crun,
	[RUNTIME_NETNS] = &runtime_netns,
	[RUNTIME_CNI] = &runtime_cni,
};

static void missing(struct entry *entry, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void missing(struct entry *entry, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(entry->missing, sizeof(entry->missing), format, list);
	va_end(list);
}

/* A container can move its end into a namespace of its own and back, again and again, and each time its port closes and
 * opens: work for every gate. After LOSSES_MAX times in LOSSES_MS it stays closed for LOSSES_MS. */
#define LOSSES_MAX 8
#define LOSSES_MS  10000

static void entry_lost(struct entry *entry)
{
	int64_t now_ms = monotonic_ms();

	if (now_ms - entry->lost_ms > LOSSES_MS) {
		entry->lost_ms = now_ms;
		entry->losses = 0;
	}
	if (++entry->losses >= LOSSES_MAX) {
		entry->rest_until_ms = now_ms + LOSSES_MS;
		missing(entry, "its other end comes and goes too often: closed for a while");
	}
}

void entry_forget(struct entry *entry)
{
	entry->adopted = false;
	entry->runtime = NULL;
	entry->has_mac = false;
	evidence_free(&entry->evidence);
	array_free(&entry->strong);
	array_free(&entry->weak);
	array_free(&entry->own);
}

void entry_look_now(struct entry *entry)
{
	entry->look = true;
	entry->looks = 0;
}

/* Another namespace is behind the link: another port, whatever its name and number. */
static void entry_renew(struct port_watch *watch, struct entry *entry)
{
	entry_forget(entry);
	entry->key = ++watch->last_key;
	entry->existed_at_start = false;
	entry->first_ms = monotonic_ms();
	entry->looks = 0;
	entry->since = 0;
}

static int processes_read(struct port_watch *watch, struct processes *processes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < RUNTIME_COUNT; i++) {
		if (runtimes[i]->pins && watch->states[i])
			r = runtimes[i]->pins(watch->states[i], processes);
	}
	return r;
}

/* Once a scan, and once more when what was known does not lead to a namespace: `anew` believes nothing. */
static int pins_get(struct port_watch *watch, bool anew)
{
	struct processes processes = {0};
	struct namespace_pins pins;
	int r;

	if (watch->has_pins && (watch->pins_anew || !anew))
		return 0;
	r = processes_read(watch, &processes);
	if (r == 0)
		r = namespace_pins_read(watch->dirs, &processes, watch->netlink_fd, anew ? NULL : &watch->pins, &pins);
	array_free(&processes);
	if (r < 0)
		return r;
	namespace_pins_free(&watch->pins);
	watch->pins = pins;
	watch->has_pins = true;
	watch->pins_anew = anew;
	watch->pins_cut = watch->pins.cut;
	return 0;
}

int watch_namespace(struct port_watch *watch, int32_t nsid, struct namespace *ret_namespace, int *ret_fd)
{
	int r = -ENOENT;

	for (int anew = 0; anew < 2 && r == -ENOENT; anew++) {
		r = pins_get(watch, anew);
		if (r == 0)
			r = namespace_find(watch->dirs, watch->netlink_fd, &watch->pins, nsid, ret_namespace, ret_fd);
	}
	return r == -ENOENT ? adopted_namespace(watch, nsid, ret_namespace, ret_fd) : r;
}

/* A port that is known is asked for again when a runtime has news: perhaps another of its processes is in there. */
static bool has_more_pins(struct port_watch *watch, const struct entry *entry)
{
	return pins_get(watch, false) == 0 && namespace_has_more(&entry->namespace, &watch->pins);
}

/* Finds the namespace behind the link and reads the other end in there. 0 or -errno with `missing`. */
static int entry_resolve(struct port_watch *watch, struct entry *entry)
{
	struct namespace namespace = {0};
	struct peer peer = {0};
	struct error error = {0};
	AUTO_CLOSE int fd = -1;
	int r = watch_namespace(watch, entry->link.nsid, &namespace, &fd);

	entry->verified = false;
	if (r < 0) {
		missing(entry, r == -ENOENT ? "no runtime that is known has its namespace" : "%s", strerror(-r));
		if (entry->state == PORT_IDENTIFIED)
			entry_lost(entry);
		return r;
	}
	r = peer_read(fd, entry->link.below, entry->link.ifindex, &peer, &error);
	if (r < 0) {
		missing(entry, "its other end can't be read: %.100s", error.text);
		namespace_free(&namespace);
		return r;
	}
	if (entry->namespace.cookie && entry->namespace.cookie != namespace.cookie)
		entry_renew(watch, entry);
	namespace_free(&entry->namespace);
	peer_free(&entry->peer);
	entry->namespace = namespace;
	entry->peer = peer;
	entry->verified = true;
	return 0;
}

/* What fails once may be a moment's want of memory or descriptors: an open port is not closed for it. */
static int entry_resolve_surely(struct port_watch *watch, struct entry *entry)
{
	int r = entry_resolve(watch, entry);

	if (r == 0 || r == -ENOENT || !entry->adopted)
		return r;
	r = entry_resolve(watch, entry);
	if (r == 0)
		entry->missing[0] = '\0';
	return r;
}

int evidence_owner(const struct runtime_question *question, const char *name, const char *runtime,
		   struct evidence *evidence, char reason[REASON_MAX])
{
	struct owner *owner = &evidence->owner;

	owner->name = evidence_text(name, PORT_NAME_MAX, "name", reason);
	if (!owner->name)
		return -EINVAL;
	owner->runtime = strdup(runtime);
	owner->network = question->bridge ? strdup(question->bridge->name) : NULL;
	if (!owner->runtime || (question->bridge && !owner->network))
		return -ENOMEM;
	evidence->has_owner = true;
	return 0;
}

/* The first runtime that has anything to say. */
static enum runtime_answer runtimes_ask(struct port_watch *watch, struct entry *entry, struct evidence *evidence,
					const struct runtime **ret_runtime)
{
	const struct runtime_question question = {
		.link = &entry->link,
		.bridge = link_find(&watch->links, entry->link.master),
		.namespace = &entry->namespace,
		.peer = &entry->peer,
		.host_addrs = &watch->addrs,
		.adopted = entry->adopted,
		.since_ms = entry->first_ms,
	};

	for (size_t i = 0; i < RUNTIME_COUNT; i++) {
		char reason[REASON_MAX] = "";
		enum runtime_answer answer = runtimes[i]->ask(watch->states[i], &question, evidence, reason);

		if (answer == RUNTIME_NOT_MINE) {
			evidence_free(evidence);
			continue;
		}
		if (answer == RUNTIME_OWNS && runtimes[i] == &runtime_adopted)
			answer = adopted_complete(watch, &question, evidence, reason);
		if (answer == RUNTIME_PENDING)
			missing(entry, "%s", reason);
		*ret_runtime = runtimes[i];
		return answer;
	}
	missing(entry, "no runtime knows its namespace");
	return RUNTIME_NOT_MINE;
}

static int claim_more(struct port_watch *watch, struct entry *entry, char reason[REASON_MAX])
{
	struct claim claim = {
		.link = &entry->link,
		.bridge = link_find(&watch->links, entry->link.master),
		.host_addrs = &watch->addrs,
		.routes = &watch->routes,
	};
	int r = 0;

	if (!watch->has_routes) {
		r = link_dump_routes(watch->netlink_fd, &watch->routes, NULL);
		if (r < 0)
			return r;
		watch->has_routes = true;
	}
	return claim_first(&claim, &entry->peer, !entry->evidence.claim, &entry->strong, &entry->weak, reason);
}

static int adopt_addresses(struct port_watch *watch, struct entry *entry, char reason[REASON_MAX])
{
	const struct evidence *evidence = &entry->evidence;
	struct addr link_local = addr_link_local(&entry->mac);
	int r = 0;

	for (size_t i = 0; i < evidence->addresses.count && r == 0; i++)
		r = port_addrs_add(&entry->strong, &evidence->addresses.items[i]);
	if (r == 0)
		r = port_addrs_add(evidence->claim ? &entry->weak : &entry->strong, &link_local);
	return r == 0 ? claim_more(watch, entry, reason) : r;
}

static bool has_one(const struct port_addrs *addrs)
{
	for (size_t i = 0; i < addrs->count; i++) {
		if (!addr_is_link_local(&addrs->items[i]))
			return true;
	}
	return false;
}

/* Addresses are mostly set a moment later, and a port is better opened with all that it has. But who has none, or a
 * link-local one, may be waiting for DHCP, which gets through an open port only. */
#define NO_ADDRESS_GRACE_MS 500

/* `reason`: an address was claimed, and refused. */
static bool has_enough(const struct entry *entry, const char *reason)
{
	if (has_one(&entry->strong) || has_one(&entry->weak))
		return true;
	if (monotonic_ms() - entry->first_ms < NO_ADDRESS_GRACE_MS)
		return false;
	if (!reason[0] && !entry->peer.cut)
		return true;
	for (size_t i = 0; i < entry->peer.addrs.count; i++) {
		if (addr_is_link_local(&entry->peer.addrs.items[i].addr))
			return true;
	}
	return false;
}

/* The moment at which addresses and MAC are frozen. */
static void entry_adopt(struct port_watch *watch, struct entry *entry)
{
	const struct evidence *evidence = &entry->evidence;
	char reason[REASON_MAX] = "";
	int r;

	if (evidence->claim && !entry->link.carrier) {
		missing(entry, "its link is down");
		entry_forget(entry);
		return;
	}
	entry->has_mac = evidence->has_mac || entry->peer.has_mac;
	entry->mac = evidence->has_mac ? evidence->mac : entry->peer.mac;
	r = entry->has_mac ? adopt_addresses(watch, entry, reason) : -ENODATA;
	if (r == -ENOSPC) {
		watch->addresses_cut = true;
		r = 0;
	}
	if (r < 0) {
		missing(entry, "%s", r == -ENODATA ? "its other end has no MAC address" : strerror(-r));
		entry_forget(entry);
	} else if (!has_enough(entry, reason)) {
		missing(entry, "%s",
			reason[0]	  ? reason
			: entry->peer.cut ? "it has more addresses than are read"
					  : "it has no address yet");
		entry_forget(entry);
	} else {
		entry->adopted = true;
		entry->order = ++watch->last_order;
		entry->missing[0] = '\0';
	}
}

static bool is_anothers(const struct port_watch *watch, const struct entry *entry, const struct addr *addr)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *other = watch->entries.items[i];

		if (other != entry && other->adopted && other->link.master == entry->link.master &&
		    (port_addrs_hold(&other->strong, addr) || port_addrs_hold(&other->weak, addr)))
			return true;
	}
	return false;
}

/* A claim that comes after adoption is younger than what all others have, though the port may be older. */
static void claim_later(struct port_watch *watch, struct entry *entry)
{
	size_t kept = entry->weak.count;
	char reason[REASON_MAX];

	if (claim_more(watch, entry, reason) == -ENOSPC)
		watch->addresses_cut = true;
	for (size_t i = kept; i < entry->weak.count; i++) {
		if (!is_anothers(watch, entry, &entry->weak.items[i]))
			entry->weak.items[kept++] = entry->weak.items[i];
	}
	entry->weak.count = kept;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What was adopted stays: names, labels and published ports may be news, addresses may not. But the runtime's word,
 * when there is one at last, goes before what was claimed. */
static void entry_update(struct port_watch *watch, struct entry *entry, const struct runtime *runtime,
			 struct evidence *evidence)
{
	if (entry->adopted && (runtime != entry->runtime || !same_text(evidence->owner.id, entry->evidence.owner.id) ||
			       (entry->evidence.claim && !evidence->claim)))
		entry_forget(entry);
	evidence_free(&entry->evidence);
	entry->evidence = *evidence;
	*evidence = (struct evidence){0};
	entry->runtime = runtime;
	if (!entry->adopted)
		entry_adopt(watch, entry);
	else if (entry->evidence.claim)
		claim_later(watch, entry);
}

void entry_look(struct port_watch *watch, struct entry *entry)
{
	struct evidence evidence = {0};
	const struct runtime *runtime = NULL;

	if (!entry->link.elsewhere) {
		/* Come back from where it was: whoever is behind it next is another. */
		if (entry->namespace.cookie)
			entry_renew(watch, entry);
		namespace_free(&entry->namespace);
		return;
	}
	if (entry->link.nsid < 0) {
		entry->verified = false;
		missing(entry, "its other end's namespace has no number here");
		return;
	}
	/* It claimed what is another's, and was denied: what it has now is its first claim again. */
	if (entry->state == PORT_CONFLICT && entry->evidence.claim)
		entry_forget(entry);
	/* A port by claim is read again each time: it may have an address of another family by now. */
	if ((!entry->verified || !entry->adopted || entry->evidence.claim || has_more_pins(watch, entry)) &&
	    entry_resolve_surely(watch, entry) < 0)
		return;
	switch (runtimes_ask(watch, entry, &evidence, &runtime)) {
	case RUNTIME_OWNS:
		entry_update(watch, entry, runtime, &evidence);
		break;
	case RUNTIME_PENDING: /* what was known of an adopted port stays true; its labels were not */
		if (entry->evidence.unlabelled)
			entry_forget(entry);
		break;
	case RUNTIME_NOT_MINE: /* what was known stays true, too: the runtime may be restarting */
	case RUNTIME_ANSWER_MAX:
		break;
	}
	evidence_free(&evidence);
}
