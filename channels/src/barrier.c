/* SPDX-License-Identifier: MIT */
/* barrier.c - see the internal barrier.h. */
#include "src/barrier.h"

#include <errno.h>

#include "base/clock.h"
#include "src/context.h"
#include "src/liveness.h"
#include "src/remote.h"

enum {
	ASK_MS = 5000,
	LOOK_MS = 20,		/* how often a waiter looks whether all users live */
};

enum cause { CAUSE_NONE, CAUSE_DEATH, CAUSE_GAVE_UP };

#define STATE(generation, resets, cause, arrived)                                          \
	(((uint64_t)(uint32_t)(generation) << 32) | ((uint64_t)((resets) & 0x3fffu) << 18) | \
	 ((uint64_t)(cause) << 16) | (uint64_t)(arrived))
#define STATE_GENERATION(word) ((uint32_t)((word) >> 32))
#define STATE_RESETS(word) ((uint32_t)((word) >> 18) & 0x3fffu)
#define STATE_CAUSE(word) ((unsigned)((word) >> 16) & 3u)
#define STATE_ARRIVED(word) ((uint32_t)(word) & 0xffffu)
_Static_assert(DHOW_BARRIER_PARTIES_MAX < 1 << 15, "barrier_pack() has 15 bits for them");

struct dhow_barrier {
	struct dhow_channel channel;	/* the handle is the channel's; no other is made */
};

static int broken(unsigned cause)
{
	return cause == CAUSE_DEATH ? -EOWNERDEAD : -ECANCELED;
}

static int say_broken(int rc)
{
	return dhow_fail(rc, "the barrier is broken: %s", dhow_strerror(rc));
}

static uint64_t load(struct shm_channel *shm)
{
	/* P1: pairs with P2 in swap(). What the parties wrote before they came is visible.
	 * seq_cst: the second look of wait_announce(), see W2. */
	return atomic_load_explicit(&shm->barrier, memory_order_seq_cst);
}

static bool swap(struct shm_channel *shm, uint64_t from, uint64_t to)
{
	/* P2: pairs with P1 in load(). Each arrival also takes over what came with those
	 * before, so that the last one publishes all. seq_cst: see W1. */
	return atomic_compare_exchange_strong_explicit(&shm->barrier, &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* All who wait must look. */
static void wake(struct segment *segment, struct shm_channel *shm)
{
	/* W1: pairs with W2 in wait_announce(). */
	if (atomic_load_explicit(&shm->wait_in, memory_order_seq_cst) &
	    (WAIT_SLEEPING | WAIT_WATCHED | WAIT_BELLS))
		wait_wake_all(&shm->wait_in, segment);
}

/* ---- a party ---- */

int gateway_party_arrive(struct dhow_channel *channel, bool only_last,
			 struct gateway_party *ret_party)
{
	struct shm_channel *shm = channel->ring.shm;

	for (;;) {
		uint64_t word = load(shm);
		uint32_t generation = STATE_GENERATION(word), resets = STATE_RESETS(word);
		bool is_last = STATE_ARRIVED(word) + 1 >= shm->parties;

		if (!channel_is_open(shm, channel->generation))
			return dhow_fail(-EPIPE, "the barrier was destroyed");
		if (STATE_CAUSE(word))
			return say_broken(broken(STATE_CAUSE(word)));
		if (!is_last && only_last)
			return -EAGAIN;
		if (!swap(shm, word, is_last ? STATE(generation + 1, resets, CAUSE_NONE, 0) :
					       word + 1))
			continue;
		*ret_party = (struct gateway_party){ .generation = generation,
						     .resets = resets,
						     .is_last = is_last };
		if (is_last)
			wake(channel->segment, shm);
		return is_last ? 0 : 1;
	}
}

static bool is_of(uint64_t word, const struct gateway_party *party)
{
	return STATE_GENERATION(word) == party->generation && STATE_RESETS(word) == party->resets;
}

int gateway_party_look(struct dhow_channel *channel, const struct gateway_party *party)
{
	struct shm_channel *shm = channel->ring.shm;
	uint64_t word = load(shm);

	if (STATE_RESETS(word) != party->resets)
		return dhow_fail(-ECANCELED, "the barrier was reset");
	if (STATE_GENERATION(word) != party->generation)
		return 0;
	if (STATE_CAUSE(word))
		return say_broken(broken(STATE_CAUSE(word)));
	if (!channel_is_open(shm, channel->generation))
		return dhow_fail(-EPIPE, "the barrier was destroyed");
	return -EAGAIN;
}

/* @party: only if it is still its generation; NULL: whichever it is. False: too late. */
static bool break_it(struct segment *segment, struct shm_channel *shm,
		     const struct gateway_party *party, enum cause cause)
{
	uint64_t word;

	do {
		word = load(shm);
		if (STATE_CAUSE(word) || (party && !is_of(word, party)))
			return false;
	} while (!swap(shm, word, word | STATE(0, 0, cause, 0)));
	wake(segment, shm);
	return true;
}

int gateway_party_leave(struct dhow_channel *channel, const struct gateway_party *party, bool dead)
{
	if (break_it(channel->segment, channel->ring.shm, party,
		     dead ? CAUSE_DEATH : CAUSE_GAVE_UP))
		return -ETIMEDOUT;
	return gateway_party_look(channel, party);
}

/* ---- deaths ---- */

void barrier_recover(struct segment *segment, uint32_t index)
{
	struct shm_channel *shm = &segment->channels[index];
	/* A4: pairs with R4 in publish_entry(). The kind is visible. */
	uint64_t word = atomic_load_explicit(&shm->word, memory_order_acquire);

	if (WORD_STATE(word) == CHANNEL_OPEN &&
	    atomic_load_explicit(&shm->kind, memory_order_relaxed) == KIND_BARRIER)
		break_it(segment, shm, NULL, CAUSE_DEATH);
}

/* A waiter needs nobody else to find out that those it waits for are dead. */
static void look_for_dead(struct dhow_channel *channel)
{
	struct segment *segment = channel->segment;

	for (unsigned i = 0; i < LAYOUT_PROCESSES / 64; i++) {
		uint64_t users = atomic_load_explicit(&channel->ring.shm->users[i],
						      memory_order_relaxed);

		for (; users; users &= users - 1) {
			unsigned process = i * 64 + (unsigned)__builtin_ctzll(users);
			/* L2: pairs with L1 in enter(). */
			uint32_t id = atomic_load_explicit(&segment->processes[process].id,
							   memory_order_acquire);

			if (liveness_dead(segment, id)) {
				liveness_sweep(segment);
				return;
			}
		}
	}
}

struct party_wait {
	struct dhow_channel *channel;
	struct gateway_party party;
	uint64_t looked_ns;
};

static int try_released(void *arg)
{
	struct party_wait *wait = arg;
	int rc = gateway_party_look(wait->channel, &wait->party);
	uint64_t now;

	if (rc != -EAGAIN)
		return rc;
	now = base_now_ns();
	if (now - wait->looked_ns < LOOK_MS * BASE_MS)
		return rc;
	wait->looked_ns = now;
	look_for_dead(wait->channel);
	return gateway_party_look(wait->channel, &wait->party);
}

static int wait_local(struct dhow_channel *channel, bool *ret_last, uint64_t deadline_ns)
{
	struct party_wait wait = { .channel = channel };
	int rc = gateway_party_arrive(channel, deadline_ns == DHOW_TRY, &wait.party);

	if (rc == 1) {
		rc = wait_until(&channel->habit, &channel->ring.shm->wait_in, deadline_ns,
				try_released, &wait);
		if (rc == -ETIMEDOUT)
			rc = gateway_party_leave(channel, &wait.party, false);
	}
	if (rc == 0)
		*ret_last = wait.party.is_last;
	return rc;
}

static int wait_remote(struct dhow_channel *channel, bool *ret_last, uint64_t deadline_ns)
{
	uint32_t is_last = 0;
	int rc = remote_ask(channel, GATEWAY_BARRIER_WAIT, 0, 0, deadline_ns, &is_last, NULL);

	if (rc == 0)
		*ret_last = is_last;
	return rc;
}

/* ---- public ---- */

static int known(struct dhow_channel *channel)
{
	int rc = liveness_check(channel->segment);

	return rc < 0 ? dhow_fail(rc, "%s", dhow_strerror(rc)) : 0;
}

static struct dhow_barrier *of_channel(struct dhow_channel *channel)
{
	return (struct dhow_barrier *)(void *)channel;
}

int dhow_barrier_create(const char *name, uint32_t parties, struct dhow_barrier **ret_barrier)
{
	struct dhow_channel *channel;
	struct segment *segment;
	int rc = channel_home(name, NULL, &segment);

	if (rc == 0 && (parties == 0 || parties > DHOW_BARRIER_PARTIES_MAX))
		rc = dhow_fail(-EINVAL, "barrier of %u parties: must be 1 to %d", parties,
			       DHOW_BARRIER_PARTIES_MAX);
	if (rc == 0)
		rc = channel_make_barrier(segment, parties, &channel);
	if (rc == 0)
		rc = channel_publish(channel, name);
	if (rc == 0)
		*ret_barrier = of_channel(channel);
	return rc;
}

int dhow_barrier_open(const char *where, uint64_t deadline_ns, struct dhow_barrier **ret_barrier)
{
	struct dhow_channel *channel;
	int rc = channel_open_as(KIND_BARRIER, where, deadline_ns, &channel);

	if (rc == 0)
		*ret_barrier = of_channel(channel);
	return rc;
}

void dhow_barrier_close(struct dhow_barrier *barrier)
{
	if (barrier)
		dhow_channel_close(&barrier->channel);
}

int dhow_barrier_destroy(struct dhow_barrier *barrier)
{
	return dhow_channel_destroy(&barrier->channel);
}

int dhow_barrier_wait(struct dhow_barrier *barrier, bool *ret_last, uint64_t deadline_ns)
{
	struct dhow_channel *channel = &barrier->channel;
	bool is_last;
	int rc = known(channel);

	if (rc == 0)
		rc = channel->is_remote ? wait_remote(channel, &is_last, deadline_ns) :
					  wait_local(channel, &is_last, deadline_ns);
	if (rc == 0 && ret_last)
		*ret_last = is_last;
	return rc;
}

int barrier_reset(struct dhow_channel *channel)
{
	struct shm_channel *shm = channel->ring.shm;
	uint64_t word;

	do {
		if (!channel_is_open(shm, channel->generation))
			return dhow_fail(-EPIPE, "the barrier was destroyed");
		word = load(shm);
	} while (!swap(shm, word,
		       STATE(STATE_GENERATION(word) + 1, STATE_RESETS(word) + 1, CAUSE_NONE, 0)));
	wake(channel->segment, shm);
	return 0;
}

int dhow_barrier_reset(struct dhow_barrier *barrier)
{
	struct dhow_channel *channel = &barrier->channel;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	return channel->is_remote ? remote_ask(channel, GATEWAY_BARRIER_RESET, 0, 0,
					       dhow_in_ms(ASK_MS), NULL, NULL) :
				    barrier_reset(channel);
}

uint32_t barrier_pack(struct dhow_channel *channel)
{
	uint64_t word = load(channel->ring.shm);

	return channel->ring.shm->parties << 17 | STATE_ARRIVED(word) << 2 | STATE_CAUSE(word);
}

int dhow_barrier_state(struct dhow_barrier *barrier, struct dhow_barrier_state *ret_state)
{
	struct dhow_channel *channel = &barrier->channel;
	uint32_t packed = 0;
	int rc = known(channel);

	if (rc == 0 && channel->is_remote)
		rc = remote_ask(channel, GATEWAY_BARRIER_STATE, 0, 0, dhow_in_ms(ASK_MS), &packed,
				NULL);
	else if (rc == 0 && !channel_is_open(channel->ring.shm, channel->generation))
		rc = dhow_fail(-EPIPE, "the barrier was destroyed");
	else if (rc == 0)
		packed = barrier_pack(channel);
	if (rc == 0)
		*ret_state = (struct dhow_barrier_state){
			.parties = packed >> 17,
			.waiting = packed >> 2 & 0x7fff,
			.broken = packed & 3 ? broken(packed & 3) : 0,
		};
	return rc;
}

void dhow_barrier_address(const struct dhow_barrier *barrier, struct dhow_address *ret_address)
{
	dhow_channel_address(&barrier->channel, ret_address);
}

void dhow_barrier_set_wait(struct dhow_barrier *barrier, enum dhow_wait_mode mode)
{
	dhow_channel_set_wait(&barrier->channel, mode);
}
