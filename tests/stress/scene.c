/* SPDX-License-Identifier: MIT */
/* scene.c - see scene.h: making a scene, and judging what the survivor finds. */
#include "scene.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"
#include "src/liveness.h"

enum { NUMBERS = 256, AFTERWARDS = 200 };	/* numbers of the messages sent afterwards */

void scene_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void scene_forget(struct scene *scene)
{
	memset((void *)scene->accounts, 0, sizeof(*scene->accounts) * SCENE_VICTIMS);
}

void scene_make(struct scene *scene)
{
	struct segment_options options = { .pool_bytes = SCENE_POOL_BYTES };
	struct dhow_channel_attr attr = { .capacity = SCENE_CAPACITY };
	struct segment *segment = &scene->pool.segment;
	struct base_err err = { "" };
	int fd;

	if (segment_create(&options, &fd, &err) < 0 || segment_map(fd, segment, &err) < 0)
		scene_die("no segment: %s", err.text);
	if (liveness_enter(segment, 0) < 0 || liveness_check(segment) < 0 ||
	    channel_make(segment, &attr, -1, &scene->channel) < 0)
		scene_die("no channel: %s", dhow_error_text());
	heap_stats(segment, &scene->calm);
	scene->accounts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			       0);
	if (scene->accounts == MAP_FAILED)
		scene_die("no memory");
}

void scene_fini(struct scene *scene)
{
	channel_free(scene->channel);
	liveness_forget(&scene->pool.segment);
	liveness_leave(&scene->pool.segment);
	segment_unmap(&scene->pool.segment);
	munmap(scene->accounts, 4096);
}

void scene_fill(struct scene *scene, unsigned count, bool head_small)
{
	for (unsigned i = 0; i < count; i++)
		if (message_send(scene->channel, i,
				 (i % 2 == 0) == head_small ? SCENE_SMALL : SCENE_LARGE) < 0)
			scene_die("message %u of %u: %s", i, count, dhow_error_text());
}

void scene_become_victim(struct scene *scene, const struct operation *operation)
{
	struct segment *segment = &scene->pool.segment;
	uint32_t index = scene->channel->index, generation = scene->channel->generation;

	liveness_known = 0;
	memset(segment->handles, 0, sizeof(segment->handles));
	segment->me = 0;
	if (operation->enters)
		return;
	if (liveness_enter(segment, 1) < 0 || liveness_check(segment) < 0 ||
	    channel_attach(segment, index, generation, &scene->channel) < 0)
		scene_die("the victim cannot enter: %s", dhow_error_text());
	if (operation->prepare)
		operation->prepare(scene);
}

/* ---- the survivor ---- */

/* The scene's channel in @segment: in turns as one who opens it now sees it, and as one whose
 * hints are as old as the filling of the channel. */
static int view(const struct scene *scene, struct segment *segment, struct dhow_channel *ret_view)
{
	static bool old_hints;
	struct ring now;

	*ret_view = *scene->channel;
	ret_view->segment = segment;
	if (channel_ring(segment, scene->channel->index, &now) < 0)
		return -EPROTO;
	if (!old_hints)
		ret_view->ring = now;
	ret_view->ring.shm = now.shm;
	ret_view->ring.slots = now.slots;
	old_hints = !old_hints;
	return 0;
}

/* Take all there is; count each number in @seen. */
static const char *drain(struct dhow_channel *channel, unsigned seen[NUMBERS])
{
	unsigned last = 0, number;
	int rc;

	for (unsigned i = 0; i <= SCENE_CAPACITY; i++) {
		rc = message_recv(channel, &number);
		if (rc == -EAGAIN)
			return NULL;
		if (rc < 0)
			return rc == -EBADMSG ? "a message is damaged" : "a receiver has an error";
		if (number >= NUMBERS)
			return "a message is damaged";
		if (number < SCENE_SENT_BY && number + 1 <= last)
			return "messages are out of order";
		if (number < SCENE_SENT_BY)
			last = number + 1;
		seen[number]++;
	}
	return "more messages than slots";
}

static bool was_given(const struct account *account, unsigned number)
{
	for (unsigned i = 0; i < SCENE_BATCH; i++)
		if (atomic_load(&account->got[i]) == (int)number + 1)
			return true;
	return false;
}

static unsigned taken_by_victims(const struct scene *scene, unsigned number)
{
	unsigned count = 0;

	for (unsigned v = 0; v < SCENE_VICTIMS; v++)
		count += was_given(&scene->accounts[v], number) &&
			 !atomic_load(&scene->accounts[v].given_back);
	return count;
}

/* Somebody held it without having said that he is done: it may come to another. */
static bool may_come_again(const struct scene *scene, const struct deaths *deaths, unsigned number)
{
	for (unsigned v = 0; v < SCENE_VICTIMS; v++)
		if (deaths->operations[v] &&
		    deaths->operations[v]->takes == TAKES_AT_LEAST_ONCE &&
		    was_given(&scene->accounts[v], number) &&
		    !atomic_load(&scene->accounts[v].ended))
			return true;
	return false;
}

/* Messages that died with a reader in the middle of a call that promises at most once. */
static unsigned may_be_gone(const struct scene *scene, const struct deaths *deaths)
{
	unsigned count = 0;

	for (unsigned v = 0; v < SCENE_VICTIMS; v++) {
		const struct operation *operation = deaths->operations[v];
		const struct account *account = &scene->accounts[v];

		if (!operation || operation->takes != TAKES_AT_MOST_ONCE ||
		    !atomic_load(&account->started) || atomic_load(&account->finished))
			continue;
		count += operation->batch ? operation->batch : 1;
		for (unsigned i = 0; i < SCENE_BATCH && atomic_load(&account->got[i]); i++)
			count--;
	}
	return count;
}

static const char *judge_numbers(const struct scene *scene, const struct deaths *deaths,
				 const unsigned seen[NUMBERS])
{
	unsigned gone = 0;

	for (unsigned i = 0; i < deaths->before; i++) {
		unsigned count = seen[i] + taken_by_victims(scene, i);

		if (count == 0)
			gone++;
		if (count > 1 && !may_come_again(scene, deaths, i))
			return "a message was delivered twice";
		if (count > 2)
			return "a message was delivered three times";
	}
	if (gone > may_be_gone(scene, deaths))
		return "an acknowledged message is lost";
	return NULL;
}

/* What the victims sent: the acknowledged all there, none twice, of a batch the first ones. */
static const char *judge_victims(const struct scene *scene, const struct deaths *deaths,
				 const unsigned seen[NUMBERS])
{
	bool all_there = may_be_gone(scene, deaths) == 0;

	for (unsigned v = 0; v < SCENE_VICTIMS; v++) {
		unsigned last = 1;

		if (atomic_load(&scene->accounts[v].damaged))
			return "a victim was given a damaged message";
		for (unsigned i = 0; i < SCENE_BATCH; i++) {
			unsigned number = scene_sent_by(v, i);
			unsigned count = seen[number] + taken_by_victims(scene, number);

			if (atomic_load(&scene->accounts[v].sent) > (int)i && !count && all_there)
				return "the victim's acknowledged message is lost";
			if (count > 1 && !may_come_again(scene, deaths, number))
				return "the victim's message was delivered twice";
			if (count > last && all_there)
				return "of a batch a later message came without the earlier";
			last = count ? 1 : 0;
		}
	}
	return NULL;
}

/* The channel takes exactly as many messages as it has slots, and gives them back in order. */
static const char *use(struct dhow_channel *channel, unsigned round)
{
	unsigned seen[NUMBERS] = { 0 };
	const char *why;

	for (unsigned i = 0; i < SCENE_CAPACITY; i++)
		if (message_send(channel, AFTERWARDS + i,
				 (i + round) % 2 ? SCENE_SMALL : SCENE_LARGE) < 0)
			return "senders are blocked";
	if (message_send(channel, AFTERWARDS, SCENE_SMALL) != -EAGAIN)
		return "the channel takes more messages than it has slots";
	why = drain(channel, seen);
	for (unsigned i = 0; !why && i < SCENE_CAPACITY; i++)
		if (seen[AFTERWARDS + i] != 1)
			why = "receivers are blocked";
	return why;
}

/* A channel outlives who made it. Who dies before he has destroyed it leaves it open: then
 * anybody who knows its address can destroy it, and does so here. */
static const char *destroy_what_was_made(const struct scene *scene, struct segment *segment,
					 const struct deaths *deaths)
{
	unsigned may_be_left = 0;

	for (unsigned v = 0; v < SCENE_VICTIMS; v++)
		may_be_left += deaths->operations[v] && deaths->operations[v]->makes &&
			       !atomic_load(&scene->accounts[v].ended);
	for (uint32_t i = 1; i < LAYOUT_CHANNELS; i++) {
		uint64_t word = atomic_load_explicit(&segment->channels[i].word,
						     memory_order_relaxed);
		struct dhow_channel *left;

		if (i == scene->channel->index || WORD_STATE(word) != CHANNEL_OPEN)
			continue;
		if (may_be_left-- == 0)
			return "a destroyed channel is still open";
		if (channel_attach(segment, i, WORD_SERIAL(word), &left) < 0)
			return "a channel that was made cannot be opened";
		dhow_channel_destroy(left);
	}
	return NULL;
}

/* Every entry of the channel table can be used again, and ours is held by nobody else. */
static const char *judge_table(const struct segment *segment, uint32_t index)
{
	for (uint32_t i = 1; i < LAYOUT_CHANNELS; i++) {
		const struct shm_channel *shm = &segment->channels[i];
		uint64_t first = i == index ? UINT64_C(1) << (segment->me % 64) : 0;

		if ((WORD_STATE(atomic_load_explicit(&shm->word, memory_order_relaxed)) !=
		     CHANNEL_FREE) != (i == index))
			return "an entry of the channel table is lost";
		for (unsigned word = 0; word < LAYOUT_PROCESSES / 64; word++)
			if (atomic_load_explicit(&shm->users[word], memory_order_relaxed) !=
			    (word == 0 ? first : 0))
				return "a dead process still holds a channel open";
	}
	return NULL;
}

static const char *judge_heap(const struct scene *scene, struct segment *segment)
{
	struct heap_stats now;
	uint32_t block;

	heap_stats(segment, &now);
	if (now.blocks != scene->calm.blocks || now.free_bytes != scene->calm.free_bytes)
		return now.free_bytes < scene->calm.free_bytes ? "a block is lost" :
								 "a block was freed twice";
	/* The free parts can be made one again. */
	if (heap_alloc(segment, SCENE_POOL_BYTES / 2, &block) < 0)
		return "free blocks cannot be merged";
	heap_free_mine(segment, block);
	return NULL;
}

const char *scene_check(const struct scene *scene, struct segment *segment,
			const struct deaths *deaths)
{
	unsigned seen[NUMBERS] = { 0 };
	struct dhow_channel channel;
	const char *why;

	liveness_sweep(segment);
	if (view(scene, segment, &channel) < 0)
		return "the channel's entry is damaged";
	why = drain(&channel, seen);
	if (!why)
		why = judge_numbers(scene, deaths, seen);
	if (!why)
		why = judge_victims(scene, deaths, seen);
	for (unsigned round = 0; !why && round < 2; round++)
		why = use(&channel, round);
	if (!why)
		why = destroy_what_was_made(scene, segment, deaths);
	if (!why)
		why = judge_table(segment, channel.index);
	if (!why)
		why = judge_heap(scene, segment);
	return why;
}
