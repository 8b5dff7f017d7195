/* SPDX-License-Identifier: MIT */
/*
 * pals.h - what Cray's PMI wants: a file that describes the application, and a few variables.
 *
 * Cray's PMI needs nobody to talk to: from the file each rank learns where all others are, and then
 * they make their own network between nodes. The file is version 1 of PALS' `apinfo`, as
 * Slurm's mpi/cray_shasta writes it: native integers and padding, for readers on the same node.
 */
#ifndef LAUNCH_PALS_H
#define LAUNCH_PALS_H

#include <stddef.h>

#include "base/err.h"
#include "pmi/layout.h"

/* The content of the file in memory that the caller frees. @cpus: of one task; 0 = 1.
 * Return: 0; -ENOMEM. */
int launch_pals_image(const struct launch_pmi_layout *layout, uint32_t cpus, void **ret_image,
		      size_t *ret_bytes);

struct launch_pals_spec {
	const struct launch_pmi_layout *layout;
	const char *directory;	/* of the run, 0700 */
	const char *apid;	/* the same on all nodes, and of this run only */
	uint32_t cpus;		/* of one task; 0 = 1 */
	uint64_t secret;	/* the same on all nodes; by it the ranks know each other */
};

struct launch_pals;

/* Writes DIRECTORY/apinfo. All is borrowed for the call but @layout, until the close. */
int launch_pals_open(const struct launch_pals_spec *spec, struct launch_pals **ret_pals,
		     struct base_err *reterr);
/* Removes the file. */
void launch_pals_close(struct launch_pals *pals);
/* As launch_environment_task(). */
int launch_pals_task(const struct launch_pals *pals, uint32_t local,
		     int (*add)(void *arg, const char *entry), void *arg);

#endif
