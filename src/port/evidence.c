/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "evidence.h"

void owner_free(struct owner *owner)
{
	free(owner->id);
	free(owner->name);
	free(owner->runtime);
	free(owner->image);
	free(owner->namespace);
	free(owner->cgroup);
	free(owner->network);
	for (size_t i = 0; i < owner->labels.count; i++) {
		free(owner->labels.items[i].key);
		free(owner->labels.items[i].value);
	}
	array_free(&owner->labels);
	*owner = (struct owner){0};
}

static int text_copy(const char *from, char **to)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int owner_add_label(struct owner *owner, const char *key, const char *value)
{
	AUTO_FREE char *key_copy = strdup(key);
	AUTO_FREE char *value_copy = strdup(value);
	struct port_text_pair *pair = key_copy && value_copy ? array_append(&owner->labels) : NULL;

	if (!pair)
		return -ENOMEM;
	pair->key = TAKE(key_copy);
	pair->value = TAKE(value_copy);
	return 0;
}

int owner_copy(const struct owner *from, struct owner *ret_owner)
{
	struct owner copy = {0};
	int r = 0;

	if (text_copy(from->id, &copy.id) < 0 || text_copy(from->name, &copy.name) < 0 ||
	    text_copy(from->runtime, &copy.runtime) < 0 || text_copy(from->image, &copy.image) < 0 ||
	    text_copy(from->namespace, &copy.namespace) < 0 || text_copy(from->cgroup, &copy.cgroup) < 0 ||
	    text_copy(from->network, &copy.network) < 0)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < from->labels.count; i++)
		r = owner_add_label(&copy, from->labels.items[i].key, from->labels.items[i].value);
	if (r < 0) {
		owner_free(&copy);
		return r;
	}
	*ret_owner = copy;
	return 0;
}

void owners_free(struct owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		owner_free(&owners->items[i]);
	array_free(owners);
}

int owners_copy(const struct owners *from, struct owners *ret_owners)
{
	struct owners copy = {0};

	for (size_t i = 0; i < from->count; i++) {
		struct owner *slot = array_append(&copy);

		if (!slot || owner_copy(&from->items[i], slot) < 0) {
			owners_free(&copy);
			return -ENOMEM;
		}
	}
	*ret_owners = copy;
	return 0;
}

static const char *id_of(const struct owner *owner)
{
	return owner->id ? owner->id : "";
}

int evidence_share(struct evidence *evidence, const struct owner *owner, char reason[REASON_MAX])
{
	struct owners *others = &evidence->others;
	struct owner copy;
	size_t at;

	if (others->count >= PORT_OTHERS_MAX) {
		snprintf(reason, REASON_MAX, "more than %u containers share its namespace", PORT_OTHERS_MAX);
		return -E2BIG;
	}
	if (array_reserve(others, others->count + 1) < 0 || owner_copy(owner, &copy) < 0) {
		snprintf(reason, REASON_MAX, "out of memory");
		return -ENOMEM;
	}
	for (at = others->count++; at > 0 && strcmp(id_of(&others->items[at - 1]), id_of(owner)) > 0; at--)
		others->items[at] = others->items[at - 1];
	others->items[at] = copy;
	return 0;
}

void evidence_free(struct evidence *evidence)
{
	owner_free(&evidence->owner);
	owners_free(&evidence->others);
	free(evidence->cni);
	array_free(&evidence->addresses);
	array_free(&evidence->gateways);
	array_free(&evidence->published);
	*evidence = (struct evidence){0};
}

char *evidence_text(const char *text, size_t max, const char *what, char reason[REASON_MAX])
{
	size_t length = strnlen(text, max + 1);

	if (length > max)
		snprintf(reason, REASON_MAX, "its %s is longer than %zu bytes", what, max);
	else if (!text_is_utf8(text, length))
		snprintf(reason, REASON_MAX, "its %s is not UTF-8", what);
	else {
		char *copy = strdup(text);

		if (!copy)
			snprintf(reason, REASON_MAX, "out of memory");
		return copy;
	}
	return NULL;
}

int evidence_keep_text(const char *text, size_t max, const char *what, char **to, char reason[REASON_MAX])
{
	*to = evidence_text(text, max, what, reason);
	if (*to)
		return 0;
	return strlen(text) <= max && text_is_utf8(text, strlen(text)) ? -ENOMEM : -EINVAL;
}

static int label_check(const char *key, const json_t *value, char reason[REASON_MAX])
{
	char shown[64];

	if (!json_is_string(value)) {
		snprintf(reason, REASON_MAX, "its label '%s' is no text", text_escape(shown, sizeof(shown), key));
		return -EINVAL;
	}
	if (strlen(key) > PORT_VALUE_MAX || json_string_length(value) > PORT_VALUE_MAX) {
		snprintf(reason, REASON_MAX, "its label '%s' is longer than %u bytes",
			 text_escape(shown, sizeof(shown), key), PORT_VALUE_MAX);
		return -E2BIG;
	}
	/* jansson refuses NUL and broken UTF-8 when it parses. */
	return 0;
}

static int label_compare(const void *a, const void *b)
{
	const struct port_text_pair *left = a, *right = b;

	return strcmp(left->key, right->key);
}

int evidence_labels(const json_t *labels, struct owner *owner, char reason[REASON_MAX])
{
	void *at;
	int r;

	if (!labels || json_is_null(labels))
		return 0;
	if (!json_is_object(labels)) {
		snprintf(reason, REASON_MAX, "its labels are no mapping");
		return -EINVAL;
	}
	if (json_object_size(labels) > PORT_LABELS_MAX) {
		snprintf(reason, REASON_MAX, "it has more than %u labels", PORT_LABELS_MAX);
		return -E2BIG;
	}
	/* jansson's own iteration has no const form; nothing is changed. */
	for (at = json_object_iter((json_t *)labels); at; at = json_object_iter_next((json_t *)labels, at)) {
		const json_t *value = json_object_iter_value(at);

		r = label_check(json_object_iter_key(at), value, reason);
		if (r < 0)
			return r;
		if (owner_add_label(owner, json_object_iter_key(at), json_string_value(value)) < 0) {
			snprintf(reason, REASON_MAX, "out of memory");
			return -ENOMEM;
		}
	}
	if (owner->labels.count > 0)
		qsort(owner->labels.items, owner->labels.count, sizeof(*owner->labels.items), label_compare);
	return 0;
}

bool port_addrs_hold(const struct port_addrs *addrs, const struct addr *addr)
{
	for (size_t i = 0; i < addrs->count; i++) {
		if (addr_equal(&addrs->items[i], addr))
			return true;
	}
	return false;
}

int port_addrs_add(struct port_addrs *addrs, const struct addr *addr)
{
	struct addr *slot;

	if (port_addrs_hold(addrs, addr))
		return 0;
	if (addrs->count >= PORT_ADDRESSES_MAX)
		return -ENOSPC;
	slot = array_append(addrs);
	if (!slot)
		return -ENOMEM;
	*slot = *addr;
	return 0;
}

int port_addrs_copy(const struct port_addrs *from, struct port_addrs *ret_addrs)
{
	struct port_addrs copy = {0};

	if (from->count > 0) {
		if (array_reserve(&copy, from->count) < 0)
			return -ENOMEM;
		memcpy(copy.items, from->items, from->count * sizeof(*from->items));
		copy.count = from->count;
	}
	*ret_addrs = copy;
	return 0;
}

const char *port_json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_t *port_json_parse(const char *data, size_t size)
{
	return json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
}

struct addr addr_link_local(const struct mac *mac)
{
	const uint8_t *m = mac->bytes;
	const uint8_t bytes[16] = {
		0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5],
	};

	return addr_from_bytes(ADDR_V6, bytes);
}

bool addr_is_link_local(const struct addr *addr)
{
	return addr->family == ADDR_V6 && addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

bool addr_is_unusable(const struct addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zero[16];

	if (addr->family == ADDR_V4)
		return addr->bytes[0] == 0 || addr->bytes[0] == 127 || addr->bytes[0] >= 224;
	if (addr->family != ADDR_V6)
		return true;
	return addr->bytes[0] == 0xff || memcmp(addr->bytes, mapped, sizeof(mapped)) == 0 ||
	       /* ::, ::1 and the rest of the v4-compatible ones */
	       memcmp(addr->bytes, zero, 12) == 0;
}
