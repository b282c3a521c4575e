/* SPDX-License-Identifier: GPL-2.0-only */
/* What a CNI plugin gave to one interface of a container, as libcni keeps it (its kind `cniCacheV1`): whose interface
 * it is, in which namespace, and its addresses. Written by the runtime, for itself, when all plugins have done. */
#ifndef BULKHEAD_PORT_CNI_RESULT_H
#define BULKHEAD_PORT_CNI_RESULT_H

#include "evidence.h"

/* Links on the host's side that one result names: the bridge, the veth, and what chained plugins add. */
#define CNI_HOST_LINKS_MAX 8u

struct cni_result {
	char *container; /* as the runtime calls it towards CNI: "NAMESPACE-ID" with ctr and nerdctl */
	char *network;
	char *sandbox;	 /* path of the namespace; NULL: it is not said */
	char *pod;	 /* Kubernetes' pod, by the arguments of the plugins; NULL: none */
	char *pod_place; /* its namespace */
	bool is_pods;	 /* a runtime of Kubernetes has made it */
	char *host_links[CNI_HOST_LINKS_MAX];
	size_t host_link_count;
	bool has_mac;
	struct mac mac;
	struct port_addrs addresses, gateways;
	struct {
		ARRAY_OF(struct published);
	} published;
	char reason[REASON_MAX]; /* not "": it can't be used, because of this */
};

/* Never fails for what is in it: then `reason` is set. -EINVAL: it is nothing that leads to a port of ours (another
 * kind, or no link on the host's side, as for the loop-back interface); -ENOMEM. */
int cni_result_parse(const json_t *json, struct cni_result *ret_result);
void cni_result_free(struct cni_result *result);
bool cni_result_has_link(const struct cni_result *result, const char *name);
/* The number of the process whose namespace it is; 0: it is not named by one. */
int32_t cni_result_pid(const struct cni_result *result);

/* Network, addresses, MAC, gateways and published ports. `evidence` has an owner already. 0, -ENOMEM, or -EINVAL with
 * `reason`. */
int cni_result_evidence(const struct cni_result *result, struct evidence *evidence, char reason[REASON_MAX]);

#endif
