/* SPDX-License-Identifier: GPL-2.0-only */
#include "judge.h"

#include "must.h"

static const char policy_text[] =
	"version: 1\n"
	"zones:\n"
	"  shop:\n"
	"    groups:\n"
	"      front: { members: { label: tier=front } }\n"
	"      db: { members: { label: tier=db } }\n"
	"  other: { members: { label: tier=other } }\n"
	"networks:\n"
	"  partners: { cidrs: [ 192.0.2.0/24, \"2001:db8:2::/48\" ] }\n"
	"services:\n"
	"  web: [ tcp/80, tcp/443 ]\n"
	"rules:\n"
	"  - { name: the shop asks, from: shop/front, to: shop/db, allow: [ tcp/5432, ping ] }\n"
	"  - { from: shop/front, to: internet, allow: web, log: all }\n"
	"  - { from: partners, to: shop/front, allow: tcp/443, expires: 2026-07-01T00:00:00Z }\n"
	"  - { from: other, to: shop, deny: udp }\n";

static const char world_text[] =
	"version: 1\n"
	"host: { addresses: [ 10.1.0.1, \"fd01::1\" ], bridges: { n: [ 10.1.0.0/24, \"fd01::/64\" ] } }\n"
	"containers:\n"
	"  - { name: web, labels: { tier: front }, ports: [ { interface: v0, network: n, addresses: [ 10.1.0.2, "
	"\"fd01::2\" ] } ] }\n"
	"  - { name: db, labels: { tier: db }, ports: [ { interface: v1, network: n, addresses: [ 10.1.0.3, "
	"\"fd01::3\" ] } ] }\n"
	"  - { name: odd, labels: { tier: other }, ports: [ { interface: v2, network: n, addresses: [ 10.1.0.4 ] } ] "
	"}\n";

static void judge_make(struct judge *judge)
{
	struct diagnostics diagnostics = {0};
	struct sources sources = {0};
	struct error error = {0};

	if (policy_load_text("policy.yaml", policy_text, strlen(policy_text), JUDGE_NOW, &judge->policy, &diagnostics,
			     &error) < 0) {
		diagnostics_print(&diagnostics, &judge->policy->sources, false, stderr);
		abort();
	}
	if (world_load_text("world.yaml", world_text, strlen(world_text), &judge->world, &sources, &diagnostics,
			    &error) < 0) {
		diagnostics_print(&diagnostics, &sources, false, stderr);
		abort();
	}
	diagnostics_free(&diagnostics);
	for (size_t i = 0; i < sources.count; i++) {
		free(sources.items[i].path);
		free(sources.items[i].text);
	}
	array_free(&sources);
	world_mark_unpoliced(&judge->world, &judge->policy->settings);
	must(registry_new(&judge->registry) == 0);
	must(table_compile(judge->policy, &judge->world, judge->registry, JUDGE_NOW_S, &judge->table, &error) == 0);
}

struct judge *judge_get(void)
{
	static struct judge judge;

	if (!judge.policy)
		judge_make(&judge);
	return &judge;
}
