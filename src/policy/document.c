/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/text.h"
#include "policy/utf8.h"

#define CHUNK_SIZE 65536u
#define FEW_KEYS   16u /* up to here, keys are compared with one another; above, by a hash map */

struct document_chunk {
	struct document_chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

/* A place in the text that moves along with the parser: libyaml counts characters, we count bytes and lines. */
struct cursor {
	const char *text;
	size_t size;
	size_t index; /* characters from the start, as in yaml_mark_t */
	size_t byte;
	size_t line_start; /* byte */
	uint32_t line;	   /* from 1 */
};

struct anchor {
	const struct node *node;
	size_t weight;	     /* nodes in it, itself included */
	unsigned int height; /* levels in it: 1 for a word */
	bool open;	     /* we are still inside it */
};

/* A list or mapping that is being read. */
struct frame {
	struct node *node;
	struct node *last;
	struct anchor *anchor;
	size_t weight_before;
	unsigned int height; /* of the highest child; 1 without children */
	size_t children;
	bool flow; /* written with brackets */
	size_t start_byte;
};

struct builder {
	const struct sources *sources;
	struct diagnostics *diagnostics;
	struct document *document;
	struct map *anchors; /* of this YAML document, by name; NULL: none yet */
	struct frame *frames;
	unsigned int depth, max_depth;
	struct cursor cursor;
	uint32_t file;
	struct node_budget *budget;
	size_t weight;	   /* nodes so far, aliases expanded */
	size_t alias_left; /* of DOCUMENT_ALIAS_NODES_MAX */
	bool flawed;	   /* errors beside a tree that can be read */
};

static void *chunk_alloc(struct document *document, size_t size)
{
	struct document_chunk *chunk = document->chunks;
	size_t rounded = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);

	if (!chunk || chunk->size - chunk->used < rounded) {
		size_t room = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = document->chunks;
		chunk->used = 0;
		chunk->size = room;
		document->chunks = chunk;
	}
	chunk->used += rounded;
	return chunk->data + chunk->used - rounded;
}

void document_free(struct document *document)
{
	if (!document)
		return;
	while (document->chunks) {
		struct document_chunk *next = document->chunks->next;

		free(document->chunks);
		document->chunks = next;
	}
	array_free(&document->roots);
}

/* ---- places ---- */

static void cursor_forward(struct cursor *cursor, size_t index)
{
	while (cursor->index < index && cursor->byte < cursor->size) {
		uint32_t code = 0;
		unsigned int width = utf8_decode(cursor->text + cursor->byte, cursor->size - cursor->byte, &code);

		cursor->byte += width ? width : 1;
		cursor->index++;
		if (code == '\n') {
			cursor->line++;
			cursor->line_start = cursor->byte;
		}
	}
}

/* Marks come in order, but for a few tokens; the way back is short. */
static void cursor_back(struct cursor *cursor, size_t index)
{
	while (cursor->index > index && cursor->byte > 0) {
		do
			cursor->byte--;
		while (cursor->byte > 0 && (cursor->text[cursor->byte] & 0xc0) == 0x80);
		cursor->index--;
		if (cursor->text[cursor->byte] != '\n')
			continue;
		cursor->line--;
		for (cursor->line_start = cursor->byte;
		     cursor->line_start > 0 && cursor->text[cursor->line_start - 1] != '\n';)
			cursor->line_start--;
	}
}

static struct place cursor_place(const struct cursor *cursor, uint32_t file)
{
	return (struct place){.file = file,
			      .line = cursor->line,
			      .column = (uint32_t)(cursor->byte - cursor->line_start) + 1,
			      .width = 1};
}

static struct place mark_place(struct builder *builder, const yaml_mark_t *mark)
{
	cursor_forward(&builder->cursor, mark->index);
	cursor_back(&builder->cursor, mark->index);
	return cursor_place(&builder->cursor, builder->file);
}

/* Bytes from `start` to `end`, or to the end of the line in which `start` stands; at least 1. */
static uint32_t line_width(const struct cursor *cursor, size_t start, size_t end)
{
	const char *text = cursor->text + start;
	const char *newline = memchr(text, '\n', end > start ? end - start : 0);
	size_t width = newline ? (size_t)(newline - text) : end > start ? end - start : 1;

	while (width > 1 && strchr(" \t\r", text[width - 1]))
		width--;
	return width ? (uint32_t)width : 1;
}

/* The place of what stands between two marks; leaves the cursor at the end. */
static struct place span_place(struct builder *builder, const yaml_mark_t *start, const yaml_mark_t *end)
{
	struct place place = mark_place(builder, start);
	size_t start_byte = builder->cursor.byte;

	if (end->index > start->index) {
		mark_place(builder, end);
		place.width = line_width(&builder->cursor, start_byte, builder->cursor.byte);
	}
	return place;
}

/* ---- nodes ---- */

static int add_node(struct builder *builder, const struct place *place, enum node_kind kind, struct node **ret_node)
{
	struct node *node;

	if (!builder->budget->left) {
		diagnostic_add(builder->diagnostics, SEVERITY_ERROR, place, "more than %zu YAML nodes",
			       builder->budget->limit);
		return -EINVAL;
	}
	--builder->budget->left;
	builder->weight++;
	node = chunk_alloc(builder->document, sizeof(*node));
	if (!node)
		return -ENOMEM;
	*node = (struct node){.place = *place, .kind = (uint8_t)kind};
	*ret_node = node;
	return 0;
}

/* Hangs a finished node of `height` levels under the innermost open list or mapping, or makes it a root. */
static int attach(struct builder *builder, struct node *node, unsigned int height)
{
	struct frame *frame = builder->depth ? &builder->frames[builder->depth - 1] : NULL;

	if (!frame) {
		struct node **root;

		if (node->kind == NODE_WORD && node->plain && !node->count)
			return 0; /* an empty YAML document */
		root = array_append(&builder->document->roots);
		if (!root)
			return -ENOMEM;
		*root = node;
		return 0;
	}
	if (frame->last)
		frame->last->next = node;
	else
		frame->node->first = node;
	frame->last = node;
	frame->children++;
	if (height > frame->height)
		frame->height = height;
	return 0;
}

static int add_anchor(struct builder *builder, const yaml_char_t *name, const struct node *node,
		      struct anchor **ret_anchor)
{
	struct anchor *anchor;
	void *old = NULL;
	int r;

	*ret_anchor = NULL;
	if (!name)
		return 0;
	if (!builder->anchors)
		builder->anchors = map_new();
	anchor = builder->anchors ? chunk_alloc(builder->document, sizeof(*anchor)) : NULL;
	if (!anchor)
		return -ENOMEM;
	*anchor = (struct anchor){.node = node, .open = true};
	r = map_set_text(builder->anchors, (const char *)name, anchor, &old);
	if (r < 0)
		return r;
	*ret_anchor = anchor;
	return 0;
}

static void check_tag(struct builder *builder, const yaml_char_t *tag, const char *core, const struct place *place)
{
	char shown[80];

	if (!tag || !strcmp((const char *)tag, core))
		return;
	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, place, "the YAML tag '%s' is not accepted here",
		       text_escape(shown, sizeof(shown), (const char *)tag));
	builder->flawed = true;
}

static int read_word(struct builder *builder, const yaml_event_t *event)
{
	struct place place = span_place(builder, &event->start_mark, &event->end_mark);
	size_t length = event->data.scalar.length;
	struct anchor *anchor;
	struct node *node;
	char *text;
	int r;

	r = add_node(builder, &place, NODE_WORD, &node);
	if (r < 0)
		return r;
	text = chunk_alloc(builder->document, length + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, event->data.scalar.value, length);
	text[length] = '\0';
	if (strlen(text) != length) {
		diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &place, "a NUL character is not accepted");
		builder->flawed = true;
		length = strlen(text);
	}
	check_tag(builder, event->data.scalar.tag, YAML_STR_TAG, &place);
	node->text = text;
	node->count = (uint32_t)length;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	r = add_anchor(builder, event->data.scalar.anchor, node, &anchor);
	if (r < 0)
		return r;
	if (anchor)
		*anchor = (struct anchor){.node = node, .weight = 1, .height = 1};
	return attach(builder, node, 1);
}

static int too_deep(struct builder *builder, const struct place *place)
{
	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, place, "nested more than %u deep", builder->max_depth);
	return -EINVAL;
}

static int open_collection(struct builder *builder, const yaml_event_t *event)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	struct place place = mark_place(builder, &event->start_mark);
	struct frame frame = {.start_byte = builder->cursor.byte, .weight_before = builder->weight, .height = 1};
	int r;

	if (builder->depth >= builder->max_depth)
		return too_deep(builder, &place);
	r = add_node(builder, &place, list ? NODE_LIST : NODE_MAPPING, &frame.node);
	if (r < 0)
		return r;
	if (list) {
		check_tag(builder, event->data.sequence_start.tag, YAML_SEQ_TAG, &place);
		frame.flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
		r = add_anchor(builder, event->data.sequence_start.anchor, frame.node, &frame.anchor);
	} else {
		check_tag(builder, event->data.mapping_start.tag, YAML_MAP_TAG, &place);
		frame.flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
		r = add_anchor(builder, event->data.mapping_start.anchor, frame.node, &frame.anchor);
	}
	if (r < 0)
		return r;
	builder->frames[builder->depth++] = frame;
	return 0;
}

/* ---- mappings: keys are words, each once ---- */

static const struct node *find_key(const struct node *mapping, const struct node *until, struct map *seen)
{
	if (seen)
		return map_get(seen, until->text, until->count);
	for (const struct node *key = mapping->first; key != until; key = key->next->next)
		if (key->count == until->count && !memcmp(key->text, until->text, key->count))
			return key;
	return NULL;
}

/* Reports a key that can't stay; true when it can. */
static bool check_key(struct builder *builder, const struct node *mapping, const struct node *key, struct map *seen)
{
	const struct node *first;
	char shown[80];

	if (key->kind != NODE_WORD) {
		diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &key->place, "a key must be a word");
		return false;
	}
	first = find_key(mapping, key, seen);
	if (!first)
		return true;
	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &key->place, "'%s' is there twice",
		       text_escape(shown, sizeof(shown), key->text));
	diagnostic_add(builder->diagnostics, SEVERITY_NOTE, &first->place, "first here");
	return false;
}

static int check_keys(struct builder *builder, struct node *mapping)
{
	struct map *seen = mapping->count > FEW_KEYS ? map_new() : NULL;
	struct node **link = &mapping->first;
	int r = 0;

	if (mapping->count > FEW_KEYS && !seen)
		return -ENOMEM;
	while (*link) {
		struct node *key = *link;

		if (!check_key(builder, mapping, key, seen)) {
			builder->flawed = true;
			mapping->count--;
			*link = key->next->next;
			continue;
		}
		if (seen) {
			r = map_set(seen, key->text, key->count, key, NULL);
			if (r < 0)
				break;
		}
		link = &key->next->next;
	}
	map_free(seen, NULL);
	return r;
}

static int close_collection(struct builder *builder, const yaml_event_t *event)
{
	struct frame *frame = &builder->frames[--builder->depth];
	struct node *node = frame->node;
	int r = 0;

	if (!node)
		return -EINVAL;
	if (frame->flow) {
		mark_place(builder, &event->end_mark);
		node->place.width = line_width(&builder->cursor, frame->start_byte, builder->cursor.byte);
	} else if (node->first) {
		node->place = node->first->place;
	}
	node->count = (uint32_t)(node->kind == NODE_MAPPING ? frame->children / 2 : frame->children);
	if (node->kind == NODE_MAPPING)
		r = check_keys(builder, node);
	if (r < 0)
		return r;
	if (frame->anchor)
		*frame->anchor = (struct anchor){
			.node = node, .weight = builder->weight - frame->weight_before, .height = frame->height + 1};
	return attach(builder, node, frame->height + 1);
}

/* ---- aliases ---- */

static int alias_refuse(struct builder *builder, const struct place *place, const char *name, const char *why)
{
	char shown[80];

	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, place, "the alias '*%s' %s",
		       text_escape(shown, sizeof(shown), name), why);
	return -EINVAL;
}

static int alias_budget(struct builder *builder, const struct anchor *anchor, const struct place *place)
{
	if (anchor->weight > builder->alias_left) {
		diagnostic_add(builder->diagnostics, SEVERITY_ERROR, place,
			       "the aliases of this file stand for more than %u YAML nodes", DOCUMENT_ALIAS_NODES_MAX);
		return -EINVAL;
	}
	builder->alias_left -= anchor->weight;
	/* One node of it is counted when it is added. */
	if (anchor->weight - 1 > builder->budget->left) {
		builder->budget->left = 0;
		return 0;
	}
	builder->budget->left -= anchor->weight - 1;
	builder->weight += anchor->weight - 1;
	return 0;
}

/* An alias is a copy of the node alone: what is below is shared, and read as often as it is named. */
static int read_alias(struct builder *builder, const yaml_event_t *event)
{
	struct place place = span_place(builder, &event->start_mark, &event->end_mark);
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *anchor = builder->anchors ? map_get_text(builder->anchors, name) : NULL;
	struct node *node;
	int r;

	if (!anchor)
		return alias_refuse(builder, &place, name, "names nothing");
	if (anchor->open)
		return alias_refuse(builder, &place, name, "stands within what it names");
	if (builder->depth + anchor->height > builder->max_depth + 1)
		return too_deep(builder, &place);
	r = alias_budget(builder, anchor, &place);
	if (r < 0)
		return r;
	r = add_node(builder, &place, anchor->node->kind, &node);
	if (r < 0)
		return r;
	*node = *anchor->node;
	node->next = NULL;
	return attach(builder, node, anchor->height);
}

/* ---- events ---- */

static int read_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	case YAML_DOCUMENT_START_EVENT: /* anchors are a document's own */
		map_free(builder->anchors, NULL);
		builder->anchors = NULL; /* made for the first one: most documents have none */
		return 0;
	case YAML_SCALAR_EVENT:
		return read_word(builder, event);
	case YAML_ALIAS_EVENT:
		return read_alias(builder, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return open_collection(builder, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_collection(builder, event);
	}
	return -EINVAL;
}

static struct place offset_place(const char *text, size_t offset, uint32_t file)
{
	struct place place = {.file = file, .line = 1, .column = 1, .width = 1};
	const char *line = text, *newline;

	while ((newline = memchr(line, '\n', (size_t)(text + offset - line)))) {
		place.line++;
		line = newline + 1;
	}
	place.column = (uint32_t)(text + offset - line) + 1;
	return place;
}

/* What libyaml says, in its own words; they are static and plain. */
static int report_parser(struct builder *builder, const yaml_parser_t *parser)
{
	const char *problem = parser->problem;
	struct place place;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		size_t offset =
			parser->problem_offset < builder->cursor.size ? parser->problem_offset : builder->cursor.size;

		place = offset_place(builder->cursor.text, offset, builder->file);
		diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &place, "malformed YAML: %s", parser->problem);
		return -EINVAL;
	}
	place = mark_place(builder, &parser->problem_mark);
	if (builder->cursor.byte < builder->cursor.size && builder->cursor.text[builder->cursor.byte] == '\t')
		problem = "a tab can't stand here: YAML is indented by spaces";
	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &place, "malformed YAML: %s", problem);
	if (parser->context && parser->context_mark.index != parser->problem_mark.index) {
		place = mark_place(builder, &parser->context_mark);
		diagnostic_add(builder->diagnostics, SEVERITY_NOTE, &place, "%s that begins here", parser->context);
	}
	return -EINVAL;
}

static int read_events(struct builder *builder, yaml_parser_t *parser)
{
	yaml_event_type_t type;
	yaml_event_t event;
	int r;

	do {
		if (!yaml_parser_parse(parser, &event))
			return report_parser(builder, parser);
		type = event.type;
		r = read_event(builder, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	} while (type != YAML_STREAM_END_EVENT);
	return 0;
}

/* What must not reach libyaml: bytes that are no text, and tag directives, which it compares with one another. */
static bool check_bytes(struct builder *builder)
{
	static const char directive[] = "%TAG";
	const char *text = builder->cursor.text;
	size_t size = builder->cursor.size;
	const char *problem = NULL;
	struct place place;
	size_t at = 0;

	while (at < size && !problem) {
		uint32_t code = 0;
		unsigned int width = utf8_decode(text + at, size - at, &code);

		if (!width)
			problem = "not valid UTF-8";
		else if (!code)
			problem = "a NUL byte is not accepted";
		else if (code == '%' && (!at || text[at - 1] == '\n') && size - at >= sizeof(directive) - 1 &&
			 !memcmp(text + at, directive, sizeof(directive) - 1))
			problem = "YAML tag directives are not accepted";
		else
			at += width;
	}
	if (!problem)
		return true;
	place = offset_place(text, at, builder->file);
	diagnostic_add(builder->diagnostics, SEVERITY_ERROR, &place, "%s", problem);
	return false;
}

static int builder_run(struct builder *builder)
{
	yaml_parser_t parser;
	int r;

	if (!check_bytes(builder))
		return -EINVAL;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)builder->cursor.text, builder->cursor.size);
	r = read_events(builder, &parser);
	yaml_parser_delete(&parser);
	return r;
}

int document_parse(const struct sources *sources, uint32_t file, unsigned int max_depth, struct node_budget *budget,
		   struct document *ret_document, struct diagnostics *diagnostics)
{
	static const char bom[] = "\xef\xbb\xbf";
	const struct source *source = &sources->items[file];
	size_t skip = source->size >= 3 && !memcmp(source->text, bom, 3) ? 3 : 0;
	struct builder builder = {
		.sources = sources,
		.diagnostics = diagnostics,
		.document = ret_document,
		.max_depth = max_depth,
		.file = file,
		.budget = budget,
		.alias_left = DOCUMENT_ALIAS_NODES_MAX,
		.cursor = {.text = source->text + skip, .size = source->size - skip, .line = 1},
	};
	int r;

	*ret_document = (struct document){0};
	builder.frames = calloc(max_depth, sizeof(*builder.frames));
	r = builder.frames ? builder_run(&builder) : -ENOMEM;
	map_free(builder.anchors, NULL);
	free(builder.frames);
	if (r < 0)
		document_free(ret_document);
	return r < 0 ? r : builder.flawed ? -EINVAL : 0;
}
