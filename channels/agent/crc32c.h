/* SPDX-License-Identifier: MIT */
/* crc32c.h - CRC32C (Castagnoli), which finds damage by accident; it is no MAC. */
#ifndef AGENT_CRC32C_H
#define AGENT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C of @bytes at @data. @seed: 0, or the result for the bytes before these. */
uint32_t agent_crc32c(uint32_t seed, const void *data, size_t bytes);

/* The same without instructions of the processor; for tests and old machines. */
uint32_t agent_crc32c_table(uint32_t seed, const void *data, size_t bytes);

#endif
