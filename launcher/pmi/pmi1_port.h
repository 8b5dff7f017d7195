/* SPDX-License-Identifier: MIT */
/*
 * pmi1_port.h - the other way to PMI-1: tasks connect to PMI_PORT and name themselves by PMI_ID.
 *
 * For those whose descriptors do not survive until the MPI program (containers, sudo).
 *
 * Listens on the loopback interface only. PMI_ID is a random number of 31 bits for each task: the
 * protocol has nothing else by which a neighbour on the node could be kept out. Who guesses wrong
 * too often closes the port.
 */
#ifndef LAUNCH_PMI1_PORT_H
#define LAUNCH_PMI1_PORT_H

#include "pmi/pmi1.h"

struct launch_pmi1_port;

/* @pmi1 is borrowed until the close. */
int launch_pmi1_port_open(struct launch_pmi1 *pmi1, int epoll, uint32_t local_size,
			  struct launch_pmi1_port **ret_port, struct base_err *reterr);
void launch_pmi1_port_close(struct launch_pmi1_port *port);

unsigned launch_pmi1_port_number(const struct launch_pmi1_port *port);
/* PMI_ID of a task. */
uint32_t launch_pmi1_port_id(const struct launch_pmi1_port *port, uint32_t local);

#endif
