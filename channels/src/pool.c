/* SPDX-License-Identifier: MIT */
/* pool.c - public calls on pools: a segment each. */
#include <dhow/pool.h>

#include <errno.h>
#include <unistd.h>

#include "src/backing.h"
#include "src/context.h"
#include "src/heap.h"

int dhow_pool_create(uint64_t bytes, struct dhow_pool **ret_pool)
{
	const struct dhow_pool_attr attr = { .bytes = bytes };

	return dhow_pool_create_with(&attr, ret_pool);
}

int dhow_pool_create_with(const struct dhow_pool_attr *attr, struct dhow_pool **ret_pool)
{
	struct segment *node = context_node();
	struct node_request request = { .op = NODE_SEGMENT_PUT };
	struct segment_options options = { .pool_bytes = attr->bytes,
					   .wants_huge = attr->huge_pages,
					   .numa_node = attr->numa_node };
	struct base_err err = { "" };
	struct node_reply reply;
	int fd, rc;

	if (!node)
		return -ENOTCONN;
	options.job = node->shm->job;
	options.node = node->shm->node;
	options.nodes = node->shm->nodes;
	/* The counter also numbers channels: all that matters is that it never repeats. */
	options.segment =
		atomic_fetch_add_explicit(&node->shm->generation, 1, memory_order_relaxed) + 1;
	rc = segment_create(&options, &fd, &err);
	if (rc < 0)
		return dhow_fail(rc, "%s", err.text);
	request.value = options.segment;
	rc = context_request(&request, fd, &reply, NULL, dhow_in_ms(5000));
	if (rc == 0)
		rc = context_add_pool(fd, ret_pool);
	else if (rc == -ENFILE)
		dhow_fail(rc, "too many segments on this node");
	if (rc < 0)
		close(fd);
	return rc;
}

struct dhow_pool *dhow_pool_default(void)
{
	struct segment *node = context_node();

	return node ? (struct dhow_pool *)(void *)node : NULL;
}

void dhow_pool_close(struct dhow_pool *pool)
{
	if (pool)
		context_close_pool(pool);
}

void dhow_pool_stats(struct dhow_pool *pool, struct dhow_pool_stats *ret_stats)
{
	struct heap_stats stats;

	heap_stats(&pool->segment, &stats);
	*ret_stats = (struct dhow_pool_stats){
		.bytes = pool->segment.data_bytes,
		.free_bytes = stats.free_bytes,
		.block_max = heap_block_max(&pool->segment),
		.blocks = stats.blocks,
		.page_bytes = backing_page_bytes(pool->segment.fd),
		.numa_node = 1 + backing_numa_node(pool->segment.base),
	};
}
