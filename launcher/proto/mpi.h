/* SPDX-License-Identifier: MIT */
/* mpi.h - what is served to the MPI programs of a run: value of its setting LAUNCH_SETTING_MPI. */
#ifndef LAUNCH_MPI_H
#define LAUNCH_MPI_H

#define LAUNCH_SETTING_MPI "mpi"
#define LAUNCH_MPI_CHOICES "auto, pmix, pmi1, pmi1-port, pals, none"

enum {
	LAUNCH_MPI_PMI1 = 1 << 0,	/* MPICH, Intel MPI, MVAPICH */
	LAUNCH_MPI_PORT = 1 << 1,	/* PMI-1 by PMI_PORT in place of PMI_FD */
	LAUNCH_MPI_PMIX = 1 << 2,	/* Open MPI */
	LAUNCH_MPI_PALS = 1 << 3,	/* Cray MPICH */
	LAUNCH_MPI_MUST = 1 << 4,	/* not being able to is an error */
};

/* Return: LAUNCH_MPI_* bits, 0 = nothing; -EINVAL. NULL is auto. */
int launch_mpi_parse(const char *text);

#endif
