/* SPDX-License-Identifier: MIT */
/*
 * context.c - see context.h.
 */
#include "src/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "src/channel.h"
#include "src/connection.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/thread.h"

enum { ANSWER_MS = 5000 };

static struct {
	pthread_mutex_t lock;		/* guards all below; rank 10 */
	int users;
	pid_t pid;			/* that attached */
	uint32_t rank, size, local_rank, local_size;
	struct dhow_pool *pools[SEGMENT_MAX];
	struct dhow_pool *node;		/* one of them: the node's own */
	uint64_t burnt;			/* slots that may not be used again, see remove_pool() */
	/* Pools that are closed and in use; also read without the lock: who made a pool unused
	 * did that under the lock of what he used, and so did who looked whether it is used. */
	_Atomic unsigned closed;
	int bell;
	uint8_t secret[DHOW_SECRET_BYTES];
} ctx = { .lock = PTHREAD_MUTEX_INITIALIZER, .bell = -1 };

int context_request(struct node_request *request, int fd, struct node_reply *ret_reply,
		    int *ret_fd, uint64_t deadline_ns)
{
	int fds[BASE_FD_PASS_MAX], count = 0;
	int rc = connection_ask(request, fd, ret_reply, fds, &count, deadline_ns);

	for (int i = ret_fd ? 1 : 0; i < count; i++)
		close(fds[i]);
	if (ret_fd)
		*ret_fd = count > 0 ? fds[0] : -1;
	return rc < 0 ? rc : ret_reply->rc;
}

void context_secret(uint8_t ret_secret[DHOW_SECRET_BYTES])
{
	memcpy(ret_secret, ctx.secret, DHOW_SECRET_BYTES);
	explicit_bzero(ctx.secret, sizeof(ctx.secret));
}

/* ---- segments ---- */

/* Each segment that a process has mapped is the first member of a pool. */
static struct dhow_pool *pool_of(struct segment *segment)
{
	return (struct dhow_pool *)(void *)segment;
}

static void remove_pool(struct dhow_pool *pool)
{
	uint32_t me = pool->segment.me;

	liveness_forget(&pool->segment);
	thread_leave(&pool->segment);
	ctx.pools[pool->segment.slot] = NULL;
	/* Other threads that used it still hold mutexes in it, which their end will touch. */
	if (liveness_has_threads(&pool->segment, me)) {
		ctx.burnt |= UINT64_C(1) << pool->segment.slot;
		return;
	}
	segment_unmap(&pool->segment);
	free(pool);
}

static bool is_closed(const struct dhow_pool *pool)
{
	return atomic_load_explicit(&pool->is_closed, memory_order_relaxed);
}

static void unmap_if_unused(struct dhow_pool *pool)
{
	struct node_request request = { .op = NODE_SEGMENT_DROP, .value = pool->segment.id };

	if (!is_closed(pool) || pool->borrowers || channel_any_open(&pool->segment) ||
	    heap_owns(&pool->segment, &pool->owned_at))
		return;
	atomic_fetch_sub_explicit(&ctx.closed, 1, memory_order_relaxed);
	connection_tell(&request);
	remove_pool(pool);
}

/* Closed pools that are not in use any more. */
static void unmap_unused(void)
{
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		if (ctx.pools[i])
			unmap_if_unused(ctx.pools[i]);
}

static int add_pool(int fd, struct dhow_pool **ret_pool)
{
	struct dhow_pool *pool = calloc(1, sizeof(*pool));
	struct base_err err = { "" };
	unsigned slot = 0;
	int rc;

	if (!pool)
		return dhow_fail(-ENOMEM, "out of memory");
	unmap_unused();
	while (slot < SEGMENT_MAX && (ctx.pools[slot] || ctx.burnt >> slot & 1))
		slot++;
	rc = slot == SEGMENT_MAX ? base_err(&err, -ENFILE, "at most %d segments in a process",
					    SEGMENT_MAX) :
				   segment_map(fd, &pool->segment, &err);
	if (rc < 0) {
		free(pool);
		return dhow_fail(rc, "%s", err.text);
	}
	pool->segment.slot = slot;
	pool->segment.agent_bell = ctx.bell;
	rc = thread_enter(&pool->segment, ctx.rank);
	if (rc < 0) {
		pool->segment.fd = -1;
		segment_unmap(&pool->segment);
		free(pool);
		return dhow_fail(rc, "at most %d processes may use a segment", LAYOUT_PROCESSES);
	}
	pool->owned_at = 1;
	ctx.pools[slot] = pool;
	*ret_pool = pool;
	return 0;
}

int context_add_pool(int fd, struct dhow_pool **ret_pool)
{
	int rc;

	pthread_mutex_lock(&ctx.lock);
	rc = add_pool(fd, ret_pool);
	pthread_mutex_unlock(&ctx.lock);
	return rc;
}

void context_close_pool(struct dhow_pool *pool)
{
	pthread_mutex_lock(&ctx.lock);
	/* After dhow_fini(), or in a forked child, the pools are gone. */
	if (ctx.users && ctx.pid == getpid() && pool != ctx.node && !is_closed(pool)) {
		atomic_store_explicit(&pool->is_closed, true, memory_order_relaxed);
		atomic_fetch_add_explicit(&ctx.closed, 1, memory_order_relaxed);
		unmap_unused();
	}
	pthread_mutex_unlock(&ctx.lock);
}

void context_unmap_unused(void)
{
	if (atomic_load_explicit(&ctx.closed, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&ctx.lock);
	unmap_unused();
	pthread_mutex_unlock(&ctx.lock);
}

void context_free_block(struct segment *segment, uint32_t block)
{
	struct dhow_pool *pool = pool_of(segment);

	if (!is_closed(pool)) {
		heap_free_mine(segment, block);
		return;
	}
	/* Once the block is free others may unmap the segment, which is still read then. */
	pthread_mutex_lock(&ctx.lock);
	heap_free_mine(segment, block);
	unmap_if_unused(pool);
	pthread_mutex_unlock(&ctx.lock);
}

void context_return(struct segment *segment)
{
	struct dhow_pool *pool = pool_of(segment);

	pthread_mutex_lock(&ctx.lock);
	pool->borrowers--;
	unmap_if_unused(pool);
	pthread_mutex_unlock(&ctx.lock);
}

int context_segment(uint32_t id, struct segment **ret_segment)
{
	struct node_request request = { .op = NODE_SEGMENT_GET, .value = id };
	struct dhow_pool *pool = NULL;
	struct node_reply reply;
	int fd = -1, rc = 0;

	pthread_mutex_lock(&ctx.lock);
	for (unsigned i = 0; i < SEGMENT_MAX && !pool; i++)
		if (ctx.pools[i] && ctx.pools[i]->segment.id == id)
			pool = ctx.pools[i];
	if (!pool) {
		rc = context_request(&request, -1, &reply, &fd, dhow_in_ms(ANSWER_MS));
		if (rc == -ENOENT)
			rc = dhow_fail(-ESTALE, "segment %u is gone, and its channels", id);
		if (rc == 0)
			rc = add_pool(fd, &pool);
		if (rc < 0 && fd >= 0)
			close(fd);
	}
	if (rc == 0)
		pool->borrowers++;
	pthread_mutex_unlock(&ctx.lock);
	if (rc < 0)
		return rc;
	rc = liveness_check(&pool->segment);
	if (rc == 0)
		*ret_segment = &pool->segment;
	else
		context_return(&pool->segment);
	return rc;
}

struct segment *context_node(void)
{
	struct dhow_pool *pool = ctx.node;
	int rc = pool ? liveness_check(&pool->segment) : -ENOTCONN;

	if (rc == 0)
		return &pool->segment;
	dhow_fail(rc, rc == -ENFILE ? "too many threads use this node" :
				      "not attached to a node: call dhow_init() first, and again "
				      "after fork()");
	return NULL;
}

uint32_t context_rank(void)
{
	return ctx.rank;
}

/* ---- attaching ---- */

static uint32_t number_of(const char *name, uint32_t missing)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (!text || !*text)
		return missing;
	value = strtoul(text, &end, 10);
	return *end || value > INT32_MAX ? missing : (uint32_t)value;
}

/* A launcher's node, by a door or a socket of the environment. -ENOENT: there is none. */
static int join_launched(void)
{
	const char *door = getenv(DHOW_ENV_NODE_FD), *socket = getenv(DHOW_ENV_NODE_SOCKET);
	int rc = -ENOENT;

	if (door)
		rc = connection_through_door(atoi(door));
	if (rc < 0 && socket)
		rc = connection_to(socket);
	return rc;
}

/* Become a node of our own, served at @socket (NULL: for this process alone). */
static int be_node(const char *socket, uint64_t pool_bytes)
{
	const struct dhow_node_options own = { .socket = socket,
					       .job = (uint32_t)getpid(),
					       .nodes = 1,
					       .pool_bytes = pool_bytes };
	int door, rc = thread_start(&own, &door);

	if (rc < 0)
		return rc;
	rc = connection_through_door(door);
	close(door);
	if (rc < 0)
		thread_stop();
	return rc;
}

static bool is_nobody(int rc)
{
	return rc == -ENOENT || rc == -ECONNREFUSED;
}

/* Find the node and start the thread. */
static int join(const char *socket, uint64_t pool_bytes, bool is_agent)
{
	int rc = socket ? connection_to(socket) : join_launched();
	int door;

	if (is_nobody(rc) && (socket || !getenv(DHOW_ENV_NODE_FD))) {
		rc = be_node(socket, pool_bytes);
		/* Somebody else was quicker: join him. */
		if (rc != -EADDRINUSE)
			return rc;
		rc = connection_to(socket);
	}
	if (rc < 0)
		return rc;
	rc = thread_start(NULL, &door);
	if (rc < 0)
		connection_close();
	else if (!socket && !is_agent)
		thread_live_with(connection_fd());
	return rc;
}

static int hello(bool is_agent)
{
	struct node_request request = { .op = is_agent ? NODE_HELLO_AGENT : NODE_HELLO };
	int fds[BASE_FD_PASS_MAX], count = 0, rc;
	struct dhow_pool *pool;
	struct node_reply reply;

	rc = connection_ask(&request, -1, &reply, fds, &count, dhow_in_ms(ANSWER_MS));
	if (rc == 0 && reply.rc < 0)
		rc = dhow_fail(reply.rc, "the node's daemon refused this process: %s", reply.why);
	if (rc == 0 && count != 2)
		rc = dhow_fail(-EPROTO, "the node's daemon sent no segment");
	if (rc < 0)
		goto err_fds;
	memcpy(ctx.secret, reply.secret, sizeof(ctx.secret));
	ctx.bell = fds[1];
	rc = add_pool(fds[0], &pool);
	if (rc == 0) {
		ctx.node = pool;
		return 0;
	}
err_fds:
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return rc;
}

static int attach(bool is_agent, const char *socket, uint64_t pool_bytes)
{
	int rc;

	ctx.pid = getpid();
	ctx.rank = is_agent ? UINT32_MAX : number_of(DHOW_ENV_RANK, 0);
	ctx.size = number_of(DHOW_ENV_SIZE, 1);
	ctx.local_rank = number_of(DHOW_ENV_LOCAL_RANK, 0);
	ctx.local_size = number_of(DHOW_ENV_LOCAL_SIZE, 1);
	connection_set_rank(ctx.rank);
	rc = join(socket, pool_bytes, is_agent);
	if (rc < 0)
		return rc;
	rc = hello(is_agent);
	if (rc < 0) {
		thread_stop();
		connection_close();
	}
	return rc;
}

/* A forked child has its parent's memory but none of its life: start afresh. */
static void forget_parent(void)
{
	if (ctx.users == 0 || ctx.pid == getpid())
		return;
	memset(ctx.pools, 0, sizeof(ctx.pools));
	ctx.node = NULL;
	ctx.burnt = 0;
	ctx.users = 0;
	atomic_store_explicit(&ctx.closed, 0, memory_order_relaxed);
	connection_forget();
}

int context_start(bool is_agent, const char *socket, uint64_t pool_bytes)
{
	int rc = 0;

	pthread_mutex_lock(&ctx.lock);
	forget_parent();
	if (ctx.users == 0)
		rc = attach(is_agent, socket, pool_bytes);
	if (rc == 0)
		ctx.users++;
	pthread_mutex_unlock(&ctx.lock);
	return rc;
}

int dhow_init(void)
{
	return context_start(false, NULL, 0);
}

int dhow_init_at(const char *socket, uint64_t pool_bytes)
{
	if (!socket || !*socket)
		return dhow_fail(-EINVAL, "socket name is empty");
	return context_start(false, socket, pool_bytes);
}

void dhow_fini(void)
{
	struct node_request bye = { .op = NODE_BYE };

	pthread_mutex_lock(&ctx.lock);
	forget_parent();
	if (ctx.users == 0 || --ctx.users > 0)
		goto out;
	for (unsigned i = SEGMENT_MAX; i-- > 0;)
		if (ctx.pools[i])
			remove_pool(ctx.pools[i]);
	atomic_store_explicit(&ctx.closed, 0, memory_order_relaxed);
	ctx.node = NULL;
	/* First the thread: it takes the end of the connection for the end of the daemon. */
	thread_stop();
	connection_tell(&bye);
	connection_close();
	close(ctx.bell);
out:
	pthread_mutex_unlock(&ctx.lock);
}

static uint32_t of_node(uint32_t value, uint32_t missing)
{
	return ctx.node ? value : missing;
}

int dhow_rank(void)
{
	return (int)of_node(ctx.rank, 0);
}

int dhow_size(void)
{
	return (int)of_node(ctx.size, 1);
}

int dhow_node(void)
{
	return ctx.node ? (int)ctx.node->segment.shm->node : 0;
}

int dhow_nodes(void)
{
	return ctx.node ? (int)ctx.node->segment.nodes_count : 1;
}

int dhow_local_rank(void)
{
	return (int)of_node(ctx.local_rank, 0);
}

int dhow_local_size(void)
{
	return (int)of_node(ctx.local_size, 1);
}
