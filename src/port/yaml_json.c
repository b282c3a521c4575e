/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "yaml_json.h"

struct reader {
	yaml_parser_t parser;
	unsigned int nodes;
};

static json_t *value_read(struct reader *reader, const yaml_event_t *event, unsigned int depth);

/* The next event, which the caller deletes. False: malformed. */
static bool next_event(struct reader *reader, yaml_event_t *ret_event)
{
	return yaml_parser_parse(&reader->parser, ret_event) == 1;
}

/* The next value; *ret_end: there is none, the collection ends. */
static json_t *next_value(struct reader *reader, unsigned int depth, bool *ret_end)
{
	yaml_event_t event;
	json_t *value;

	if (!next_event(reader, &event))
		return NULL;
	*ret_end = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
	value = *ret_end ? NULL : value_read(reader, &event, depth);
	yaml_event_delete(&event);
	return value;
}

static json_t *mapping_read(struct reader *reader, unsigned int depth)
{
	json_t *object = json_object();

	for (bool end = false;;) {
		json_t *key = next_value(reader, depth, &end), *value;
		bool good;

		if (end)
			return object;
		value = json_is_string(key) && !json_object_get(object, json_string_value(key))
				? next_value(reader, depth, &end)
				: NULL;
		good = value && json_object_set_new(object, json_string_value(key), value) == 0;
		json_decref(key);
		if (!good)
			break;
	}
	json_decref(object);
	return NULL;
}

static json_t *sequence_read(struct reader *reader, unsigned int depth)
{
	json_t *list = json_array();

	for (bool end = false;;) {
		json_t *value = next_value(reader, depth, &end);

		if (end)
			return list;
		if (!value || json_array_append_new(list, value) < 0)
			break;
	}
	json_decref(list);
	return NULL;
}

static json_t *value_read(struct reader *reader, const yaml_event_t *event, unsigned int depth)
{
	if (++reader->nodes > YAML_NODES_MAX || depth >= YAML_DEPTH_MAX)
		return NULL;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor)
			return NULL;
		return json_stringn((const char *)event->data.scalar.value, event->data.scalar.length);
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor ? NULL : mapping_read(reader, depth + 1);
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor ? NULL : sequence_read(reader, depth + 1);
	default: /* an alias, or what can't stand here */
		return NULL;
	}
}

static bool skip(struct reader *reader, yaml_event_type_t type)
{
	yaml_event_t event;
	bool is_it;

	if (!next_event(reader, &event))
		return false;
	is_it = event.type == type;
	yaml_event_delete(&event);
	return is_it;
}

json_t *yaml_to_json(const char *data, size_t size)
{
	struct reader reader = {0};
	json_t *json = NULL;
	bool end = false;

	if (!yaml_parser_initialize(&reader.parser))
		return NULL;
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)data, size);
	if (skip(&reader, YAML_STREAM_START_EVENT) && skip(&reader, YAML_DOCUMENT_START_EVENT))
		json = next_value(&reader, 0, &end);
	if (json && (!skip(&reader, YAML_DOCUMENT_END_EVENT) || !skip(&reader, YAML_STREAM_END_EVENT))) {
		json_decref(json);
		json = NULL;
	}
	yaml_parser_delete(&reader.parser);
	return json;
}
