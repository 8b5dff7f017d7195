/* SPDX-License-Identifier: MIT */
/* liveness.c - see liveness.h. */
#include "src/liveness.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <unistd.h>

#include "src/recover.h"
#include "src/seed.h"

_Static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0,
	       "glibc keeps the futex word of a mutex first");

_Thread_local uint64_t liveness_known;
/* Which mutex this thread holds in the segment of each slot. */
static _Thread_local struct shm_thread *thread_entries[SEGMENT_MAX];
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* L6: pairs with L5, which is the kernel's: a thread's end is marked after all that it wrote. */
static uint32_t life_word(const pthread_mutex_t *life)
{
	return __atomic_load_n((const uint32_t *)(const void *)life, __ATOMIC_ACQUIRE);
}

static bool is_held(const pthread_mutex_t *life)
{
	uint32_t word = life_word(life);

	return (word & FUTEX_TID_MASK) != 0 && !(word & FUTEX_OWNER_DIED);
}

static bool is_marked(const pthread_mutex_t *life)
{
	return life_word(life) & FUTEX_OWNER_DIED;
}

static void life_init(pthread_mutex_t *life)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(life, &attr);
	pthread_mutexattr_destroy(&attr);
}

void liveness_format(struct segment *segment)
{
	for (unsigned i = 0; i < LAYOUT_PROCESSES; i++) {
		life_init(&segment->processes[i].life);
		/* Generation 0 is never used, so that owner 0 means nobody. */
		atomic_init(&segment->processes[i].id, i);
	}
	for (unsigned i = 0; i < LAYOUT_THREADS; i++)
		life_init(&segment->threads[i].life);
}

/* Take a mutex that nobody alive holds. *ret_was_marked: its last holder died with it. */
static bool life_take(pthread_mutex_t *life, bool *ret_was_marked)
{
	int rc = pthread_mutex_trylock(life);

	*ret_was_marked = rc == EOWNERDEAD;
	if (rc == EOWNERDEAD) {
		pthread_mutex_consistent(life);
		rc = 0;
	}
	return rc == 0;
}

/* Take the mutex of an entry whose last process, if it died, is gone with all its threads and
 * has been recovered. If we die with it, it is marked again and all this done again. */
static bool take_entry(struct segment *segment, unsigned index)
{
	struct shm_process *process = &segment->processes[index];
	/* L2: pairs with L1 in enter(). */
	uint32_t id = atomic_load_explicit(&process->id, memory_order_acquire);
	bool marked;

	if (is_held(&process->life))
		return false;
	if (is_marked(&process->life)) {
		if (!liveness_dead(segment, id))
			return false;
		recover(segment, id);
	}
	if (!life_take(&process->life, &marked))
		return false;
	if (!marked)
		return true;
	if (atomic_load_explicit(&process->id, memory_order_relaxed) != id) {
		/* Since our look another one came and died. While a thread of it lives we can
		 * only keep the entry from being used: our end will mark it again. */
		id = atomic_load_explicit(&process->id, memory_order_relaxed);
		if (liveness_has_threads(segment, id))
			return false;
		recover(segment, id);
	}
	recover_users(segment, index);
	return true;
}

static bool enter(struct segment *segment, unsigned index, uint32_t rank)
{
	struct shm_process *process = &segment->processes[index];
	uint32_t id, generation;

	if (!take_entry(segment, index))
		return false;
	id = atomic_load_explicit(&process->id, memory_order_relaxed);
	generation = (id >> LAYOUT_PROCESS_BITS) + 1;
	id = (generation << LAYOUT_PROCESS_BITS | index) & 0xfffffffu;
	if (id >> LAYOUT_PROCESS_BITS == 0)
		id |= 1u << LAYOUT_PROCESS_BITS;
	atomic_store_explicit(&process->pid, getpid(), memory_order_relaxed);
	atomic_store_explicit(&process->rank, rank, memory_order_relaxed);
	/* L1: pairs with L2 in liveness_dead() and take_entry(): who knows the id sees that its
	 * mutex is held, or was. */
	atomic_store_explicit(&process->id, id, memory_order_release);
	segment->me = id;
	return true;
}

int liveness_enter(struct segment *segment, uint32_t rank)
{
	for (unsigned i = 0; i < LAYOUT_PROCESSES; i++)
		if (enter(segment, i, rank))
			return 0;
	return -ENFILE;
}

void liveness_leave(struct segment *segment)
{
	unsigned index = segment->me & (LAYOUT_PROCESSES - 1);

	if (!segment->me)
		return;
	recover(segment, segment->me);
	recover_users(segment, index);
	pthread_mutex_unlock(&segment->processes[index].life);
	segment->me = 0;
}

bool liveness_has_threads(const struct segment *segment, uint32_t owner)
{
	/* L4: pairs with L3 in liveness_register_thread(). */
	for (unsigned i = 0; i < LAYOUT_THREADS; i++)
		if (atomic_load_explicit(&segment->threads[i].process, memory_order_acquire) ==
			    owner &&
		    is_held(&segment->threads[i].life))
			return true;
	return false;
}

bool liveness_dead(const struct segment *segment, uint32_t owner)
{
	const struct shm_process *process = &segment->processes[owner & (LAYOUT_PROCESSES - 1)];

	if (owner == 0)
		return false;
	/* L2: pairs with L1 in enter(): an older state of the mutex would prove nothing. */
	if (atomic_load_explicit(&process->id, memory_order_acquire) != owner)
		return true;
	return !is_held(&process->life) &&
	       (SEEDED(10) || !liveness_has_threads(segment, owner));
}

unsigned liveness_sweep(struct segment *segment)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LAYOUT_PROCESSES; i++) {
		struct shm_process *process = &segment->processes[i];
		/* Take and leave the entry, so that it is not swept again. */
		if (!is_marked(&process->life) || !take_entry(segment, i))
			continue;
		pthread_mutex_unlock(&process->life);
		count++;
	}
	return count;
}

bool liveness_holds(const struct segment *segment, int pid)
{
	for (unsigned i = 0; i < LAYOUT_PROCESSES; i++)
		if (atomic_load_explicit(&segment->processes[i].pid, memory_order_relaxed) == pid &&
		    life_word(&segment->processes[i].life) != 0)
			return true;
	return false;
}

static void leave_thread(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		if (thread_entries[i]) {
			pthread_mutex_unlock(&thread_entries[i]->life);
			thread_entries[i] = NULL;
		}
	liveness_known = 0;
}

/* A forked child holds none of its parent's mutexes and may not touch its segments. */
static void forget_all(void)
{
	memset(thread_entries, 0, sizeof(thread_entries));
	liveness_known = 0;
}

static void set_up(void)
{
	pthread_key_create(&thread_end, leave_thread);
	pthread_atfork(NULL, NULL, forget_all);
}

int liveness_register_thread(struct segment *segment)
{
	unsigned index = segment->me & (LAYOUT_PROCESSES - 1);

	pthread_once(&once, set_up);
	if (!segment->me ||
	    atomic_load_explicit(&segment->processes[index].pid, memory_order_relaxed) != getpid())
		return -ENOTCONN;
	for (unsigned i = 0; i < LAYOUT_THREADS; i++) {
		struct shm_thread *thread = &segment->threads[i];
		bool marked;

		if (is_held(&thread->life) || !life_take(&thread->life, &marked))
			continue;
		atomic_store_explicit(&thread->sleeps_on, 0, memory_order_relaxed);
		/* L3: pairs with L4 in liveness_has_threads(): the mutex is held. */
		atomic_store_explicit(&thread->process, segment->me, memory_order_release);
		thread_entries[segment->slot] = thread;
		liveness_known |= UINT64_C(1) << segment->slot;
		pthread_setspecific(thread_end, &thread_entries);
		return 0;
	}
	return -ENFILE;
}

void liveness_sleeps(struct segment *segment, const _Atomic uint32_t *word)
{
	struct shm_thread *thread = thread_entries[segment->slot];
	uint64_t offset = word ? (uint64_t)((const unsigned char *)word - segment->base) : 0;

	if (thread)
		atomic_store_explicit(&thread->sleeps_on, offset, memory_order_relaxed);
}

unsigned liveness_asleep(const struct segment *segment, const _Atomic uint32_t *word)
{
	uint64_t offset = (uint64_t)((const unsigned char *)word - segment->base);
	unsigned count = 0;

	for (unsigned i = 0; i < LAYOUT_THREADS; i++)
		count += atomic_load_explicit(&segment->threads[i].sleeps_on,
					      memory_order_relaxed) == offset &&
			 is_held(&segment->threads[i].life);
	return count;
}

void liveness_forget(struct segment *segment)
{
	struct shm_thread *thread = thread_entries[segment->slot];

	if (thread)
		pthread_mutex_unlock(&thread->life);
	thread_entries[segment->slot] = NULL;
	liveness_known &= ~(UINT64_C(1) << segment->slot);
}
