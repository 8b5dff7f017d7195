/* SPDX-License-Identifier: MIT */
/* crc32c_test.c - known vectors (RFC 3720, B.4), seeds, and the two ways against each other. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crc32c.h"

TestSuite(crc32c, .timeout = 200);

Test(crc32c, known_vectors)
{
	uint8_t bytes[32];

	cr_assert_eq(agent_crc32c(0, "123456789", 9), 0xe3069283u);
	memset(bytes, 0, sizeof(bytes));
	cr_assert_eq(agent_crc32c(0, bytes, 32), 0x8a9136aau);
	memset(bytes, 0xff, sizeof(bytes));
	cr_assert_eq(agent_crc32c(0, bytes, 32), 0x62a8ab43u);
	for (int i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	cr_assert_eq(agent_crc32c(0, bytes, 32), 0x46dd794eu);
	cr_assert_eq(agent_crc32c(0, bytes, 0), 0);
}

Test(crc32c, both_ways_agree)
{
	enum { BYTES = 20000 };
	uint8_t *data = malloc(BYTES);

	srand(1);
	for (int i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand();
	for (int i = 0; i < 2000; i++) {
		size_t from = (size_t)rand() % 64, bytes = (size_t)rand() % (BYTES - 64);
		uint32_t seed = (uint32_t)rand();

		cr_assert_eq(agent_crc32c(seed, data + from, bytes),
			     agent_crc32c_table(seed, data + from, bytes), "%zu bytes", bytes);
	}
	free(data);
}

Test(crc32c, may_be_made_in_parts)
{
	uint8_t data[8000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t cut = 0; cut <= sizeof(data); cut += 331)
		cr_assert_eq(agent_crc32c(agent_crc32c(0, data, cut), data + cut,
					  sizeof(data) - cut),
			     agent_crc32c(0, data, sizeof(data)));
}
