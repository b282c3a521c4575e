/* SPDX-License-Identifier: GPL-2.0-only */
/* What containerd, CRI-O and CNI leave in files: the input goes to each parser. What is taken is within its bounds;
 * what can't be kept has a reason. */
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "must_port.h"
#include "port/bundle.h"
#include "port/cni_result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_bundle(const json_t *json, const char *place, int (*parse)(const json_t *config, struct bundle *bundle))
{
	struct bundle *bundle = bundle_new(place, "id");
	int r;

	must(bundle);
	r = parse(json, bundle);
	must(r == 0 || r == -EBADMSG || r == -EINVAL || r == -ENOMEM);
	must_be_text(bundle->owner.name, PORT_NAME_MAX);
	must_be_text(bundle->owner.namespace, PORT_NAME_MAX);
	must_be_text(bundle->owner.image, PORT_VALUE_MAX);
	must(bundle->owner.labels.count <= PORT_LABELS_MAX);
	for (size_t i = 0; i < bundle->owner.labels.count; i++) {
		must_be_text(bundle->owner.labels.items[i].key, PORT_VALUE_MAX);
		must_be_text(bundle->owner.labels.items[i].value, PORT_VALUE_MAX);
	}
	if (r == 0) {
		must(bundle->reason[0] || (bundle->owner.name && bundle->owner.id && bundle->owner.runtime));
		must((bundle->network == BUNDLE_PINNED) == (bundle->pin != NULL) || bundle->network == BUNDLE_HOST);
	}
	bundle_free(bundle);
}

static void try_result(const json_t *json)
{
	struct cni_result result;
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "";

	if (cni_result_parse(json, &result) < 0)
		return;
	must(result.host_link_count > 0 && result.host_link_count <= CNI_HOST_LINKS_MAX);
	for (size_t i = 0; i < result.host_link_count; i++)
		must(strlen(result.host_links[i]) < IFNAMSIZ && cni_result_has_link(&result, result.host_links[i]));
	must_be_usable(&result.addresses);
	must_be_usable(&result.gateways);
	must(result.published.count <= PUBLISHED_MAX);
	must(cni_result_pid(&result) >= 0);
	must_be_text(result.container, PORT_NAME_MAX);
	must_be_text(result.pod, PORT_NAME_MAX);
	must((cni_result_evidence(&result, &evidence, reason) == 0) != (reason[0] != '\0'));
	must_be_text(evidence.owner.network, PORT_NAME_MAX);
	evidence_free(&evidence);
	cni_result_free(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = port_json_parse((const char *)data, size);

	try_bundle(json, "k8s.io", bundle_parse_containerd);
	try_bundle(json, NULL, bundle_parse_crio);
	try_result(json);
	json_decref(json);
	return 0;
}
