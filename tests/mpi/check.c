/* SPDX-License-Identifier: MIT */
/*
 * check.c - an MPI program of the tests: sums, a ring and a large broadcast, or a bad end.
 *
 * check sum | spawn | abort RANK CODE | kill RANK | exit RANK CODE | early RANK CODE |
 * late RANK CODE
 * Is built by the compiler wrapper of each MPI library; check.py does the same by mpi4py.
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 1 << 20, SLEEP_S = 60 };

static int rank, size;

static void wrong(const char *what)
{
	printf("rank %d: wrong %s\n", rank, what);
	fflush(stdout);
	MPI_Abort(MPI_COMM_WORLD, 99);
}

static void sums(void)
{
	int sum = 0, from = -1, to = (rank + 1) % size, before = (rank + size - 1) % size;
	int local_size = 0, node_count = 0, first, local;
	static unsigned char data[BYTES];
	MPI_Comm node;

	MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	if (sum != size * (size - 1) / 2)
		wrong("sum");
	MPI_Sendrecv(&rank, 1, MPI_INT, to, 0, &from, 1, MPI_INT, before, 0, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	if (from != before)
		wrong("neighbour");
	for (int i = 0; i < BYTES; i++)
		data[i] = rank == 0 ? (unsigned char)(i * 7) : 0;
	MPI_Bcast(data, BYTES, MPI_BYTE, 0, MPI_COMM_WORLD);
	for (int i = 0; i < BYTES; i++)
		if (data[i] != (unsigned char)(i * 7))
			wrong("broadcast");
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
	MPI_Comm_size(node, &local_size);
	MPI_Comm_rank(node, &local);
	first = local == 0;
	MPI_Allreduce(&first, &node_count, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	MPI_Comm_free(&node);
	if (rank == 0)
		printf("good: %d ranks, %d nodes, %d here\n", size, node_count, local_size);
}

/* Dhow starts no processes for others: the library must say so, and go on. By one rank: where the
 * root is refused, Open MPI 4 does not tell the others. */
static void refused_spawn(void)
{
	MPI_Comm other = MPI_COMM_NULL;
	char text[MPI_MAX_ERROR_STRING] = "";
	int rc, bytes;

	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	rc = MPI_Comm_spawn("true", MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &other,
			    MPI_ERRCODES_IGNORE);
	if (rc == MPI_SUCCESS)
		wrong("answer to MPI_Comm_spawn");
	MPI_Error_string(rc, text, &bytes);
	if (rank == 0)
		printf("refused: %s\n", text);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "sum", *place = getenv("DHOW_RANK");
	int who = argc > 2 ? atoi(argv[2]) : -1, code = argc > 3 ? atoi(argv[3]) : 0;

	if (strcmp(what, "early") == 0 && place && atoi(place) == who)
		return code;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (strcmp(what, "sum") == 0) {
		sums();
	} else if (strcmp(what, "spawn") == 0) {
		refused_spawn();
	} else if (strcmp(what, "late") != 0) {
		/* Who still connects to a dead one may be quicker to say so than its daemon. */
		if (strcmp(what, "early") != 0)
			MPI_Barrier(MPI_COMM_WORLD);
		if (rank == who && strcmp(what, "abort") == 0)
			MPI_Abort(MPI_COMM_WORLD, code);
		if (rank == who && strcmp(what, "kill") == 0)
			raise(SIGKILL);
		if (rank == who && strcmp(what, "exit") == 0)
			_exit(code);
		sleep(SLEEP_S);		/* nobody may be left to see the end of this */
	}
	MPI_Finalize();
	return rank == who ? code : 0;
}
