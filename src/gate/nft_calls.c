/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define PATH_SIZE 64

static const struct {
	uint32_t call;
	const char *path, *name;
} calls[] = {
	{NFT_CALL_IPTABLES, "/proc/sys/net/bridge/bridge-nf-call-iptables", "net.bridge.bridge-nf-call-iptables"},
	{NFT_CALL_IP6TABLES, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-ip6tables"},
};
#define CALLS (sizeof(calls) / sizeof(*calls))

const char *nft_call_name(uint32_t call)
{
	for (size_t i = 0; i < CALLS; i++)
		if (calls[i].call & call)
			return calls[i].name;
	return "";
}

int nft_calls_off(uint32_t *ret_off, struct error *error)
{
	uint32_t off = 0;

	for (size_t i = 0; i < CALLS; i++) {
		AUTO_FREE char *text = NULL;
		size_t size;
		int rc = file_read(calls[i].path, PATH_SIZE, &text, &size, NULL);

		if (rc == -ENOENT)
			return error_set(error, rc,
					 "nftables alone can't judge what passes within a bridge: this kernel's bridge "
					 "netfilter is not loaded (modprobe br_netfilter)");
		if (rc < 0)
			return error_set(error, rc, "reading %s: %s", calls[i].path, strerror(-rc));
		if (text[0] == '0')
			off |= calls[i].call;
	}
	*ret_off = off;
	return 0;
}

int nft_calls_set(uint32_t which, bool on, struct error *error)
{
	for (size_t i = 0; i < CALLS; i++) {
		AUTO_CLOSE int fd = -1;

		if (!(which & calls[i].call))
			continue;
		fd = open(calls[i].path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, on ? "1\n" : "0\n", 2) != 2)
			return error_set(error, -errno, "switching %s %s: %s", calls[i].name, on ? "on" : "off",
					 strerror(errno));
	}
	return 0;
}

int nft_calls_read(struct nft_link *link, uint32_t *ret_before)
{
	struct nft_pairs pairs = {0};
	uint32_t before = 0;
	int rc = nft_set_read(link, NFT_TABLE_BRIDGE, NFT_SET_CALLS, &pairs);

	for (size_t i = 0; rc == 0 && i < pairs.count; i++)
		before |= pairs.items[i].key;
	if (rc == 0)
		*ret_before = before;
	array_free(&pairs);
	return rc;
}

void nft_calls_render(struct nft_ruleset *ruleset, uint32_t before)
{
	struct nft_set description = {
		.name = (char *)NFT_SET_CALLS,
		.key_type = NFT_TYPE_MARK,
		.key_size = sizeof(uint32_t),
		.host_order = true,
		.comment = "bridge-nf-call-iptables (1), -ip6tables (2): off before Bulkhead; no packet "
			   "looks here"};
	struct nft_set *set = nft_set_add(ruleset, NFT_TABLE_BRIDGE, &description);

	for (size_t i = 0; i < CALLS; i++) {
		struct nft_element element = {0};

		memcpy(element.key, &calls[i].call, sizeof(calls[i].call));
		if (before & calls[i].call)
			nft_element_add(ruleset, set, &element);
	}
}

int nft_calls_ensure(struct nft_gate *nft, struct error *error)
{
	uint32_t off = 0;
	int rc;

	if (!nft->settings.alone)
		return 0;
	rc = nft_calls_off(&off, error);
	if (rc < 0)
		return rc;
	if (!nft->calls_known) {
		nft->calls_before = off;
		nft->calls_known = true;
	}
	rc = nft_calls_set(off, true, error);
	if (rc == 0 && off)
		nft->switched++;
	return rc;
}

int nft_calls_release(struct nft_gate *nft, struct error *error)
{
	int rc = 0;

	if (nft->settings.alone || !nft->calls_known)
		return 0;
	rc = nft_calls_set(nft->calls_before, false, error);
	nft->calls_known = rc < 0;
	return rc;
}

size_t nft_calls_check(const struct nft_gate *nft, struct text *drift)
{
	struct error error = {0};
	size_t count = 0;
	uint32_t off = 0;

	if (!nft->settings.alone || !nft->committed)
		return 0;
	if (nft_calls_off(&off, &error) < 0) {
		text_appendf(drift, "%s\n", error.text);
		return 1;
	}
	for (size_t i = 0; i < CALLS; i++) {
		if (!(off & calls[i].call))
			continue;
		text_appendf(drift, "%s is off\n", calls[i].name);
		count++;
	}
	return count;
}
