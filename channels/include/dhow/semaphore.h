/* SPDX-License-Identifier: MIT */
/*
 * semaphore.h - a bounded count of units, for processes of one node and of others.
 *
 * A semaphore is a channel of empty messages: a unit that is free is a message in it. So
 * names, addresses, waiting, wait-sets and the errors of every call (-ENOTCONN, -EPIPE,
 * -EHOSTDOWN, -EAGAIN, -ETIMEDOUT) are those of channel.h.
 *
 * Two ways to take a unit:
 *   acquire	as in POSIX: whoever likes releases it; if the process dies, it is gone.
 *   hold	the unit stays the process's own until it gives it back; if the process
 *		dies first, the unit is free again by itself, in well under a second.
 *		On the semaphore's node only.
 * Both may be used on one semaphore. maximum = free + held + acquired and not yet released.
 *
 * Cost without contention on one node: acquire and release as an empty receive and send
 * (tens of nanoseconds, no system call unless somebody sleeps); hold after a unit was given
 * back: one look at each unit up to @maximum. Off node: one question to the home.
 */
#ifndef DHOW_SEMAPHORE_H
#define DHOW_SEMAPHORE_H

#include <stdint.h>

#include <dhow/address.h>
#include <dhow/channel.h>
#include <dhow/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dhow_semaphore;

/* A unit that is held; the struct is the caller's, its fields the library's. */
struct dhow_unit {
	uint64_t word_;
	uint32_t slot_;
};

/**
 * dhow_semaphore_create - make a semaphore whose home is this node.
 * @name:    as for dhow_channel_create(), or NULL.
 * @initial: units that are free at first, 0 to @maximum.
 * @maximum: 1 to 1048576. Memory: 64 bytes each.
 * @ret_semaphore: on success a handle; close with dhow_semaphore_close().
 *
 * Blocking: with a name, for one request to the directory (at most 5 s). Thread-safe.
 * Return: as dhow_channel_create(); -EINVAL also for @initial > @maximum.
 */
int dhow_semaphore_create(const char *name, uint32_t initial, uint32_t maximum,
			  struct dhow_semaphore **ret_semaphore);

/**
 * dhow_semaphore_open - open a semaphore by name or address.
 * Arguments and errors as dhow_channel_open(); -EPROTOTYPE: it is of another kind.
 */
int dhow_semaphore_open(const char *where, uint64_t deadline_ns,
			struct dhow_semaphore **ret_semaphore);

/* Release a handle (NULL allowed); the semaphore stays. Not while another thread uses it. */
void dhow_semaphore_close(struct dhow_semaphore *semaphore);

/* End a semaphore of this node, and the handle. Waiters get -EPIPE. Return: 0; -EREMOTE; -EPIPE. */
int dhow_semaphore_destroy(struct dhow_semaphore *semaphore);

/**
 * dhow_semaphore_acquire - take a unit, waiting until one is free.
 * Works on and off node. Thread-safe. Not fair: who looks first gets it.
 * Return: 0; and the errors above.
 */
int dhow_semaphore_acquire(struct dhow_semaphore *semaphore, uint64_t deadline_ns);

/**
 * dhow_semaphore_release - make units free.
 * @count: 1 or more; they become free one after another.
 *
 * Never waits on its own node; off node it waits for the answer, at most 5 s.
 * Thread-safe. If others release at the same time, some of @count > 1 units may have become
 * free when it returns -EOVERFLOW.
 * Return: 0; -EINVAL @count is 0; -EOVERFLOW more than @maximum would be free or held;
 * -EPIPE; -EHOSTDOWN; -ETIMEDOUT off node: it is not known whether it happened.
 */
int dhow_semaphore_release(struct dhow_semaphore *semaphore, uint32_t count);

/**
 * dhow_semaphore_hold - take a unit that comes back by itself if this process dies.
 * @ret_unit: on success the unit, to be given to dhow_semaphore_give_back().
 * Thread-safe; the unit may be given back by another thread of the process.
 * Return: 0; -EREMOTE the semaphore's home is another node; and the errors above.
 */
int dhow_semaphore_hold(struct dhow_semaphore *semaphore, struct dhow_unit *ret_unit,
			uint64_t deadline_ns);

/* Give a held unit back, by a handle of the same semaphore. Never waits. Thread-safe.
 * Return: 0; -EINVAL this process does not hold it. */
int dhow_semaphore_give_back(struct dhow_semaphore *semaphore, struct dhow_unit *unit);

/**
 * dhow_semaphore_value - how many units are free; a moment's value.
 * Cost: a look at each unit up to @maximum; off node a question to the home. Thread-safe.
 * Return: 0; and the errors above.
 */
int dhow_semaphore_value(struct dhow_semaphore *semaphore, uint32_t *ret_value);

/* Where it is. Thread-safe; no system call. */
void dhow_semaphore_address(const struct dhow_semaphore *semaphore,
			    struct dhow_address *ret_address);

/**
 * dhow_semaphore_channel - the channel that it is made of.
 *
 * For dhow_waitset_add() and dhow_poll(), where DHOW_IN means that a unit is free, and for
 * dhow_channel_set_wait(). Borrowed; valid as long as the handle. Do not send to it.
 */
struct dhow_channel *dhow_semaphore_channel(struct dhow_semaphore *semaphore);

#ifdef __cplusplus
}
#endif
#endif
