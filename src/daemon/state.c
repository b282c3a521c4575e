/* SPDX-License-Identifier: GPL-2.0-only */
/* What outlives the daemon besides the kernel's state: the numbers' meanings, and that this host is policed. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/places.h"
#include "daemon/daemon.h"

#define REGISTRY_SIZE_MAX (64u << 20)
#define HOOKS_VERSION	  1
#define GENERATION_KEY	  "generation" /* beside the registry's own */

static void registry_path(const struct daemon *daemon, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/%s", daemon->options->state_dir, STATE_REGISTRY);
}

int daemon_registry_load(struct daemon *daemon, struct error *error)
{
	AUTO_FREE char *data = NULL;
	char path[512];
	json_error_t json_error;
	json_t *json;
	size_t size;
	int r;

	registry_path(daemon, path, sizeof(path));
	r = file_read(path, REGISTRY_SIZE_MAX, &data, &size, error);
	if (r == -ENOENT)
		return registry_new(&daemon->registry);
	if (r < 0)
		return r;
	json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &json_error);
	if (!json)
		return error_set(error, -EINVAL, "%s:%d: %s", path, json_error.line, json_error.text);
	r = registry_load(json, &daemon->registry, error);
	if (r == 0)
		daemon->registry_generation = (uint32_t)json_integer_value(json_object_get(json, GENERATION_KEY));
	json_decref(json);
	if (r < 0)
		return error_wrap(error, r, "%s", path);
	daemon->registry_saved = TAKE(data);
	return 0;
}

struct reservation {
	struct registry *registry;
	uint32_t count;
	int result;
};

static void number_reserve(void *arg, uint32_t number)
{
	struct reservation *reservation = arg;
	int r = registry_reserve(reservation->registry, number, (int64_t)time(NULL));

	reservation->count++;
	if (r < 0)
		reservation->result = r;
}

int daemon_registry_check(struct daemon *daemon, struct error *error)
{
	struct reservation reservation = {0};
	int r;

	if (gate_generation(daemon->gate) <= daemon->registry_generation)
		return 0;
	r = registry_new(&reservation.registry);
	if (r == 0)
		r = gate_identities(daemon->gate, number_reserve, &reservation);
	if (r == 0)
		r = reservation.result;
	if (r < 0) {
		registry_free(reservation.registry);
		return error_set(error, r, "the identities in force can't be read: %s", strerror(-r));
	}
	log_warning("%s/%s is missing or older than the policy in force: its %u identities get new numbers",
		    daemon->options->state_dir, STATE_REGISTRY, reservation.count);
	registry_free(daemon->registry);
	daemon->registry = reservation.registry;
	return 0;
}

int daemon_registry_save(struct daemon *daemon, uint32_t generation, struct error *error)
{
	AUTO_FREE char *text = NULL;
	json_t *json = registry_save(daemon->registry);
	char path[512];
	int r;

	if (!json || json_object_set_new(json, GENERATION_KEY, json_integer(generation)) < 0) {
		json_decref(json);
		return error_set(error, -ENOMEM, "out of memory");
	}
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	if (!text)
		return error_set(error, -ENOMEM, "out of memory");
	if (daemon->registry_saved && strcmp(text, daemon->registry_saved) == 0)
		return 0;
	registry_path(daemon, path, sizeof(path));
	r = file_write(path, text, strlen(text), error);
	if (r < 0)
		return r;
	free(daemon->registry_saved);
	daemon->registry_saved = TAKE(text);
	daemon->registry_generation = generation;
	return 0;
}

static void policed_path(const struct daemon *daemon, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/%s", daemon->options->state_dir, STATE_POLICED);
}

bool daemon_was_policed(const struct daemon *daemon)
{
	char path[512];

	policed_path(daemon, path, sizeof(path));
	return access(path, F_OK) == 0;
}

void daemon_policed_note(const struct daemon *daemon)
{
	struct error error = {0};
	char path[512];

	policed_path(daemon, path, sizeof(path));
	if (access(path, F_OK) < 0 && file_write(path, "", 0, &error) < 0)
		log_warning("%s; after a reboot with a broken policy this host will be left open", error.text);
}

int daemon_hooks_save(const struct daemon *daemon, struct error *error)
{
	const char *what = start_without_names[daemon->policy->settings.start_without_daemon];
	const char *socket = daemon->options->socket;
	char path[512], whole[PATH_MAX], here[PATH_MAX] = "";
	AUTO_FREE char *text = NULL;
	json_t *json;

	/* A hook's working directory is another. */
	if (socket[0] != '/' && !getcwd(here, sizeof(here)))
		return error_set(error, -errno, "%s: %s", socket, strerror(errno));
	if (snprintf(whole, sizeof(whole), "%s%s%s", here, here[0] ? "/" : "", socket) >= (int)sizeof(whole))
		return error_set(error, -ENAMETOOLONG, "%s: too long for a path", socket);
	snprintf(path, sizeof(path), "%s/%s", daemon->options->state_dir, STATE_HOOKS);
	json = json_pack("{s:i,s:s,s:s}", "version", HOOKS_VERSION, "start_without_daemon", what, "socket", whole);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return error_set(error, -ENOMEM, "out of memory, or '%s' is no UTF-8", socket);
	return file_write_as(path, text, strlen(text), 0644, true, error);
}
