/* SPDX-License-Identifier: GPL-2.0-only */
/* What engines and files say of containers: the input goes to each parser of port/. What is taken is within its
 * bounds; what can't be kept has a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "must_port.h"
#include "port/docker.h"
#include "port/http.h"
#include "port/podman.h"
#include "port/runtime_adopted.h"
#include "port/runtime_netns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_record(const json_t *json)
{
	struct engine_record record;

	if (engine_record_parse(json, "docker", &record) < 0)
		return;
	must(engine_is_id(record.owner.id));
	must(record.reason[0] || record.owner.name);
	must_be_text(record.owner.name, PORT_NAME_MAX);
	must_be_text(record.owner.image, PORT_VALUE_MAX);
	must(record.owner.labels.count <= PORT_LABELS_MAX && record.endpoints.count <= ENGINE_ENDPOINTS_MAX);
	must(record.published.count <= PUBLISHED_MAX);
	must(!record.sandbox || !strchr(record.sandbox, '/'));
	for (size_t i = 0; i < record.endpoints.count; i++) {
		struct evidence evidence = {0};
		char reason[REASON_MAX] = "";

		must_be_usable(&record.endpoints.items[i].addresses);
		if (record.endpoints.items[i].network)
			must((engine_evidence(&record, &record.endpoints.items[i], &evidence, reason) == 0) !=
			     (reason[0] != '\0'));
		evidence_free(&evidence);
	}
	engine_record_free(&record);
}

static void try_network(const json_t *json)
{
	struct docker_network *network;

	if (docker_network_parse(json, &network) < 0)
		return;
	must(engine_is_id(network->id) && network->name && network->driver);
	for (size_t i = 0; i < network->members.count; i++) {
		must(engine_is_id(network->members.items[i].id));
		must_be_usable(&network->members.items[i].endpoint.addresses);
	}
	docker_network_free(network);
}

static void try_podman(const json_t *json)
{
	struct podman_container container = {0};
	struct map *containers = map_new();
	bool changed = false, left_out = false;

	must(containers);
	(void)podman_list_parse(json, containers, &changed, &left_out);
	must(map_count(containers) <= PODMAN_CONTAINERS_MAX);
	map_free(containers, podman_container_free);
	if (podman_config_parse(json, &container) == 0)
		must(!container.sandbox || !strchr(container.sandbox, '/'));
	free(container.sandbox);
}

static void must_be_adoption(const struct adoption *adoption)
{
	const struct owner *owner = &adoption->word.owner;

	must(owner->name && owner->name[0] && owner->runtime && owner->runtime[0]);
	must_be_text(owner->name, PORT_NAME_MAX);
	must_be_text(owner->id, PORT_NAME_MAX);
	must_be_text(owner->image, PORT_VALUE_MAX);
	must(owner->labels.count <= PORT_LABELS_MAX && adoption->word.subnet_count <= 2);
	must_be_usable(&adoption->word.addresses);
	must_be_usable(&adoption->word.gateways);
}

/* What is written of it is read again as the same. */
static void try_adoption(const json_t *json)
{
	struct adoption adoption, again;
	char reason[REASON_MAX] = "";
	json_t *record;

	if (adoption_parse(json, &adoption, reason) < 0) {
		must(reason[0]);
		return;
	}
	must_be_adoption(&adoption);
	adoption.site.ifindex = 7;
	if (adoption_write(&adoption, json) == 0) {
		record = port_json_parse(adoption.text, strlen(adoption.text));
		must(record && adoption_read(record, &again, reason) == 0);
		must(strcmp(adoption.text, again.text) == 0);
		adoption_free(&again);
		json_decref(record);
	}
	adoption_free(&adoption);
}

static int take_adopted(void *arg, struct adoption *adoption)
{
	(void)arg;
	must_be_adoption(adoption);
	must(adoption->site.ifindex || adoption->site.cookie);
	adoption_free(adoption);
	return 0;
}

static void try_text(const char *text, size_t size)
{
	struct docker_event event;
	struct owner owner = {0};
	char reason[REASON_MAX] = "";
	int64_t length;
	size_t body;
	int status;

	(void)adopted_parse(text, size, "b", 1, take_adopted, NULL, NULL);
	docker_event_parse(text, size, &event);
	must(!event.container[0] || engine_is_id(event.container));
	if (netns_meta_parse(text, size, &owner, reason) < 0)
		must(reason[0]);
	owner_free(&owner);
	if (http_parse_head(text, size, &status, &body, &length) == 0)
		must(status >= 0 && status <= 999 && body <= size && length >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	json_t *json;

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	try_text(text, size);
	json = port_json_parse(text, size);
	try_record(json);
	try_network(json);
	try_network(json_array_get(json, 0));
	try_podman(json);
	try_adoption(json);
	json_decref(json);
	free(text);
	return 0;
}
