/* SPDX-License-Identifier: GPL-2.0-only */
/* Which addresses are a port's own. Where a runtime knows them its word counts; where none does, the first claim: what
 * the container's end has when the port is adopted, within the subnets of its bridge. Nothing that is somebody else's
 * by then can be claimed, and of each kind there is one first claim and never a second. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

enum address_kind { KIND_V4, KIND_V6, KIND_LINK_LOCAL, KIND_MAX };

static enum address_kind kind_of(const struct addr *addr)
{
	return addr->family == ADDR_V4 ? KIND_V4 : addr_is_link_local(addr) ? KIND_LINK_LOCAL : KIND_V6;
}

struct prefix subnet_of(const struct link_addr *address)
{
	struct prefix subnet = {.addr = address->addr, .length = address->length};

	for (unsigned int bit = address->length; bit < addr_bits(&subnet.addr); bit++)
		subnet.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return subnet;
}

/* The network's own and the broadcast address; a /31 and a /32 have none (RFC 3021). */
static bool is_edge(const struct prefix *subnet, const struct addr *addr)
{
	struct addr last = prefix_last(subnet);

	return addr->family == ADDR_V4 && subnet->length < 31 &&
	       (addr_equal(addr, &subnet->addr) || addr_equal(addr, &last));
}

/* Is it in a subnet of `ifindex`? *ret_any: that link has an address of this family at all. */
static bool on_link(const struct claim *claim, uint32_t ifindex, const struct addr *addr, bool *ret_any)
{
	bool found = false;

	for (size_t i = 0; i < claim->host_addrs->count; i++) {
		const struct link_addr *own = &claim->host_addrs->items[i];
		struct prefix subnet = subnet_of(own);

		if (own->ifindex != ifindex || own->addr.family != addr->family || addr_is_link_local(&own->addr))
			continue;
		*ret_any = true;
		if (own->length < addr_bits(&own->addr) && prefix_holds(&subnet, addr) && !is_edge(&subnet, addr))
			found = true;
	}
	return found;
}

static bool on_another_link(const struct claim *claim, uint32_t ifindex, const struct addr *addr)
{
	for (size_t i = 0; i < claim->host_addrs->count; i++) {
		const struct link_addr *own = &claim->host_addrs->items[i];
		struct prefix subnet = subnet_of(own);

		if (own->ifindex != ifindex && own->length < addr_bits(&own->addr) && prefix_holds(&subnet, addr))
			return true;
	}
	return false;
}

static bool routed_to(const struct claim *claim, const struct addr *addr)
{
	for (size_t i = 0; i < claim->routes->count; i++) {
		const struct link_route *route = &claim->routes->items[i];

		if (route->ifindex == claim->link->ifindex && !route->has_gateway && route->prefix.length > 0 &&
		    prefix_holds(&route->prefix, addr))
			return true;
	}
	return false;
}

/* NULL: it may be claimed; otherwise why not. That it is the host's or another port's is found when all is settled. */
static const char *claim_refusal(const struct claim *claim, const struct addr *addr)
{
	bool any = false;

	if (addr_is_link_local(addr))
		return NULL;
	if (!claim->bridge) {
		if (on_link(claim, claim->link->ifindex, addr, &any) || routed_to(claim, addr))
			return NULL;
		return "is not where the host has a route to it";
	}
	if (on_link(claim, claim->bridge->ifindex, addr, &any))
		return NULL;
	if (any)
		return "is in no subnet of its bridge";
	/* The bridge has no address of this family: only what is not another link's is free. */
	return on_another_link(claim, claim->bridge->ifindex, addr) ? "is in another link's subnet" : NULL;
}

static void kinds_of(const struct port_addrs *addrs, const struct addr *but, bool kinds[KIND_MAX])
{
	for (size_t i = 0; i < addrs->count; i++) {
		if (!but || !addr_equal(&addrs->items[i], but))
			kinds[kind_of(&addrs->items[i])] = true;
	}
}

int claim_first(const struct claim *claim, const struct peer *peer, bool link_local_only,
		const struct port_addrs *strong, struct port_addrs *weak, char reason[REASON_MAX])
{
	struct addr made = addr_link_local(&peer->mac);
	bool taken[KIND_MAX] = {0};
	char text[ADDR_TEXT_MAX];
	int result = 0;

	/* The one made of the MAC is always there, so it does not use up the claim of its kind. */
	kinds_of(strong, &made, taken);
	kinds_of(weak, &made, taken);
	reason[0] = '\0';
	for (size_t i = 0; i < peer->addrs.count; i++) {
		const struct link_addr *seen = &peer->addrs.items[i];
		enum address_kind kind = kind_of(&seen->addr);

		if (taken[kind] || (link_local_only && kind != KIND_LINK_LOCAL) || addr_is_unusable(&seen->addr))
			continue;
		/* A link-local one is of use before its detection is over: that is when the container solicits. */
		if (seen->tentative && kind != KIND_LINK_LOCAL)
			continue;
		const char *refusal = claim_refusal(claim, &seen->addr);
		if (refusal) {
			if (!reason[0])
				snprintf(reason, REASON_MAX, "%s %s", addr_format(&seen->addr, text), refusal);
			continue;
		}
		int r = port_addrs_add(weak, &seen->addr);
		if (r == -ENOSPC)
			result = r;
		else if (r < 0)
			return r;
	}
	return result;
}
