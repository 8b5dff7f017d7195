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
	json_object_set_new(entry, "program", json_integer(run->plan->app_of_rank[number]));
	json_object_set_new(entry, "restarts", json_integer(rank->restarts));
	return entry;
}

static json_t *describe_words(char *const *words)
{
	json_t *list = json_array();

	for (; words && *words; words++) {
		json_t *word = json_string(*words);	/* NULL: it is no UTF-8 */

		json_array_append_new(list, word ? word : json_null());
	}
	return list;
}

static json_t *describe_program(const struct run *run, uint32_t index)
{
	const struct launch_app *app = &run->plan->apps[index];
	uint32_t tasks = 0;

	for (uint32_t i = 0; i < run->plan->ntasks; i++)
		tasks += run->plan->app_of_rank[i] == index;
	return json_pack("{s:o,s:s,s:i,s:o}", "argv", describe_words(app->argv), "wdir",
			 app->wdir, "tasks", (int)tasks, "settings",
			 describe_words(app->settings));
}

static json_t *describe_hosts(const struct launch_plan *plan)
{
	json_t *hosts = json_array();

	for (uint32_t i = 0; i < plan->nodes; i++)
		json_array_append_new(hosts, json_string(plan->hosts.host[i].name));
	return hosts;
}

int launch_run_report(const struct run *run, const char *path, struct base_err *reterr)
{
	const struct launch_plan *plan = run->plan;
	json_t *ranks = json_array(), *programs = json_array(), *report;
	int rc = 0;

	for (uint32_t i = 0; run->ranks && i < plan->ntasks; i++)
		json_array_append_new(ranks, describe_rank(run, i));
	for (uint32_t i = 0; i < plan->app_count; i++)
		json_array_append_new(programs, describe_program(run, i));
	report = json_pack("{s:s,s:s,s:i,s:i,s:i,s:s,s:i,s:s?,s:f,s:o,s:o,s:o,s:o}", "version",
			   DHOW_VERSION, "source", plan->source->name, "nodes", (int)plan->nodes,
			   "tasks_per_node", (int)plan->segments[0].shape.tasks_per_node, "tasks",
			   (int)plan->ntasks, "tag", run->tag, "exit_code", run->code, "stopped",
			   *run->reason ? run->reason : NULL, "seconds",
			   (double)(base_now_ns() - run->started_ns) / 1e9, "argv",
			   describe_words(plan->apps[0].argv), "programs", programs, "hosts",
			   describe_hosts(plan), "ranks", ranks);
	if (!report || json_dump_file(report, path, JSON_INDENT(1)) < 0)
		rc = base_err(reterr, -EIO, "--json: cannot write \"%.150s\": %s", path,
			      report ? strerror(errno) : "no memory");
	json_decref(report);
	return rc;
}
