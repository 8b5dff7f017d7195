/* SPDX-License-Identifier: MIT */
/* kvs.h - keys and values that the ranks of a run publish for each other. */
#ifndef LAUNCH_PMI_KVS_H
#define LAUNCH_PMI_KVS_H

#include <stddef.h>

enum {
	LAUNCH_KVS_KEY_BYTES = 64,	/* with the zero */
	LAUNCH_KVS_VALUE_BYTES = 1024,
	LAUNCH_KVS_BYTES_MAX = 256 << 20,
};

/* Zeroed is empty. */
struct launch_kvs {
	void *tree;		/* of tsearch() */
	size_t count, bytes;
};

/* Return: 0; -ENOMEM; -E2BIG; an older value is replaced. */
int launch_kvs_put(struct launch_kvs *kvs, const char *key, const char *value);
/* Return: NULL there is none; valid until the key is put again or deleted. */
const char *launch_kvs_get(const struct launch_kvs *kvs, const char *key);
/* Return: 0; -ENOENT. */
int launch_kvs_delete(struct launch_kvs *kvs, const char *key);
void launch_kvs_fini(struct launch_kvs *kvs);

#endif
