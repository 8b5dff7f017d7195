/* SPDX-License-Identifier: MIT */
/* operations.c - the operations in which victims die, see scene.h. */
#include <stdlib.h>

#include "message.h"
#include "scene.h"
#include "src/liveness.h"

/* Prepared before the first kill point. */
static struct dhow_message in_hand;
static struct dhow_address gone;

static void note_given(struct account *mine, const struct dhow_header *header, const void *data,
		       size_t bytes)
{
	if (!message_is_whole(header, data, bytes))
		atomic_store(&mine->damaged, 1);
	for (unsigned i = 0; i < SCENE_BATCH; i++)
		if (!atomic_load(&mine->got[i])) {
			atomic_store(&mine->got[i], (int)header->user + 1);
			break;
		}
}

static void note_sent(struct account *mine, int rc)
{
	if (rc == 0)
		atomic_store(&mine->sent, 1);
}

static void send_inline(struct scene *scene, struct account *mine, unsigned victim)
{
	note_sent(mine, message_send(scene->channel, scene_sent_by(victim, 0), SCENE_SMALL));
}

static void send_block(struct scene *scene, struct account *mine, unsigned victim)
{
	note_sent(mine, message_send(scene->channel, scene_sent_by(victim, 0), SCENE_LARGE));
}

/* Comes before all others; a block, so that a death in between has something to lose. */
static void send_urgent(struct scene *scene, struct account *mine, unsigned victim)
{
	unsigned number = scene_sent_by(victim, 0);
	struct dhow_header header = message_header(number, SCENE_LARGE);
	unsigned char data[SCENE_LARGE];

	header.flags = DHOW_URGENT;
	memset(data, message_byte(number), sizeof(data));
	note_sent(mine, dhow_send_with(scene->channel, data, sizeof(data), &header, DHOW_ACCEPTED,
				       DHOW_TRY));
}

static void prepare_message(struct scene *scene)
{
	if (dhow_message_alloc(&scene->pool, SCENE_LARGE, DHOW_TRY, &in_hand) < 0)
		scene_die("no block for the victim");
}

static void hand_over(struct scene *scene, struct account *mine, unsigned victim)
{
	unsigned number = scene_sent_by(victim, 0);

	in_hand.header = message_header(number, SCENE_LARGE);
	memset(in_hand.data, message_byte(number), SCENE_LARGE);
	note_sent(mine, dhow_send_message(scene->channel, &in_hand, DHOW_ACCEPTED, DHOW_TRY));
	dhow_message_free(&in_hand);
}

static void send_many(struct scene *scene, struct account *mine, unsigned victim)
{
	static const size_t sizes[SCENE_BATCH] = { SCENE_SMALL, SCENE_LARGE, SCENE_SMALL };
	static unsigned char data[SCENE_BATCH][SCENE_LARGE];
	struct dhow_item items[SCENE_BATCH] = { 0 };
	size_t sent;

	for (unsigned i = 0; i < SCENE_BATCH; i++) {
		unsigned number = scene_sent_by(victim, i);

		items[i].data = memset(data[i], message_byte(number), sizes[i]);
		items[i].bytes = sizes[i];
		items[i].header = message_header(number, sizes[i]);
	}
	if (dhow_send_many(scene->channel, items, SCENE_BATCH, DHOW_TRY, &sent) == 0)
		atomic_store(&mine->sent, (int)sent);
}

static void recv_many(struct scene *scene, struct account *mine, unsigned victim)
{
	static unsigned char data[SCENE_BATCH][SCENE_LARGE];
	struct dhow_item items[SCENE_BATCH];
	size_t received;

	(void)victim;
	for (unsigned i = 0; i < SCENE_BATCH; i++)
		items[i] = (struct dhow_item){ .data = data[i], .room = SCENE_LARGE };
	if (dhow_recv_many(scene->channel, items, SCENE_BATCH, DHOW_TRY, &received) < 0)
		return;
	for (size_t i = 0; i < received; i++)
		note_given(mine, &items[i].header, items[i].data, items[i].bytes);
}

static void recv_copy(struct scene *scene, struct account *mine, unsigned victim)
{
	unsigned char data[MESSAGE_MAX];
	struct dhow_header header;
	size_t bytes;

	(void)victim;
	if (dhow_recv(scene->channel, data, sizeof(data), &bytes, &header, DHOW_TRY) == 0)
		note_given(mine, &header, data, bytes);
}

static void recv_message(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_message message;

	(void)victim;
	if (dhow_recv_message(scene->channel, &message, DHOW_TRY) < 0)
		return;
	note_given(mine, &message.header, message.data, message.bytes);
	dhow_message_free(&message);
}

static void begin_commit(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_message message;

	(void)victim;
	if (dhow_recv_begin(scene->channel, &message, DHOW_TRY) < 0)
		return;
	note_given(mine, &message.header, message.data, message.bytes);
	dhow_recv_commit(scene->channel, &message);
	atomic_store(&mine->ended, 1);
}

static void begin_cancel(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_message message;

	(void)victim;
	if (dhow_recv_begin(scene->channel, &message, DHOW_TRY) < 0)
		return;
	note_given(mine, &message.header, message.data, message.bytes);
	atomic_store(&mine->given_back, 1);
	dhow_recv_cancel(scene->channel, &message);
}

static void look(struct scene *scene, struct account *mine, unsigned victim)
{
	unsigned char data[MESSAGE_MAX];
	struct dhow_header header;
	unsigned events;
	size_t bytes;

	(void)victim;
	if (dhow_peek(scene->channel, data, sizeof(data), &bytes, &header, DHOW_TRY) == 0 &&
	    !message_is_whole(&header, data, bytes))
		atomic_store(&mine->damaged, 1);
	dhow_poll(scene->channel, DHOW_IN | DHOW_OUT, DHOW_TRY, &events);
}

/* Splits on the way down to the small one, merges on the way up to the large one. */
static void alloc_free(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_message small, large;
	bool had_small, had_large;

	(void)mine, (void)victim;
	had_small = dhow_message_alloc(&scene->pool, 600, DHOW_TRY, &small) == 0;
	had_large = dhow_message_alloc(&scene->pool, 7000, DHOW_TRY, &large) == 0;
	if (had_small)
		dhow_message_free(&small);
	if (had_large)
		dhow_message_free(&large);
	if (dhow_message_alloc(&scene->pool, SCENE_POOL_BYTES / 2, DHOW_TRY, &large) == 0)
		dhow_message_free(&large);
}

static struct dhow_channel *make(struct scene *scene)
{
	struct dhow_channel_attr attr = { .capacity = 4 };
	struct dhow_channel *other;

	return channel_make(&scene->pool.segment, &attr, -1, &other) == 0 ? other : NULL;
}

static void create_destroy(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_channel *other = make(scene);

	(void)victim;
	if (!other)
		return;
	message_send(other, 1, SCENE_LARGE);
	message_send(other, 2, SCENE_SMALL);
	dhow_channel_destroy(other);
	atomic_store(&mine->ended, 1);
}

static void open_close(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_channel *again;

	(void)mine, (void)victim;
	/* The victim has it open: let it be the first and last handle of its process. */
	dhow_channel_close(scene->channel);
	if (channel_attach(&scene->pool.segment, scene->channel->index,
			   scene->channel->generation, &again) == 0)
		dhow_channel_close(again);
}

static void prepare_gone(struct scene *scene)
{
	struct dhow_channel *other = make(scene);

	if (!other)
		scene_die("no channel for the victim");
	dhow_channel_address(other, &gone);
	dhow_channel_destroy(other);
}

static void open_gone(struct scene *scene, struct account *mine, unsigned victim)
{
	struct dhow_channel *again;

	(void)mine, (void)victim;
	channel_attach(&scene->pool.segment, gone.index, gone.generation, &again);
}

static void attach_detach(struct scene *scene, struct account *mine, unsigned victim)
{
	struct segment *segment = &scene->pool.segment;

	(void)mine, (void)victim;
	if (liveness_enter(segment, 1) < 0)
		return;
	liveness_check(segment);
	liveness_forget(segment);
	liveness_leave(segment);
}

static void sweep(struct scene *scene, struct account *mine, unsigned victim)
{
	(void)mine, (void)victim;
	liveness_sweep(&scene->pool.segment);
}

const struct operation scene_operations[] = {
	{ .name = "send inline", .run = send_inline },
	{ .name = "send block", .run = send_block },
	{ .name = "send urgent", .run = send_urgent },
	{ .name = "send_message", .run = hand_over, .prepare = prepare_message },
	{ .name = "send_many", .run = send_many },
	{ .name = "recv inline", .run = recv_copy, .takes = TAKES_AT_MOST_ONCE,
	  .head_small = true },
	{ .name = "recv block", .run = recv_copy, .takes = TAKES_AT_MOST_ONCE },
	{ .name = "recv_many", .run = recv_many, .takes = TAKES_AT_MOST_ONCE,
	  .batch = SCENE_BATCH },
	{ .name = "recv_message inline", .run = recv_message, .takes = TAKES_AT_MOST_ONCE,
	  .head_small = true },
	{ .name = "recv_message block", .run = recv_message, .takes = TAKES_AT_MOST_ONCE },
	{ .name = "recv_begin commit", .run = begin_commit, .takes = TAKES_AT_LEAST_ONCE },
	{ .name = "recv_begin cancel", .run = begin_cancel, .takes = TAKES_AT_LEAST_ONCE },
	{ .name = "peek, poll", .run = look },
	{ .name = "alloc free", .run = alloc_free },
	{ .name = "create destroy", .run = create_destroy, .makes = true },
	{ .name = "open close", .run = open_close },
	{ .name = "open of a destroyed", .run = open_gone, .prepare = prepare_gone,
	  .same_when_full = true },
	{ .name = "attach detach", .run = attach_detach, .enters = true, .same_when_full = true,
	  .stride = 7 },
};
const unsigned scene_operations_count = sizeof(scene_operations) / sizeof(*scene_operations);
const struct operation scene_sweep = { .name = "recover", .run = sweep };
const struct operation scene_attach_anew = { .name = "attach over a dead one",
					     .run = attach_detach,
					     .enters = true };
