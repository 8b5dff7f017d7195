/* SPDX-License-Identifier: MIT */
/* totals.h - what a segment holds in all. */
#ifndef CHANNELS_TOTALS_H
#define CHANNELS_TOTALS_H

#include "src/gateway.h"

struct segment;

void totals_count(const struct segment *segment, struct gateway_totals *ret_totals);

#endif
