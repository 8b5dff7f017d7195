/* SPDX-License-Identifier: MIT */
/*
 * poison.h - memory that is nobody's, for AddressSanitizer: a free buffer is poisoned, so that
 * who still uses it (also a library, in a copy or a system call) ends the test.
 *
 * Elsewhere both do nothing. Before memory is unmapped it must be given back whole, since the
 * sanitizer does not forget.
 */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define BASE_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BASE_POISONS 1
#endif
#endif

#ifdef BASE_POISONS
#include <sanitizer/asan_interface.h>
#endif

static inline void base_poison(const void *at, size_t bytes)
{
#ifdef BASE_POISONS
	__asan_poison_memory_region(at, bytes);
#else
	(void)at, (void)bytes;
#endif
}

static inline void base_unpoison(const void *at, size_t bytes)
{
#ifdef BASE_POISONS
	__asan_unpoison_memory_region(at, bytes);
#else
	(void)at, (void)bytes;
#endif
}

#endif
