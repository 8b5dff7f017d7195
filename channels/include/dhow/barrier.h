/* SPDX-License-Identifier: MIT */
/*
 * barrier.h - a number of parties meet; all go on when the last has come.
 *
 * Parties are calls of dhow_barrier_wait(), by any threads of any processes of the job, on any
 * node; how many make a generation is fixed at creation. What a party wrote to memory that is
 * shared with others is visible to them when they are released.
 *
 * A barrier never leaves its waiters waiting for somebody who will not come:
 *   - a party whose deadline passes breaks it (-ECANCELED for the others);
 *   - a process that has it open and dies, or detaches with it open, breaks it (-EOWNERDEAD),
 *     within a second, whether it was waiting or not; a process or a node elsewhere, if
 *     it was waiting.
 * A broken barrier refuses all until dhow_barrier_reset(). The step that releases a generation
 * is one store: a party killed inside its call has arrived or has not, and the others are
 * released or told.
 *
 * Errors of every call: -ENOTCONN, -EPIPE (it was destroyed), -EHOSTDOWN (home node or agent
 * is dead).
 */
#ifndef DHOW_BARRIER_H
#define DHOW_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include <dhow/address.h>
#include <dhow/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dhow_barrier;

/* See dhow_barrier_state(). */
struct dhow_barrier_state {
	uint32_t parties;	/* as it was made */
	uint32_t waiting;	/* that have arrived; when broken, until the reset */
	int broken;		/* 0; -EOWNERDEAD; -ECANCELED */
};

/* Most parties of a barrier. */
#define DHOW_BARRIER_PARTIES_MAX 32767

/**
 * dhow_barrier_create - make a barrier whose home is this node.
 * @name:    as for dhow_channel_create(), or NULL.
 * @parties: 1 to DHOW_BARRIER_PARTIES_MAX.
 * @ret_barrier: on success a handle; close with dhow_barrier_close(). Its process need not
 *               be a party, but counts among those whose death breaks it.
 *
 * Blocking: with a name, for one request to the directory (at most 5 s). Thread-safe.
 * Return: 0; -EINVAL; -EEXIST; -ENFILE the segment holds its maximum of channels; -ETIMEDOUT.
 */
int dhow_barrier_create(const char *name, uint32_t parties, struct dhow_barrier **ret_barrier);

/**
 * dhow_barrier_open - open a barrier by name or address.
 * Arguments and errors as dhow_channel_open(); -EPROTOTYPE: it is of another kind.
 */
int dhow_barrier_open(const char *where, uint64_t deadline_ns, struct dhow_barrier **ret_barrier);

/* Release a handle (NULL allowed); the barrier stays. Not while another thread uses it. */
void dhow_barrier_close(struct dhow_barrier *barrier);

/* End a barrier of this node, and the handle. Waiters get -EPIPE. Return: 0; -EREMOTE; -EPIPE. */
int dhow_barrier_destroy(struct dhow_barrier *barrier);

/**
 * dhow_barrier_wait - arrive, and wait until all parties have.
 * @ret_last: true for exactly one party of each generation; may be NULL.
 * @deadline_ns: DHOW_TRY goes through only as the last one, and else does not arrive.
 *
 * Cost on its node: one compare-and-swap to arrive; the last one wakes all sleepers at once.
 * Off node: one question to the home. Thread-safe.
 * Return: 0 released; -EAGAIN (DHOW_TRY); -ETIMEDOUT, and the barrier is broken; -EOWNERDEAD
 * or -ECANCELED it is broken, or was reset while this call waited.
 */
int dhow_barrier_wait(struct dhow_barrier *barrier, bool *ret_last, uint64_t deadline_ns);

/**
 * dhow_barrier_reset - make it whole and empty.
 * Who waits, or was released and has not returned yet, may get -ECANCELED. So when several
 * parties may be told at once, reset only what dhow_barrier_state() says is broken, or they
 * cancel each other for ever. Thread-safe.
 * Return: 0; and the errors above; off node -ETIMEDOUT (5 s).
 */
int dhow_barrier_reset(struct dhow_barrier *barrier);

/* A moment's state. Off node it asks the home (at most 5 s). Thread-safe. */
int dhow_barrier_state(struct dhow_barrier *barrier, struct dhow_barrier_state *ret_state);

/* Where it is. Thread-safe; no system call. */
void dhow_barrier_address(const struct dhow_barrier *barrier, struct dhow_address *ret_address);

/* Choose how dhow_barrier_wait() waits. Not while another thread uses the handle. */
void dhow_barrier_set_wait(struct dhow_barrier *barrier, enum dhow_wait_mode mode);

#ifdef __cplusplus
}
#endif
#endif
