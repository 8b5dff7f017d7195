/* SPDX-License-Identifier: MIT */
/*
 * channel.h - bounded many-producer many-consumer FIFO of messages.
 *
 * The same calls work whether the channel's home is this node or another one;
 * the second kind goes through the node's agent. Messages of one sender (one
 * handle) arrive in the order in which they were sent; those of others may overtake
 * him, for instance if he is stopped in the middle of a send.
 *
 * Promises when a process dies in the middle of a call: no other process is
 * blocked; a message is delivered whole or not at all; what dhow_send() has
 * acknowledged is delivered once by dhow_recv() (at most once if the receiver
 * itself dies in the call) and at least once by dhow_recv_begin()/commit().
 *
 * Errors that every call may return: -ENOTCONN (no dhow_init(), or this is a
 * forked child), -EPIPE (the channel was destroyed or shut), -EHOSTDOWN (home node or
 * agent is dead; dhow_error_text() names it). With DHOW_TRY: -EAGAIN; after the
 * deadline: -ETIMEDOUT. A call that fails has taken and sent nothing, save that
 * a send which waits for `received` or `deposited` may time out after it was
 * accepted: then the message is still on its way.
 */
#ifndef DHOW_CHANNEL_H
#define DHOW_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include <dhow/address.h>
#include <dhow/message.h>
#include <dhow/pool.h>
#include <dhow/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dhow_channel;

/* When a send returns. */
enum dhow_return_when {
	DHOW_DEFAULT_RETURN,	/* accepted */
	DHOW_ACCEPTED,		/* the library has it; it will arrive unless its home dies */
	DHOW_DEPOSITED,		/* it is in the channel */
	DHOW_RECEIVED,		/* a receiver has taken it */
};

/* Zero in each field means the default. */
struct dhow_channel_attr {
	uint32_t capacity;	/* messages, 1 to 1048576; default 128 */
	uint32_t inline_bytes;	/* payload kept in the slot, 24 to 4056; default 88 */
	struct dhow_pool *pool;	/* where it lives, with its blocks; default: the node's */
};

/* See dhow_channel_stats(). */
struct dhow_channel_stats {
	uint64_t count;		/* messages waiting */
	uint64_t bytes;		/* of payload, waiting */
	uint64_t sent;		/* slots claimed by senders since creation */
	uint64_t received;	/* of those, done with */
	uint64_t high_water;	/* most messages that waited at once; looked at now, when the
				 * channel was found full and every 16th message */
	uint32_t capacity;	/* as it was made */
	uint32_t inline_bytes;	/* as it was made */
	uint32_t receivers_asleep;	/* threads in the kernel for a message, not spinning */
	uint32_t senders_asleep;	/* for room, or until a message is received */
	int is_shut;		/* see dhow_channel_shut() */
};

/* Longest name of a channel, in bytes without the terminating zero. */
#define DHOW_NAME_MAX 63

/**
 * dhow_channel_create - make a channel whose home is this node.
 * @name: 1 to DHOW_NAME_MAX printable bytes without blanks, unique in the job, entered
 *        in the directory; or NULL for a channel that is known by its address only.
 * @attr: borrowed; NULL = all defaults.
 * @ret_channel: on success a handle; close with dhow_channel_close().
 *
 * Blocking: with a name, for one request to the directory (at most 5 s).
 * Thread-safe.
 * Return: 0; -EINVAL; -EEXIST the name is taken; -ENOMEM the pool is full; -ENFILE the
 * segment holds its maximum of channels; -ETIMEDOUT the directory does not answer.
 */
int dhow_channel_create(const char *name, const struct dhow_channel_attr *attr,
			struct dhow_channel **ret_channel);

/**
 * dhow_channel_open - open a channel by name or address.
 * @where: a name or an address string (`dhow:...`).
 * @deadline_ns: how long to wait for the name to be published.
 * @ret_channel: on success a handle; close with dhow_channel_close().
 *
 * Thread-safe.
 * Return: 0; -EINVAL no name and no address; -EBADMSG damaged address; -EXDEV address of
 * another job; -ESTALE the channel was destroyed; -ENOENT (DHOW_TRY) or -ETIMEDOUT
 * nobody published the name; -EHOSTUNREACH no such node in this job.
 */
int dhow_channel_open(const char *where, uint64_t deadline_ns, struct dhow_channel **ret_channel);

/* Release a handle (NULL allowed); the channel stays. Not while another thread uses it. */
void dhow_channel_close(struct dhow_channel *channel);

/**
 * dhow_channel_destroy - end a channel whose home is this node, and the handle.
 *
 * Waiters and later users get -EPIPE; messages in it are dropped and their blocks
 * freed when the last process has closed it. The name leaves the directory.
 * Return: 0; -EREMOTE its home is another node; -EPIPE it was destroyed already.
 */
int dhow_channel_destroy(struct dhow_channel *channel);

/**
 * dhow_channel_shut - no more messages go into a channel whose home is this node.
 *
 * From now on senders get -EPIPE. Receivers get what is in it and then -EPIPE; polls report
 * DHOW_CLOSED. What was accepted before is not lost. Thread-safe; may be called again.
 * Return: 0; -EREMOTE; -EPIPE it was destroyed.
 */
int dhow_channel_shut(struct dhow_channel *channel);

/**
 * dhow_channel_drain - wait until a channel whose home is this node is empty.
 *
 * Shut it before, or it may never be. A message that is lent counts as waiting.
 * Return: 0; -EREMOTE; -EPIPE it was destroyed; -EAGAIN; -ETIMEDOUT.
 */
int dhow_channel_drain(struct dhow_channel *channel, uint64_t deadline_ns);

/* Where it is. Thread-safe; no system call. */
void dhow_channel_address(const struct dhow_channel *channel, struct dhow_address *ret_address);

/* Choose how calls on this handle wait. Not while another thread uses it. */
void dhow_channel_set_wait(struct dhow_channel *channel, enum dhow_wait_mode mode);

/* Fill @ret_stats. Cost: a look at each slot and thread. Return: 0; -EREMOTE the home is another
 * node. */
int dhow_channel_stats(struct dhow_channel *channel, struct dhow_channel_stats *ret_stats);

/**
 * dhow_send - copy bytes into a channel.
 * @data:  borrowed for the call; may be NULL if @bytes is 0.
 * @bytes: 0 to the pool's block_max.
 * @deadline_ns: how long to wait for a free slot or block.
 *
 * Cost: one copy; no system call unless it waits or somebody sleeps on the channel.
 * Thread-safe.
 * Return: 0; -EMSGSIZE larger than the pool; -EINVAL unknown flags in the header; and the
 * errors above.
 */
int dhow_send(struct dhow_channel *channel, const void *data, size_t bytes, uint64_t deadline_ns);

/* The same with a header (borrowed; its sender is ignored) and a time to return. After an urgent
 * message a receiver looks once at each slot of the channel. */
int dhow_send_with(struct dhow_channel *channel, const void *data, size_t bytes,
		   const struct dhow_header *header, enum dhow_return_when when,
		   uint64_t deadline_ns);

/**
 * dhow_send_message - give a block away without copying it.
 * @message: from dhow_message_alloc() or dhow_recv_message(); its bytes and header are
 *           sent as they stand. On success it is emptied; on failure still the caller's.
 *
 * A block of another pool than the channel's is copied.
 * Cost: independent of the size on this node. Thread-safe.
 * Return: as dhow_send_with().
 */
int dhow_send_message(struct dhow_channel *channel, struct dhow_message *message,
		      enum dhow_return_when when, uint64_t deadline_ns);

/**
 * dhow_send_many - copy several messages into a channel, in their order.
 * @items: @count messages of 0 to the pool's block_max bytes each; borrowed for the call.
 * @ret_sent: how many are in the channel when 0 is returned: all, or fewer (at least one)
 *            because the deadline passed or one of them failed; the next call tells why.
 *
 * Not one step: others' messages may come in between, and a killed sender's first ones stay.
 * Cost: as dhow_send(), less what several messages share (bench/channels, rows rate 1p1c and
 * 1p1c-batch: 28-34 and 44 million messages a second).
 * Thread-safe. Return: 0; -EINVAL @count is 0; else as dhow_send(), and nothing was sent.
 */
int dhow_send_many(struct dhow_channel *channel, const struct dhow_item *items, size_t count,
		   uint64_t deadline_ns, size_t *ret_sent);

/**
 * dhow_flush - wait until all that this handle sent is deposited.
 *
 * Reports the failure of a message that was accepted earlier.
 * Return: 0; -ETIMEDOUT; -EHOSTDOWN; -EPIPE. At once for a local channel.
 */
int dhow_flush(struct dhow_channel *channel, uint64_t deadline_ns);

/**
 * dhow_recv - take the next message by copy (at most once).
 * @buffer: room for @room bytes; NULL if @room is 0.
 * @ret_bytes: size of the message; on -EMSGSIZE the size that is needed.
 * @ret_header: may be NULL.
 *
 * Cost: one copy. Thread-safe.
 * Return: 0; -EMSGSIZE @room is too small, the message stays; and the errors above.
 */
int dhow_recv(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns);

/**
 * dhow_recv_many - take the next messages by copy (at most once).
 * @items: @count buffers, each of `room` bytes at `data`; bytes and header are filled in.
 * @ret_received: how many were taken: those that were there, at least one.
 *
 * Waits for the first one only. From another node one message is taken at a time.
 * Thread-safe. Return: 0; -EINVAL @count is 0; -EMSGSIZE the first buffer is too small for
 * the next message (its `bytes` says what is needed), which stays; and the errors above.
 */
int dhow_recv_many(struct dhow_channel *channel, struct dhow_item *items, size_t count,
		   uint64_t deadline_ns, size_t *ret_received);

/**
 * dhow_recv_message - take the next message with its block, without a copy.
 * @ret_message: the caller's; free it or send it on. Small messages, which travel in the
 *               slot, are copied into a new block.
 * Thread-safe. Return: 0; and the errors above.
 */
int dhow_recv_message(struct dhow_channel *channel, struct dhow_message *ret_message,
		      uint64_t deadline_ns);

/**
 * dhow_recv_begin - look at the next message where it lies (at least once).
 * @ret_message: lent; data stays valid until dhow_recv_commit() or dhow_recv_cancel(), one
 *               of which must follow soon: the slot is not free before. If this process
 *               dies first, the message is given to another receiver.
 * Works on channels of this node only. Thread-safe.
 * Return: 0; -EREMOTE; and the errors above.
 */
int dhow_recv_begin(struct dhow_channel *channel, struct dhow_message *ret_message,
		    uint64_t deadline_ns);

/* The message is done: free its slot and block. Return: 0; -EINVAL not a lent message. */
int dhow_recv_commit(struct dhow_channel *channel, struct dhow_message *message);

/* Give it back, to be received next. Return: 0; -EINVAL not a lent message. */
int dhow_recv_cancel(struct dhow_channel *channel, struct dhow_message *message);

/**
 * dhow_peek - copy the next message and leave it.
 * Arguments and errors as dhow_recv(); a message longer than @room is cut, which
 * @ret_bytes tells.
 */
int dhow_peek(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns);

/**
 * dhow_poll - wait until one of some events is true.
 * @events: mask of enum dhow_event.
 * @ret_events: those of @events that are true now, and DHOW_CLOSED.
 *
 * Thread-safe. Return: 0; -EINVAL no event asked for; -EAGAIN; -ETIMEDOUT; -EHOSTDOWN.
 */
int dhow_poll(struct dhow_channel *channel, unsigned events, uint64_t deadline_ns,
	      unsigned *ret_events);

#ifdef __cplusplus
}
#endif
#endif
