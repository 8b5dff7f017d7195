/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - all ranks send to all ranks, and every byte is checked where it arrives.
 *
 *     dlaunch -n 4 -N 3 build/bench/exchange
 *
 * Rank R makes the channel `exchange-R` and opens those of all others by name. Every rank
 * sends and receives in one loop (exchange_phase.c).
 *
 * Tag: phase and number of the message. User word: time of the send. Between phases the
 * ranks meet at rank 0 over `exchange-sync` and `exchange-go-R`, and bring their figures.
 */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/dhow.h>

enum {
	CAPACITY = 16,			/* of a data channel: bounds what lies in the pool */
	OPEN_MS = 30000,
	MEET_MS = 60000,
};

/* Rank 0: wait for the figures of all, then tell all whether to go on. */
static int gather(struct exchange *x, struct exchange_total *total)
{
	uint64_t deadline = dhow_in_ms(MEET_MS);
	bool *here = calloc((size_t)x->size, sizeof(*here));
	uint64_t stop = 0;
	int count = 0, rc = here ? 0 : -ENOMEM;

	while (count < x->size && !rc) {
		struct exchange_tally tally;
		size_t bytes = 0;

		rc = dhow_recv(x->sync, &tally, sizeof(tally), &bytes, NULL, deadline);
		if (rc || bytes != sizeof(tally) || tally.rank >= (uint32_t)x->size)
			continue;
		count += !here[tally.rank];
		here[tally.rank] = true;
		if (tally.stop)
			fprintf(stderr, "exchange: rank %u: %.*s\n", tally.rank,
				(int)sizeof(tally.why), tally.why);
		if (total)
			exchange_total_add(total, &tally);
		stop |= tally.stop;
	}
	for (int rank = 0; rc && here && rank < x->size; rank++)
		if (!here[rank])
			fprintf(stderr, "exchange: rank %d did not come to the meeting: %s\n", rank,
				dhow_strerror(rc));
	stop |= rc != 0;
	for (int rank = 1; rank < x->size; rank++)
		if (!rc || (here && here[rank]))
			dhow_send(x->gos[rank], &stop, sizeof(stop), dhow_in_ms(5000));
	free(here);
	return stop ? -ECANCELED : 0;
}

/* All ranks meet; @total (rank 0) gets the sum. Return: 0; -ECANCELED somebody failed. */
static int meet(struct exchange *x, struct exchange_total *total)
{
	uint64_t stop = 0;
	size_t bytes;
	int rc = dhow_send(x->sync, &x->tally, sizeof(x->tally), dhow_in_ms(MEET_MS));

	if (!rc && !x->rank)
		return gather(x, total);
	/* Rank 0 may wait MEET_MS for a third one, and then answers us. */
	if (!rc)
		rc = dhow_recv(x->go, &stop, sizeof(stop), &bytes, NULL,
			       dhow_in_ms(MEET_MS + 5000));
	if (rc)
		fprintf(stderr, "exchange: rank %d: rank 0 is missing: %s: %s\n", x->rank,
			dhow_strerror(rc), dhow_error_text());
	return rc ? rc : stop ? -ECANCELED : 0;
}

/* Open `exchange-STEM-R` of all ranks. Names those that did not come. */
static int open_all(struct exchange *x, const char *stem, struct dhow_channel **ret_channels)
{
	uint64_t deadline = dhow_in_ms(OPEN_MS);
	int result = 0;

	for (int i = 0; i < x->size; i++) {
		/* Each rank begins elsewhere, so that not all ask for rank 0 at once. */
		int rank = (x->rank + i) % x->size;
		char name[64];
		int rc;

		snprintf(name, sizeof(name), "exchange-%s%d", stem, rank);
		rc = dhow_channel_open(name, deadline, &ret_channels[rank]);
		if (rc)
			fprintf(stderr,
				"exchange: rank %d: rank %d is missing: open '%s': %s: %s\n",
				x->rank, rank, name, dhow_strerror(rc), dhow_error_text());
		result = result ? result : rc;
	}
	return result;
}

static int create(struct exchange *x, const char *name, uint32_t capacity,
		  struct dhow_channel **ret_channel)
{
	const struct dhow_channel_attr attr = { .capacity = capacity };
	int rc = dhow_channel_create(name, &attr, ret_channel);

	if (rc)
		fprintf(stderr, "exchange: rank %d: create '%s': %s: %s\n", x->rank, name,
			dhow_strerror(rc), dhow_error_text());
	return rc;
}

static int open_data(struct exchange *x)
{
	struct dhow_channel **channels = calloc((size_t)x->size, sizeof(*channels));
	struct dhow_address address;
	int rc = channels ? open_all(x, "", channels) : -ENOMEM;

	for (int rank = 0; !rc && rank < x->size; rank++) {
		x->peers[rank].channel = channels[rank];
		dhow_channel_address(channels[rank], &address);
		x->peers[rank].is_remote = address.node != (uint32_t)dhow_node();
	}
	free(channels);
	return rc;
}

static int set_up(struct exchange *x)
{
	char name[64];
	int rc;

	x->peers = calloc((size_t)x->size, sizeof(*x->peers));
	x->gos = calloc((size_t)x->size, sizeof(struct dhow_channel *));
	x->totals = calloc(EXCHANGE_PHASES + 1, sizeof(*x->totals));
	x->out = malloc(exchange_sizes[EXCHANGE_SIZES - 1]);
	x->in = malloc(exchange_sizes[EXCHANGE_SIZES - 1]);
	if (!x->peers || !x->gos || !x->totals || !x->out || !x->in)
		return -ENOMEM;
	snprintf(name, sizeof(name), "exchange-%d", x->rank);
	rc = create(x, name, CAPACITY, &x->mine);
	snprintf(name, sizeof(name), "exchange-go-%d", x->rank);
	rc = rc ? rc : create(x, name, 4, &x->go);
	if (!rc && !x->rank)
		rc = create(x, "exchange-sync", 64, &x->sync);
	if (!rc && x->rank)
		rc = dhow_channel_open("exchange-sync", dhow_in_ms(OPEN_MS), &x->sync);
	rc = rc ? rc : open_data(x);
	return rc || x->rank ? rc : open_all(x, "go-", x->gos);
}

static void tear_down(struct exchange *x)
{
	for (int rank = 0; x->peers && rank < x->size; rank++)
		dhow_channel_close(x->peers[rank].channel);
	for (int rank = 0; x->gos && rank < x->size; rank++)
		dhow_channel_close(x->gos[rank]);
	if (x->mine)
		dhow_channel_destroy(x->mine);
	if (x->go)
		dhow_channel_destroy(x->go);
	if (x->sync && x->rank)
		dhow_channel_close(x->sync);
	else if (x->sync)
		dhow_channel_destroy(x->sync);
	free(x->peers);
	free(x->gos);
	free(x->totals);
	free(x->out);
	free(x->in);
}

static int run(struct exchange *x)
{
	unsigned phase = 0;
	int rc = set_up(x);

	/* The first meeting: nobody sends before all are there. */
	x->tally.rank = (uint32_t)x->rank;
	rc = rc ? rc : meet(x, NULL);
	for (; !rc && phase < EXCHANGE_PHASES; phase++) {
		phase_run(x, phase);
		rc = meet(x, &x->totals[phase]);
	}
	if (!rc && x->options.kills)
		rc = kills_run(x, meet, &x->totals[EXCHANGE_PHASES]);
	if (x->rank)
		return rc ? 1 : 0;
	/* A phase in which a rank gave up is shown, but does not count as done. */
	rc = exchange_report(x->totals, phase, &x->options, x->size, dhow_nodes()) || rc;
	if (x->options.kills && !rc)
		rc = exchange_report_kills(&x->totals[EXCHANGE_PHASES]);
	return rc;
}

int main(int argc, char **argv)
{
	struct exchange x = { 0 };
	int rc;

	exchange_options_parse(argc, argv, &x.options);
	rc = dhow_init();
	if (rc) {
		fprintf(stderr, "exchange: cannot attach: %s: %s\n", dhow_strerror(rc),
			dhow_error_text());
		return 1;
	}
	x.rank = dhow_rank();
	x.size = dhow_size();
	rc = run(&x);
	tear_down(&x);
	dhow_fini();
	return rc;
}
