/* SPDX-License-Identifier: MIT */
/* steps.h - the steps of a server as a table for people. */
#ifndef LAUNCH_STEPS_H
#define LAUNCH_STEPS_H

#include "server/client.h"

/* Ask and print. @all: also those that are over. Return: exit code. */
int launch_steps_print(struct server_client *client, int all, int as_json);

#endif
