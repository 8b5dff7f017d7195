/* SPDX-License-Identifier: MIT */
/*
 * directory.h - the names that this node keeps, and the questions that wait for one.
 *
 * A name is kept by one node of the job, chosen by a hash, so the directory grows with the
 * job and each question takes at most one trip.
 */
#ifndef CHANNELS_DIRECTORY_H
#define CHANNELS_DIRECTORY_H

#include <dhow/node.h>

struct directory;

typedef void directory_answer(void *arg, uint32_t node, const struct dhow_name_answer *answer);

/* @answer is called for each request, at once or later. NULL: out of memory. */
struct directory *directory_create(directory_answer *answer, void *arg);
void directory_destroy(struct directory *directory);

/* Which of @nodes keeps @name. */
uint32_t directory_keeper(const char *name, uint32_t nodes);

void directory_request(struct directory *directory, const struct dhow_name_request *request);

/* Answer the questions whose time is up. Return: deadline of the next, UINT64_MAX none. */
uint64_t directory_expire(struct directory *directory);

#endif
