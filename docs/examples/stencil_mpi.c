/* SPDX-License-Identifier: MIT */
/* stencil_mpi.c - exchange of halos by MPI; stencil.c is the same with channels. */
#include <mpi.h>

#include "stencil.h"

/* The sum of all bands, added in the order of the ranks; on rank 0. */
static double total(int size, double sum)
{
	double *all = calloc((size_t)size, sizeof(*all));

	if (!all)
		MPI_Abort(MPI_COMM_WORLD, 1);
	MPI_Gather(&sum, 1, MPI_DOUBLE, all, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
	sum = 0;
	for (int i = 0; i < size; i++)
		sum += all[i];
	free(all);
	return sum;
}

int main(int argc, char **argv)
{
	int rank, size, up, down;
	struct band band;
	double start, sum;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (!band_start(&band, rank, size)) {
		fprintf(stderr, "%d rows are no multiple of %d ranks\n", ROWS, size);
		return MPI_Abort(MPI_COMM_WORLD, 2);
	}
	up = rank > 0 ? rank - 1 : MPI_PROC_NULL;
	down = rank < size - 1 ? rank + 1 : MPI_PROC_NULL;
	start = seconds();
	for (int step = 0; step < STEPS; step++) {
		MPI_Sendrecv(band.now[1], COLUMNS, MPI_DOUBLE, up, 0, band.now[band.rows + 1],
			     COLUMNS, MPI_DOUBLE, down, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Sendrecv(band.now[band.rows], COLUMNS, MPI_DOUBLE, down, 1, band.now[0],
			     COLUMNS, MPI_DOUBLE, up, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		band_step(&band);
	}
	sum = total(size, band_sum(&band));
	if (rank == 0)
		printf("sum %.17g, %.1f us for each step, MPI\n", sum,
		       1e6 * (seconds() - start) / STEPS);
	MPI_Finalize();
	return 0;
}
