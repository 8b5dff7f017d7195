/* SPDX-License-Identifier: MIT */
/* points.c - see points.h. */
#include "points.h"

#include <stdio.h>
#include <stdlib.h>

#include "tracer.h"

enum { TRACE_MAX = 1 << 20 };

struct reached {
	unsigned long address;
	unsigned when;
	bool holds;
};

static int compare(const void *a, const void *b)
{
	const struct reached *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return left->when < right->when ? -1 : 1;
}

static bool somebody_holds(const struct scene *scene)
{
	const struct ring *ring = &scene->channel->ring;

	for (uint32_t i = 0; i < ring->capacity; i++)
		if (WORD_OWNER(ring_slot(ring, i)->word))
			return true;
	return false;
}

/* A process dies when it has published or taken something, or is about to. */
static void die_in(struct scene *scene, const struct operation *operation)
{
	pid_t pid = tracer_start(scene, operation, 0);

	while (!somebody_holds(scene) && !atomic_load(&scene->accounts[0].finished) &&
	       tracer_step(pid))
		;
	tracer_kill(pid);
}

static unsigned trace(const struct operation *operation, unsigned before,
		      const struct operation *dead_in, struct reached *reached)
{
	struct scene scene = { 0 };
	unsigned count = 0;
	pid_t pid;

	scene_make(&scene);
	scene_fill(&scene, before, operation->head_small);
	pid = tracer_start(&scene, operation, 1);
	if (dead_in)
		die_in(&scene, dead_in);
	while (!atomic_load(&scene.accounts[1].finished) && count < TRACE_MAX) {
		reached[count] = (struct reached){ tracer_at(pid), count, somebody_holds(&scene) };
		count++;
		if (!tracer_step(pid))
			scene_die("the victim of \"%s\" ended by itself", operation->name);
	}
	tracer_kill(pid);
	scene_check(&scene, &scene.pool.segment, &(struct deaths){ .before = before });
	scene_fini(&scene);
	return count;
}

static void add(struct point *points, unsigned *count, const struct reached *reached, unsigned hit)
{
	if (*count < POINTS_MAX)
		points[(*count)++] = (struct point){ reached->address, hit, reached->holds };
}

unsigned points_of(const struct operation *operation, unsigned before,
		   const struct operation *dead_in, struct point points[POINTS_MAX])
{
	struct reached *reached = malloc(sizeof(*reached) * TRACE_MAX);
	unsigned length, count = 0;

	if (!reached)
		scene_die("no memory");
	length = trace(operation, before, dead_in, reached);
	qsort(reached, length, sizeof(*reached), compare);
	for (unsigned i = 0, first = 0; i < length; i++) {
		if (reached[i].address != reached[first].address)
			first = i;
		if (i == first)
			add(points, &count, &reached[i], 1);
		if (i > first && (i + 1 == length || reached[i + 1].address != reached[i].address))
			add(points, &count, &reached[i], i - first + 1);
	}
	free(reached);
	return count;
}

bool points_work(void)
{
#if defined(__x86_64__)
	return true;
#else
	printf("skipped: no breakpoints for this processor yet (tracer.c)\n");
	return false;
#endif
}
