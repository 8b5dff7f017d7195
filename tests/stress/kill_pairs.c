/* SPDX-License-Identifier: MIT */
/*
 * kill_pairs.c - a victim is killed while another process is in the middle of its own call.
 *
 *	kill_pairs [--all] [--pairs N] [--late] [--verbose]
 *
 * The victim stops at one point of its operation, a second process at one of its own; then the
 * victim is SIGKILLed and the second goes on to its end, beside the dead. The second is also a
 * late cleaner: it sleeps in the middle of recover() while a survivor clears up after the same
 * dead process and uses the channel, and then goes on; the victim then dies with a slot in
 * its hands. Of all pairs of points a prime share is
 * tried, the same number for each two operations; --all tries each 7th.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "points.h"
#include "src/liveness.h"
#include "tracer.h"

enum { BAD_SHOWN = 5, PAIRS_OF_TWO = 256, STRIDE_OF_ALL = 7 };

static struct {
	unsigned long tried, bad;
} total;
static bool verbose, only_late;

struct pair {
	const struct operation *first, *second;
	struct point *first_points, *second_points;
	unsigned first_count, second_count;
	bool late;		/* the survivors work while the second one is stopped */
};

/* Stop process @number of @operation at @point; false: it does not come there. */
static bool stop_at(struct scene *scene, const struct operation *operation, unsigned number,
		    const struct point *point, pid_t *ret_pid)
{
	*ret_pid = tracer_start(scene, operation, number);
	return tracer_run_to(*ret_pid, point->address, point->hit);
}

/* The survivors clear up, use the channel and fill it anew, so that the same blocks lie in the
 * same slots when the late one goes on. */
static const char *survive_first(struct scene *scene, struct deaths *deaths)
{
	const char *why;

	deaths->others_live = true;
	why = scene_check(scene, &scene->pool.segment, deaths);
	scene_forget(scene);
	*deaths = (struct deaths){ .operations = { deaths->operations[0] },
				   .before = SCENE_CAPACITY,
				   .head_small = !deaths->head_small };
	if (!why)
		scene_fill(scene, SCENE_CAPACITY, deaths->head_small);
	return why;
}

static const char *try_pair(struct scene *scene, const struct pair *pair, const struct point *at,
			    const struct point *second_at)
{
	struct deaths deaths = { .operations = { pair->first, pair->second },
				 .before = SCENE_CAPACITY / 2,
				 .head_small = pair->first->head_small };
	const char *why = NULL;
	pid_t victim, other = 0;
	bool stopped;

	scene_forget(scene);
	scene_fill(scene, deaths.before, deaths.head_small);
	/* A cleaner finds something to do only after the death, so it stops later. */
	if (pair->late)
		other = tracer_start(scene, pair->second, 1);
	stopped = stop_at(scene, pair->first, 0, at, &victim);
	if (!pair->late)
		stopped = stop_at(scene, pair->second, 1, second_at, &other) && stopped;
	tracer_kill(victim);
	if (pair->late) {
		stopped = tracer_run_to(other, second_at->address, second_at->hit);
		why = survive_first(scene, &deaths);
	}
	if (stopped && !why && !tracer_let_finish(other, &scene->accounts[1].finished))
		why = "the second process is blocked";
	tracer_kill(other);
	return why ? why : scene_check(scene, &scene->pool.segment, &deaths);
}

static void note(struct scene *scene, const struct pair *pair, const struct point *at,
		 const struct point *second_at, const char *why)
{
	total.tried++;
	if (!why)
		return;
	if (total.bad++ < BAD_SHOWN)
		printf("BAD: %s at %#lx (%u), %s at %#lx (%u): %s\n", pair->first->name,
		       at->address, at->hit, pair->second->name, second_at->address,
		       second_at->hit, why);
	scene_fini(scene);
	memset(scene, 0, sizeof(*scene));
	scene_make(scene);
}

static bool is_prime(unsigned long n)
{
	for (unsigned long i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return n > 1;
}

/* The next prime, so that over the pairs all points of both have their turn. */
static unsigned long stride_for(unsigned long pairs, unsigned long wanted)
{
	unsigned long stride = pairs / wanted + 1;

	while (!is_prime(stride))
		stride++;
	return stride;
}

static void kill_pair(const struct pair *pair, unsigned long wanted)
{
	unsigned long pairs = (unsigned long)pair->first_count * pair->second_count;
	unsigned long stride = wanted ? stride_for(pairs, wanted) : STRIDE_OF_ALL;
	struct scene scene = { 0 };
	unsigned long before = total.tried;

	scene_make(&scene);
	for (unsigned long i = stride / 2; i < pairs; i += stride) {
		const struct point *at = &pair->first_points[i / pair->second_count];
		const struct point *second_at = &pair->second_points[i % pair->second_count];

		tracer_watch(pair->first->name, i);
		note(&scene, pair, at, second_at, try_pair(&scene, pair, at, second_at));
		tracer_watch(NULL, 0);
	}
	scene_fini(&scene);
	if (verbose)
		printf("%-20s %-20s %lu of %lu pairs\n", pair->first->name, pair->second->name,
		       total.tried - before, pairs);
}

/* Those at which a slot is in the process's hands: only then a cleaner has something to do. */
static unsigned holding(const struct point *points, unsigned count, struct point *ret_points)
{
	unsigned held = 0;

	for (unsigned i = 0; i < count; i++)
		if (points[i].holds)
			ret_points[held++] = points[i];
	return held;
}

static const struct operation *find(const char *name)
{
	for (unsigned i = 0; i < scene_operations_count; i++)
		if (strcmp(scene_operations[i].name, name) == 0)
			return &scene_operations[i];
	return &scene_sweep;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "send block", "recv block", "recv_begin commit",
					     "create destroy" };
	enum { COUNT = sizeof(names) / sizeof(*names) };
	static struct point points[COUNT + 1][POINTS_MAX], held[POINTS_MAX];
	const struct operation *operations[COUNT + 1];
	unsigned counts[COUNT + 1];
	unsigned long wanted = PAIRS_OF_TWO;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			wanted = 0;
		else if (strcmp(argv[i], "--late") == 0)
			only_late = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--pairs") == 0 && i + 1 < argc)
			wanted = strtoul(argv[++i], NULL, 0) / (COUNT * (COUNT + 1)) + 1;
		else
			scene_die("usage: kill_pairs [--all] [--pairs N] [--late] [--verbose]");
	}
	if (!tracer_works() || !points_work())
		return 77;
	tracer_share_a_core();
	for (unsigned i = 0; i <= COUNT; i++) {
		operations[i] = i < COUNT ? find(names[i]) : &scene_sweep;
		counts[i] = points_of(operations[i], SCENE_CAPACITY / 2,
				      i < COUNT ? NULL : operations[0], points[i]);
	}
	for (unsigned i = 0; i < COUNT; i++)
		for (unsigned j = 0; j <= COUNT; j++) {
			struct pair pair = { operations[i], operations[j], points[i], points[j],
					     counts[i], counts[j], j == COUNT };

			if (only_late && !pair.late)
				continue;
			if (pair.late && holding(points[i], counts[i], held)) {
				pair.first_count = holding(points[i], counts[i], held);
				pair.first_points = held;
			}
			kill_pair(&pair, wanted);
		}
	printf("pairs tried %lu, bad %lu\n", total.tried, total.bad);
	return total.bad ? 1 : 0;
}
