/* SPDX-License-Identifier: MIT */
/*
 * dhow.h - the library: one include for applications.
 */
#ifndef DHOW_DHOW_H
#define DHOW_DHOW_H

#include <dhow/address.h>
#include <dhow/barrier.h>
#include <dhow/channel.h>
#include <dhow/error.h>
#include <dhow/message.h>
#include <dhow/pool.h>
#include <dhow/semaphore.h>
#include <dhow/wait.h>
#include <dhow/waitset.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of these headers; major.minor.patch. */
#define DHOW_VERSION "0.1.0"

/**
 * dhow_init - attach this process to its node.
 *
 * Under dlaunch the node is that of the task. Without a launcher the process becomes
 * a node of its own: rank 0 of 1. A second call is counted; each needs a dhow_fini().
 * Starts one thread, which sleeps: its life is what proves the life of the process to
 * others, and when the node's daemon dies it ends the process.
 *
 * Blocking: at most 5 s. Thread-safe.
 * Return: 0; -ETIMEDOUT the daemon does not answer; -EPROTO it speaks another version;
 * -EPERM it belongs to another user; -ENOMEM; -ENFILE too many processes on the node.
 */
int dhow_init(void);

/**
 * dhow_init_at - attach to the standalone node that is served at a socket.
 * @socket: a path, or `@name` for an abstract socket; at most 107 bytes.
 * @pool_bytes: size of the default pool if this process is the first; 0 = 64 MiB.
 *
 * The first process to come serves the node; others join. When the first one ends, those
 * that joined go on, but nobody can join any more.
 * Return: as dhow_init(); -EINVAL; -EADDRINUSE the socket exists but nobody serves it.
 */
int dhow_init_at(const char *socket, uint64_t pool_bytes);

/* Detach; handles must be closed before. What this process still owns is given back. */
void dhow_fini(void);

/* This task's number and how many there are: 0 and 1 without a launcher. */
int dhow_rank(void);
int dhow_size(void);

/* This task's node, how many nodes there are, its number and the number of tasks on it. */
int dhow_node(void);
int dhow_nodes(void);
int dhow_local_rank(void);
int dhow_local_size(void);

#ifdef __cplusplus
}
#endif
#endif
