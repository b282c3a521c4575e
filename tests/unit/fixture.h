/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy and a world from text, and questions to the naive reading in few words. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "policy/naive.h"
#include "table/explain.h"

struct fixture {
	struct policy *policy;
	struct world world;
	struct sources sources;
	struct naive naive;
	struct explain *explain;
};

/* Both must be free of errors. `world` NULL: nobody is there. */
void fixture_load(struct fixture *fixture, const char *policy, const char *world);
void fixture_free(struct fixture *fixture);

/* A container's name (its first port, or NAME@NETWORK), "host", or an address (ADDRESS@NETWORK: seen from there). */
struct party fixture_party(const struct fixture *fixture, const char *word);

/* "allow rule 'NAME'", "deny default", "audit deny rule 'NAME'", "unpoliced"; a rule without a name is told by its
 * line. Staged rules stand behind: "deny default, staged 'NAME'". The caller frees. */
char *fixture_judge(const struct fixture *fixture, const char *from, const char *to, const char *service, int64_t now);

struct question {
	const char *from, *to, *service, *expected;
};
/* All of them at the time 0 of 2026; fails with the first that is answered otherwise. */
void fixture_ask(const struct fixture *fixture, const struct question *questions, size_t count);
#define FIXTURE_ASK(fixture, questions) fixture_ask((fixture), (questions), sizeof(questions) / sizeof((questions)[0]))

/* Loads, asks, frees. */
void fixture_check(const char *policy, const char *world, const struct question *questions, size_t count);
#define FIXTURE_CHECK(policy, world, questions) \
	fixture_check((policy), (world), (questions), sizeof(questions) / sizeof((questions)[0]))

/* 2026-01-01T00:00:00Z */
#define FIXTURE_NOW 1767225600000000000

#endif
