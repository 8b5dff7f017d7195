/* SPDX-License-Identifier: MIT */
/*
 * keys.h - CURVE key pairs and job secrets, in locked memory that is wiped when given back.
 */
#ifndef LAUNCH_KEYS_H
#define LAUNCH_KEYS_H

#include <stdint.h>

#include "base/err.h"

struct rlimit;

enum { LAUNCH_KEY_BYTES = 32, LAUNCH_SECRET_BYTES = 32, LAUNCH_TAG_BYTES = 33 };

struct launch_keys {
	uint8_t public[LAUNCH_KEY_BYTES];
	uint8_t secret[LAUNCH_KEY_BYTES];
};

/* First call of a program that uses keys. Return: 0; -ENOSYS without a random source. */
int launch_keys_init(struct base_err *reterr);

/* Locked memory between guard pages, zeroed. Return: NULL when memory cannot be had. */
void *launch_keys_alloc(unsigned long bytes);
/* Wipes and gives back; NULL is fine. */
void launch_keys_free(void *memory);

/* A new pair; the caller owns it, launch_keys_free() ends it. Return: 0; -ENOMEM. */
int launch_keys_create(struct launch_keys **ret_keys);

/**
 * launch_keys_derive - the pair of node @node in the job that has @secret.
 *
 * Every member of the job can compute the pair of every node, and so its public key: that is what
 * lets one start message serve all nodes, and a daemon know its neighbours in the tree.
 * @ret_keys: in locked memory.
 */
void launch_keys_derive(const uint8_t secret[LAUNCH_SECRET_BYTES], uint32_t node,
			struct launch_keys *ret_keys);

/* No core file of this process from now on: ZeroMQ keeps copies of keys where locked memory does
 * not help. Call it before there are threads. */
void launch_keys_hide(void);
/* What RLIMIT_CORE was before, for the programs that we start; NULL = nothing was hidden. */
const struct rlimit *launch_keys_core_limit(void);

void launch_keys_random(void *buffer, unsigned long bytes);
void launch_keys_wipe(void *buffer, unsigned long bytes);
/* In constant time. Return: 1 equal, 0 not. */
int launch_keys_equal(const uint8_t *a, const uint8_t *b);

/* A tag that no other run has: 128 random bits as hexadecimal digits. */
void launch_keys_tag(char ret_tag[LAUNCH_TAG_BYTES]);

#endif
