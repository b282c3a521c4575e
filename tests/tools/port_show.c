/* SPDX-License-Identifier: GPL-2.0-only */
/* Shows what the port watcher knows, as JSON: for trying things by hand, and for the tests.
 *
 *     port_show [--wait SECONDS] [--follow SECONDS] [--sockets] [OPTION=VALUE ...]
 *
 * --wait: ends as soon as no port is closed, at the latest after so long (default 2). --follow: prints a view a line
 * at each change, for so long. OPTION: a field of port_options, such as netns_dir=/run/netns; ignore=GLOB. */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "port/port.h"

struct show {
	struct loop *loop;
	struct loop_source *timer;
	struct port_watch *watch;
	const char *ignore;
	bool follow, sockets;
};

static json_t *text_json(const char *untrusted)
{
	struct text text = {0};
	json_t *json;

	if (!untrusted)
		return json_null();
	text_append_escaped(&text, untrusted);
	json = json_string(text_string(&text));
	text_free(&text);
	return json;
}

static json_t *addrs_json(const struct port_addrs *addrs)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < addrs->count; i++)
		json_array_append_new(list, json_string(addr_format(&addrs->items[i], text)));
	return list;
}

static json_t *owner_json(const struct owner *owner)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < owner->labels.count; i++)
		json_object_set_new(labels, owner->labels.items[i].key, text_json(owner->labels.items[i].value));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", text_json(owner->id), "name",
			 text_json(owner->name), "runtime", text_json(owner->runtime), "image", text_json(owner->image),
			 "namespace", text_json(owner->namespace), "cgroup", text_json(owner->cgroup), "network",
			 text_json(owner->network), "labels", labels);
}

static void socket_add(void *arg, const struct port_socket *socket)
{
	char own[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];

	json_array_append_new(arg, json_pack("{s:i, s:b, s:s, s:i, s:s, s:i}", "protocol", socket->protocol, "inbound",
					     socket->inbound, "own", addr_format(&socket->own, own), "own_port",
					     socket->own_port, "remote", addr_format(&socket->remote, remote),
					     "remote_port", socket->remote_port));
}

static json_t *sockets_json(const struct show *show, const struct port *port)
{
	struct error error = {0};
	json_t *list = json_array();

	if (port->state == PORT_IDENTIFIED && port_sockets(show->watch, port, socket_add, list, &error) < 0)
		fprintf(stderr, "port_show: %s\n", error.text);
	return list;
}

static json_t *published_json(const struct port *port)
{
	json_t *list = json_array();

	for (size_t i = 0; i < port->published.count; i++) {
		const struct published *item = &port->published.items[i];
		char at[PREFIX_TEXT_MAX];

		json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:s}", "protocol", item->protocol, "host_port",
						      item->host_port, "container_port", item->container_port, "at",
						      prefix_format(&item->at, at)));
	}
	return list;
}

static json_t *port_json(const struct show *show, const struct port *port)
{
	char mac[MAC_TEXT_MAX];
	json_t *json = json_pack("{s:I, s:i, s:o, s:o, s:I, s:b, s:s, s:o, s:b, s:o, s:o, s:o}", "key",
				 (json_int_t)port->key, "ifindex", (int)port->ifindex, "name", text_json(port->name),
				 "bridge", text_json(port->bridge), "cookie", (json_int_t)port->cookie, "patch",
				 port->patch, "state", port_state_names[port->state], "reason", text_json(port->reason),
				 "existed_at_start", port->existed_at_start, "addresses", addrs_json(&port->addresses),
				 "gateways", addrs_json(&port->gateways), "published", published_json(port));

	json_object_set_new(json, "mac", port->has_mac ? json_string(mac_format(&port->mac, mac)) : json_null());
	json_object_set_new(json, "owner", port->has_owner ? owner_json(&port->owner) : json_null());
	if (show->sockets)
		json_object_set_new(json, "sockets", sockets_json(show, port));
	return json;
}

static json_t *bridge_json(const struct host_bridge *bridge)
{
	json_t *subnets = json_array();
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < bridge->subnets.count; i++)
		json_array_append_new(subnets, json_string(prefix_format(&bridge->subnets.items[i], text)));
	return json_pack("{s:o, s:i, s:b, s:o}", "name", text_json(bridge->name), "ifindex", (int)bridge->ifindex,
			 "managed", bridge->managed, "subnets", subnets);
}

static void show_print(const struct show *show)
{
	const struct port_view *view = port_watch_view(show->watch);
	json_t *ports = json_array(), *bridges = json_array(), *unpoliced = json_array(), *all;

	for (size_t i = 0; i < view->ports.count; i++)
		json_array_append_new(ports, port_json(show, &view->ports.items[i]));
	for (size_t i = 0; i < view->bridges.count; i++)
		json_array_append_new(bridges, bridge_json(&view->bridges.items[i]));
	for (size_t i = 0; i < view->unpoliced.count; i++) {
		const struct unpoliced *item = &view->unpoliced.items[i];

		json_array_append_new(unpoliced, json_pack("{s:o, s:o, s:o}", "name", text_json(item->name), "runtime",
							   text_json(item->runtime), "why", text_json(item->why)));
	}
	all = json_pack("{s:o, s:o, s:o, s:o, s:o}", "ports", ports, "bridges", bridges, "unpoliced", unpoliced,
			"host_addresses", addrs_json(&view->host_addresses), "status", port_watch_status(show->watch));
	if (show->follow) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		json_object_set_new(all, "at", json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9));
	}
	json_dumpf(all, stdout, show->follow ? 0 : JSON_INDENT(2));
	putchar('\n');
	fflush(stdout);
	json_decref(all);
}

static bool all_known(const struct port_view *view)
{
	for (size_t i = 0; i < view->ports.count; i++) {
		if (view->ports.items[i].state == PORT_CLOSED)
			return false;
	}
	return true;
}

static void on_change(void *arg)
{
	struct show *show = arg;

	if (show->follow)
		show_print(show);
	else if (all_known(port_watch_view(show->watch)))
		loop_quit(show->loop, 0);
}

static void on_timer(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 0);
}

static bool manages(void *arg, const char *interface)
{
	const struct show *show = arg;

	return !show->ignore || fnmatch(show->ignore, interface, 0) != 0;
}

static bool option_set(struct show *show, struct port_options *options, char *text)
{
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{"docker_socket", &options->docker_socket},
		{"docker_root", &options->docker_root},
		{"podman_root", &options->podman_root},
		{"netns_dir", &options->netns_dir},
		{"netns_meta_dir", &options->netns_meta_dir},
		{"docker_netns_dir", &options->docker_netns_dir},
		{"proc", &options->proc},
		{"cni_results", &options->cni_results},
		{"containerd_state", &options->containerd_state},
		{"containerd_root", &options->containerd_root},
		{"crio_run", &options->crio_run},
		{"lxc_path", &options->lxc_path},
		{"incus_root", &options->incus_root},
		{"lxd_root", &options->lxd_root},
		{"machines_dir", &options->machines_dir},
		{"runc_root", &options->runc_root},
		{"crun_root", &options->crun_root},
		{"ignore", &show->ignore},
	};
	char *value = strchr(text, '=');

	if (!value)
		return false;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(known[i].name, text) == 0) {
			*known[i].to = value;
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct show show = {0};
	struct port_options options = port_options_usual;
	struct error error = {0};
	int64_t wait_ms = 2000;

	options.manages = manages;
	options.manages_arg = &show;
	for (int i = 1; i < argc; i++) {
		bool wait = strcmp(argv[i], "--wait") == 0, follow = strcmp(argv[i], "--follow") == 0;

		if (strcmp(argv[i], "--sockets") == 0) {
			show.sockets = true;
		} else if ((wait || follow) && i + 1 < argc) {
			show.follow |= follow;
			wait_ms = (int64_t)(strtod(argv[++i], NULL) * 1000);
		} else if (!option_set(&show, &options, argv[i])) {
			fprintf(stderr, "port_show: '%s' is no option\n", argv[i]);
			return 2;
		}
	}
	if (loop_new(&show.loop) < 0 || loop_add_timer(show.loop, on_timer, &show, &show.timer) < 0 ||
	    loop_set_timer(show.timer, wait_ms, 0) < 0 ||
	    port_watch_new(show.loop, &options, on_change, &show, &show.watch, &error) < 0) {
		fprintf(stderr, "port_show: %s\n", error.text);
		return 1;
	}
	int r = loop_run(show.loop);
	if (!show.follow)
		show_print(&show);
	port_watch_free(show.watch);
	loop_remove(show.timer);
	loop_free(show.loop);
	return r < 0;
}
