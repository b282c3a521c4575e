/* SPDX-License-Identifier: GPL-2.0-only */
/* What LXC, Incus, systemd-nspawn, runc and crun leave in files and arguments: the input goes to each parser. What is
 * taken is within its bounds; what can't be kept has a reason. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "must_port.h"
#include "port/incus.h"
#include "port/lxc.h"
#include "port/nspawn.h"
#include "port/runtime_runc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_config(const char *text)
{
	struct lxc_config config;

	if (lxc_config_parse(text, &config) < 0)
		return;
	must(config.nets.count <= LXC_NETS_MAX);
	for (size_t i = 0; i < config.nets.count; i++) {
		must(strlen(config.nets.items[i].link) < IFNAMSIZ && strlen(config.nets.items[i].pair) < IFNAMSIZ);
		must_be_usable(&config.nets.items[i].addresses);
		must_be_usable(&config.nets.items[i].gateways);
	}
	lxc_config_free(&config);
}

static void try_instance(const char *text, size_t size)
{
	struct link link = {.name = "veth0"};
	struct peer peer = {.has_mac = true};
	const struct runtime_question question = {.link = &link, .peer = &peer};
	struct incus_instance instance;
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "";

	if (incus_instance_parse(text, size, &instance) < 0)
		return;
	must((incus_evidence(&instance, "incus", &question, &evidence, reason) == 0) != (reason[0] != '\0'));
	must_be_text(evidence.owner.name, PORT_NAME_MAX);
	must_be_text(evidence.owner.network, PORT_NAME_MAX);
	must(evidence.owner.labels.count <= PORT_LABELS_MAX);
	must_be_usable(&evidence.addresses);
	free(incus_unpoliced(&instance));
	evidence_free(&evidence);
	incus_instance_free(&instance);
}

static void try_machine(const char *text)
{
	struct nspawn_machine machine = {0};

	if (nspawn_machine_parse(text, &machine) < 0)
		return;
	must(machine.first.pid > 0 && machine.unit && machine.unit[0]);
	free(machine.unit);
}

/* The words of an arguments' file end with a NUL each. */
static void try_arguments(const char *arguments, size_t size)
{
	char *name = lxc_monitor_parse(arguments, size, "/var/lib/lxc");

	must(!name || (name[0] && name[0] != '.' && !strchr(name, '/')));
	free(name);
	name = nspawn_arguments_parse(arguments, size);
	must(!name || name[0]);
	free(name);
}

static void try_bundle(const json_t *json, int (*parse)(const json_t *json, struct bundle *bundle))
{
	struct bundle *bundle = bundle_new(NULL, "id");

	must(bundle);
	if (parse(json, bundle) == 0)
		must(bundle->reason[0] || (bundle->owner.name && bundle->owner.id && bundle->owner.runtime));
	must(bundle->owner.labels.count <= PORT_LABELS_MAX);
	bundle_free(bundle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	json_t *json = port_json_parse((const char *)data, size);
	struct process process;

	must(text);
	try_config(text);
	try_machine(text);
	try_instance((const char *)data, size);
	try_arguments((const char *)data, size);
	try_arguments(text, strlen(text) + 1);
	try_bundle(json, runc_parse);
	try_bundle(json, crun_parse);
	must(runc_process(json, &process) < 0 || (process.pid > 0 && process.start > 0));
	must(crun_process(json, &process) < 0 || (process.pid > 0 && process.start > 0));
	json_decref(json);
	return 0;
}
