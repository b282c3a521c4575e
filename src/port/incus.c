/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine.h"
#include "incus.h"
#include "yaml_json.h"

#define LABEL_PREFIX "user."

void incus_instance_free(struct incus_instance *instance)
{
	free(instance->name);
	free(instance->project);
	json_decref(instance->labels);
	json_decref(instance->config);
	json_decref(instance->devices);
	*instance = (struct incus_instance){0};
}

/* What cloud-init reads are whole documents, and no labels. */
static bool is_label(const char *key)
{
	static const char *const documents[] = {"user-data", "vendor-data", "meta-data", "network-config"};

	if (strncmp(key, LABEL_PREFIX, strlen(LABEL_PREFIX)) != 0 || !key[strlen(LABEL_PREFIX)])
		return false;
	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		if (strcmp(key + strlen(LABEL_PREFIX), documents[i]) == 0)
			return false;
	}
	return true;
}

/* Profiles' settings are among the expanded ones; older files have these only. */
static json_t *merged(const json_t *instance, const char *expanded, const char *own)
{
	json_t *all = json_object(), *part;

	part = json_object_get(instance, expanded);
	if (all && json_is_object(part) && json_object_update(all, part) < 0)
		return json_decref(all), NULL;
	part = json_object_get(instance, own);
	if (all && json_is_object(part) && json_object_update(all, part) < 0)
		return json_decref(all), NULL;
	return all;
}

static json_t *labels_of(json_t *config)
{
	json_t *labels = json_object();
	const char *key;
	json_t *value;

	json_object_foreach(config, key, value)
	{
		if (labels && is_label(key) && json_object_set(labels, key + strlen(LABEL_PREFIX), value) < 0)
			return json_decref(labels), NULL;
	}
	return labels;
}

int incus_instance_parse(const char *data, size_t size, struct incus_instance *ret_instance)
{
	struct incus_instance instance = {0};
	json_t *file = yaml_to_json(data, size), *part = json_object_get(file, "container");
	const char *project;

	if (!part)
		part = json_object_get(file, "instance");
	if (!json_is_object(part) || !port_json_text(part, "name")[0]) {
		json_decref(file);
		return -EBADMSG;
	}
	project = port_json_text(part, "project");
	instance.name = strdup(port_json_text(part, "name"));
	instance.project = strdup(project[0] ? project : "default");
	instance.config = merged(part, "expanded_config", "config");
	instance.devices = merged(part, "expanded_devices", "devices");
	instance.labels = instance.config ? labels_of(instance.config) : NULL;
	json_decref(file);
	if (!instance.name || !instance.project || !instance.config || !instance.devices || !instance.labels) {
		incus_instance_free(&instance);
		return -ENOMEM;
	}
	*ret_instance = instance;
	return 0;
}

/* "volatile.DEVICE.KEY": what was chosen for a device, or is so now. */
static const char *chosen(const struct incus_instance *instance, const char *device, const char *key)
{
	char name[128];

	if (snprintf(name, sizeof(name), "volatile.%s.%s", device, key) >= (int)sizeof(name))
		return "";
	return port_json_text(instance->config, name);
}

static bool device_mac(const struct incus_instance *instance, const char *device, const json_t *settings,
		       struct mac *ret_mac)
{
	const char *text = port_json_text(settings, "hwaddr");

	return mac_parse(text[0] ? text : chosen(instance, device, "hwaddr"), ret_mac) == 0;
}

/* By the name of the host's end, which is chosen anew at each start; else by the MAC. */
static const char *device_find(const struct incus_instance *instance, const struct runtime_question *question)
{
	const char *device, *by_mac = NULL;
	json_t *settings;
	struct mac mac;

	json_object_foreach(instance->devices, device, settings)
	{
		const char *host = port_json_text(settings, "host_name");

		if (strcmp(port_json_text(settings, "type"), "nic") != 0)
			continue;
		if (strcmp(host[0] ? host : chosen(instance, device, "host_name"), question->link->name) == 0)
			return device;
		if (question->peer->has_mac && device_mac(instance, device, settings, &mac) &&
		    memcmp(&mac, &question->peer->mac, sizeof(mac)) == 0)
			by_mac = device;
	}
	return by_mac;
}

static int evidence_device(const struct incus_instance *instance, const char *device, struct evidence *evidence,
			   char reason[REASON_MAX])
{
	static const char *const keys[] = {"ipv4.address", "ipv6.address"};
	const json_t *settings = json_object_get(instance->devices, device);
	const char *network = port_json_text(settings, "network");

	evidence->has_mac = device_mac(instance, device, settings, &evidence->mac);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = port_json_text(settings, keys[i]);
		int r = strcmp(text, "none") == 0 ? 0 : engine_add_addr(&evidence->addresses, text);

		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			snprintf(reason, REASON_MAX, "its %s is none that a container can have", keys[i]);
			return -EINVAL;
		}
	}
	if (!network[0])
		return 0;
	free(evidence->owner.network);
	evidence->owner.network = evidence_text(network, PORT_NAME_MAX, "network's name", reason);
	return evidence->owner.network ? 0 : -EINVAL;
}

int incus_evidence(const struct incus_instance *instance, const char *runtime, const struct runtime_question *question,
		   struct evidence *evidence, char reason[REASON_MAX])
{
	const char *device = device_find(instance, question);
	int r = evidence_owner(question, instance->name, runtime, evidence, reason);

	if (r == 0) {
		evidence->owner.namespace = evidence_text(instance->project, PORT_NAME_MAX, "project", reason);
		r = evidence->owner.namespace ? evidence_labels(instance->labels, &evidence->owner, reason) : -EINVAL;
	}
	if (r == 0 && device)
		r = evidence_device(instance, device, evidence, reason);
	evidence->claim = evidence->addresses.count == 0;
	return r;
}

char *incus_unpoliced(const struct incus_instance *instance)
{
	static const char *const kinds[] = {"macvlan", "ipvlan", "physical", "sriov"};
	char why[REASON_MAX], shown[64];
	const char *device;
	json_t *settings;

	json_object_foreach(instance->devices, device, settings)
	{
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			if (strcmp(port_json_text(settings, "nictype"), kinds[i]) != 0)
				continue;
			snprintf(why, sizeof(why), "its device '%s' is %s: there is no port of it here",
				 text_escape(shown, sizeof(shown), device), kinds[i]);
			return strdup(why);
		}
	}
	return NULL;
}
