/* SPDX-License-Identifier: MIT */
/*
 * crc32c.c - CRC32C by processor instruction where there is one, else by table.
 *
 * The instruction has a latency of three cycles and a throughput of one, so three
 * independent lanes run at once on large buffers; their results are joined by multiplying
 * with x^(8*LANE) modulo the polynomial, which a small table does a byte at a time.
 *
 * Large payloads come from memory, not from the cache, and three short lanes in a page are
 * more than the processor foresees; so the lines of the round after next are asked for.
 */
#include "agent/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

enum {
	POLYNOMIAL = (int)0x82f63b78,	/* reflected */
	LANE_BYTES = 1024,		/* multiple of a line; 3 of them make one round */
	LINE_BYTES = 64,
	AHEAD_BYTES = 2048,		/* measured: less comes late, more is gone again */
};

static uint32_t table[8][256];		/* slicing by 8 */
static uint32_t shift[4][256];		/* advances a CRC over LANE_BYTES zero bytes */
static uint32_t (*best)(uint32_t crc, const uint8_t *data, size_t bytes);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t update_table(uint32_t crc, const uint8_t *data, size_t bytes)
{
	for (; bytes >= 8; bytes -= 8, data += 8) {
		uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 |
				      (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24);

		crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^
		      table[5][low >> 16 & 255] ^ table[4][low >> 24] ^ table[3][data[4]] ^
		      table[2][data[5]] ^ table[1][data[6]] ^ table[0][data[7]];
	}
	while (bytes--)
		crc = table[0][(crc ^ *data++) & 255] ^ crc >> 8;
	return crc;
}

#if defined(__x86_64__) || defined(__aarch64__)
static uint32_t advance_lane(uint32_t crc)
{
	return shift[0][crc & 255] ^ shift[1][crc >> 8 & 255] ^ shift[2][crc >> 16 & 255] ^
	       shift[3][crc >> 24];
}

static uint64_t load64(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}
#endif

#if defined(__x86_64__)
#define TARGET __attribute__((target("sse4.2")))
#define STEP64(crc, value) ((uint32_t)_mm_crc32_u64(crc, value))
#define STEP8(crc, value) _mm_crc32_u8(crc, value)
#elif defined(__aarch64__)
#if defined(__clang__)
#define TARGET __attribute__((target("crc")))
#else
#define TARGET __attribute__((target("+crc")))
#endif
#define STEP64(crc, value) __crc32cd(crc, value)
#define STEP8(crc, value) __crc32cb(crc, value)
#endif

#ifdef TARGET
/* Ask for three lines; beyond the end of the buffer that does nothing. */
static void ask_ahead(const uint8_t *data)
{
	for (int line = 0; line < 3; line++)
		__builtin_prefetch(data + AHEAD_BYTES + line * LINE_BYTES);
}

TARGET static uint32_t update_processor(uint32_t crc, const uint8_t *data, size_t bytes)
{
	while (bytes >= 3 * LANE_BYTES) {
		uint32_t b = 0, c = 0;

		for (size_t i = 0; i < LANE_BYTES; i += 8) {
			if (i % LINE_BYTES == 0)
				ask_ahead(data + 3 * i);
			crc = STEP64(crc, load64(data + i));
			b = STEP64(b, load64(data + LANE_BYTES + i));
			c = STEP64(c, load64(data + 2 * LANE_BYTES + i));
		}
		crc = advance_lane(advance_lane(crc) ^ b) ^ c;
		data += 3 * LANE_BYTES;
		bytes -= 3 * LANE_BYTES;
	}
	for (; bytes >= 8; bytes -= 8, data += 8)
		crc = STEP64(crc, load64(data));
	while (bytes--)
		crc = STEP8(crc, *data++);
	return crc;
}
#endif

static void init(void)
{
	static const uint8_t zeros[LANE_BYTES];

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (int slice = 1; slice < 8; slice++)
		for (int i = 0; i < 256; i++)
			table[slice][i] = table[slice - 1][i] >> 8 ^
					  table[0][table[slice - 1][i] & 255];
	for (uint32_t byte = 0; byte < 4; byte++)
		for (uint32_t i = 0; i < 256; i++)
			shift[byte][i] = update_table(i << 8 * byte, zeros, LANE_BYTES);
	best = update_table;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		best = update_processor;
#elif defined(__aarch64__)
	if (getauxval(AT_HWCAP) & HWCAP_CRC32)
		best = update_processor;
#endif
}

uint32_t agent_crc32c(uint32_t seed, const void *data, size_t bytes)
{
	pthread_once(&once, init);
	return ~best(~seed, data, bytes);
}

uint32_t agent_crc32c_table(uint32_t seed, const void *data, size_t bytes)
{
	pthread_once(&once, init);
	return ~update_table(~seed, data, bytes);
}
