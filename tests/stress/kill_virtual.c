/* SPDX-License-Identifier: MIT */
/*
 * kill_virtual.c - the victim dies after each of its instructions, in a copy of the memory.
 *
 *	kill_virtual [--all] [--operation NAME] [--verbose]
 *
 * A victim goes through one operation in single steps. After each of them the memory is taken
 * as it is, the victim's mutexes in it are marked as the kernel marks those of the dead, and a
 * survivor sweeps, drains, uses the channel and counts its memory (scene_check()). The copy is
 * a private mapping of the segment: the pages that a survivor changes are copied by the
 * kernel, and given up after each point.
 *
 * The second part kills who clears up: a first victim is really dead in the middle of an
 * operation, a second one dies in each instruction of the sweep that repairs what it left.
 * The first victim's deaths are all the states of shared memory that its operation leads
 * through. Without --all the second part takes each n-th state and instruction, so that the
 * whole fits in half a minute. What a real death does besides is in kill_real.c.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "scene.h"
#include "src/liveness.h"
#include "tracer.h"

enum {
	ENTRIES = 8,		/* of the process and thread tables that these tests can use */
	CHECK_LIMIT_S = 20,	/* a survivor that needs this long is blocked */
	BAD_SHOWN = 5,
};

static struct {
	unsigned long tried, bad;
} total;
static const char *only;
static bool all, verbose;

/* Where we are, for the handler that finds a survivor blocked. */
static char where[160];

static void on_alarm(int signal)
{
	static const char text[] = "a survivor is blocked: ";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, where, strlen(where)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(1);
	_exit(1);
}

/* ---- the copy ---- */

static struct segment copy;

static void copy_make(const struct segment *segment)
{
	struct base_err err = { "" };
	int fd = dup(segment->fd);

	if (fd < 0 || segment_map(fd, &copy, &err) < 0)
		scene_die("no second mapping: %s", err.text);
	if (mmap(copy.base, copy.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		scene_die("no private mapping: %s", strerror(errno));
	copy.me = segment->me;
	copy.slot = segment->slot + 1;
	liveness_known |= UINT64_C(1) << copy.slot;
}

static void copy_renew(void)
{
	madvise(copy.base, copy.bytes, MADV_DONTNEED);
	memset(copy.hints, 0, sizeof(copy.hints));
	memset(copy.handles, 0, sizeof(copy.handles));
}

static void mark(pthread_mutex_t *life, pid_t dead)
{
	uint32_t *word = (uint32_t *)(void *)life;

	if ((*word & FUTEX_TID_MASK) == (uint32_t)dead)
		*word = (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
}

/* What the kernel does with the robust mutexes of a thread that ends. */
static void copy_mark_dead(pid_t dead)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		mark(&copy.processes[i].life, dead);
		mark(&copy.threads[i].life, dead);
	}
}

/* ---- one pass ---- */

struct pass {
	struct scene *scene;
	struct deaths deaths;
	unsigned long points;
	unsigned bad, shown;
	const char *name;
};

static void try_point(struct pass *pass, pid_t victim)
{
	const char *why;

	pass->points++;
	snprintf(where, sizeof(where), "%s, %u messages, instruction %lu", pass->name,
		 pass->deaths.before, pass->points);
	alarm(CHECK_LIMIT_S);
	copy_renew();
	copy_mark_dead(victim);
	why = scene_check(pass->scene, &copy, &pass->deaths);
	alarm(0);
	if (!why)
		return;
	pass->bad++;
	if (pass->shown++ < BAD_SHOWN)
		printf("BAD: %s: %s\n", where, why);
}

/* Single-step @victim to the end of its operation and try each @stride-th point. The stride
 * is a prime, so that all instructions of a loop have their turn. */
static void walk(struct pass *pass, pid_t victim, const struct account *account, unsigned stride)
{
	unsigned long steps = 0;

	while (!atomic_load(&account->finished)) {
		if (steps++ % stride == 0)
			try_point(pass, victim);
		if (!tracer_step(victim))
			scene_die("%s: the victim ended by itself", where);
	}
	try_point(pass, victim);
	total.tried += pass->points;
	total.bad += pass->bad;
}

static void report(const struct pass *pass, uint64_t begin_ns)
{
	double s = (double)(base_now_ns() - begin_ns) / 1e9;

	if (verbose || pass->bad)
		printf("%-44s %u messages: %6lu points, %u bad, %.1f s\n", pass->name,
		       pass->deaths.before, pass->points, pass->bad, s);
}

static void kill_in(const struct operation *operation, unsigned before)
{
	struct scene scene = { 0 };
	struct pass pass = { .scene = &scene,
			     .name = operation->name,
			     .deaths = { .operations = { operation },
					 .before = before,
					 .head_small = operation->head_small } };
	uint64_t begin = base_now_ns();
	pid_t victim;

	scene_make(&scene);
	scene_fill(&scene, before, operation->head_small);
	copy_make(&scene.pool.segment);
	victim = tracer_start(&scene, operation, 0);
	walk(&pass, victim, &scene.accounts[0], all || !operation->stride ? 1 : operation->stride);
	tracer_kill(victim);
	segment_unmap(&copy);
	scene_fini(&scene);
	report(&pass, begin);
}

/* ---- death of who clears up ---- */

enum { STATES_MAX = 512, CLEANER_LEVEL = SCENE_CAPACITY / 2, TABLE_ENTRIES = 4 };

static struct state {		/* that a death of the first victim leaves */
	const struct operation *operation;
	unsigned long steps;
} states[STATES_MAX];
static unsigned states_count;

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	for (uint64_t word; bytes >= sizeof(word); at += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

/* All that recover() looks at, in one number: table entries, slots, the pool's tree. */
static uint64_t state_of(const struct scene *scene)
{
	const struct segment *segment = &scene->pool.segment;
	const struct ring *ring = &scene->channel->ring;
	uint64_t hash = mix(0, segment->channels, sizeof(*segment->channels) * TABLE_ENTRIES);

	hash = mix(hash, ring->slots, (size_t)ring->capacity * ring->stride);
	return mix(hash, segment->tree,
		   heap_tree_bytes(segment->order_min, segment->order_max));
}

/* Note a death in the middle of each state that @operation goes through. */
static void find_states(const struct operation *operation)
{
	struct scene scene = { 0 };
	unsigned long step = 0, begin = 0;
	uint64_t before, now;
	pid_t victim;

	scene_make(&scene);
	scene_fill(&scene, CLEANER_LEVEL, operation->head_small);
	victim = tracer_start(&scene, operation, 0);
	before = state_of(&scene);
	while (!atomic_load(&scene.accounts[0].finished) && tracer_step(victim)) {
		step++;
		now = state_of(&scene);
		if (now == before)
			continue;
		if (states_count < STATES_MAX)
			states[states_count++] = (struct state){ operation, (begin + step) / 2 };
		begin = step;
		before = now;
	}
	tracer_kill(victim);
	scene_fini(&scene);
}

/* The first victim dies as @state says; the second one dies in each @stride-th instruction
 * of @cleaner. */
static void kill_cleaner(const struct state *state, const struct operation *cleaner,
			 unsigned stride)
{
	struct scene scene = { 0 };
	char name[100];
	struct pass pass = { .scene = &scene,
			     .name = name,
			     .deaths = { .operations = { state->operation, cleaner },
					 .before = CLEANER_LEVEL } };
	uint64_t begin = base_now_ns();
	pid_t first, second = 0;

	snprintf(name, sizeof(name), "%s (%s, %lu)", cleaner->name, state->operation->name,
		 state->steps);
	scene_make(&scene);
	scene_fill(&scene, CLEANER_LEVEL, state->operation->head_small);
	/* Entering clears up, too: one who only sweeps has to be there before. */
	if (!cleaner->enters)
		second = tracer_start(&scene, cleaner, 1);
	first = tracer_start(&scene, state->operation, 0);
	for (unsigned long i = 0; i < state->steps && tracer_step(first); i++)
		;
	tracer_kill(first);
	if (!second)
		second = tracer_start(&scene, cleaner, 1);
	copy_make(&scene.pool.segment);
	walk(&pass, second, &scene.accounts[1], stride);
	tracer_kill(second);
	segment_unmap(&copy);
	scene_fini(&scene);
	report(&pass, begin);
}

static void kill_cleaners(void)
{
	unsigned stride = all ? 7 : 53, step;

	for (unsigned o = 0; o < scene_operations_count; o++)
		find_states(&scene_operations[o]);
	step = all ? 1 : states_count / 6 + 1;
	for (unsigned i = 0; i < states_count; i += step)
		kill_cleaner(&states[i], i / step % 4 == 3 ? &scene_attach_anew : &scene_sweep,
			     stride);
	if (verbose)
		printf("%u states that a death leaves, each %u-th tried\n", states_count, step);
}

static bool wanted(const char *name)
{
	return !only || strcmp(only, name) == 0;
}

static bool options(int argc, char **argv)
{
	all = getenv("DHOW_KILL_ALL") != NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0)
			all = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--operation") == 0 && i + 1 < argc)
			only = argv[++i];
		else
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const unsigned levels[] = { 0, SCENE_CAPACITY / 2, SCENE_CAPACITY };

	if (!options(argc, argv)) {
		fprintf(stderr, "usage: kill_virtual [--all] [--operation NAME] [--verbose]\n");
		return 2;
	}
	if (!tracer_works())
		return 77;
	signal(SIGALRM, on_alarm);
	tracer_share_a_core();
	for (unsigned o = 0; o < scene_operations_count; o++) {
		const struct operation *operation = &scene_operations[o];

		for (unsigned l = 0; wanted(operation->name) && l < 3; l++)
			if (l == 0 || !operation->same_when_full)
				kill_in(operation, levels[l]);
	}
	if (wanted("recover"))
		kill_cleaners();
	printf("kill points tried %lu, bad %lu\n", total.tried, total.bad);
	return total.bad ? 1 : 0;
}
