/* SPDX-License-Identifier: MIT */
/*
 * pmi.h - where the daemon and its servers for MPI (PMIx, PMI-1) meet.
 *
 * run->pmi belongs to these functions. They send LAUNCH_FENCE, LAUNCH_MODEX, LAUNCH_MODEX_ANSWER
 * and LAUNCH_ABORT by launch_daemon_send(), and watch descriptors by launch_daemon_watch().
 */
#ifndef LAUNCH_NODE_PMI_H
#define LAUNCH_NODE_PMI_H

#include "base/spawn.h"
#include "node/birth.h"

/* LAUNCH_ENVIRONMENT_* for launch_environment_is_foreign(), for ranks that are to get @env. */
unsigned launch_daemon_pmi_when(const struct daemon_run *run, char *const *env);

/* Before the first rank of a run here. Return: 0; negative errno with @reterr filled. */
int launch_daemon_pmi_open(struct daemon_run *run, struct base_err *reterr);

/* Before a rank is born: variables by launch_daemon_birth_add(), descriptors into spec->fds, which
 * are closed after the birth. Also before it is born again. */
int launch_daemon_pmi_task(struct daemon_task *task, struct daemon_birth *birth,
			   struct base_spawn *spec, struct base_err *reterr);

/* A rank was reaped. */
void launch_daemon_pmi_task_ended(struct daemon_task *task, int status);

/* LAUNCH_FENCED, LAUNCH_MODEX, LAUNCH_MODEX_ANSWER. */
void launch_daemon_pmi_fenced(struct daemon_run *run, const struct launch_message *message);
void launch_daemon_pmi_modex(struct daemon_run *run, const struct launch_message *message);
void launch_daemon_pmi_modex_answer(struct daemon_run *run, const struct launch_message *message);

/* The run is over here; also after a failed open. */
void launch_daemon_pmi_close(struct daemon_run *run);

/* The daemon leaves; its runs are gone. */
void launch_daemon_mpi_close(struct daemon *daemon);
/* The daemon is about to end where it stands: remove files only. */
void launch_daemon_mpi_abandon(struct daemon *daemon);

#endif
