/* SPDX-License-Identifier: MIT */
/*
 * stencil.h - heat in a plate: what stencil.c (channels) and stencil_mpi.c (MPI) share.
 *
 * Each rank has a band of rows and a copy of the row above and below it, the halo. The two
 * programs differ in how the halo is exchanged and print the same sum, to the last bit.
 */
#ifndef EXAMPLES_STENCIL_H
#define EXAMPLES_STENCIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 512, ROWS = 512, STEPS = 400 };

struct band {
	int rows;		/* of this rank; they are 1 to rows, the halo 0 and rows+1 */
	double (*now)[COLUMNS], (*then)[COLUMNS];
};

/* Rank 0 has the hot edge above its band. False: the rows cannot be divided among the ranks. */
static inline int band_start(struct band *band, int rank, int size)
{
	if (ROWS % size)
		return 0;
	band->rows = ROWS / size;
	band->now = calloc(2 * ((size_t)band->rows + 2), sizeof(*band->now));
	if (!band->now)
		return 0;
	band->then = band->now + band->rows + 2;
	for (int x = 0; rank == 0 && x < COLUMNS; x++)
		band->now[0][x] = band->then[0][x] = 100;
	return 1;
}

static inline void band_step(struct band *band)
{
	double (*old)[COLUMNS] = band->now;

	for (int y = 1; y <= band->rows; y++)
		for (int x = 1; x < COLUMNS - 1; x++)
			band->then[y][x] = (old[y - 1][x] + old[y + 1][x] + old[y][x - 1] +
					    old[y][x + 1]) / 4;
	band->now = band->then;
	band->then = old;
}

static inline double band_sum(const struct band *band)
{
	double sum = 0;

	for (int y = 1; y <= band->rows; y++)
		for (int x = 0; x < COLUMNS; x++)
			sum += band->now[y][x];
	return sum;
}

static inline double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
