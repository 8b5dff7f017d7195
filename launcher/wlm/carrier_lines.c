/* SPDX-License-Identifier: MIT */
/* carrier_lines.c - what carriers write to stderr; see carriers.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "wlm/carrier.h"

static void pass_on(struct launch_carriers *carriers, const char *line)
{
	if (*line && carriers->hooks.line)
		carriers->hooks.line(carriers->hooks.arg, line);
}

static void take_line(struct launch_carriers *carriers, struct carrier *carrier)
{
	const char *noise = carriers->spec.source->noise;

	carrier->line[carrier->used] = 0;
	carrier->used = 0;
	if (!carrier->line[strspn(carrier->line, " \t\r")] ||
	    (noise && strcmp(carrier->line, noise) == 0))
		return;
	if (carrier->greeted == carrier->count) {
		pass_on(carriers, carrier->line);
		return;
	}
	pass_on(carriers, carrier->last);
	memcpy(carrier->last, carrier->line, sizeof(carrier->last));
}

void launch_carrier_read(struct launch_carriers *carriers, struct carrier *carrier)
{
	char piece[CARRIER_LINE_BYTES];
	ssize_t n = 1;

	while (carrier->errors >= 0 && (n = read(carrier->errors, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] != '\n' && piece[i] != '\r')
				carrier->line[carrier->used++] = piece[i];
			if (piece[i] == '\n' || carrier->used == CARRIER_LINE_BYTES - 1)
				take_line(carriers, carrier);
		}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (carrier->errors >= 0)
		close(carrier->errors);
	carrier->errors = -1;
	if (carrier->used)
		take_line(carriers, carrier);
}

void launch_carrier_release(struct launch_carriers *carriers, struct carrier *carrier)
{
	pass_on(carriers, carrier->last);
	*carrier->last = 0;
}
