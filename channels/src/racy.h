/* SPDX-License-Identifier: MIT */
/*
 * racy.h - copying memory that another process may be writing.
 *
 * By relaxed atomic words, so that it is no data race; the caller finds out afterwards whether
 * the copy is of use, and throws it away if not.
 */
#ifndef CHANNELS_RACY_H
#define CHANNELS_RACY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* @from: aligned to 8, as slots, their payloads and blocks are; @to need not be. */
static inline void racy_copy(void *to, const void *from, size_t bytes)
{
	const uint64_t *words = from;
	const unsigned char *rest = from;
	unsigned char *out = to;
	size_t done = 0;

	for (; bytes - done >= sizeof(*words); done += sizeof(*words)) {
		uint64_t word = __atomic_load_n(words++, __ATOMIC_RELAXED);

		memcpy(out + done, &word, sizeof(word));
	}
	for (; done < bytes; done++)
		out[done] = __atomic_load_n(rest + done, __ATOMIC_RELAXED);
}

#endif
