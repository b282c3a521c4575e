/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "hook.h"

#define SETTINGS_MAX 4096u /* bytes of hooks.json; the daemon writes about 100 */

static int settings_take(const json_t *json, struct hook_settings *settings, struct error *error)
{
	const char *without = json_string_value(json_object_get(json, "start_without_daemon"));
	const char *socket = json_string_value(json_object_get(json, "socket"));

	if (json_integer_value(json_object_get(json, "version")) != 1)
		return error_set(error, -EINVAL, "it is of another version than 1");
	if (!without || (strcmp(without, "fail") != 0 && strcmp(without, "closed") != 0))
		return error_set(error, -EINVAL, "start_without_daemon is neither 'fail' nor 'closed'");
	if (!socket || socket[0] != '/' || strlen(socket) >= sizeof(settings->socket))
		return error_set(error, -EINVAL, "socket is no absolute path of a socket");
	settings->closed = strcmp(without, "closed") == 0;
	strcpy(settings->socket, socket);
	return 0;
}

static int settings_parse(const char *data, size_t size, struct hook_settings *settings, struct error *error)
{
	json_t *json = hook_json(data, size, "it", error);
	int r = json ? settings_take(json, settings, error) : -EINVAL;

	json_decref(json);
	return r;
}

int hook_settings_read(const char *state_dir, struct hook_settings *ret_settings, struct error *error)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX], escaped[256];
	size_t size;
	int r;

	*ret_settings = (struct hook_settings){.socket = HOOK_SOCKET};
	if (snprintf(path, sizeof(path), "%s/hooks.json", state_dir) >= (int)sizeof(path))
		return error_set(error, -ENAMETOOLONG, "the state folder's name is too long");
	r = file_read_trusted(path, SETTINGS_MAX, &data, &size, error);
	if (r == -ENOENT) {
		if (error)
			*error = (struct error){0};
		return 0;
	}
	if (r < 0)
		return r;
	r = settings_parse(data, size, ret_settings, error);
	return r < 0 ? error_wrap(error, r, "%s", text_escape(escaped, sizeof(escaped), path)) : 0;
}
