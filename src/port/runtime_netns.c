/* SPDX-License-Identifier: GPL-2.0-only */
/* Named network namespaces, as `ip netns` makes them. There is no engine behind them: the name is the container, its
 * addresses are the first claim, and labels come from a file that only root can write. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "cni_cache.h"
#include "runtime_netns.h"
#include "watch.h"

/* A file of labels: 64 KiB hold the 256 labels that are kept many times over. */
#define META_SIZE_MAX 65536u

struct netns {
	struct port_watch *watch;
	size_t bad_files; /* of the last looks */
	char bad_file[REASON_MAX];
};

static int netns_start(struct port_watch *watch, void **ret_state)
{
	struct netns *netns = calloc(1, sizeof(*netns));

	if (!netns)
		return -ENOMEM;
	netns->watch = watch;
	*ret_state = netns;
	return 0;
}

static void netns_stop(void *state)
{
	free(state);
}

static void netns_refresh(void *state)
{
	struct netns *netns = state;

	netns->bad_files = 0;
	netns->bad_file[0] = '\0';
}

/* "1b4e28ba-2fa1-11d2-883f-0016d3cca427" */
static bool is_uuid(const char *text)
{
	static const size_t dashes[] = {8, 13, 18, 23};

	if (strlen(text) != 36 || strspn(text, "0123456789abcdefABCDEF-") != 36)
		return false;
	for (size_t i = 0; i < sizeof(dashes) / sizeof(*dashes); i++) {
		if (text[dashes[i]] != '-')
			return false;
	}
	return true;
}

/* Podman puts "netns-" before a UUID, containerd (for pods) and Podman 3 "cni-", CRI-O and Nomad nothing. */
bool netns_name_is_an_engines(const char *name)
{
	static const char *const prefixes[] = {"netns-", "cni-", ""};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 && is_uuid(name + strlen(prefixes[i])))
			return true;
	}
	return false;
}

static int meta_text(const json_t *meta, const char *key, char **to, char reason[REASON_MAX])
{
	const json_t *value = json_object_get(meta, key);

	if (!value)
		return 0;
	if (!json_is_string(value)) {
		snprintf(reason, REASON_MAX, "its file of labels: '%s' is no text", key);
		return -EINVAL;
	}
	*to = evidence_text(json_string_value(value), PORT_VALUE_MAX, key, reason);
	return *to ? 0 : -EINVAL;
}

int netns_meta_parse(const char *data, size_t size, struct owner *owner, char reason[REASON_MAX])
{
	json_t *meta = port_json_parse(data, size);
	int r;

	if (!json_is_object(meta)) {
		json_decref(meta);
		snprintf(reason, REASON_MAX, "its file of labels is no JSON object");
		return -EINVAL;
	}
	r = evidence_labels(json_object_get(meta, "labels"), owner, reason);
	if (r == 0)
		r = meta_text(meta, "image", &owner->image, reason);
	if (r == 0)
		r = meta_text(meta, "namespace", &owner->namespace, reason);
	json_decref(meta);
	return r;
}

static int meta_read(const struct netns *netns, const char *name, struct owner *owner, char reason[REASON_MAX])
{
	const char *folder = netns->watch->options.netns_meta_dir;
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;
	int r;

	if (!folder || snprintf(path, sizeof(path), "%s/%s.json", folder, name) >= (int)sizeof(path))
		return 0;
	r = file_read_trusted(path, META_SIZE_MAX, &data, &size, NULL);
	if (r == -ENOENT)
		return 0;
	if (r == -EPERM)
		snprintf(reason, REASON_MAX, "its file of labels is not a regular file that only root can write");
	else if (r == -EFBIG)
		snprintf(reason, REASON_MAX, "its file of labels is larger than %u bytes", META_SIZE_MAX);
	else if (r < 0)
		snprintf(reason, REASON_MAX, "its file of labels can't be read: %s", strerror(-r));
	return r < 0 ? r : netns_meta_parse(data, size, owner, reason);
}

static int netns_owner(struct netns *netns, const char *name, struct owner *owner, char reason[REASON_MAX])
{
	owner->name = evidence_text(name, PORT_NAME_MAX, "name", reason);
	owner->runtime = owner->name ? strdup("netns") : NULL;
	if (!owner->name)
		return -EINVAL;
	if (!owner->runtime)
		return -ENOMEM;
	int r = meta_read(netns, name, owner, reason);
	if (r < 0) {
		netns->bad_files++;
		snprintf(netns->bad_file, sizeof(netns->bad_file), "%.60s: %.90s", owner->name, reason);
	}
	return r;
}

static enum runtime_answer netns_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				     char reason[REASON_MAX])
{
	struct netns *netns = state;
	const struct namespace *namespace = question->namespace;
	const struct cni_result *result;
	const char *name = NULL;

	if (namespace_pin(namespace, NAMESPACE_DIR_DOCKER))
		return RUNTIME_NOT_MINE;
	for (size_t i = 0; i < namespace->pins.count; i++) {
		const struct namespace_pin *pin = &namespace->pins.items[i];

		if (pin->dir != NAMESPACE_DIR_NETNS)
			continue;
		if (netns_name_is_an_engines(pin->name))
			return RUNTIME_NOT_MINE;
		if (!name)
			name = pin->name;
	}
	if (!name)
		return RUNTIME_NOT_MINE;
	if (netns_owner(netns, name, &evidence->owner, reason) < 0) {
		if (!reason[0])
			snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	evidence->has_owner = true;
	/* Made by hand and plugged in by CNI: then the addresses are known. */
	result = cni_cache_find(netns->watch->cni, question, NULL);
	if (result)
		return cni_result_evidence(result, evidence, reason) < 0 ? RUNTIME_PENDING : RUNTIME_OWNS;
	evidence->claim = true;
	return RUNTIME_OWNS;
}

static json_t *netns_status(void *state)
{
	const struct netns *netns = state;
	const char *folder = netns->watch->options.netns_dir;
	json_t *status = json_object();
	size_t count = 0;
	char escaped[REASON_MAX * 4];

	for (size_t i = 0; i < netns->watch->entries.count; i++)
		count += netns->watch->entries.items[i]->runtime == &runtime_netns;
	json_object_set_new(status, "reachable", json_boolean(folder && access(folder, R_OK | X_OK) == 0));
	json_object_set_new(status, "containers", json_integer((json_int_t)count));
	if (netns->bad_files > 0)
		json_object_set_new(status, "why", json_string(text_escape(escaped, sizeof(escaped), netns->bad_file)));
	return status;
}

const struct runtime runtime_netns = {
	.name = "netns",
	.start = netns_start,
	.stop = netns_stop,
	.refresh = netns_refresh,
	.ask = netns_ask,
	.status = netns_status,
};
