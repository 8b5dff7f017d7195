/* SPDX-License-Identifier: MIT */
/*
 * levels.c - what each level of links costs to seal and to open: frames of up to 32 KiB, bulk
 * data above. All variants alternate within a round, and the median over the rounds is shown;
 * the baseline is memcpy() of the same bytes. Costs no network and needs no launcher.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core.h"
#include "base/clock.h"
#include "harness.h"

enum { LEVELS = 3, CIPHERS = 2, SIZES = 4, ROUNDS_MAX = 41, BYTES_MAX = 1 << 20 };

static const size_t sizes[SIZES] = { 64, 1024, 65536, BYTES_MAX };

struct variant {
	const char *level, *cipher;	/* NULL: memcpy() */
	struct agent_seal seal, open;
	double seal_ns[ROUNDS_MAX], open_ns[ROUNDS_MAX];
};

static uint8_t *data, *to, *scratch;

static double per_call(uint64_t begin_ns, unsigned calls)
{
	return (double)(base_now_ns() - begin_ns) / calls;
}

static void copy(struct variant *variant, size_t bytes, unsigned calls, unsigned round)
{
	uint64_t begin = base_now_ns();

	for (unsigned i = 0; i < calls; i++) {
		memcpy(to, data, bytes);
		__asm__ volatile("" ::"r"(to) : "memory");	/* it is looked at */
	}
	variant->seal_ns[round] = variant->open_ns[round] = per_call(begin, calls);
}

/* Frames: one is opened as often as it takes, by ends that have not seen it. */
static void frames(struct variant *variant, size_t bytes, unsigned calls, unsigned round)
{
	struct agent_header header = { .kind = AGENT_DATA, .sequence = 1,
				       .bytes = (uint32_t)bytes };
	const uint8_t *body;
	uint64_t begin = base_now_ns();

	for (unsigned i = 0; i < calls; i++)
		agent_seal_frame(&variant->seal, &header, data, to);
	variant->seal_ns[round] = per_call(begin, calls);
	begin = base_now_ns();
	for (unsigned i = 0; i < calls; i++) {
		variant->open.newest = 0;
		memset(variant->open.seen, 0, sizeof(variant->open.seen));
		if (agent_header_decode(to, AGENT_HEADER_BYTES + bytes, &header) ||
		    agent_seal_open(&variant->open, to, &header, scratch, &body))
			abort();
	}
	variant->open_ns[round] = per_call(begin, calls);
}

static void bulks(struct variant *variant, size_t bytes, unsigned calls, unsigned round)
{
	bool hides = agent_level_hides(variant->seal.level);
	struct agent_bulk_seal bulk;
	uint64_t spent = 0;

	for (unsigned i = 0; i < calls; i++) {
		uint64_t begin = base_now_ns();

		agent_seal_bulk(&variant->seal, data, bytes, to, &bulk);
		spent += base_now_ns() - begin;
		begin = base_now_ns();
		if (agent_seal_bulk_open(&variant->open, &bulk, hides ? to : data, bytes))
			abort();
		variant->open_ns[round] += (double)(base_now_ns() - begin) / calls;
	}
	variant->seal_ns[round] = (double)spent / calls;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static void report(struct variant *variant, size_t bytes, unsigned rounds, json_t *rows)
{
	double seal_ns = median(variant->seal_ns, rounds);
	double open_ns = median(variant->open_ns, rounds);

	printf("%-10s %-18s %8zu %11.0f %11.0f %8.2f %8.2f\n", variant->level, variant->cipher,
	       bytes, seal_ns, open_ns, (double)bytes / seal_ns, (double)bytes / open_ns);
	json_array_append_new(rows, json_pack("{s:s,s:s,s:I,s:f,s:f}", "level", variant->level,
					      "cipher", variant->cipher, "bytes",
					      (json_int_t)bytes, "seal_ns", seal_ns, "open_ns",
					      open_ns));
}

static unsigned make_variants(struct variant *variants)
{
	static const char *const ciphers[CIPHERS] = { "chacha20-poly1305", "aes256-gcm" };
	struct agent_session session = { .id = 1, .send_key = { 1 }, .recv_key = { 1 } };
	unsigned count = 0;

	variants[count].level = "(memcpy)";
	variants[count++].cipher = "-";
	for (unsigned level = 0; level < LEVELS; level++) {
		for (unsigned i = 0; i < CIPHERS; i++) {
			struct variant *variant = &variants[count];

			if (!(agent_ciphers() & 1u << i))
				continue;
			variant->level = agent_level_name(agent_level_of(level));
			variant->cipher = ciphers[i];
			agent_seal_init(&variant->seal, agent_level_of(level), (2u << i) - 1,
					&session);
			variant->open = variant->seal;
			count++;
		}
	}
	return count;
}

/* A core that was idle is slow for its first tenths of a second. */
static void warm_up(struct variant *variant)
{
	const uint64_t end_ns = base_now_ns() + 300 * BASE_MS;

	while (base_now_ns() < end_ns)
		frames(variant, 1024, 100, 0);
}

static void measure(struct variant *variants, unsigned count, size_t bytes, unsigned rounds,
		    json_t *rows)
{
	unsigned calls = (unsigned)(((size_t)1 << 20) / (bytes + 1024)) + 1;

	for (unsigned i = 0; i < count; i++)
		memset(variants[i].open_ns, 0, sizeof(variants[i].open_ns));
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < count; i++) {
			if (!variants[i].seal.level)
				copy(&variants[i], bytes, calls, round);
			else if (bytes <= AGENT_FRAME_MAX - AGENT_HEADER_BYTES)
				frames(&variants[i], bytes, calls, round);
			else
				bulks(&variants[i], bytes, calls, round);
		}
	}
	for (unsigned i = 0; i < count; i++)
		report(&variants[i], bytes, rounds, rows);
}

int main(int argc, char **argv)
{
	static struct variant variants[1 + LEVELS * CIPHERS];
	struct bench_options options;
	json_t *rows = json_array();
	unsigned count;
	int rc = 0;

	bench_options_parse(argc, argv, "Cost of each level of links: seal and open, one core.",
			    &options);
	data = aligned_alloc(4096, BYTES_MAX);
	to = aligned_alloc(4096, BYTES_MAX + 4096);
	scratch = aligned_alloc(4096, BYTES_MAX);
	if (sodium_init() < 0 || !data || !to || !scratch || !rows)
		return 1;
	randombytes_buf(data, BYTES_MAX);
	memset(to, 0, BYTES_MAX + 4096);
	count = make_variants(variants);
	warm_up(&variants[1]);
	printf("%-10s %-18s %8s %11s %11s %8s %8s\n", "level", "cipher", "bytes", "seal ns",
	       "open ns", "GB/s", "GB/s");
	for (unsigned i = 0; i < SIZES; i++)
		measure(variants, count, sizes[i], options.quick ? 9 : ROUNDS_MAX, rows);
	if (options.json && json_dump_file(rows, options.json, JSON_INDENT(1)) < 0) {
		fprintf(stderr, "levels: cannot write %s\n", options.json);
		rc = 1;
	}
	json_decref(rows);
	free(data);
	free(to);
	free(scratch);
	return rc;
}
