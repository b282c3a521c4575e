/* SPDX-License-Identifier: GPL-2.0-only */
/* config.json (the OCI's runtime specification), and what the runtimes write into its annotations. The words are those
 * of containerd's pkg/cri/annotations, nerdctl's pkg/labels and CRI-O's pkg/annotations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "bundle.h"

#define CRI	      "io.kubernetes.cri."
#define CRIO	      "io.kubernetes.cri-o."
#define POD	      "io.kubernetes.pod."
#define KNOWN_IDS_MAX 256u

/* The first reason is kept. */
static int refuse(struct bundle *bundle, const char *reason)
{
	if (!bundle->reason[0])
		snprintf(bundle->reason, sizeof(bundle->reason), "%s", reason);
	return 0;
}

/* Text that the container's maker chose; "" is none. */
static int keep_text(struct bundle *bundle, const char *text, size_t max, const char *what, char **to)
{
	char reason[REASON_MAX] = "";
	int r;

	if (!text[0])
		return 0;
	free(*to);
	r = evidence_keep_text(text, max, what, to, reason);
	return r == -EINVAL ? refuse(bundle, reason) : r;
}

static int keep_labels(struct bundle *bundle, const json_t *labels)
{
	char reason[REASON_MAX] = "";
	int r = evidence_labels(labels, &bundle->owner, reason);

	return r == 0 || r == -ENOMEM ? r : refuse(bundle, reason);
}

static int network_parse(const json_t *config, struct bundle *bundle)
{
	const json_t *linux_part = json_object_get(config, "linux");
	const json_t *namespaces = json_object_get(linux_part, "namespaces"), *item;
	const char *path = NULL;
	size_t i;

	if (!json_is_array(namespaces))
		return -EBADMSG;
	json_array_foreach(namespaces, i, item)
	{
		if (strcmp(port_json_text(item, "type"), "network") == 0)
			path = port_json_text(item, "path");
	}
	if (!path)
		bundle->network = BUNDLE_HOST;
	else if (!path[0])
		bundle->network = BUNDLE_OWN;
	else
		bundle->network = strncmp(path, "/proc/", 6) == 0 ? BUNDLE_JOINED : BUNDLE_PINNED;
	if (bundle->network == BUNDLE_PINNED && !(bundle->pin = strdup(path)))
		return -ENOMEM;
	return keep_text(bundle, port_json_text(linux_part, "cgroupsPath"), PORT_VALUE_MAX, "control group",
			 &bundle->cgroup);
}

static int owner_start(struct bundle *bundle, const char *runtime)
{
	bundle->owner.runtime = strdup(runtime);
	return bundle->owner.runtime ? keep_text(bundle, bundle->id, PORT_NAME_MAX, "id", &bundle->owner.id) : -ENOMEM;
}

/* The engines' own notes in the annotations: no labels of anybody's. */
static bool is_note(const char *key)
{
	static const char *const prefixes[] = {CRI, "nerdctl/", "io.containerd.", "io.cri-containerd.",
					       "containerd.io/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return key[0] == '\0';
}

static int add_labels(json_t *labels, const json_t *from)
{
	void *at;
	int r = 0;

	/* jansson's iteration has no const form; nothing is changed. */
	for (at = json_object_iter((json_t *)from); r == 0 && at; at = json_object_iter_next((json_t *)from, at)) {
		if (!is_note(json_object_iter_key(at)))
			r = json_object_set(labels, json_object_iter_key(at), json_object_iter_value(at));
	}
	return r;
}

/* ctr and nerdctl copy labels into the annotations. For a pod these are the annotations that containerd was told to
 * pass on; three labels that Kubernetes gives to every pod stand there, too; the others are in containerd's database.
 */
static int containerd_labels(struct bundle *bundle, const json_t *annotations)
{
	static const char *const of_pods[][2] = {{POD "name", CRI "sandbox-name"},
						 {POD "namespace", CRI "sandbox-namespace"},
						 {POD "uid", CRI "sandbox-uid"}};
	json_t *labels = json_object();
	int r = labels ? add_labels(labels, annotations) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(of_pods) / sizeof(*of_pods); i++) {
		const char *value = port_json_text(annotations, of_pods[i][1]);

		if (value[0])
			r = json_object_set_new(labels, of_pods[i][0], json_string(value));
	}
	if (r == 0)
		r = add_labels(labels, bundle->labels);
	r = r < 0 ? -ENOMEM : keep_labels(bundle, labels);
	json_decref(labels);
	return r;
}

static int containerd_names(struct bundle *bundle, const json_t *annotations)
{
	const char *type = port_json_text(annotations, CRI "container-type");
	const char *name = port_json_text(annotations, "nerdctl/name");
	const char *place = bundle->place ? bundle->place : "";
	const char *image = port_json_text(annotations, CRI "image-name");
	int r;

	bundle->is_pod = strcmp(type, "sandbox") == 0;
	if (!image[0] && bundle->image && !bundle->is_pod)
		image = bundle->image;
	if (bundle->is_pod)
		name = port_json_text(annotations, CRI "sandbox-name");
	else if (type[0])
		name = port_json_text(annotations, CRI "container-name");
	if (type[0])
		place = port_json_text(annotations, CRI "sandbox-namespace");
	r = keep_text(bundle, name[0] ? name : bundle->id, PORT_NAME_MAX, "name", &bundle->owner.name);
	if (r == 0)
		r = keep_text(bundle, place, PORT_NAME_MAX, "namespace", &bundle->owner.namespace);
	if (r == 0)
		r = keep_text(bundle, image, PORT_VALUE_MAX, "image", &bundle->owner.image);
	if (r == 0)
		r = keep_text(bundle, port_json_text(annotations, CRI "sandbox-id"), KNOWN_IDS_MAX, "sandbox's id",
			      &bundle->pod);
	if (r < 0 || type[0])
		return r < 0 ? r : keep_text(bundle, bundle->id, PORT_NAME_MAX, "id", &bundle->cni);
	return asprintf(&bundle->cni, "%s-%s", place, bundle->id) < 0 ? -ENOMEM : 0;
}

int bundle_parse_containerd(const json_t *config, struct bundle *bundle)
{
	const json_t *annotations = json_object_get(config, "annotations");
	int r = network_parse(config, bundle);

	if (r == 0)
		r = owner_start(bundle, "containerd");
	if (r == 0)
		r = containerd_names(bundle, annotations);
	return r == 0 ? containerd_labels(bundle, annotations) : r;
}

/* Engines leave their containers in the runtimes' own folders, too, and know more of them. */
static bool is_an_engines(const json_t *annotations)
{
	static const char *const prefixes[] = {"io.container.manager", "io.podman.", "io.kubernetes.", "nerdctl/",
					       "io.containerd."};
	void *at;

	for (at = json_object_iter((json_t *)annotations); at; at = json_object_iter_next((json_t *)annotations, at)) {
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
			if (strncmp(json_object_iter_key(at), prefixes[i], strlen(prefixes[i])) == 0)
				return true;
		}
	}
	return false;
}

int bundle_parse_plain(const json_t *config, const char *runtime, struct bundle *bundle)
{
	const json_t *annotations = json_object_get(config, "annotations");
	int r;

	if (is_an_engines(annotations))
		return -EINVAL;
	r = network_parse(config, bundle);
	if (r == 0)
		r = owner_start(bundle, runtime);
	if (r == 0)
		r = keep_text(bundle, bundle->id, PORT_NAME_MAX, "name", &bundle->owner.name);
	return r == 0 ? keep_labels(bundle, annotations) : r;
}

/* Labels stand there as JSON's text. */
static int crio_labels(struct bundle *bundle, const char *text)
{
	json_t *labels = text[0] ? port_json_parse(text, strlen(text)) : NULL;
	int r = 0;

	if (text[0] && !json_is_object(labels))
		refuse(bundle, "its labels are no mapping");
	else
		r = keep_labels(bundle, labels);
	if (r == 0 && !bundle->owner.namespace)
		r = keep_text(bundle, port_json_text(labels, POD "namespace"), PORT_NAME_MAX, "namespace",
			      &bundle->owner.namespace);
	/* CRI-O's own name of a container is made of five others. */
	if (r == 0 && !bundle->is_pod)
		r = keep_text(bundle, port_json_text(labels, "io.kubernetes.container.name"), PORT_NAME_MAX, "name",
			      &bundle->owner.name);
	json_decref(labels);
	return r;
}

static int crio_names(struct bundle *bundle, const json_t *annotations)
{
	const char *name = port_json_text(annotations, CRIO "KubeName"), *image;
	int r;

	if (!name[0] || !bundle->is_pod)
		name = port_json_text(annotations, CRIO "Name");
	/* What its user wrote goes before a name of the image by chance; a sandbox's own image is nobody's choice. */
	image = port_json_text(annotations, CRIO "Image");
	if (!image[0])
		image = port_json_text(annotations, CRIO "ImageName");
	r = keep_text(bundle, name[0] ? name : bundle->id, PORT_NAME_MAX, "name", &bundle->owner.name);
	if (r == 0)
		r = keep_text(bundle, port_json_text(annotations, CRIO "Namespace"), PORT_NAME_MAX, "namespace",
			      &bundle->owner.namespace);
	if (r == 0)
		r = keep_text(bundle, bundle->is_pod ? "" : image, PORT_VALUE_MAX, "image", &bundle->owner.image);
	if (r == 0)
		r = keep_text(bundle, port_json_text(annotations, CRIO "SandboxID"), KNOWN_IDS_MAX, "sandbox's id",
			      &bundle->pod);
	return r == 0 ? keep_text(bundle, bundle->id, PORT_NAME_MAX, "id", &bundle->cni) : r;
}

int bundle_parse_crio(const json_t *config, struct bundle *bundle)
{
	const json_t *annotations = json_object_get(config, "annotations");
	const char *type = port_json_text(annotations, CRIO "ContainerType");
	int r;

	/* Podman's folders are alike, and so may be the containers in them: CRI-O's have a type of its own. */
	if (!type[0] || strcmp(port_json_text(annotations, "io.container.manager"), "libpod") == 0)
		return json_is_object(config) ? -EINVAL : -EBADMSG;
	bundle->is_pod = strcmp(type, "sandbox") == 0;
	r = network_parse(config, bundle);
	if (r == 0 && strcmp(port_json_text(annotations, CRIO "HostNetwork"), "true") == 0)
		bundle->network = BUNDLE_HOST;
	if (r == 0)
		r = owner_start(bundle, "crio");
	if (r == 0)
		r = crio_names(bundle, annotations);
	return r == 0 ? crio_labels(bundle, port_json_text(annotations, CRIO "Labels")) : r;
}
