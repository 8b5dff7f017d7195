/* SPDX-License-Identifier: MIT */
/* spec.c - from the spec of a run to its start message, which is the same for all its nodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/internal.h"

/* How many ranks each node has so far, which is the next local rank there. */
static int check_map(const struct launch_run_spec *spec, uint32_t nodes, uint32_t *counts,
		     struct base_err *reterr)
{
	for (uint32_t i = 0; i < spec->size; i++) {
		const struct launch_place *place = &spec->map[i];

		if (place->rank != i || place->node >= nodes ||
		    place->local_rank != counts[place->node]++)
			return base_err(reterr, -EINVAL, "rank %u is misplaced: node %u, local "
					"rank %u", i, place->node, place->local_rank);
		if (spec->app_of_rank && spec->app_of_rank[i] >= spec->app_count)
			return base_err(reterr, -EINVAL, "rank %u has no app %u", i,
					spec->app_of_rank[i]);
	}
	return 0;
}

static int take_map(struct launch_run *run, const struct launch_run_spec *spec,
		    struct base_err *reterr)
{
	uint32_t nodes = run->job->spec->nodes, *counts = calloc(nodes, sizeof(*counts));
	int rc;

	run->size = spec->size;
	run->ranks = calloc(spec->size, sizeof(*run->ranks));
	if (!counts || !run->ranks) {
		free(counts);
		return base_err(reterr, -ENOMEM, "no memory for %u tasks", spec->size);
	}
	rc = check_map(spec, nodes, counts, reterr);
	for (uint32_t i = 0; rc == 0 && i < spec->size; i++)
		run->ranks[i].node = spec->map[i].node;
	for (uint32_t i = 0; rc == 0 && i < nodes; i++)
		run->node_count += counts[i] > 0;
	run->nodes = calloc(run->node_count + 1, sizeof(*run->nodes));
	if (rc == 0 && !run->nodes)
		rc = base_err(reterr, -ENOMEM, "no memory for %u nodes", run->node_count);
	for (uint32_t i = 0, at = 0; rc == 0 && i < nodes; i++)
		if (counts[i])
			run->nodes[at++].node = i;
	free(counts);
	return rc;
}

struct packing {
	struct launch_writer settings, apps, ranges, extras;
};

static void fini(struct packing *packing)
{
	launch_writer_fini(&packing->settings);
	launch_writer_fini(&packing->apps);
	launch_writer_fini(&packing->ranges);
	launch_writer_fini(&packing->extras);
}

static int pack_app(const struct launch_app *app, struct launch_writer *apps)
{
	struct launch_writer argv = { 0 }, env = { 0 }, settings = { 0 };
	struct launch_start_app packed = { .argv = { 0 } };
	int rc = launch_strings_pack(app->argv, &argv, &packed.argv);

	if (rc == 0)
		rc = launch_strings_pack(app->env, &env, &packed.env);
	if (rc == 0)
		rc = launch_strings_pack(app->settings, &settings, &packed.settings);
	if (rc == 0 && snprintf(packed.wdir, sizeof(packed.wdir), "%s", app->wdir) >=
		       (int)sizeof(packed.wdir))
		rc = -ENAMETOOLONG;
	if (rc == 0) {
		launch_app_add(apps, &packed);
		rc = apps->failed;
	}
	launch_writer_fini(&argv);
	launch_writer_fini(&env);
	launch_writer_fini(&settings);
	return rc;
}

static uint32_t app_of(const struct launch_run_spec *spec, uint32_t rank)
{
	return spec->app_of_rank ? spec->app_of_rank[rank] : 0;
}

static uint32_t pack_ranges(const struct launch_run_spec *spec, struct launch_writer *ranges)
{
	struct launch_start_range range = { .count = 0 };
	uint32_t count = 0;

	for (uint32_t i = 0; i <= spec->size; i++) {
		if (i < spec->size && i && range.node == spec->map[i].node &&
		    range.app == app_of(spec, i)) {
			range.count++;
			continue;
		}
		if (range.count) {
			launch_range_add(ranges, &range);
			count++;
		}
		if (i < spec->size)
			range = (struct launch_start_range){ i, 1, spec->map[i].node,
							     app_of(spec, i) };
	}
	return count;
}

static int pack_extras(const struct launch_run_spec *spec, struct launch_writer *extras,
		       struct base_err *reterr)
{
	for (size_t i = 0; i < spec->extra_count; i++) {
		const struct launch_extra *from = &spec->extras[i];
		const struct launch_start_extra extra = { from->rank, (uint8_t)from->kind,
							  from->text };

		if (from->rank >= spec->size || (i && from->rank < from[-1].rank))
			return base_err(reterr, -EINVAL, "extra %zu is of rank %u, out of order",
					i, from->rank);
		launch_extra_add(extras, &extra);
	}
	return extras->failed;
}

static int fill_policies(struct launch_start *start, const struct launch_run_spec *spec,
			 struct base_err *reterr)
{
	for (int i = 0; i < 2; i++) {
		const char *path = spec->output[i].path;

		start->output[i].to = (uint8_t)spec->output[i].to;
		start->output[i].truncate = spec->output[i].truncate != 0;
		if (path && snprintf(start->output[i].path, LAUNCH_PATH_BYTES, "%s", path) >=
			    LAUNCH_PATH_BYTES)
			return base_err(reterr, -ENAMETOOLONG, "path of output is too long");
	}
	start->umask = spec->umask & 0777;
	start->grace_ms = spec->grace_ms ? spec->grace_ms : LAUNCH_RUN_GRACE_MS;
	start->restartable = spec->restartable != 0;
	start->input = (uint8_t)spec->input;
	start->input_rank = spec->input_rank;
	return 0;
}

static int make_start(struct launch_run *run, const struct launch_run_spec *spec,
		      struct packing *packing, struct base_err *reterr)
{
	struct launch_message message = { .type = LAUNCH_START };
	struct launch_start *start = &message.start;
	int rc = fill_policies(start, spec, reterr);

	if (rc < 0)
		return rc;
	start->run = run->id;
	start->size = spec->size;
	start->nodes = run->node_count;
	for (uint32_t i = 0; rc == 0 && i < spec->app_count; i++)
		rc = pack_app(&spec->apps[i], &packing->apps);
	if (rc == 0)
		rc = launch_strings_pack(spec->settings, &packing->settings, &start->settings);
	start->apps.count = spec->app_count;
	start->ranges.count = pack_ranges(spec, &packing->ranges);
	start->extras.count = (uint32_t)spec->extra_count;
	base_err(reterr, rc, "cannot say what to run: %s", strerror(-rc));
	if (rc == 0)
		rc = pack_extras(spec, &packing->extras, reterr);
	start->apps.data = packing->apps.data;
	start->apps.bytes = (uint32_t)packing->apps.used;
	start->ranges.data = packing->ranges.data;
	start->ranges.bytes = (uint32_t)packing->ranges.used;
	start->extras.data = packing->extras.data;
	start->extras.bytes = (uint32_t)packing->extras.used;
	if (rc == 0)
		rc = packing->ranges.failed;
	if (rc == 0)
		rc = launch_frame_make(&message, &run->start);
	if (rc == -E2BIG)
		base_err(reterr, rc, "cannot send the start to all nodes: %s (arguments or "
			 "environment)", strerror(-rc));
	run->has_start = rc == 0;
	return rc;
}

int run_take_spec(struct launch_run *run, const struct launch_run_spec *spec,
		  struct base_err *reterr)
{
	struct packing packing = { .settings = { 0 } };
	int rc;

	if (!spec->size || !spec->app_count || spec->app_count > LAUNCH_RUN_APPS_MAX ||
	    spec->input_rank >= spec->size)
		return base_err(reterr, -EINVAL, "a run of %u ranks and %u apps", spec->size,
				spec->app_count);
	run->restartable = spec->restartable;
	run->grace_ms = spec->grace_ms ? spec->grace_ms : LAUNCH_RUN_GRACE_MS;
	run->input = spec->input;
	run->input_rank = spec->input_rank;
	rc = take_map(run, spec, reterr);
	if (rc == 0)
		rc = make_start(run, spec, &packing, reterr);
	fini(&packing);
	return rc;
}
