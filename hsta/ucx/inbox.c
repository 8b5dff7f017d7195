/* SPDX-License-Identifier: MIT */
/*
 * inbox.c - a queue of news with their bytes, in blocks that do not move.
 *
 * It is emptied between two turns of UCX, so that one block is enough for ever, save when
 * peer_del() turns UCX from inside an event.
 */
#include <stdlib.h>

#include "hsta/ucx/ucx.h"

static size_t room_of(size_t bytes)
{
	return (sizeof(struct ucx_news) + bytes + 15) & ~(size_t)15;
}

static struct ucx_block *block_get(struct ucx_inbox *inbox)
{
	struct ucx_block *block = inbox->spare;

	if (block) {
		inbox->spare = block->next;
	} else {
		if (inbox->blocks == UCX_INBOX_BLOCKS)
			return NULL;
		block = malloc(sizeof(*block));
		if (!block)
			return NULL;
		inbox->blocks++;
	}
	block->next = NULL;
	block->head = block->tail = 0;
	return block;
}

struct ucx_news *ucx_inbox_add(struct ucx_inbox *inbox, size_t bytes)
{
	struct ucx_block *block = inbox->last;
	struct ucx_news *news;

	if (!block || sizeof(block->data) - block->tail < room_of(bytes)) {
		block = block_get(inbox);
		if (!block)
			return NULL;
		if (inbox->last)
			inbox->last->next = block;
		else
			inbox->first = block;
		inbox->last = block;
	}
	news = (struct ucx_news *)(void *)(block->data + block->tail);
	news->offer = NULL;
	news->lent = NULL;
	/* The size of what lies behind; with a lent buffer the caller says another one. */
	news->bytes = bytes;
	news->room = room_of(bytes);
	block->tail += news->room;
	return news;
}

struct ucx_news *ucx_inbox_first(const struct ucx_inbox *inbox)
{
	struct ucx_block *block = inbox->first;

	if (!block || block->head == block->tail)
		return NULL;
	return (struct ucx_news *)(void *)(block->data + block->head);
}

void ucx_inbox_pop(struct ucx_inbox *inbox)
{
	struct ucx_block *block = inbox->first;

	block->head += ucx_inbox_first(inbox)->room;
	if (block->head < block->tail)
		return;
	block->head = block->tail = 0;
	if (block == inbox->last)
		return;
	inbox->first = block->next;
	block->next = inbox->spare;
	inbox->spare = block;
}

static void free_chain(struct ucx_block *block)
{
	while (block) {
		struct ucx_block *next = block->next;

		free(block);
		block = next;
	}
}

void ucx_inbox_free(struct ucx_inbox *inbox)
{
	free_chain(inbox->first);
	free_chain(inbox->spare);
}
