/* SPDX-License-Identifier: MIT */
/* fabric_side.h - two fabrics that talk to each other, and what each of them was told. */
#ifndef TESTS_FABRIC_SIDE_H
#define TESTS_FABRIC_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/fabric.h"
#include "base/clock.h"

enum { SIDE_OFFERS = 64 };

struct side {
	const struct fabric_ops *ops;
	struct fabric *fabric;
	struct fabric_caps caps;
	struct fabric_peer *peer; /* added, or told by peer_new */
	unsigned peers_new, peers_down;
	unsigned frames, frames_bad;
	uint8_t *seen; /* one per frame number, or NULL */
	unsigned seen_max, seen_twice;
	struct fabric_offer *offers[SIDE_OFFERS];
	size_t offer_bytes[SIDE_OFFERS];
	unsigned offer_count;
	uint8_t header[64];
	size_t header_bytes;
	bool delete_on_frame, drop_offers;
	enum fabric_loss loss; /* of the last peer_down */
	char why[128];
};

struct pair {
	struct side a, b;
};

/* An operation that counts its completions. */
struct side_op {
	struct fabric_op op;
	unsigned done;
	enum fabric_status status;
};

void side_open(struct side *side, const struct fabric_ops *ops);
void side_close(struct side *side);
void side_add(struct side *side, const struct side *to);
void side_op_init(struct side_op *op);

/* b knows a and both can send. */
void pair_open(struct pair *pair, const struct fabric_ops *ops);
void pair_close(struct pair *pair);
/* Progress both; sleeps a little if there was nothing. */
void pair_pump(struct pair *pair);

#define PAIR_UNTIL(pair, condition) \
	do { \
		uint64_t until_ = base_now_ns() + 60000 * BASE_MS; \
		while (!(condition)) { \
			cr_assert(base_now_ns() < until_, "never: %s", #condition); \
			pair_pump(pair); \
		} \
	} while (0)

/* Frame @number of @bytes (at least 1) with contents that follow from both. */
void side_fill(uint8_t *data, size_t bytes, uint32_t number);
bool side_intact(const uint8_t *data, size_t bytes);
/* FABRIC_AGAIN if there is no slot or the fabric refuses (the slot is kept for next time). */
enum fabric_status side_try(struct side *side, void **slot, size_t bytes, uint32_t number);
/* Pumps until it is taken. */
void pair_send(struct pair *pair, struct side *side, size_t bytes, uint32_t number);

#endif
