/* SPDX-License-Identifier: MIT */
/*
 * waitset.h - wait for many channels at once.
 *
 * A wait-set belongs to one process and holds open channels of this and of other nodes, each
 * with the events that are wanted. It looks, it does not take: several sets, processes and
 * receivers may wait for the same channel, and the message goes to who receives first.
 *
 * Events are reported while they last (level-triggered). For a channel of this node a mask is
 * true at the moment of the look. For one of another node it was true when its home answered;
 * the question stays there as long as the set, so a call finds the answer in shared memory,
 * and after an event was reported the next call asks again: with DHOW_TRY it may say
 * -EAGAIN until the answer is back.
 *
 * Fair: members that were reported go behind those that were not, so that with any @room a
 * busy one does not starve the others.
 *
 * Sleeping costs one word in the kernel per segment, however many channels; a look costs the
 * members that had news since the last one (40 ms apart all are looked at, in case a sender
 * was killed before it could tell). A sender to a watched channel pays two loads more while
 * the watcher has not looked yet, and one atomic operation and a wake-up when it sleeps.
 *
 * Thread-safe: all calls, save destroy while another thread uses the set. Calls of one
 * process on all its sets take one short lock. Closing a channel removes it from its sets.
 * Errors of every call: -ENOTCONN (no dhow_init(), or this is a forked child).
 */
#ifndef DHOW_WAITSET_H
#define DHOW_WAITSET_H

#include <stddef.h>
#include <stdint.h>

#include <dhow/channel.h>
#include <dhow/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dhow_waitset;

/* What dhow_waitset_wait() reports of one member. */
struct dhow_waitset_event {
	struct dhow_channel *channel;	/* as it was added */
	unsigned events;		/* mask of enum dhow_event, never 0 */
	uint64_t user;			/* as it was added */
};

/**
 * dhow_waitset_create - make an empty set.
 * @ret_set: on success a set; destroy before dhow_fini().
 * Return: 0; -ENOMEM.
 */
int dhow_waitset_create(struct dhow_waitset **ret_set);

/* Destroy a set (NULL allowed); its channels stay. Closes its descriptor. */
void dhow_waitset_destroy(struct dhow_waitset *set);

/**
 * dhow_waitset_add - watch a channel.
 * @channel: borrowed until it is removed, closed or destroyed, or the set is destroyed.
 * @events:  DHOW_IN, DHOW_OUT or both. DHOW_CLOSED is reported unasked: the channel was
 *           shut (with DHOW_IN while there are messages) or destroyed, or its home or this
 *           node's agent is dead; the next call on it says which. It is reported until the
 *           channel is removed.
 * @user:    given back with each event.
 *
 * A thread that waits already sees the new member.
 * Cost: one allocation; for a channel of another node one of 1024 request records of this
 * node, and one question to the other node.
 * Return: 0; -EINVAL no or unknown event; -EEXIST this handle is in the set; -ENOMEM;
 * -ENFILE no request record is free; -EHOSTDOWN this node has no agent.
 */
int dhow_waitset_add(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
		     uint64_t user);

/* Change what is wanted of a member. Return: as add; -ENOENT it is no member. */
int dhow_waitset_modify(struct dhow_waitset *set, struct dhow_channel *channel, unsigned events,
			uint64_t user);

/* Watch it no more. A wait that runs at the same time may still report it. Return: 0; -ENOENT. */
int dhow_waitset_remove(struct dhow_waitset *set, struct dhow_channel *channel);

/* Choose how dhow_waitset_wait() waits. Not while another thread waits. */
void dhow_waitset_set_wait(struct dhow_waitset *set, enum dhow_wait_mode mode);

/**
 * dhow_waitset_wait - wait until a member has an event.
 * @ret_events: room for @room events; filled from the front, each member at most once.
 * @room: 1 or more.
 * @ret_count: how many were filled in, 1 to @room.
 * @deadline_ns: DHOW_TRY looks once.
 *
 * Several threads may wait for one set: each is told of an event that lasts.
 * Return: 0; -EINVAL @room is 0; -EAGAIN (DHOW_TRY); -ETIMEDOUT.
 */
int dhow_waitset_wait(struct dhow_waitset *set, struct dhow_waitset_event *ret_events, size_t room,
		      size_t *ret_count, uint64_t deadline_ns);

/**
 * dhow_waitset_fd - a descriptor for poll(), select() or epoll among others.
 *
 * Readable means: call dhow_waitset_wait(..., DHOW_TRY). It stays readable until such a call
 * returns -EAGAIN, so with an edge-triggered epoll call until then; afterwards
 * the next event makes it readable again, and none is lost between. Never read from it.
 * It is owned by the set. The first descriptor of a process starts a thread that sleeps
 * until there is news; the last set with a descriptor to be destroyed ends it.
 *
 * Return: a descriptor, close-on-exec; -EMFILE or -ENFILE; -EAGAIN no thread can be started.
 */
int dhow_waitset_fd(struct dhow_waitset *set);

#ifdef __cplusplus
}
#endif
#endif
