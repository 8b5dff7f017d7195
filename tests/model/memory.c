/* SPDX-License-Identifier: MIT */
/* memory.c - the view machine of the model checker, see mcx.h. */
#include "memory.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum { LOCATIONS = 32, STORES = 64, CELLS = 16, PRIVATE_MAX = 8 };

struct view {			/* per location: the oldest store that can still be read */
	uint16_t oldest[LOCATIONS];
};

struct clocks {			/* per thread: how much of it is known to have happened */
	uint32_t of[MCX_THREADS];
};

struct store {
	uint64_t value;
	bool releases;		/* with what its writer knew: */
	struct view view;
	struct clocks clocks;
};

static struct location {
	const void *at;
	unsigned count;		/* of stores */
	unsigned latest_sc;	/* that no seq_cst load can miss */
	struct store stores[STORES];
} locations[LOCATIONS];
static unsigned locations_count;

static struct cell {		/* plain data */
	const uint64_t *at;
	int writer;		/* thread; -1: before all threads */
	uint32_t written;	/* its clock then */
	uint32_t read[MCX_THREADS];
} cells[CELLS];
static unsigned cells_count;

static struct {
	const char *at;
	size_t bytes;
} private[PRIVATE_MAX];
static unsigned private_count;

static struct view views[MCX_THREADS];
static struct view own[MCX_THREADS];	/* per location: the thread's own latest store */
static struct clocks clocks[MCX_THREADS];

void memory_reset(void)
{
	locations_count = cells_count = private_count = 0;
	memset(views, 0, sizeof(views));
	memset(own, 0, sizeof(own));
	memset(clocks, 0, sizeof(clocks));
}

static _Noreturn void too_many(const char *what)
{
	fprintf(stderr, "mcx: too many %s\n", what);
	exit(3);
}

/* ---- memory itself ---- */

static uint64_t get(const void *at, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);	/* little endian */
	return value;
}

static void put(void *at, size_t bytes, uint64_t value)
{
	memcpy(at, &value, bytes);
}

void mcx_private(const void *at, size_t bytes)
{
	if (private_count == PRIVATE_MAX)
		too_many("private parts");
	private[private_count].at = at;
	private[private_count++].bytes = bytes;
}

/* Accesses that need no model: outside of threads, and to what one thread alone uses. */
static bool is_direct(const void *at)
{
	const char *byte = at;

	if (mcx_current() < 0)
		return true;
	for (unsigned i = 0; i < private_count; i++)
		if (byte >= private[i].at && byte < private[i].at + private[i].bytes)
			return true;
	return false;
}

/* ---- views ---- */

static unsigned find_location(const void *at, size_t bytes)
{
	struct location *location;

	for (unsigned i = 0; i < locations_count; i++)
		if (locations[i].at == at)
			return i;
	if (locations_count == LOCATIONS)
		too_many("locations");
	location = &locations[locations_count];
	location->at = at;
	location->count = 1;
	location->latest_sc = 0;
	memset(&location->stores[0], 0, sizeof(location->stores[0]));
	location->stores[0].value = get(at, bytes);
	return locations_count++;
}

static void join_view(struct view *to, const struct view *from)
{
	for (unsigned i = 0; i < locations_count; i++)
		if (from->oldest[i] > to->oldest[i])
			to->oldest[i] = from->oldest[i];
}

static void join_clocks(struct clocks *to, const struct clocks *from)
{
	for (unsigned i = 0; i < MCX_THREADS; i++)
		if (from->of[i] > to->of[i])
			to->of[i] = from->of[i];
}

void memory_learn_from(int other)
{
	join_view(&views[mcx_current()], &views[other]);
	join_clocks(&clocks[mcx_current()], &clocks[other]);
}

static bool acquires(enum mcx_order order)
{
	return order == MCX_ACQUIRE || order == MCX_ACQ_REL || order == MCX_SEQ_CST;
}

static bool releases(enum mcx_order order)
{
	return order == MCX_RELEASE || order == MCX_ACQ_REL || order == MCX_SEQ_CST;
}

static uint64_t read_store(unsigned index, unsigned which, enum mcx_order order)
{
	const struct store *store = &locations[index].stores[which];
	int me = mcx_current();

	views[me].oldest[index] = (uint16_t)which;
	if (acquires(order) && store->releases) {
		join_view(&views[me], &store->view);
		join_clocks(&clocks[me], &store->clocks);
	}
	return store->value;
}

/* The oldest store of the location that a load with @order may return. */
static unsigned oldest(unsigned index, enum mcx_order order)
{
	unsigned first = views[mcx_current()].oldest[index];

	if (order == MCX_SEQ_CST && locations[index].latest_sc > first)
		first = locations[index].latest_sc;
	return first;
}

/* @rmw: it continues the release sequence of the store that it replaces. */
static void add_store(unsigned index, uint64_t value, enum mcx_order order, bool rmw)
{
	struct location *location = &locations[index];
	struct store *store = &location->stores[location->count];
	const struct store *last = store - 1;
	int me = mcx_current();

	if (location->count == STORES)
		too_many("stores");
	views[me].oldest[index] = (uint16_t)location->count;
	clocks[me].of[me]++;
	memset(store, 0, sizeof(*store));
	store->value = value;
	store->releases = releases(order) || (rmw && last->releases);
	if (releases(order)) {
		store->view = views[me];
		store->clocks = clocks[me];
	}
	if (rmw && last->releases) {
		join_view(&store->view, &last->view);
		join_clocks(&store->clocks, &last->clocks);
	}
	own[me].oldest[index] = (uint16_t)location->count;
	if (order == MCX_SEQ_CST)
		location->latest_sc = location->count;
	location->count++;
}

/* ---- atomics ---- */

uint64_t mcx_load(const void *at, size_t bytes, enum mcx_order order)
{
	unsigned index, newest, back;
	uint64_t value;

	if (is_direct(at))
		return get(at, bytes);
	mcx_point();
	index = find_location(at, bytes);
	newest = locations[index].count - 1;
	back = mcx_choose_old(newest - oldest(index, order) + 1);
	value = read_store(index, newest - back, order);
	mcx_trace("load %u -> %llx%s", index, (unsigned long long)value, back ? " (old)" : "");
	return value;
}

void mcx_store(void *at, size_t bytes, uint64_t value, enum mcx_order order)
{
	if (!is_direct(at)) {
		unsigned index;

		mcx_point();
		index = find_location(at, bytes);
		add_store(index, value, order, false);
		mcx_trace("store %u <- %llx", index, (unsigned long long)value);
	}
	put(at, bytes, value);
}

uint64_t mcx_exchange(void *at, size_t bytes, uint64_t value, enum mcx_order order)
{
	uint64_t old = get(at, bytes);

	if (!is_direct(at)) {
		unsigned index;

		mcx_point();
		index = find_location(at, bytes);
		old = read_store(index, locations[index].count - 1, order);
		add_store(index, value, order, true);
		mcx_trace("exchange %u: %llx -> %llx", index, (unsigned long long)old,
			  (unsigned long long)value);
	}
	put(at, bytes, value);
	return old;
}

/* A failed one is a load, and may see any old value except the expected one. */
static unsigned choose_swapped(unsigned index, uint64_t expected, enum mcx_order failure)
{
	const struct location *location = &locations[index];
	unsigned candidates[STORES], count = 0;

	candidates[count++] = location->count - 1;
	for (unsigned i = location->count - 1; i-- > oldest(index, failure);)
		if (location->stores[i].value != expected)
			candidates[count++] = i;
	return candidates[mcx_choose_old(count)];
}

bool mcx_compare_exchange(void *at, size_t bytes, void *expected, uint64_t desired,
			  enum mcx_order success, enum mcx_order failure)
{
	uint64_t wanted = get(expected, bytes), seen = get(at, bytes);
	unsigned index = 0, which = 0;

	if (!is_direct(at)) {
		mcx_point();
		index = find_location(at, bytes);
		which = choose_swapped(index, wanted, failure);
		seen = locations[index].stores[which].value;
		read_store(index, which, seen == wanted ? success : failure);
		mcx_trace("swap %u: %llx -> %llx, was %llx", index, (unsigned long long)wanted,
			  (unsigned long long)desired, (unsigned long long)seen);
		if (seen == wanted)
			add_store(index, desired, success, true);
	}
	if (seen == wanted)
		put(at, bytes, desired);
	else
		put(expected, bytes, seen);
	return seen == wanted;
}

static uint64_t fetch(uint64_t old, enum mcx_fetch what, uint64_t operand)
{
	return what == MCX_ADD ? old + operand : what == MCX_AND ? old & operand : old | operand;
}

uint64_t mcx_fetch(void *at, size_t bytes, enum mcx_fetch what, uint64_t operand,
		   enum mcx_order order)
{
	uint64_t old = get(at, bytes), value;

	if (!is_direct(at)) {
		unsigned index;

		mcx_point();
		index = find_location(at, bytes);
		old = read_store(index, locations[index].count - 1, order);
		value = 0;
		put(&value, bytes, fetch(old, what, operand));
		add_store(index, value, order, true);
		mcx_trace("fetch %u: %llx -> %llx", index, (unsigned long long)old,
			  (unsigned long long)value);
	}
	put(at, bytes, fetch(old, what, operand));
	return old;
}

/* In the one order of all that is seq_cst: what came before the fence is seen by loads after
 * it, and the stores before it by what comes later (C11 7.17.3, 9 to 11). */
void mcx_fence(enum mcx_order order)
{
	int me = mcx_current();

	if (me < 0)
		return;
	if (order != MCX_SEQ_CST)
		mcx_fail("not modelled: a fence that is not seq_cst");
	mcx_point();
	for (unsigned i = 0; i < locations_count; i++) {
		struct location *location = &locations[i];

		if (location->latest_sc > views[me].oldest[i])
			views[me].oldest[i] = (uint16_t)location->latest_sc;
		if (own[me].oldest[i] > location->latest_sc)
			location->latest_sc = own[me].oldest[i];
	}
	mcx_trace("fence");
}

/* ---- plain data ---- */

static struct cell *find_cell(const uint64_t *at)
{
	for (unsigned i = 0; i < cells_count; i++)
		if (cells[i].at == at)
			return &cells[i];
	if (cells_count == CELLS)
		too_many("cells");
	cells[cells_count] = (struct cell){ .at = at, .writer = -1 };
	return &cells[cells_count++];
}

static void check_writer(const struct cell *cell, int me, const char *why)
{
	if (cell->writer >= 0 && cell->writer != me &&
	    cell->written > clocks[me].of[cell->writer])
		mcx_fail(why);
}

void mcx_write(uint64_t *at, uint64_t value)
{
	int me = mcx_current();

	if (!is_direct(at)) {
		struct cell *cell = find_cell(at);

		mcx_point();
		check_writer(cell, me, "data race: two writes");
		for (int i = 0; i < MCX_THREADS; i++)
			if (i != me && cell->read[i] > clocks[me].of[i])
				mcx_fail("data race: a write while another reads");
		cell->writer = me;
		cell->written = ++clocks[me].of[me];
		mcx_trace("write %llx", (unsigned long long)value);
	}
	*at = value;
}

uint64_t mcx_read(const uint64_t *at)
{
	int me = mcx_current();

	if (!is_direct(at)) {
		struct cell *cell = find_cell(at);

		mcx_point();
		check_writer(cell, me, "data race: a read of what another writes");
		cell->read[me] = ++clocks[me].of[me];
		mcx_trace("read %llx", (unsigned long long)*at);
	}
	return *at;
}

/* ---- what the code under test calls instead of the kernel, see CMakeLists.txt ---- */

long model_syscall(long number, ...);
int model_clock_gettime(clockid_t clock, struct timespec *ret_now);

/* futex(): the kernel compares the newest value. */
long model_syscall(long number, ...)
{
	va_list args;
	void *word;
	uint32_t value;
	int op;

	va_start(args, number);
	word = va_arg(args, void *);
	op = va_arg(args, int);
	value = va_arg(args, uint32_t);
	va_end(args);
	if (number != SYS_futex) {
		errno = ENOSYS;
		return -1;
	}
	if (mcx_current() < 0)	/* nobody sleeps before and after the threads */
		return 0;
	mcx_point();
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAKE)
		return mcx_wake(word, (int)value);
	if (get(word, sizeof(value)) != value) {
		errno = EAGAIN;
		return -1;
	}
	mcx_sleep(word);
	return 0;
}

int model_clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	(void)clock;
	*ret_now = (struct timespec){ .tv_sec = 1 };	/* time stands still */
	return 0;
}
