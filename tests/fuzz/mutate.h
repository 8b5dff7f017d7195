/* SPDX-License-Identifier: MIT */
/*
 * mutate.h - what a fuzzer is: good inputs, and a function that must survive bad ones.
 *
 * mutate.c has a main() that changes the good ones with a fixed seed for --seconds (2). With
 * DHOW_FUZZER=ON (clang) the same two functions are a program of libFuzzer.
 */
#ifndef TEST_FUZZ_MUTATE_H
#define TEST_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_BYTES_MAX = 2048 };

/* The named functions are libFuzzer's. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Good input number @index into @at of FUZZ_BYTES_MAX. Return: its size; 0: there are no more. */
size_t fuzz_seed(unsigned index, uint8_t *at);

/* abort() that says why and stays in release builds. */
#define FUZZ_CHECK(condition)                                                            \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                         \
		}                                                                        \
	} while (0)

#endif
