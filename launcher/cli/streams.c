/* SPDX-License-Identifier: MIT */
/* streams.c - see streams.h. */
#include "cli/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/pattern.h"

static const char *const option_names[2] = { "--output (-o)", "--error (-e)" };

/* Daemons have another directory than we have. Return: 0; -ENAMETOOLONG; other errno. */
static int make_path(const struct launch_plan *plan, const char *pattern, const char *tag,
		     uint32_t rank, char ret_path[PATH_MAX])
{
	const struct launch_pattern_values values = {
		.rank = rank,
		.node = plan->map[rank].node,
		.host = plan->hosts.host[plan->map[rank].node].name,
		.tag = tag,
	};
	size_t used = 0;

	if (*pattern != '/') {
		if (!getcwd(ret_path, PATH_MAX - 1))
			return -errno;
		used = strlen(ret_path);
		ret_path[used++] = '/';
	}
	return launch_pattern_expand(pattern, &values, ret_path + used, PATH_MAX - used);
}

static int wrong(int index, const char *pattern, int rc, struct base_err *reterr)
{
	return base_err(reterr, rc, "%s \"%.150s\": %s", option_names[index], pattern,
			strerror(-rc));
}

/* One file for all: we write it, so that nodes need no file system in common, and lines of
 * different nodes do not mix. */
static int open_here(const struct launch_plan *plan, const char *tag, int index,
		     struct launch_streams *streams, struct base_err *reterr)
{
	const char *pattern = plan->options->output[index];
	char path[PATH_MAX];
	int rc = make_path(plan, pattern, tag, 0, path), fd;

	if (rc < 0)
		return wrong(index, pattern, rc, reterr);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return wrong(index, pattern, -errno, reterr);
	streams->fd[index] = fd;
	streams->own[index] = 1;
	streams->name[index] = pattern;
	return 0;
}

static int decide(const struct launch_plan *plan, const char *tag, int index,
		  struct launch_streams *streams, struct base_err *reterr)
{
	const char *pattern = plan->options->output[index];
	struct launch_output_policy *policy = &streams->policy[index];
	int scope;

	if (!pattern)
		return 0;
	if (strcmp(pattern, "none") == 0) {
		policy->to = LAUNCH_OUTPUT_NULL;
		return 0;
	}
	scope = launch_pattern_scope(option_names[index], pattern, reterr);
	if (scope == LAUNCH_FILE_OF_ALL)
		return open_here(plan, tag, index, streams, reterr);
	policy->to = LAUNCH_OUTPUT_FILE;
	/* Ranks of a node that share a file must not cut each other's lines away. */
	policy->truncate = scope == LAUNCH_FILE_OF_RANK;
	return scope < 0 ? scope : 0;
}

/* As srun does it: who gives a file for stdout wants all output in it. */
static void follow(struct launch_streams *streams, const struct launch_plan *plan)
{
	if (plan->options->output[1] || !plan->options->output[0])
		return;
	streams->fd[1] = streams->own[0] ? streams->fd[0] : streams->fd[1];
	streams->name[1] = streams->own[0] ? streams->name[0] : streams->name[1];
	streams->policy[1] = streams->policy[0];
}

static int add_extras(const struct launch_plan *plan, const char *tag,
		      struct launch_streams *streams, struct base_err *reterr)
{
	const char *const *patterns = plan->options->output;
	char path[PATH_MAX];

	streams->extras = calloc(2 * (size_t)plan->ntasks, sizeof(*streams->extras));
	if (!streams->extras)
		return base_err(reterr, -ENOMEM, "no memory for %u names of files", plan->ntasks);
	for (uint32_t rank = 0; rank < plan->ntasks; rank++) {
		for (int i = 0; i < 2; i++) {
			const char *pattern = patterns[i] ? patterns[i] : patterns[0];
			int rc;

			if (streams->policy[i].to != LAUNCH_OUTPUT_FILE)
				continue;
			rc = make_path(plan, pattern, tag, rank, path);
			if (rc < 0)
				return wrong(i, pattern, rc, reterr);
			streams->extras[streams->extra_count++] = (struct launch_extra){
				rank, i ? LAUNCH_EXTRA_STDERR : LAUNCH_EXTRA_STDOUT, strdup(path) };
			if (!streams->extras[streams->extra_count - 1].text)
				return base_err(reterr, -ENOMEM, "no memory for names of files");
		}
	}
	return 0;
}

int launch_streams_open(const struct launch_plan *plan, const char *tag,
			struct launch_streams *ret_streams, struct base_err *reterr)
{
	struct launch_streams *streams = ret_streams;
	int rc;

	*streams = (struct launch_streams){ .fd = { STDOUT_FILENO, STDERR_FILENO },
					    .name = { "stdout", "stderr" } };
	rc = decide(plan, tag, 0, streams, reterr);
	if (rc == 0)
		rc = decide(plan, tag, 1, streams, reterr);
	follow(streams, plan);
	if (rc == 0 && (streams->policy[0].to == LAUNCH_OUTPUT_FILE ||
			streams->policy[1].to == LAUNCH_OUTPUT_FILE))
		rc = add_extras(plan, tag, streams, reterr);
	return rc;
}

void launch_streams_close(struct launch_streams *streams)
{
	for (int i = 0; i < 2; i++)
		if (streams->own[i])
			close(streams->fd[i]);
	for (size_t i = 0; i < streams->extra_count; i++)
		free((char *)streams->extras[i].text);
	free(streams->extras);
	memset(streams, 0, sizeof(*streams));
}
