/* SPDX-License-Identifier: GPL-2.0-only */
/* The plain part of YAML, as JSON: mappings with text for keys, sequences, and scalars, which all become text. */
#ifndef BULKHEAD_PORT_YAML_JSON_H
#define BULKHEAD_PORT_YAML_JSON_H

#include <jansson.h>

/* What a file of a runtime's may hold; a container's settings have a few hundred nodes. */
#define YAML_NODES_MAX 65536u
#define YAML_DEPTH_MAX 32u

/* NULL: malformed, anchors or aliases in it, the same key twice, too deep or too much, or out of memory. */
json_t *yaml_to_json(const char *data, size_t size);

#endif
