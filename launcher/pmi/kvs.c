/* SPDX-License-Identifier: MIT */
/* kvs.c - see kvs.h. */
#include "pmi/kvs.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* The key, a zero, the value, a zero. */
struct pair {
	size_t key_bytes, bytes;
	char text[];
};

static const char *value_of(const struct pair *pair)
{
	return pair->text + pair->key_bytes;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->text, ((const struct pair *)b)->text);
}

static struct pair *make(const char *key, const char *value)
{
	size_t key_bytes = strlen(key) + 1, bytes = key_bytes + strlen(value) + 1;
	struct pair *pair = malloc(sizeof(*pair) + bytes);

	if (!pair)
		return NULL;
	pair->key_bytes = key_bytes;
	pair->bytes = bytes;
	memcpy(pair->text, key, key_bytes);
	memcpy(pair->text + key_bytes, value, bytes - key_bytes);
	return pair;
}

int launch_kvs_put(struct launch_kvs *kvs, const char *key, const char *value)
{
	struct pair *pair, **slot;

	if (strlen(key) >= LAUNCH_KVS_KEY_BYTES || strlen(value) >= LAUNCH_KVS_VALUE_BYTES ||
	    kvs->bytes > LAUNCH_KVS_BYTES_MAX)
		return -E2BIG;
	pair = make(key, value);
	slot = pair ? tsearch(pair, &kvs->tree, compare) : NULL;
	if (!slot) {
		free(pair);
		return -ENOMEM;
	}
	kvs->bytes += pair->bytes;
	kvs->count++;
	if (*slot != pair) {
		kvs->bytes -= (*slot)->bytes;
		kvs->count--;
		free(*slot);
		*slot = pair;
	}
	return 0;
}

static struct pair *find(const struct launch_kvs *kvs, const char *key)
{
	struct pair *wanted, **slot;

	if (strlen(key) >= LAUNCH_KVS_KEY_BYTES)
		return NULL;
	wanted = make(key, "");
	slot = wanted ? tfind(wanted, &kvs->tree, compare) : NULL;
	free(wanted);
	return slot ? *slot : NULL;
}

const char *launch_kvs_get(const struct launch_kvs *kvs, const char *key)
{
	struct pair *pair = find(kvs, key);

	return pair ? value_of(pair) : NULL;
}

int launch_kvs_delete(struct launch_kvs *kvs, const char *key)
{
	struct pair *pair = find(kvs, key);

	if (!pair)
		return -ENOENT;
	tdelete(pair, &kvs->tree, compare);
	kvs->bytes -= pair->bytes;
	kvs->count--;
	free(pair);
	return 0;
}

void launch_kvs_fini(struct launch_kvs *kvs)
{
	tdestroy(kvs->tree, free);
	*kvs = (struct launch_kvs){ 0 };
}
