/* SPDX-License-Identifier: MIT */
/* ping_mpi.c SECONDS - MPI_Send and MPI_Recv between two ranks. */
#include "ping.h"

#include <mpi.h>
#include <stdlib.h>

static void give(void *arg, const void *data, size_t bytes)
{
	MPI_Send(data, (int)bytes, MPI_BYTE, *(int *)arg, 0, MPI_COMM_WORLD);
}

static void take(void *arg, void *buffer, size_t bytes)
{
	MPI_Recv(buffer, (int)bytes, MPI_BYTE, *(int *)arg, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
	struct ping ping = { .send = give, .recv = take };
	int size, other;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &ping.side);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 2)
		ping_fail("ranks", "two are needed");
	other = !ping.side;
	ping.arg = &other;
	ping_pin(ping.side);
	ping_run(&ping, argc > 1 ? atof(argv[1]) : 0.2);
	MPI_Finalize();
	return 0;
}
