/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "hook.h"

/* -ETIMEDOUT, or 1 when there is something to read. */
static int input_wait(int fd, int64_t deadline_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t left = deadline_ms - monotonic_ms();
	int r = left > 0 ? poll(&ready, 1, (int)left) : 0;

	if (r < 0 && errno == EINTR)
		return 1; /* a read that waits after all waits for what poll() would have waited for */
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 1;
}

int hook_input(int fd, int64_t bound_ms, char **ret_data, size_t *ret_size, struct error *error)
{
	int64_t deadline_ms = monotonic_ms() + bound_ms;
	struct text input = {0};
	char part[4096];
	ssize_t n = 1;
	int r = 0;

	while (r >= 0 && n > 0) {
		r = input_wait(fd, deadline_ms);
		if (r < 0)
			break;
		n = read(fd, part, sizeof(part));
		if (n < 0)
			r = errno == EINTR || errno == EAGAIN ? 0 : -errno;
		else
			text_append_bytes(&input, part, (size_t)n);
		if (n < 0 && r == 0)
			n = 1;
		if (input.length > HOOK_INPUT_MAX)
			r = -EFBIG;
	}
	if (r >= 0 && input.failed)
		r = -ENOMEM;
	if (r >= 0 && input.length > 0) {
		*ret_size = input.length;
		*ret_data = text_take(&input);
		return 0;
	}
	text_free(&input);
	if (r >= 0)
		return error_set(error, -ENODATA, "there is nothing on standard input");
	if (r == -EFBIG)
		return error_set(error, r, "standard input is larger than %u bytes", HOOK_INPUT_MAX);
	return error_set(error, r, "standard input: %s", strerror(-r));
}

json_t *hook_json(const char *data, size_t size, const char *what, struct error *error)
{
	json_error_t where;
	json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &where);
	char escaped[JSON_ERROR_TEXT_LENGTH * 4];

	if (!json)
		error_set(error, -EBADMSG, "%s is no JSON: line %d: %s", what, where.line,
			  text_escape(escaped, sizeof(escaped), where.text));
	else if (!json_is_object(json))
		error_set(error, -EBADMSG, "%s is no JSON object", what);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

int hook_label(json_t *labels, const char *text, struct error *error)
{
	const char *equals = strchr(text, '=');
	char escaped[128];

	if (equals && equals != text && text_is_utf8(text, strlen(text)) &&
	    json_object_setn_new(labels, text, (size_t)(equals - text), json_string(equals + 1)) == 0)
		return 0;
	return error_set(error, -EINVAL, "'%s' is no label (KEY=VALUE)", text_escape(escaped, sizeof(escaped), text));
}

int hook_wait_ms(const char *text, int64_t *ret_ms, struct error *error)
{
	char *end;
	long long ms = strtoll(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || ms > HOOK_WAIT_MS_MAX)
		return error_set(error, -EINVAL, "how long to wait is 0 to %d ms", HOOK_WAIT_MS_MAX);
	*ret_ms = ms;
	return 0;
}
