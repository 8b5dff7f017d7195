/* SPDX-License-Identifier: MIT */
/*
 * exchange_data.c - payload that proves itself, and a histogram of latencies.
 */
#include "exchange.h"

#include <stdio.h>
#include <string.h>

const size_t exchange_sizes[EXCHANGE_SIZES] = { 0, 1, 64, 4096, 65536, 1048576 };

/* Algorithm: finalizer of splitmix64 (Steele, Lea, Flood 2014), so that equal low bits of two
 * messages do not give equal payloads. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t seed_of(size_t bytes, uint32_t sender, uint32_t receiver, uint32_t number)
{
	uint64_t seed = mix(((uint64_t)sender << 32 | receiver) + UINT64_C(0x9e3779b97f4a7c15));

	return mix(seed ^ ((uint64_t)number << 32 | (uint32_t)bytes));
}

/* Word i of a payload is seed + i * STEP: different in each place and each message, and cheap
 * enough that checking does not hide the transport. */
static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

void payload_fill(unsigned char *data, size_t bytes, uint32_t sender, uint32_t receiver,
		  uint32_t number)
{
	uint64_t word = seed_of(bytes, sender, receiver, number);
	size_t i = 0;

	for (; i + sizeof(word) <= bytes; i += sizeof(word), word += step)
		memcpy(data + i, &word, sizeof(word));
	memcpy(data + i, &word, bytes - i);
}

bool payload_is(const unsigned char *data, size_t bytes, uint32_t sender, uint32_t receiver,
		uint32_t number)
{
	uint64_t word = seed_of(bytes, sender, receiver, number), seen, wrong = 0;
	size_t i = 0;

	for (; i + sizeof(word) <= bytes; i += sizeof(word), word += step) {
		memcpy(&seen, data + i, sizeof(seen));
		wrong |= seen ^ word;
	}
	return !wrong && !memcmp(data + i, &word, bytes - i);
}

/* Values below HISTOGRAM_STEPS have a bucket each; above, a power of two has that many. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned power, bucket;

	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	power = 63u - (unsigned)__builtin_clzll(ns);
	bucket = (power - 4) * HISTOGRAM_STEPS + ((unsigned)(ns >> (power - 5)) - HISTOGRAM_STEPS);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_edge(unsigned bucket)
{
	unsigned power = bucket / HISTOGRAM_STEPS + 4, rest = bucket % HISTOGRAM_STEPS;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	return ((uint64_t)(HISTOGRAM_STEPS + rest + 1) << (power - 5)) - 1;
}

void histogram_add(uint32_t *buckets, uint64_t ns)
{
	buckets[bucket_of(ns)]++;
}

uint64_t histogram_quantile(const uint32_t *buckets, double quantile)
{
	uint64_t total = 0, seen = 0, wanted;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += buckets[i];
	if (!total)
		return 0;
	wanted = (uint64_t)(quantile * (double)(total - 1)) + 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= wanted)
			return bucket_edge(i);
	}
	return bucket_edge(HISTOGRAM_BUCKETS - 1);
}

uint64_t host_id(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint64_t id = 0;
	int c;

	while (file && (c = fgetc(file)) != EOF)
		id = mix(id + (uint64_t)c + 1);
	if (file)
		fclose(file);
	return id;
}
