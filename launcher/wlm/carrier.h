/* SPDX-License-Identifier: MIT */
/* carrier.h - what the files of carriers.h share. */
#ifndef LAUNCH_CARRIER_H
#define LAUNCH_CARRIER_H

#include "proto/boot_file.h"
#include "wlm/carriers.h"

enum { CARRIER_LINE_BYTES = 512 };

/* One process. */
struct carrier {
	pid_t pid;			/* 0 = not started, or reaped */
	int lifeline, errors;		/* -1 = none */
	uint32_t first, count;		/* nodes */
	uint32_t greeted, over;		/* how many of them */
	int started, told;		/* told: its end was */
	int status;
	uint64_t gone_ns;		/* 0 = it has not ended */
	uint32_t used;
	char line[CARRIER_LINE_BYTES];		/* not whole yet */
	char last[CARRIER_LINE_BYTES];		/* whole, kept back until the daemon greets */
};

enum carrier_node { CARRIER_GREETED = 1, CARRIER_OVER = 2 };

struct launch_carriers {
	struct launch_carriers_spec spec;
	struct launch_carriers_hooks hooks;
	int epoll;
	int changed;			/* a step has something to do */
	int closing;
	uint32_t started, coming_up, up;	/* carriers */
	uint32_t count;
	struct carrier *carriers;
	uint8_t *nodes;			/* enum carrier_node of each */
	struct launch_boot_file boot_file;
};

/* carrier_start.c. Return: 0; negative errno with @reterr filled. */
int launch_carrier_start(struct launch_carriers *carriers, uint32_t index,
			 struct base_err *reterr);

/* carrier_lines.c: all there is to read. */
void launch_carrier_read(struct launch_carriers *carriers, struct carrier *carrier);
/* The daemon is up: what was kept back is only a line. */
void launch_carrier_release(struct launch_carriers *carriers, struct carrier *carrier);

#endif
