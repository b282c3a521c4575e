/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says of nftables: answers to questions, acknowledgements of a transaction, news of changes, and
 * packets that the door reports, in which a container has written what it likes. The input is the datagram; each reader
 * gets it. Dictionary: nft.dict. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flow/event.h"
#include "must.h"

/* For what is static in there: the readers of single messages. */
#include "gate/nft_batch.c"  /* NOLINT(bugprone-suspicious-include) */
#include "gate/nft_kernel.c" /* NOLINT(bugprone-suspicious-include) */
#include "gate/nft_watch.c"  /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEQUENCE 5u

static int counted(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	(void)packets;
	(void)bytes;
	*(size_t *)arg += strlen(name);
	return 0;
}

/* A copy for each reader, and nothing behind it but what the last message's alignment takes. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = calloc(1, MNL_ALIGN(size) + 1);

	must(copy);
	memcpy(copy, data, size);
	return copy;
}

static int read_all(const uint8_t *data, size_t size, nft_answer_fn fn, void *arg)
{
	uint8_t *copy = copy_of(data, size);
	int rc = answers_read(copy, (ssize_t)size, SEQUENCE, fn, arg);
	free(copy);
	return rc;
}

static void try_answers(const uint8_t *data, size_t size)
{
	struct nft_table_state state = {0};
	struct nft_pairs pairs = {0};
	size_t names = 0;
	struct counter_call call = {counted, &names};
	uint32_t generation = 0;

	(void)read_all(data, size, table_answer, &state);
	(void)read_all(data, size, pair_answer, &pairs);
	(void)read_all(data, size, counter_answer, &call);
	(void)read_all(data, size, generation_answer, &generation);
	must(pairs.count <= size / sizeof(struct nlattr));
	array_free(&pairs);
}

static void try_snapshot(const uint8_t *data, size_t size)
{
	struct nft_snapshot snapshot = {.digests = map_new()};
	struct taking taking = {.snapshot = &snapshot, .set = "set"};
	struct text drift = {0};

	must(snapshot.digests);
	(void)read_all(data, size, chain_answer, &taking);
	(void)read_all(data, size, rule_answer, &taking);
	(void)read_all(data, size, set_answer, &taking);
	(void)read_all(data, size, element_answer, &taking);
	must(nft_snapshot_compare(&snapshot, &snapshot, &drift) == 0);
	(void)nft_snapshot_compare(NULL, &snapshot, &drift);
	for (size_t i = 0; i < taking.sets.count; i++)
		free(taking.sets.items[i]);
	array_free(&taking.sets);
	text_free(&drift);
	map_free(snapshot.digests, free);
}

static void try_acks(const uint8_t *data, size_t size)
{
	struct nft_link link = {.seq = 3};
	struct nft_batch batch = {.link = &link, .first_seq = 2};
	struct outcome outcome = {0};
	struct error error = {0};
	uint8_t *copy = copy_of(data, size);

	nft_batch_command(&batch, "adding", "inet", "set x", "a.yaml:1");
	acks_read(&batch, copy, (ssize_t)size, &outcome, &error);
	must((outcome.code != 0) == (error.text[0] != '\0'));
	must(outcome.code <= 0);
	array_free(&batch.commands);
	free(copy);
}

static void drifted(void *arg, const char *what, const char *who)
{
	(void)arg;
	must(what[0] && text_is_utf8(what, strlen(what)) && text_is_utf8(who, strlen(who)));
	for (const char *at = who; *at; at++)
		must((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void try_event(const struct nlmsghdr *message)
{
	static const struct nft_port port = {.ifindex = 9, .domain = 3, .mac = {{2, 0, 0, 0, 0, 7}}};
	const struct nft_report_ports ports = {&port, 1};
	struct bh_event event;

	if (!nft_report_parse(message, BH_STAMP_SHIFT_DEFAULT, &ports, &event))
		return;
	must(event.verdict <= BH_EVENT_STAGED && event.reason < BH_REASON_MAX);
	must(event.family == 0 || event.family == 4 || event.family == 6);
	must(event.src_class < BH_IDENTITY_MAX && event.direction <= BH_EVENT_TO_PORT);
}

static void try_news(const uint8_t *data, size_t size)
{
	struct nft_gate nft = {.link = {.portid = 99}};
	struct nft_watch watch = {.nft = &nft, .callbacks = {.on_drift = drifted}};
	uint8_t *copy = copy_of(data, size);
	const struct nlmsghdr *message = (const struct nlmsghdr *)copy;
	int left = (int)size;

	for (; message_ok(message, left); message = message_next(message, &left)) {
		event_read(&watch, message);
		try_event(message);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_answers(data, size);
	try_snapshot(data, size);
	try_acks(data, size);
	try_news(data, size);
	return 0;
}
