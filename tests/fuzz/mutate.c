/* SPDX-License-Identifier: MIT */
/* mutate.c - a mutation loop with a fixed seed; see mutate.h. */
#include "mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static uint64_t state = 20240607;

static uint32_t random32(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 32);
}

static uint32_t below(size_t n)
{
	return n ? random32() % (uint32_t)n : 0;
}

/* Values at which parsers go wrong. */
static uint32_t edge(void)
{
	static const uint32_t edges[] = { 0, 1, 7, 8, 15, 16, 17, 0x7f, 0x80, 0xff, 0x100, 0x7fff,
					  0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
					  0xfffffff0, 0xffffffff };

	return edges[below(sizeof(edges) / sizeof(edges[0]))];
}

/* Change @at in one way. Return: its size then. */
static size_t mutate(uint8_t *at, size_t bytes)
{
	size_t where = below(bytes), count;
	uint32_t value = edge();

	switch (below(7)) {
	case 0:
		at[where] ^= (uint8_t)(1u << below(8));
		return bytes;
	case 1:
		at[where] = (uint8_t)random32();
		return bytes;
	case 2:		/* a field, where fields are */
		where &= ~(size_t)3;
		if (where + 4 <= bytes)
			memcpy(at + where, &value, 4);
		return bytes;
	case 3:
		return where;
	case 4:
		count = below(FUZZ_BYTES_MAX - bytes + 1);
		memset(at + bytes, (int)random32(), count);
		return bytes + count;
	case 5:		/* cut some out */
		count = below(bytes - where);
		memmove(at + where, at + where + count, bytes - where - count);
		return bytes - count;
	default:	/* again what is there */
		count = below(bytes - where);
		if (bytes + count > FUZZ_BYTES_MAX)
			return bytes;
		memmove(at + where + count, at + where, bytes - where);
		return bytes + count;
	}
}

/* In memory of just its size, so that a sanitizer sees a byte too far. */
static void run(const uint8_t *at, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	if (!copy)
		abort();
	memcpy(copy, at, bytes);
	LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 2, end_ns, runs = 0;
	uint8_t at[FUZZ_BYTES_MAX];
	unsigned seeds = 0;

	if (argc == 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = strtoull(argv[2], NULL, 10);
	LLVMFuzzerInitialize(&argc, &argv);
	for (size_t bytes; (bytes = fuzz_seed(seeds, at)) != 0; seeds++)
		run(at, bytes);
	run(at, 0);
	end_ns = base_now_ns() + seconds * 1000 * BASE_MS;
	while (base_now_ns() < end_ns) {
		for (int i = 0; i < 500; i++, runs++) {
			size_t bytes = fuzz_seed(below(seeds), at);

			for (uint32_t n = 1 + below(4); n && bytes; n--)
				bytes = mutate(at, bytes);
			run(at, bytes);
		}
	}
	printf("%llu inputs from %u seeds\n", (unsigned long long)runs, seeds);
	return 0;
}
