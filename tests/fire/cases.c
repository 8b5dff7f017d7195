/* SPDX-License-Identifier: MIT */
/* cases.c - the table of cases, and what several of them do. */
#include "cases.h"

/* Many times what a case takes, so that a busy machine does not look like a hang. */
enum { HANG_S = 180, LONG_S = 300 };

const struct fire_case fire_cases[] = {
	{ "kill", "T-B1", 2, HANG_S, 600, 0, fire_kill },
	{ "partition", "T-B2", 2, HANG_S, HANG_S, 0, fire_partition },
	{ "one_way", "T-B3", 2, HANG_S, LONG_S, 0, fire_one_way },
	{ "short_cut", "T-B4", 2, HANG_S, LONG_S, 0, fire_short_cut },
	{ "half_open", "T-B5", 2, HANG_S, HANG_S, 0, fire_half_open },
	{ "bad_net", "T-B6", 2, HANG_S, LONG_S, FIRE_QUICK, fire_bad_net },
	{ "damage", "T-B7", 2, HANG_S, LONG_S, 0, fire_damage },
	{ "resets", "T-B12", 2, HANG_S, LONG_S, FIRE_TCP, fire_resets },
	{ "stopped_receiver", "T-B8", 3, HANG_S, HANG_S, 0, fire_stopped_receiver },
	{ "stopped_agent", "T-B9", 2, HANG_S, HANG_S, 0, fire_stopped_agent },
	{ "fencing", "T-B10", 2, HANG_S, HANG_S, 0, fire_fencing },
	{ "strangers", "T-B14", 3, HANG_S, HANG_S, FIRE_TCP, fire_strangers },
	{ 0 },
};

enum { STOP_MS = 60000, FIRST_MESSAGES = 100 };

bool fire_flows_start(struct fire_run *run)
{
	/* A node that was replaced is known to the other one when it has spoken. */
	return rig_flow_start(&run->rig, 0, 1, 0, NULL) &&
	       rig_flow_moves(&run->rig, 0, FIRST_MESSAGES, RIG_LIMIT_MS) &&
	       rig_flow_start(&run->rig, 1, 0, 1, NULL) &&
	       rig_flow_moves(&run->rig, 1, FIRST_MESSAGES, RIG_LIMIT_MS);
}

bool fire_flows_check(struct fire_run *run)
{
	bool ok = true;

	for (unsigned i = 0; i < 2; i++)
		ok &= rig_flow_stop(&run->rig, i, STOP_MS);
	for (unsigned i = 0; i < 2; i++)
		ok &= rig_flow_check(&run->rig, i, STOP_MS);
	return ok;
}

void fire_flows_print(struct fire_run *run)
{
	const struct traffic_flow *flows = run->rig.traffic->flows;
	uint64_t late = flows[0].late_ns > flows[1].late_ns ? flows[0].late_ns : flows[1].late_ns;

	fprintf(run->figures, "acknowledged %llu+%llu, lost 0, repeated 0, damaged 0",
		(unsigned long long)flows[0].acknowledged,
		(unsigned long long)flows[1].acknowledged);
	fprintf(run->figures, "; calls timed out %llu, latest return %.0f ms after its deadline",
		(unsigned long long)(flows[0].timeouts + flows[1].timeouts), (double)late / 1e6);
}
