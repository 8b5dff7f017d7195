/* SPDX-License-Identifier: MIT */
/* open.c - the public calls that make, find and end channels. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "src/context.h"
#include "src/liveness.h"
#include "src/remote.h"

enum {
	DIRECTORY_MS = 5000,
	/* One question waits this long at most, so that other threads get their turn. */
	DIRECTORY_SLICE_MS = 200,
};

static int check_name(const char *name)
{
	size_t length = strnlen(name, DHOW_NAME_MAX + 1);

	if (length == 0 || length > DHOW_NAME_MAX)
		return dhow_fail(-EINVAL, "channel name of %zu bytes: must have 1 to %d", length,
				 DHOW_NAME_MAX);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] <= ' ' || (unsigned char)name[i] >= 127)
			return dhow_fail(-EINVAL, "channel name \"%s\": byte %zu is blank or not "
						  "printable", name, i);
	if (strncmp(name, "dhow:", 5) == 0)
		return dhow_fail(-EINVAL, "channel name \"%s\": dhow: begins an address", name);
	return 0;
}

static int directory(enum node_op op, const char *name, uint64_t wait_ms, char *address)
{
	struct node_request request = { .op = op, .value = wait_ms };
	struct node_reply reply;
	int rc;

	memcpy(request.name, name, strlen(name) + 1);
	memcpy(request.address, address, DHOW_ADDRESS_BYTES);
	rc = context_request(&request, -1, &reply, NULL, dhow_in_ms(DIRECTORY_MS + wait_ms));
	if (rc == 0)
		memcpy(address, reply.address, DHOW_ADDRESS_BYTES);
	return rc;
}

int channel_home(const char *name, struct dhow_pool *pool, struct segment **ret_segment)
{
	struct segment *segment = context_node();
	int rc = segment ? 0 : -ENOTCONN;

	if (rc == 0 && name)
		rc = check_name(name);
	if (rc < 0)
		return rc;
	if (pool)
		segment = &pool->segment;
	*ret_segment = segment;
	return liveness_check(segment);
}

int channel_publish(struct dhow_channel *channel, const char *name)
{
	char address[DHOW_ADDRESS_BYTES] = "";
	int rc;

	if (!name)
		return 0;
	dhow_address_print(&channel->address, address);
	rc = directory(NODE_NAME_PUT, name, 0, address);
	if (rc == 0) {
		memcpy(channel->name, name, strlen(name) + 1);
		return 0;
	}
	channel_close_for_all(channel);
	channel_free(channel);
	return rc == -EEXIST ? dhow_fail(rc, "channel name \"%s\" is taken", name) : rc;
}

int dhow_channel_create(const char *name, const struct dhow_channel_attr *attr,
			struct dhow_channel **ret_channel)
{
	struct dhow_channel *channel;
	struct segment *segment;
	int rc = channel_home(name, attr ? attr->pool : NULL, &segment);

	if (rc == 0)
		rc = channel_make(segment, attr, -1, &channel);
	if (rc == 0)
		rc = channel_publish(channel, name);
	if (rc == 0)
		*ret_channel = channel;
	return rc;
}

static int look_up(const char *name, uint64_t deadline_ns, char address[DHOW_ADDRESS_BYTES])
{
	int rc = check_name(name);

	while (rc == 0) {
		uint64_t now = base_now_ns();
		uint64_t wait_ms = deadline_ns <= now ? 0 : (deadline_ns - now) / BASE_MS;

		if (wait_ms > DIRECTORY_SLICE_MS)
			wait_ms = DIRECTORY_SLICE_MS;
		address[0] = '\0';
		rc = directory(NODE_NAME_GET, name, wait_ms, address);
		if (rc != -ENOENT)
			return rc;
		if (deadline_ns == DHOW_TRY)
			return dhow_fail(-ENOENT, "no channel is named \"%s\"", name);
		if (base_now_ns() >= deadline_ns)
			return dhow_fail(-ETIMEDOUT, "nobody published a channel named \"%s\"",
					 name);
		rc = 0;
	}
	return rc;
}

static int resolve(const char *where, uint64_t deadline_ns, struct dhow_address *ret_address)
{
	char address[DHOW_ADDRESS_BYTES] = "";
	int rc;

	if (strncmp(where, "dhow:", 5) == 0) {
		rc = dhow_address_parse(where, ret_address);
		return rc < 0 ? dhow_fail(rc, "channel address \"%.63s\" is damaged", where) : 0;
	}
	rc = look_up(where, deadline_ns, address);
	if (rc == 0)
		rc = dhow_address_parse(address, ret_address);
	return rc;
}

static const char *const kinds[] = {
	[KIND_CHANNEL] = "channel", [KIND_SEMAPHORE] = "semaphore", [KIND_BARRIER] = "barrier"
};

static int check_kind(struct dhow_channel *channel, enum channel_kind kind, const char *where)
{
	enum channel_kind found = channel_kind(channel);

	if (found == kind)
		return 0;
	channel_free(channel);
	if (found < KIND_CHANNEL || found > KIND_BARRIER)
		return dhow_fail(-EPROTO, "the entry of \"%.63s\" is damaged", where);
	return dhow_fail(-EPROTOTYPE, "\"%.63s\" is a %s, not a %s", where, kinds[found],
			 kinds[kind]);
}

int channel_open_as(enum channel_kind kind, const char *where, uint64_t deadline_ns,
		    struct dhow_channel **ret_channel)
{
	struct segment *segment = context_node();
	struct segment *borrowed = NULL;
	struct dhow_channel *channel;
	struct dhow_address address;
	int rc;

	if (!segment)
		return -ENOTCONN;
	if (!where || !*where)
		return dhow_fail(-EINVAL, "channel name is empty");
	rc = resolve(where, deadline_ns, &address);
	if (rc < 0)
		return rc;
	if (address.job != segment->shm->job)
		return dhow_fail(-EXDEV, "channel address \"%.63s\" is of job %x, this is job %x",
				 where, address.job, segment->shm->job);
	if (address.node >= segment->nodes_count)
		return dhow_fail(-EHOSTUNREACH, "channel \"%.63s\" is on node %u, this job has %u",
				 where, address.node, segment->nodes_count);
	if (address.node != segment->shm->node)
		return remote_open(segment, &address, kind, deadline_ns, ret_channel);
	if (address.segment != segment->id) {
		rc = context_segment(address.segment, &borrowed);
		if (rc < 0)
			return rc;
		segment = borrowed;
	}
	rc = channel_attach(segment, address.index, address.generation, &channel);
	if (borrowed)
		context_return(borrowed);
	if (rc == 0)
		rc = check_kind(channel, kind, where);
	if (rc == 0)
		*ret_channel = channel;
	return rc;
}

int dhow_channel_open(const char *where, uint64_t deadline_ns, struct dhow_channel **ret_channel)
{
	return channel_open_as(KIND_CHANNEL, where, deadline_ns, ret_channel);
}

void dhow_channel_close(struct dhow_channel *channel)
{
	if (!channel)
		return;
	if (channel->is_remote)
		remote_close(channel);
	else
		channel_free(channel);
}

int dhow_channel_destroy(struct dhow_channel *channel)
{
	char address[DHOW_ADDRESS_BYTES];
	int rc;

	if (channel->is_remote)
		return dhow_fail(-EREMOTE, "the channel's home is node %u: destroy it there",
				 channel->address.node);
	rc = channel_close_for_all(channel);
	if (rc < 0)
		return rc;
	if (channel->name[0]) {
		dhow_address_print(&channel->address, address);
		directory(NODE_NAME_DEL, channel->name, 0, address);
	}
	channel_free(channel);
	return 0;
}

void dhow_channel_address(const struct dhow_channel *channel, struct dhow_address *ret_address)
{
	*ret_address = channel->address;
}

void dhow_channel_set_wait(struct dhow_channel *channel, enum dhow_wait_mode mode)
{
	wait_habit_set(&channel->habit, mode);
}
