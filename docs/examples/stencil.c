/* SPDX-License-Identifier: MIT */
/*
 * stencil.c - exchange of halos by channels; stencil_mpi.c is the same with MPI.
 *
 * Each rank owns two channels: one that its upper neighbour sends to, one for the lower. A row
 * is received straight into the halo.
 */
#include "check.h"
#include "stencil.h"

enum { WAIT_MS = 20000, UP, DOWN };

struct side {
	struct dhow_channel *from, *to;		/* the neighbour there, NULL at the edge */
};

static struct dhow_channel *named(int is_mine, int rank, int side)
{
	struct dhow_channel_attr attr = { .capacity = 4 };
	struct dhow_channel *channel;
	char name[32];

	snprintf(name, sizeof(name), "halo-%d-%s", rank, side == UP ? "up" : "down");
	check(is_mine ? dhow_channel_create(name, &attr, &channel) :
			dhow_channel_open(name, dhow_in_ms(WAIT_MS), &channel), name);
	return channel;
}

static void meet(struct side *up, struct side *down)
{
	int rank = dhow_rank(), last = dhow_size() - 1;

	up->from = rank > 0 ? named(1, rank, UP) : NULL;
	down->from = rank < last ? named(1, rank, DOWN) : NULL;
	up->to = rank > 0 ? named(0, rank - 1, DOWN) : NULL;
	down->to = rank < last ? named(0, rank + 1, UP) : NULL;
}

static void give(const struct side *side, const double *row)
{
	if (side->to)
		check(dhow_send(side->to, row, COLUMNS * sizeof(*row), dhow_in_ms(WAIT_MS)),
		      "send a row");
}

static void take(const struct side *side, double *row)
{
	size_t bytes;

	if (side->from)
		check(dhow_recv(side->from, row, COLUMNS * sizeof(*row), &bytes, NULL,
				dhow_in_ms(WAIT_MS)), "receive a row");
}

/* The sum of all bands, added in the order of the ranks; on rank 0. */
static double total(struct dhow_channel *sums, double sum)
{
	struct dhow_header header = { .user = (uint64_t)dhow_rank() };
	double *all = calloc((size_t)dhow_size(), sizeof(*all)), part;
	size_t bytes;

	check(dhow_send_with(sums, &sum, sizeof(sum), &header, DHOW_ACCEPTED, dhow_in_ms(WAIT_MS)),
	      "send a sum");
	if (dhow_rank() > 0 || !all)
		return free(all), 0;
	for (int i = 0; i < dhow_size(); i++) {
		check(dhow_recv(sums, &part, sizeof(part), &bytes, &header, dhow_in_ms(WAIT_MS)),
		      "receive a sum");
		all[header.user] = part;
	}
	sum = 0;
	for (int i = 0; i < dhow_size(); i++)
		sum += all[i];
	free(all);
	return sum;
}

int main(void)
{
	struct side up, down;
	struct dhow_channel *sums;
	struct band band;
	double start, sum;

	check(dhow_init(), "init");
	if (!band_start(&band, dhow_rank(), dhow_size()))
		return fprintf(stderr, "%d rows are no multiple of %d ranks\n", ROWS,
			       dhow_size()), 2;
	check(dhow_rank() == 0 ? dhow_channel_create("sums", NULL, &sums) :
				 dhow_channel_open("sums", dhow_in_ms(WAIT_MS), &sums), "sums");
	meet(&up, &down);
	start = seconds();
	for (int step = 0; step < STEPS; step++) {
		give(&up, band.now[1]);
		give(&down, band.now[band.rows]);
		take(&up, band.now[0]);
		take(&down, band.now[band.rows + 1]);
		band_step(&band);
	}
	sum = total(sums, band_sum(&band));
	if (dhow_rank() == 0)
		printf("sum %.17g, %.1f us for each step, channels\n", sum,
		       1e6 * (seconds() - start) / STEPS);
	dhow_fini();
	return 0;
}
