/* SPDX-License-Identifier: MIT */
/* mcx.c - see mcx.h: the search, and the threads. memory.c has the memory. */
#include "mcx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "memory.h"

enum { STACK_BYTES = 64 * 1024, CHOICES_MAX = 8192, STEPS_MAX = 5000 };

enum thread_state { THREAD_READY, THREAD_SLEEPING, THREAD_ENDED, THREAD_KILLED };

static struct thread {
	enum thread_state state;
	bool started, timed_out;
	const void *sleeps_on;
	unsigned since;			/* of all sleepers who came first */
	jmp_buf at;
	ucontext_t first;
	_Alignas(16) char stack[STACK_BYTES];
} threads[MCX_THREADS];

static struct {
	const struct mcx_test *test;
	unsigned threads_count;
	int current;			/* thread that runs; -1 none */
	int next;			/* wanted by who gave up control; -1 any */
	unsigned preemptions, old_values, sleepers, steps;
	bool killed, tracing;
	const char *fault;
	jmp_buf scheduler;
} run = { .current = -1 };

/* The choices of this execution; the next one differs in the last that has another. */
static struct {
	unsigned char taken[CHOICES_MAX], of[CHOICES_MAX];
	unsigned count, at;
} path;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "mcx: %s: %s\n", run.test->name, what);
	exit(3);
}

unsigned mcx_choose(unsigned n)
{
	if (n <= 1)
		return 0;
	if (path.at == path.count) {
		if (path.count == CHOICES_MAX)
			give_up("too many choices");
		path.taken[path.count] = 0;
		path.of[path.count++] = (unsigned char)n;
	}
	return path.taken[path.at++];
}

/* Step to the next path. False: all were taken. */
static bool next_path(void)
{
	while (path.count && path.taken[path.count - 1] + 1 == path.of[path.count - 1])
		path.count--;
	if (path.count == 0)
		return false;
	path.taken[path.count - 1]++;
	return true;
}

int mcx_current(void)
{
	return run.current;
}

/* One more old value? Then it is counted. */
unsigned mcx_choose_old(unsigned n)
{
	unsigned back;

	if (run.old_values >= run.test->old_values)
		return 0;
	back = mcx_choose(n);
	run.old_values += back > 0;
	return back;
}

void mcx_trace(const char *format, ...)
{
	va_list args;

	if (!run.tracing)
		return;
	if (run.current >= 0)
		printf("  thread %d: ", run.current);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* ---- control ---- */

static void leave(void)
{
	if (_setjmp(threads[run.current].at) == 0)
		_longjmp(run.scheduler, 1);
}

void mcx_fail(const char *why)
{
	run.fault = why;
	if (run.current >= 0)
		leave();
	/* In finish(): the same, since nothing of it is needed any more. */
	_longjmp(run.scheduler, 1);
}

static unsigned others_ready(int ready[MCX_THREADS])
{
	unsigned count = 0;

	for (unsigned i = 0; i < run.threads_count; i++)
		if ((int)i != run.current && threads[i].state == THREAD_READY)
			ready[count++] = (int)i;
	return count;
}

void mcx_point(void)
{
	bool mortal = run.test->killed == run.current + 1 && !run.killed;
	int ready[MCX_THREADS];
	unsigned others = 0, chosen;

	if (++run.steps > STEPS_MAX)
		mcx_fail("no end: a thread spins for ever");
	if (run.preemptions < run.test->preemptions)
		others = others_ready(ready);
	chosen = mcx_choose(1 + others + mortal);
	if (chosen == 0)
		return;
	if (chosen <= others) {
		run.preemptions++;
		run.next = ready[chosen - 1];
	} else {
		mcx_trace("is killed");
		run.killed = true;
		threads[run.current].state = THREAD_KILLED;
		run.next = -1;
	}
	leave();
}

void mcx_yield(void)
{
	int ready[MCX_THREADS];
	unsigned others = others_ready(ready);

	if (++run.steps > STEPS_MAX)
		mcx_fail("no end: a thread spins for ever");
	if (others == 0)
		return;
	run.next = ready[mcx_choose(others)];
	leave();
}

void mcx_sleep(const void *at)
{
	struct thread *me = &threads[run.current];

	mcx_trace("sleeps");
	me->state = THREAD_SLEEPING;
	me->sleeps_on = at;
	me->since = run.sleepers++;
	run.next = -1;
	leave();
}

int mcx_wake(const void *at, int count)
{
	int woken = 0;

	for (; woken < count; woken++) {
		struct thread *first = NULL;

		for (unsigned i = 0; i < run.threads_count; i++)
			if (threads[i].state == THREAD_SLEEPING && threads[i].sleeps_on == at &&
			    (!first || threads[i].since < first->since))
				first = &threads[i];
		if (!first)
			break;
		first->state = THREAD_READY;
	}
	mcx_trace("wakes %d", woken);
	return woken;
}

bool mcx_was_killed(void)
{
	if (run.killed && run.current >= 0)
		memory_learn_from(run.test->killed - 1);
	return run.killed;
}

bool mcx_sleeps(unsigned thread)
{
	return threads[thread].state == THREAD_SLEEPING;
}

/* ---- one execution ---- */

static void enter_thread(int index)
{
	run.test->threads[index]();
	threads[index].state = THREAD_ENDED;
	run.next = -1;
	_longjmp(run.scheduler, 1);
}

static void prepare_thread(unsigned index)
{
	struct thread *thread = &threads[index];

	thread->state = THREAD_READY;
	thread->started = thread->timed_out = false;
	getcontext(&thread->first);
	thread->first.uc_stack.ss_sp = thread->stack;
	thread->first.uc_stack.ss_size = sizeof(thread->stack);
	thread->first.uc_link = NULL;
	makecontext(&thread->first, (void (*)(void))enter_thread, 1, (int)index);
}

static void go_on(int index)
{
	struct thread *thread = &threads[index];

	run.current = index;
	if (_setjmp(run.scheduler))
		return;
	if (thread->started)
		_longjmp(thread->at, 1);
	thread->started = true;
	setcontext(&thread->first);
}

/* A sleeper looks again after a slice of time: that is what helps when a waker was killed.
 * Once each, and only then, or no lost wake-up would ever be seen. */
static bool let_time_pass(void)
{
	bool any = false;

	for (unsigned i = 0; run.killed && i < run.threads_count; i++)
		if (threads[i].state == THREAD_SLEEPING && !threads[i].timed_out) {
			threads[i].timed_out = true;
			threads[i].state = THREAD_READY;
			any = true;
		}
	return any;
}

/* The thread to go on with; -1: none can. */
static int pick(void)
{
	int ready[MCX_THREADS];
	unsigned count;

	if (run.next >= 0)
		return run.next;
	run.current = -1;
	count = others_ready(ready);
	if (count == 0 && let_time_pass())
		count = others_ready(ready);
	return count ? ready[mcx_choose(count)] : -1;
}

static void finish(void)
{
	run.current = -1;
	if (_setjmp(run.scheduler))
		return;
	for (unsigned i = 0; i < run.threads_count; i++)
		if (threads[i].state == THREAD_SLEEPING && !run.killed)
			mcx_fail("a sleeper is never woken");
	if (run.test->finish)
		run.test->finish();
}

static void execute(void)
{
	int next;

	path.at = 0;
	run.preemptions = run.old_values = run.sleepers = run.steps = 0;
	run.killed = false;
	run.fault = NULL;
	run.current = run.next = -1;
	memory_reset();
	run.test->setup();
	for (unsigned i = 0; i < run.threads_count; i++)
		prepare_thread(i);
	while (!run.fault && (next = pick()) >= 0)
		go_on(next);
	if (!run.fault)
		finish();
	run.current = -1;
}

struct mcx_result mcx_check(const struct mcx_test *test, bool trace)
{
	struct mcx_result result = { 0 };

	run.test = test;
	run.threads_count = 0;
	while (run.threads_count < MCX_THREADS && test->threads[run.threads_count])
		run.threads_count++;
	path.count = 0;
	do {
		execute();
		result.executions++;
	} while (!run.fault && result.executions != test->executions_max &&
		 (result.complete = next_path()));
	/* next_path() was false: there is no other */
	result.complete = !run.fault && !result.complete;
	result.fault = run.fault;
	if (run.fault && trace) {
		run.tracing = true;
		execute();	/* the same choices again */
		run.tracing = false;
	}
	return result;
}
