/* SPDX-License-Identifier: GPL-2.0-only */
/* differ run --seed N --policies COUNT [--frames COUNT]    random policies, worlds and frames: do all agree?
 * differ try                                               cases on standard input, a JSON object a line
 * differ policy --seed N                                   prints a random policy
 *
 * `run` prints a JSON object: its sum, or the first mismatch, as a case that `try` takes. A case has `policy` and
 * `world` (texts), `now` (ns) and `frames`: the interface of the `port`, the `way` from or to it, a `stamp` (`host`,
 * `remote`, an interface whose port's it is, a number), `received`, and `hex`. `try` answers each by an object with
 * `loads`, `differs`, and of the first frame that does `frame` (its number), `what`, `expected` (that it passes),
 * `reason` and `wrong` (the verdict, and not just its reason). Exit 1: a mismatch. BULKHEAD_DIFFER_FAULT=PORT plants
 * one, see differ.h. Needs root: the eBPF programs are run by BPF_PROG_TEST_RUN (tests/bpf/differ.h). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/file.h"
#include "flow/event.h"
#include "policy/load.h"
#include "tests/bpf/differ.h"
#include "tests/bpf/random_frame.h"
#include "tests/lib/frame_words.h"
#include "tests/lib/random_policy.h"

#define FRAMES_DEFAULT 400
#define TRY_FRAMES_MAX 64

static struct {
	unsigned long long policies, verdicts, flows, allowed, audited, refused, dropped, parts, either, answered;
} sum;

static void die(const char *what)
{
	fprintf(stderr, "differ: %s\n", what);
	exit(2);
}

static void worlds_make(void)
{
	const char *fault = getenv("BULKHEAD_DIFFER_FAULT");

	if (world_setup(NULL) != 0)
		die("the eBPF programs or their world can't be made");
	world_reset(NULL);
	config_get()->flow_quota = 1 << 30;
	config_get()->flow_half_quota = 1 << 30;
	if (fault)
		differ_fault = (uint16_t)strtoul(fault, NULL, 10);
}

/* ---- A case as JSON ---- */

static json_t *frame_json(const struct differ_case *made, const struct differ_frame *frame)
{
	const struct world *in = made->world;
	char hex[2 * FRAME_MAX + 1], stamp[64];

	for (uint32_t i = 0; i < frame->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", frame->data[i]);
	snprintf(stamp, sizeof(stamp), "%u", frame->stamp);
	for (size_t i = 0; i < in->ports.count; i++)
		if (made->table->ports.items[i].identity == frame->stamp && frame->stamp != BH_CLASS_NONE)
			snprintf(stamp, sizeof(stamp), "%s", in->ports.items[i].interface);
	if (frame->stamp == BH_CLASS_HOST || frame->stamp == BH_CLASS_REMOTE)
		snprintf(stamp, sizeof(stamp), "%s", frame->stamp == BH_CLASS_HOST ? "host" : "remote");
	return json_pack("{s:s,s:s,s:s,s:b,s:s}", "port", in->ports.items[frame->port].interface, "way",
			 frame->from_port ? "from" : "to", "stamp", stamp, "received", frame->received, "hex", hex);
}

static void answer_words(const struct differ_answer *answer, char *buffer, size_t size)
{
	snprintf(buffer, size, "expected: %s (%s); the program: %s, reason %u%s",
		 answer->expected == DIFFER_PASS ? "pass" : "drop", answer->why,
		 answer->pass	    ? "pass"
		 : answer->answered ? "answer"
				    : "drop",
		 answer->reason, answer->reason_differs ? ", which is another than should be" : "");
}

static bool frame_read(const struct differ_case *made, const json_t *json, struct differ_frame *frame)
{
	const char *port = json_string_value(json_object_get(json, "port"));
	const char *way = json_string_value(json_object_get(json, "way"));
	const char *stamp = json_string_value(json_object_get(json, "stamp"));
	const char *hex = json_string_value(json_object_get(json, "hex"));
	size_t size;

	*frame = (struct differ_frame){.received = json_is_true(json_object_get(json, "received"))};
	if (!port || !way || !stamp || !hex || !hex_read(hex, frame->data, sizeof(frame->data), &size))
		return false;
	frame->size = (uint32_t)size;
	frame->from_port = strcmp(way, "from") == 0;
	return port_word_read(made->world, port, &frame->port) && !made->world->ports.items[frame->port].unpoliced &&
	       stamp_word_read(made->table, made->world, stamp, &frame->stamp);
}

/* ---- run ---- */

static void count(const struct differ_answer *answer)
{
	sum.verdicts++;
	sum.flows += answer->flow;
	sum.allowed += answer->flow && answer->allow;
	sum.audited += answer->flow && answer->audit;
	sum.refused += answer->flow && !answer->allow && !answer->audit;
	sum.dropped += !answer->flow && answer->expected == DIFFER_DROP;
	sum.answered += answer->answered;
	sum.either += answer->expected == DIFFER_EITHER;
	sum.parts += !answer->flow && answer->expected == DIFFER_PASS;
}

static void mismatch_print(const struct random_case *random, const struct differ_case *made,
			   const struct differ_frame *frames, size_t frame_count, const struct differ_answer *answer)
{
	json_t *list = json_array(), *json;
	char what[512];

	for (size_t i = 0; i < frame_count; i++)
		json_array_append_new(list, frame_json(made, &frames[i]));
	answer_words(answer, what, sizeof(what));
	json = json_pack("{s:{s:I,s:s,s:s,s:s,s:I,s:o}}", "mismatch", "seed", (json_int_t)random->seed, "what", what,
			 "policy", random->policy_text, "world", random->world_text, "now", (json_int_t)made->now,
			 "frames", list);
	json_dumpf(json, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(json);
}

static bool sequence_run(const struct random_case *random, const struct differ_case *made,
			 const struct differ_frame *frames, size_t frame_count)
{
	static struct differ_past past;
	struct differ_answer answer;

	differ_forget(&past);
	for (size_t i = 0; i < frame_count; i++) {
		bool agree = differ_frame(made, &frames[i], &past, &answer);

		if (!differ_thorough)
			count(&answer);
		if (!agree && !differ_thorough) {
			differ_thorough = true; /* once more, to say why */
			return sequence_run(random, made, frames, frame_count);
		}
		if (!agree) {
			mismatch_print(random, made, frames, i + 1, &answer);
			return false;
		}
	}
	return true;
}

static bool policy_run(uint64_t seed, unsigned long frame_count)
{
	static struct differ_frame frames[RANDOM_FRAMES_MAX];
	struct random_state state;
	struct random_case random;
	struct differ_case made;
	struct error error = {0};
	uint32_t port = UINT32_MAX;
	bool agree = true;

	if (random_case_new(seed, &random, &state) < 0)
		die("a random policy does not load");
	if (differ_case_load(random.policy, &random.world, random_now(&state), &made, &error) < 0)
		die(error.text);
	sum.policies++;
	for (unsigned long done = 0; agree && done < frame_count;) {
		size_t next = random_frames(&state, &made, &port, frames);

		if (next == 0)
			break;
		agree = sequence_run(&random, &made, frames, next);
		done += next;
	}
	differ_case_free(&made);
	random_case_free(&random);
	return agree;
}

static int run(uint64_t seed, unsigned long policies, unsigned long frame_count)
{
	worlds_make();
	for (unsigned long i = 0; i < policies; i++)
		if (!policy_run(seed + i, frame_count))
			return 1;
	printf("{\"policies\":%llu,\"verdicts\":%llu,\"flows\":%llu,\"allowed\":%llu,\"audited\":%llu,\"refused\":%llu,"
	       "\"dropped\":%llu,\"answered\":%llu,\"parts\":%llu,\"either\":%llu}\n",
	       sum.policies, sum.verdicts, sum.flows, sum.allowed, sum.audited, sum.refused, sum.dropped, sum.answered,
	       sum.parts, sum.either);
	return 0;
}

/* ---- try ---- */

struct loaded {
	struct policy *policy;
	struct world world;
	struct sources sources;
};

static bool texts_load(const json_t *json, int64_t now, struct loaded *loaded)
{
	const char *policy = json_string_value(json_object_get(json, "policy"));
	const char *world_text = json_string_value(json_object_get(json, "world"));
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	int r = policy && world_text ? policy_load_text("policy.yaml", policy, strlen(policy), now, &loaded->policy,
							&diagnostics, &error)
				     : -EINVAL;

	if (r == 0)
		r = world_load_text("world.yaml", world_text, strlen(world_text), &loaded->world, &loaded->sources,
				    &diagnostics, &error);
	diagnostics_free(&diagnostics);
	if (r == 0)
		world_mark_unpoliced(&loaded->world, &loaded->policy->settings);
	return r == 0;
}

static void loaded_free(struct loaded *loaded)
{
	policy_free(loaded->policy);
	world_free(&loaded->world);
	for (size_t i = 0; i < loaded->sources.count; i++) {
		free(loaded->sources.items[i].path);
		free(loaded->sources.items[i].text);
	}
	array_free(&loaded->sources);
}

static json_t *mismatch_json(size_t frame, const struct differ_answer *answer)
{
	bool pass = answer->expected == DIFFER_PASS, exact = answer->expected_reason % BH_REASON_MAX != 0;
	char what[512];

	answer_words(answer, what, sizeof(what));
	return json_pack("{s:b,s:b,s:I,s:s,s:b,s:b,s:s*}", "loads", 1, "differs", 1, "frame", (json_int_t)frame, "what",
			 what, "expected", pass, "wrong", pass != answer->pass, "reason",
			 exact ? reason_name(answer->expected_reason) : NULL);
}

/* Runs the case's frames up to the first that differs. */
static json_t *frames_try(const struct differ_case *made, const json_t *list)
{
	static struct differ_frame frames[TRY_FRAMES_MAX];
	static struct differ_past past;
	size_t frame_count = json_array_size(list);
	struct differ_answer answer;

	for (size_t i = 0; i < frame_count; i++)
		if (i == TRY_FRAMES_MAX || !frame_read(made, json_array_get(list, i), &frames[i]))
			return json_pack("{s:b,s:b}", "loads", 0, "differs", 0);
	differ_forget(&past);
	for (size_t i = 0; i < frame_count; i++) {
		bool agree = differ_frame(made, &frames[i], &past, &answer);

		if (!agree)
			return mismatch_json(i, &answer);
	}
	return json_pack("{s:b,s:b}", "loads", 1, "differs", 0);
}

static json_t *case_try(const json_t *json)
{
	int64_t now = json_integer_value(json_object_get(json, "now"));
	struct loaded loaded = {0};
	struct differ_case made;
	struct error error = {0};
	json_t *answer;

	if (!texts_load(json, now, &loaded) || differ_case_load(loaded.policy, &loaded.world, now, &made, &error) < 0) {
		answer = json_pack("{s:b,s:b}", "loads", 0, "differs", 0);
	} else {
		answer = frames_try(&made, json_object_get(json, "frames"));
		differ_case_free(&made);
	}
	loaded_free(&loaded);
	return answer;
}

static int try_lines(void)
{
	AUTO_FREE char *line = NULL;
	size_t capacity = 0;
	bool differs = false;

	worlds_make();
	differ_thorough = true;
	while (getline(&line, &capacity, stdin) >= 0) {
		json_t *json = json_loads(line, 0, NULL), *answer = json ? case_try(json) : NULL;

		if (!answer)
			die("a line is no JSON object");
		differs = differs || json_is_true(json_object_get(answer, "differs"));
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(json);
	}
	return differs;
}

/* ---- */

static int policy_print(uint64_t seed)
{
	struct random_state state;
	AUTO_FREE char *text = NULL;

	random_seed(&state, seed);
	text = random_policy_text(&state);
	if (!text)
		die("out of memory");
	fputs(text, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"policies", required_argument, NULL, 'p'},
						{"frames", required_argument, NULL, 'f'},
						{0}};
	unsigned long policies = 1, frames = FRAMES_DEFAULT;
	uint64_t seed = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'p')
			policies = strtoul(optarg, NULL, 10);
		else if (option == 'f')
			frames = strtoul(optarg, NULL, 10);
		else
			die("what is that option?");
	}
	if (optind < argc && strcmp(argv[optind], "run") == 0)
		return run(seed, policies, frames);
	if (optind < argc && strcmp(argv[optind], "try") == 0)
		return try_lines();
	if (optind < argc && strcmp(argv[optind], "policy") == 0)
		return policy_print(seed);
	die("usage: differ run|try|policy [--seed N] [--policies COUNT] [--frames COUNT]");
}
