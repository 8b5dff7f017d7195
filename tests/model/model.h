/* SPDX-License-Identifier: MIT */
/* model.h - what the programs of this folder share: options, and running a table of tests. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "mcx.h"

/* @finish: of tests that have none of their own. Return: exit status. */
int model_main(const char *subject, const struct mcx_test *tests, unsigned count,
	       void (*finish)(void), int argc, char **argv);

#endif
