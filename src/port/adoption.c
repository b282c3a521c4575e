/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adoption.h"
#include "base/file.h"
#include "base/text.h"
#include "engine.h"

#define RUNTIME_DEFAULT "adopt"
#define RUNTIME_MAX	32u

static const char *const word_keys[] = {"name",	  "id",	       "runtime",  "image", "namespace", "network",
					"labels", "addresses", "gateways", "mac",   "pid"};
#define WORD_KEYS (sizeof(word_keys) / sizeof(*word_keys))

void adoption_free(struct adoption *adoption)
{
	port_site_free(&adoption->site);
	evidence_free(&adoption->word);
	free(adoption->text);
	*adoption = (struct adoption){0};
}

/* ---- Words ---- */

static int word_text(const json_t *words, const char *key, size_t max, char **to, char reason[REASON_MAX])
{
	const json_t *value = json_object_get(words, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || json_string_length(value) == 0) {
		snprintf(reason, REASON_MAX, "'%s' is no text", key);
		return -EINVAL;
	}
	*to = evidence_text(json_string_value(value), max, key, reason);
	return *to ? 0 : -EINVAL;
}

static bool is_runtime(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= RUNTIME_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int words_owner(const json_t *words, struct adoption *adoption, char reason[REASON_MAX])
{
	struct owner *owner = &adoption->word.owner;
	const struct {
		const char *key;
		size_t max;
		char **to;
	} texts[] = {
		{"name", PORT_NAME_MAX, &owner->name},
		{"id", PORT_NAME_MAX, &owner->id},
		{"runtime", RUNTIME_MAX, &owner->runtime},
		{"image", PORT_VALUE_MAX, &owner->image},
		{"namespace", PORT_VALUE_MAX, &owner->namespace},
		{"network", PORT_NAME_MAX, &owner->network},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(*texts); i++)
		r = word_text(words, texts[i].key, texts[i].max, texts[i].to, reason);
	if (r < 0)
		return r;
	if (!owner->name) {
		snprintf(reason, REASON_MAX, "'name' is missing");
		return -EINVAL;
	}
	if (!owner->runtime && !(owner->runtime = strdup(RUNTIME_DEFAULT)))
		return -ENOMEM;
	if (!is_runtime(owner->runtime)) {
		snprintf(reason, REASON_MAX, "'runtime' is not 1 to %u letters, digits and hyphens, all of them small",
			 RUNTIME_MAX);
		return -EINVAL;
	}
	adoption->has_labels = json_is_object(json_object_get(words, "labels"));
	return evidence_labels(json_object_get(words, "labels"), owner, reason);
}

/* The network that an address stands in, the first of each family. */
static void subnet_note(struct evidence *word, const char *text)
{
	struct prefix subnet;
	bool host_bits;

	if (!strchr(text, '/') || prefix_parse(text, &subnet, &host_bits) < 0 ||
	    subnet.length == addr_bits(&subnet.addr))
		return;
	for (size_t i = 0; i < word->subnet_count; i++) {
		if (word->subnets[i].addr.family == subnet.addr.family)
			return;
	}
	word->subnets[word->subnet_count++] = subnet;
}

static int words_addrs(const json_t *words, const char *key, struct port_addrs *addrs, struct evidence *subnets_of,
		       char reason[REASON_MAX])
{
	const json_t *list = json_object_get(words, key), *item;
	char shown[64];
	size_t i;

	if (list && !json_is_array(list)) {
		snprintf(reason, REASON_MAX, "'%s' is no list", key);
		return -EINVAL;
	}
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);
		int r = text && text[0] ? engine_add_addr(addrs, text) : -EINVAL;

		if (r == -ENOMEM)
			return r;
		if (r == -ENOSPC)
			snprintf(reason, REASON_MAX, "more than %u %s", PORT_ADDRESSES_MAX, key);
		else if (r < 0)
			snprintf(reason, REASON_MAX, "'%s' in '%s' is no address that a container can have",
				 text_escape(shown, sizeof(shown), text ? text : ""), key);
		if (r < 0)
			return -EINVAL;
		if (subnets_of)
			subnet_note(subnets_of, text);
	}
	return 0;
}

static int words_mac(const json_t *words, struct evidence *word, char reason[REASON_MAX])
{
	static const struct mac zero;
	const json_t *value = json_object_get(words, "mac");

	if (!value)
		return 0;
	if (!json_is_string(value) || mac_parse(json_string_value(value), &word->mac) < 0 || word->mac.bytes[0] & 1 ||
	    memcmp(&word->mac, &zero, sizeof(zero)) == 0) {
		snprintf(reason, REASON_MAX, "'mac' is no address that an interface can have");
		return -EINVAL;
	}
	word->has_mac = true;
	return 0;
}

static int words_process(const json_t *words, struct adoption *adoption, char reason[REASON_MAX])
{
	const json_t *value = json_object_get(words, "pid");
	json_int_t pid = json_integer_value(value);

	if (value && (pid <= 0 || pid > INT32_MAX)) {
		snprintf(reason, REASON_MAX, "'pid' is no number that a process can have");
		return -EINVAL;
	}
	adoption->process.pid = (int32_t)pid;
	return 0;
}

int adoption_parse(const json_t *words, struct adoption *ret_adoption, char reason[REASON_MAX])
{
	struct adoption adoption = {.nsid = -1};
	struct evidence *word = &adoption.word;
	int r;

	reason[0] = '\0';
	r = words_owner(words, &adoption, reason);
	if (r == 0)
		r = words_addrs(words, "addresses", &word->addresses, word, reason);
	if (r == 0)
		r = words_addrs(words, "gateways", &word->gateways, NULL, reason);
	if (r == 0)
		r = words_mac(words, word, reason);
	if (r == 0)
		r = words_process(words, &adoption, reason);
	if (r < 0) {
		adoption_free(&adoption);
		return r == -E2BIG ? -EINVAL : r;
	}
	word->has_owner = true;
	word->claim = word->addresses.count == 0;
	*ret_adoption = adoption;
	return 0;
}

/* ---- The record ---- */

static int record_site(const struct adoption *adoption, json_t *record)
{
	const struct port_site *site = &adoption->site;
	int r = 0;

	r |= json_object_set_new(record, "ifindex", json_integer(site->ifindex));
	r |= json_object_set_new(record, "cookie", json_integer((json_int_t)site->cookie));
	/* An interface's name may be any bytes: what JSON can't hold is left out, as it is for people only. */
	if (adoption->interface[0])
		(void)json_object_set_new(record, "interface", json_string(adoption->interface));
	if (site->netns)
		r |= json_object_set_new(record, "netns", json_string(site->netns));
	if (adoption->process.pid > 0)
		r |= json_object_set_new(record, "start", json_integer((json_int_t)adoption->process.start));
	return r ? -ENOMEM : 0;
}

int adoption_write(struct adoption *adoption, const json_t *words)
{
	json_t *old = adoption->text ? port_json_parse(adoption->text, strlen(adoption->text)) : NULL;
	json_t *record = json_object();
	char *text = NULL;
	int r = record ? record_site(adoption, record) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < WORD_KEYS; i++) {
		json_t *value = json_object_get(old ? old : words, word_keys[i]);

		if (value)
			r = json_object_set(record, word_keys[i], value);
	}
	if (r == 0)
		text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	json_decref(old);
	if (!text)
		return -ENOMEM;
	if (strlen(text) > ADOPTION_TEXT_MAX) {
		free(text);
		return -E2BIG;
	}
	free(adoption->text);
	adoption->text = text;
	return 0;
}

static int site_read(const json_t *record, struct adoption *adoption, char reason[REASON_MAX])
{
	json_int_t ifindex = json_integer_value(json_object_get(record, "ifindex"));
	json_int_t cookie = json_integer_value(json_object_get(record, "cookie"));
	json_int_t start = json_integer_value(json_object_get(record, "start"));
	const char *interface = port_json_text(record, "interface");

	if (ifindex < 0 || ifindex > INT32_MAX || cookie < 0 || (ifindex == 0 && cookie == 0) ||
	    strlen(interface) >= sizeof(adoption->interface)) {
		snprintf(reason, REASON_MAX, "it names no port");
		return -EINVAL;
	}
	if (adoption->process.pid > 0 && start <= 0) {
		snprintf(reason, REASON_MAX, "the start of its process is missing");
		return -EINVAL;
	}
	adoption->process.start = (uint64_t)start;
	adoption->site.ifindex = (uint32_t)ifindex;
	adoption->site.cookie = (uint64_t)cookie;
	strcpy(adoption->interface, interface);
	return word_text(record, "netns", PORT_VALUE_MAX, &adoption->site.netns, reason);
}

int adoption_read(const json_t *record, struct adoption *ret_adoption, char reason[REASON_MAX])
{
	struct adoption adoption;
	int r = adoption_parse(record, &adoption, reason);

	if (r < 0)
		return r;
	r = site_read(record, &adoption, reason);
	if (r == 0)
		r = adoption_write(&adoption, record);
	if (r < 0) {
		adoption_free(&adoption);
		return r;
	}
	*ret_adoption = adoption;
	return 0;
}

/* ---- As evidence ---- */

int adoption_evidence(const struct adoption *adoption, struct evidence *evidence)
{
	const struct evidence *word = &adoption->word;

	if (owner_copy(&word->owner, &evidence->owner) < 0 ||
	    port_addrs_copy(&word->addresses, &evidence->addresses) < 0 ||
	    port_addrs_copy(&word->gateways, &evidence->gateways) < 0)
		return -ENOMEM;
	evidence->has_owner = true;
	evidence->has_mac = word->has_mac;
	evidence->mac = word->mac;
	memcpy(evidence->subnets, word->subnets, sizeof(word->subnets));
	evidence->subnet_count = word->subnet_count;
	evidence->claim = word->claim;
	return 0;
}

static void text_take_over(char **to, char **from)
{
	if (!*to)
		*to = TAKE(*from);
}

#define ARRAY_SWAP(a, b)                      \
	do {                                  \
		__typeof__(a) swapped_ = (a); \
		(a) = (b);                    \
		(b) = swapped_;               \
	} while (0)

void adoption_complete(struct evidence *evidence, bool has_labels, struct evidence *record)
{
	/* A name that is only the id says nothing: that of who knows more goes before. */
	if (record->owner.name && evidence->owner.id && strcmp(evidence->owner.name, evidence->owner.id) == 0) {
		free(evidence->owner.name);
		evidence->owner.name = TAKE(record->owner.name);
	}
	text_take_over(&evidence->owner.image, &record->owner.image);
	text_take_over(&evidence->owner.namespace, &record->owner.namespace);
	text_take_over(&evidence->owner.network, &record->owner.network);
	text_take_over(&evidence->owner.cgroup, &record->owner.cgroup);
	if (!has_labels)
		ARRAY_SWAP(evidence->owner.labels, record->owner.labels);
	if (evidence->others.count == 0)
		ARRAY_SWAP(evidence->others, record->others);
	ARRAY_SWAP(evidence->published, record->published);
	if (evidence->claim) {
		ARRAY_SWAP(evidence->addresses, record->addresses);
		evidence->claim = record->claim;
		if (!evidence->has_mac) {
			evidence->has_mac = record->has_mac;
			evidence->mac = record->mac;
		}
	}
	if (evidence->gateways.count == 0)
		ARRAY_SWAP(evidence->gateways, record->gateways);
}
