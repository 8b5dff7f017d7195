/* SPDX-License-Identifier: MIT */
/* report.c - what --json writes: the run and each of its ranks. The form is stable. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include <dhow/dhow.h>

#include "base/clock.h"
#include "cli/run.h"

static json_t *describe_rank(const struct run *run, uint32_t number)
{
	const struct run_rank *rank = &run->ranks[number];
	const struct launch_place *place = &run->plan->map[number];
	uint64_t end_ns = rank->ended ? rank->ended_ns : base_now_ns();
	json_t *entry = json_pack("{s:i,s:i,s:i,s:b,s:b}", "rank", (int)number, "node",
				  (int)place->node, "local_rank", (int)place->local_rank,
				  "started", rank->started, "ended", rank->ended);

	if (!entry || !rank->started)
		return entry;
	json_object_set_new(entry, "pid", json_integer(rank->pid));
	json_object_set_new(entry, "seconds", json_real((double)(end_ns - rank->started_ns) / 1e9));
	if (rank->ended) {
		json_object_set_new(entry, "exit_code",
				    rank->signal ? json_null() : json_integer(rank->code));
		json_object_set_new(entry, "signal",
				    rank->signal ? json_integer(rank->signal) : json_null());
	}
	return entry;
}

int launch_run_report(const struct run *run, const char *path, struct base_err *reterr)
{
	json_t *ranks = json_array(), *argv = json_array(), *report;
	int rc = 0;

	for (uint32_t i = 0; run->ranks && i < run->plan->ntasks; i++)
		json_array_append_new(ranks, describe_rank(run, i));
	for (char **at = run->options->argv; *at; at++) {
		json_t *word = json_string(*at);	/* NULL: it is no UTF-8 */

		json_array_append_new(argv, word ? word : json_null());
	}
	report = json_pack("{s:s,s:s,s:i,s:i,s:i,s:s,s:i,s:s?,s:f,s:o,s:o}", "version",
			   DHOW_VERSION, "source", run->plan->source->name, "nodes",
			   (int)run->plan->nodes, "tasks_per_node", (int)run->plan->tasks_per_node,
			   "tasks", (int)run->plan->ntasks, "tag", run->tag, "exit_code", run->code,
			   "stopped", *run->reason ? run->reason : NULL, "seconds",
			   (double)(base_now_ns() - run->started_ns) / 1e9, "argv", argv, "ranks",
			   ranks);
	if (!report || json_dump_file(report, path, JSON_INDENT(1)) < 0)
		rc = base_err(reterr, -EIO, "--json: cannot write \"%.150s\": %s", path,
			      report ? strerror(errno) : "no memory");
	json_decref(report);
	return rc;
}
