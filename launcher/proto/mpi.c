/* SPDX-License-Identifier: MIT */
/* mpi.c - see mpi.h. */
#include "proto/mpi.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned serve;
} choices[] = {
	{ "auto", LAUNCH_MPI_PMI1 | LAUNCH_MPI_PMIX | LAUNCH_MPI_PALS },
	{ "pmix", LAUNCH_MPI_PMIX | LAUNCH_MPI_MUST },
	{ "pmi1", LAUNCH_MPI_PMI1 | LAUNCH_MPI_MUST },
	{ "pmi1-port", LAUNCH_MPI_PMI1 | LAUNCH_MPI_PORT | LAUNCH_MPI_MUST },
	{ "pals", LAUNCH_MPI_PALS | LAUNCH_MPI_MUST },
	{ "none", 0 },
};

int launch_mpi_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		if (!text || strcmp(text, choices[i].name) == 0)
			return (int)choices[i].serve;
	return -EINVAL;
}
