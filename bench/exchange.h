/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - what the files of the exchange program share.
 *
 * The program runs in *phases*: one for each size and place (pairs on one node, pairs of two
 * nodes), with a meeting at rank 0 between them, so that a phase's figures hold nothing else.
 */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EXCHANGE_SIZES = 6,
	EXCHANGE_PLACES = 2,		/* 0: on node, 1: off node */
	EXCHANGE_PHASES = EXCHANGE_SIZES * EXCHANGE_PLACES,
	EXCHANGE_MESSAGES_MAX = 1000000,
	HISTOGRAM_STEPS = 32,		/* per power of two: 3 % wide */
	HISTOGRAM_POWERS = 36,		/* up to 68 s */
	HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * HISTOGRAM_POWERS,
};

struct dhow_channel;

extern const size_t exchange_sizes[EXCHANGE_SIZES];

/* What one rank saw in one phase; travels to rank 0 as it is. */
struct exchange_tally {
	uint32_t phase, rank;
	uint32_t stop;			/* this rank cannot go on: see why */
	uint32_t pairs;			/* senders that it heard */
	uint64_t host;			/* equal where CLOCK_MONOTONIC is the same clock */
	uint64_t received, bytes, damaged, lost, disordered;
	uint64_t duration_ns;
	uint64_t victims, from_victims;	/* killed; their messages */
	char why[192];
	uint32_t latency[HISTOGRAM_BUCKETS];
};

struct exchange_options {
	const char *json;
	uint32_t messages;		/* per pair, for small sizes */
	uint32_t kills;			/* senders to kill, 0 = none */
};

/* Sum over all ranks. */
struct exchange_total {
	struct exchange_tally sum;	/* duration: of the slowest rank */
	bool clocks_differ;
};

static inline unsigned phase_place(unsigned phase)
{
	return phase % EXCHANGE_PLACES;
}

static inline size_t phase_bytes(unsigned phase)
{
	return exchange_sizes[phase / EXCHANGE_PLACES];
}

/* Another rank, as seen from this one. */
struct peer {
	struct dhow_channel *channel;
	bool is_remote;
	uint32_t sent, received;	/* in this phase */
	uint32_t next;			/* number that its next message must have */
	uint64_t in_flight;		/* bytes not known to be deposited */
	uint64_t not_before_ns;		/* it was full for long: others first */
};

/* One rank. */
struct exchange {
	struct exchange_options options;
	int rank, size;
	struct peer *peers;
	struct dhow_channel *mine, *sync, *go;
	struct dhow_channel **gos;	/* rank 0 */
	unsigned char *out, *in;	/* one message each */
	/* this phase */
	unsigned phase;
	size_t bytes;
	uint32_t messages;		/* per pair */
	uint64_t in_flight, seen;	/* bytes; messages of any kind received */
	uint64_t blocked_ns;		/* since when the target is full, 0 = it is not */
	int target, staged;		/* next receiver; whose payload lies in out, or -1 */
	struct exchange_tally tally;
	struct exchange_total *totals;	/* rank 0 */
};

/* exchange_phase.c: send and receive all of @phase; what happened is in x->tally */
void phase_run(struct exchange *x, unsigned phase);

/* exchange_kills.c: kill senders while all exchange. Return: 0 or what @meet returned. */
int kills_run(struct exchange *x, int (*meet)(struct exchange *x, struct exchange_total *total),
	      struct exchange_total *ret_total);

/* exchange_data.c: the payload of one message, and whether a received one is that */
void payload_fill(unsigned char *data, size_t bytes, uint32_t sender, uint32_t receiver,
		  uint32_t number);
bool payload_is(const unsigned char *data, size_t bytes, uint32_t sender, uint32_t receiver,
		uint32_t number);
void histogram_add(uint32_t *buckets, uint64_t ns);
/* Upper edge of the bucket that holds @quantile (0 to 1); 0 if it is empty. */
uint64_t histogram_quantile(const uint32_t *buckets, double quantile);
uint64_t host_id(void);

/* exchange_report.c: on rank 0 */
void exchange_options_parse(int argc, char **argv, struct exchange_options *ret_options);
void exchange_total_add(struct exchange_total *total, const struct exchange_tally *tally);
/* Print the table, write the JSON if asked. Return: exit code. */
int exchange_report(const struct exchange_total totals[EXCHANGE_PHASES], unsigned phases_done,
		    const struct exchange_options *options, int ranks, int nodes);
/* The line of --kills. Return: exit code. */
int exchange_report_kills(const struct exchange_total *total);

#endif
