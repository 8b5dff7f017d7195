/* SPDX-License-Identifier: MIT */
/* fabric_side.c - see fabric_side.h. */
#include "fabric_side.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Contents: the number in up to four bytes, then a pattern of number and position. */
static uint8_t pattern(uint32_t number, size_t at)
{
	return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

void side_fill(uint8_t *data, size_t bytes, uint32_t number)
{
	size_t head = bytes < 4 ? bytes : 4;

	memcpy(data, &number, head);
	for (size_t i = head; i < bytes; i++)
		data[i] = pattern(number, i);
}

bool side_intact(const uint8_t *data, size_t bytes)
{
	uint32_t number;

	if (bytes < 4)
		return true;
	memcpy(&number, data, 4);
	for (size_t i = 4; i < bytes; i++)
		if (data[i] != pattern(number, i))
			return false;
	return true;
}

static void on_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	struct side *side = user;
	uint32_t number;

	side->frames++;
	if (!side_intact(data, bytes) || (side->caps.knows_sender && !peer))
		side->frames_bad++;
	if (side->seen && bytes >= 4) {
		memcpy(&number, data, 4);
		if (number >= side->seen_max || side->seen[number]++)
			side->seen_twice++;
	}
	if (side->delete_on_frame && side->peer) {
		side->ops->peer_del(side->peer);
		side->peer = NULL;
	}
}

static void on_offer(void *user, struct fabric_peer *peer, const void *header,
		     size_t header_bytes, struct fabric_offer *offer, size_t bytes)
{
	struct side *side = user;

	(void)peer;
	if (side->drop_offers) {
		side->ops->drop(offer);
		return;
	}
	cr_assert(side->offer_count < SIDE_OFFERS && header_bytes <= sizeof(side->header));
	side->header_bytes = header_bytes;
	memcpy(side->header, header, header_bytes);
	side->offers[side->offer_count] = offer;
	side->offer_bytes[side->offer_count++] = bytes;
}

static void on_new(void *user, struct fabric_peer *peer)
{
	struct side *side = user;

	side->peers_new++;
	if (!side->peer)
		side->peer = peer;
	side->ops->peer_user(peer, side);
}

static void on_down(void *user, struct fabric_peer *peer, enum fabric_loss loss, const char *why)
{
	struct side *side = user;

	cr_assert_not_null(why);
	side->loss = loss;
	snprintf(side->why, sizeof(side->why), "%s", why);
	side->peers_down++;
	side->offer_count = 0; /* offers end with their peer */
	if (side->peer == peer)
		side->peer = NULL;
	side->ops->peer_del(peer);
}

void side_open(struct side *side, const struct fabric_ops *ops)
{
	const struct fabric_events events = {
		.frame = on_frame, .offer = on_offer, .peer_new = on_new, .peer_down = on_down
	};
	const struct fabric_options options = { .bind = "127.0.0.1" };
	int rc;

	memset(side, 0, sizeof(*side));
	side->ops = ops;
	rc = ops->open(&options, &events, side, &side->fabric, &side->caps);
	cr_assert_eq(rc, 0, "open: %s", strerror(-rc));
}

void side_close(struct side *side)
{
	if (!side->fabric)
		return;
	if (side->peer)
		side->ops->peer_del(side->peer);
	side->ops->close(side->fabric);
	side->fabric = NULL;
	side->peer = NULL;
}

void side_add(struct side *side, const struct side *to)
{
	uint8_t blob[256];
	size_t bytes = sizeof(blob);

	cr_assert_eq(to->ops->address(to->fabric, blob, &bytes), 0);
	cr_assert_leq(bytes, to->caps.address_max);
	cr_assert_eq(side->ops->peer_add(side->fabric, blob, bytes, side, &side->peer), FABRIC_OK);
}

static void op_done(struct fabric_op *op, enum fabric_status status)
{
	struct side_op *own = (struct side_op *)(void *)op;

	own->done++;
	own->status = status;
}

void side_op_init(struct side_op *op)
{
	memset(op, 0, sizeof(*op));
	op->op.done = op_done;
}

void pair_pump(struct pair *pair)
{
	int told = 0;
	int rc;

	if (pair->a.fabric) {
		rc = pair->a.ops->progress(pair->a.fabric, 64);
		cr_assert_geq(rc, 0);
		told += rc;
	}
	if (pair->b.fabric) {
		rc = pair->b.ops->progress(pair->b.fabric, 64);
		cr_assert_geq(rc, 0);
		told += rc;
	}
	if (told == 0 && pair->a.fabric)
		pair->a.ops->wait(pair->a.fabric, base_now_ns() + BASE_MS / 20);
}

void pair_open(struct pair *pair, const struct fabric_ops *ops)
{
	side_open(&pair->a, ops);
	side_open(&pair->b, ops);
	side_add(&pair->a, &pair->b);
	pair_send(pair, &pair->a, 4, 0);
	PAIR_UNTIL(pair, pair->b.frames == 1);
	cr_assert_not_null(pair->b.peer);
	pair_send(pair, &pair->b, 4, 0);
	PAIR_UNTIL(pair, pair->a.frames == 1);
	pair->a.frames = pair->b.frames = 0;
}

void pair_close(struct pair *pair)
{
	cr_expect_eq(pair->a.frames_bad + pair->b.frames_bad, 0);
	side_close(&pair->a);
	side_close(&pair->b);
}

enum fabric_status side_try(struct side *side, void **slot, size_t bytes, uint32_t number)
{
	enum fabric_status status;

	if (!*slot)
		*slot = side->ops->slot(side->fabric);
	if (!*slot)
		return FABRIC_AGAIN;
	side_fill(*slot, bytes, number);
	status = side->ops->frame(side->peer, *slot, bytes);
	if (status != FABRIC_AGAIN)
		*slot = NULL;
	return status;
}

void pair_send(struct pair *pair, struct side *side, size_t bytes, uint32_t number)
{
	void *slot = NULL;
	enum fabric_status status = FABRIC_AGAIN;

	PAIR_UNTIL(pair, (status = side_try(side, &slot, bytes, number)) != FABRIC_AGAIN);
	cr_assert_eq(status, FABRIC_OK);
}
