/* SPDX-License-Identifier: MIT */
/* directory.c - see directory.h. */
#include "src/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"

enum {
	BUCKETS = 1024,
	NAMES_MAX = 1 << 20,
	WAITERS_MAX = 1 << 16,
	WAIT_MS_MAX = 10000,
};

struct entry {
	struct base_list link;
	char name[DHOW_NAME_MAX + 1];
	char address[DHOW_ADDRESS_BYTES];
};

struct waiter {
	struct base_list link;
	struct dhow_name_request request;
	uint64_t deadline_ns;
};

struct directory {
	struct base_list buckets[BUCKETS];
	struct base_list waiters;
	unsigned names_count, waiters_count;
	directory_answer *answer;
	void *arg;
};

static uint32_t hash(const char *name)
{
	uint32_t value = 2166136261u;

	for (; *name; name++)
		value = (value ^ (unsigned char)*name) * 16777619u;
	return value ^ value >> 15;
}

uint32_t directory_keeper(const char *name, uint32_t nodes)
{
	return nodes ? hash(name) % nodes : 0;
}

struct directory *directory_create(directory_answer *answer, void *arg)
{
	struct directory *directory = calloc(1, sizeof(*directory));

	if (!directory)
		return NULL;
	for (unsigned i = 0; i < BUCKETS; i++)
		base_list_init(&directory->buckets[i]);
	base_list_init(&directory->waiters);
	directory->answer = answer;
	directory->arg = arg;
	return directory;
}

void directory_destroy(struct directory *directory)
{
	if (!directory)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		base_list_for (at, &directory->buckets[i])
			free(base_list_entry(at, struct entry, link));
	base_list_for (at, &directory->waiters)
		free(base_list_entry(at, struct waiter, link));
	free(directory);
}

static struct entry *find(struct directory *directory, const char *name)
{
	base_list_for (at, &directory->buckets[hash(name) % BUCKETS]) {
		struct entry *entry = base_list_entry(at, struct entry, link);

		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

static void answer(struct directory *directory, const struct dhow_name_request *request, int rc,
		   const char *address)
{
	struct dhow_name_answer reply = { .ticket = request->ticket, .rc = rc };

	if (address)
		memcpy(reply.address, address, sizeof(reply.address));
	directory->answer(directory->arg, request->origin, &reply);
}

static void drop_waiter(struct directory *directory, struct waiter *waiter)
{
	base_list_del(&waiter->link);
	directory->waiters_count--;
	free(waiter);
}

static void tell_waiters(struct directory *directory, const struct entry *entry)
{
	base_list_for (at, &directory->waiters) {
		struct waiter *waiter = base_list_entry(at, struct waiter, link);

		if (strcmp(waiter->request.name, entry->name) != 0)
			continue;
		answer(directory, &waiter->request, 0, entry->address);
		drop_waiter(directory, waiter);
	}
}

static void put(struct directory *directory, const struct dhow_name_request *request)
{
	struct entry *entry = find(directory, request->name);

	if (entry) {
		/* The same again is no error: a repeated request must not fail. */
		answer(directory, request,
		       strcmp(entry->address, request->address) == 0 ? 0 : -EEXIST, entry->address);
		return;
	}
	entry = directory->names_count < NAMES_MAX ? calloc(1, sizeof(*entry)) : NULL;
	if (!entry) {
		answer(directory, request, -ENOMEM, NULL);
		return;
	}
	memcpy(entry->name, request->name, sizeof(entry->name));
	memcpy(entry->address, request->address, sizeof(entry->address));
	base_list_add_tail(&directory->buckets[hash(entry->name) % BUCKETS], &entry->link);
	directory->names_count++;
	answer(directory, request, 0, entry->address);
	tell_waiters(directory, entry);
}

static void get(struct directory *directory, const struct dhow_name_request *request)
{
	struct entry *entry = find(directory, request->name);
	uint64_t wait_ms = request->wait_ms < WAIT_MS_MAX ? request->wait_ms : WAIT_MS_MAX;
	struct waiter *waiter = NULL;

	if (!entry && wait_ms && directory->waiters_count < WAITERS_MAX)
		waiter = calloc(1, sizeof(*waiter));
	if (!waiter) {
		answer(directory, request, entry ? 0 : -ENOENT, entry ? entry->address : NULL);
		return;
	}
	waiter->request = *request;
	waiter->deadline_ns = base_now_ns() + wait_ms * BASE_MS;
	base_list_add_tail(&directory->waiters, &waiter->link);
	directory->waiters_count++;
}

static void del(struct directory *directory, const struct dhow_name_request *request)
{
	struct entry *entry = find(directory, request->name);

	if (entry && strcmp(entry->address, request->address) == 0) {
		base_list_del(&entry->link);
		directory->names_count--;
		free(entry);
	}
	answer(directory, request, 0, NULL);
}

void directory_request(struct directory *directory, const struct dhow_name_request *received)
{
	struct dhow_name_request request = *received;

	request.name[sizeof(request.name) - 1] = '\0';
	request.address[sizeof(request.address) - 1] = '\0';
	switch (request.op) {
	case DHOW_NAME_PUT:
		put(directory, &request);
		break;
	case DHOW_NAME_GET:
		get(directory, &request);
		break;
	case DHOW_NAME_DEL:
		del(directory, &request);
		break;
	default:
		answer(directory, &request, -EINVAL, NULL);
	}
}

uint64_t directory_expire(struct directory *directory)
{
	uint64_t now = base_now_ns(), next = UINT64_MAX;

	base_list_for (at, &directory->waiters) {
		struct waiter *waiter = base_list_entry(at, struct waiter, link);

		if (waiter->deadline_ns > now) {
			if (waiter->deadline_ns < next)
				next = waiter->deadline_ns;
			continue;
		}
		answer(directory, &waiter->request, -ENOENT, NULL);
		drop_waiter(directory, waiter);
	}
	return next;
}
