/* SPDX-License-Identifier: MIT */
/*
 * kill_real.c - the victim is SIGKILLed at each address of its operation, by a breakpoint.
 *
 *	kill_real [--all] [--operation NAME] [--verbose]
 *
 * One pass in single steps lists the distinct addresses of an operation and how often each is
 * reached. Then, for the first time that an address is reached, a victim runs to a breakpoint
 * there and is killed; the kernel marks its mutexes, and the survivor does in the segment
 * itself what scene_check() asks for. By default half full; --all adds empty and full, and the
 * last time that an address is reached. Where a channel that was used before takes another
 * path than a new one, a point is not reached.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "points.h"
#include "tracer.h"

enum { BAD_SHOWN = 5 };

static struct {
	unsigned long tried, bad, unreached;
} total;
static bool all, verbose;

static void kill_at(struct scene *scene, const struct deaths *deaths, const struct point *point)
{
	const struct operation *operation = deaths->operations[0];
	const char *why;
	pid_t victim;

	scene_forget(scene);
	scene_fill(scene, deaths->before, operation->head_small);
	victim = tracer_start(scene, operation, 0);
	if (!tracer_run_to(victim, point->address, point->hit))
		total.unreached++;
	tracer_kill(victim);
	tracer_watch(operation->name, point->address);
	why = scene_check(scene, &scene->pool.segment, deaths);
	tracer_watch(NULL, 0);
	total.tried++;
	if (!why)
		return;
	if (total.bad++ < BAD_SHOWN)
		printf("BAD: %s, %u messages, address %#lx, time %u: %s\n", operation->name,
		       deaths->before, point->address, point->hit, why);
	/* What is broken may break the next point, too: begin anew. */
	scene_fini(scene);
	memset(scene, 0, sizeof(*scene));
	scene_make(scene);
}

static void kill_in(const struct operation *operation, unsigned before)
{
	static struct point points[POINTS_MAX];
	unsigned count = points_of(operation, before, NULL, points);
	struct deaths deaths = { .operations = { operation },
				 .before = before,
				 .head_small = operation->head_small };
	struct scene scene = { 0 };

	scene_make(&scene);
	for (unsigned i = 0; i < count; i++)
		if (all || points[i].hit == 1)
			kill_at(&scene, &deaths, &points[i]);
	scene_fini(&scene);
	if (verbose)
		printf("%-24s %u messages: %u points\n", operation->name, before, count);
}

int main(int argc, char **argv)
{
	static const unsigned levels[] = { SCENE_CAPACITY / 2, 0, SCENE_CAPACITY };
	const char *only = NULL;

	all = getenv("DHOW_KILL_ALL") != NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			all = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--operation") == 0 && i + 1 < argc)
			only = argv[++i];
		else
			scene_die("usage: kill_real [--all] [--operation NAME] [--verbose]");
	}
	if (!tracer_works() || !points_work())
		return 77;
	tracer_share_a_core();
	for (unsigned o = 0; o < scene_operations_count; o++)
		for (unsigned l = 0; l < (all ? 3 : 1); l++)
			if (!only || strcmp(only, scene_operations[o].name) == 0)
				kill_in(&scene_operations[o], levels[l]);
	printf("real kills tried %lu, bad %lu, points not reached %lu\n", total.tried, total.bad,
	       total.unreached);
	return total.bad ? 1 : 0;
}
