/* SPDX-License-Identifier: MIT */
/*
 * hosts.h - lists of nodes, and the ways in which people and workload managers write them.
 *
 * Pure functions; order is kept everywhere, for it decides which rank runs where.
 */
#ifndef LAUNCH_HOSTS_H
#define LAUNCH_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { LAUNCH_HOST_BYTES = 256, LAUNCH_HOSTS_MAX = 65536 };

struct launch_host {
	char *name;		/* as the workload manager calls it */
	uint32_t slots;		/* tasks it has room for; 0 = not said */
	uint32_t cpus;		/* 0 = not said */
};

/* Zeroed is empty. */
struct launch_hosts {
	struct launch_host *host;
	uint32_t count;
	uint32_t tasks_per_node;	/* what the allocation asks for; 0 = not said */
};

void launch_hosts_fini(struct launch_hosts *hosts);

/* Add one, or only its slots if the last one has the same name and @merge. Return: 0; -ENOMEM;
 * -E2BIG; -EINVAL no name for a host. */
int launch_hosts_add(struct launch_hosts *hosts, const char *name, size_t name_bytes,
		     uint32_t slots, int merge);
/* Index of @name, also when one of the two has a domain behind it. Return: -1 none. */
long launch_hosts_find(const struct launch_hosts *hosts, const char *name);

/**
 * launch_hosts_parse - add the hosts of `a[1-3,7],b09,c`: brackets as of Slurm, also several.
 * @slots: also take `name:SLOTS`.
 *
 * Return: 0; -EINVAL with @reterr filled; -ENOMEM; -E2BIG.
 */
int launch_hosts_parse(struct launch_hosts *hosts, const char *text, int slots,
		       struct base_err *reterr);

/* The same from a file: one host a line, `name`, `name:3`, `name slots=3` or `name 3`, # begins a
 * comment. A name that comes again adds its slots to the first. */
int launch_hosts_read(struct launch_hosts *hosts, const char *path, struct base_err *reterr);

/* Counts as Slurm writes them, `3(x4),1`, into @ret_counts. Return: 0; -EINVAL not so, or not
 * exactly @count of them. */
int launch_hosts_counts(const char *text, uint32_t *ret_counts, uint32_t count);

/* If all hosts have the same number of slots, that is what is asked for on each; if it is one each,
 * nothing is said at all, and they get 0. */
void launch_hosts_agree(struct launch_hosts *hosts);

/* Keep those in @nodelist (in its order) and not in @exclude; each may be NULL. Return: 0;
 * -EINVAL a name is not there, or none is left. */
int launch_hosts_filter(struct launch_hosts *hosts, const char *nodelist, const char *exclude,
			struct base_err *reterr);

#endif
