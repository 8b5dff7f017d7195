/* SPDX-License-Identifier: MIT */
/*
 * orphans.c - what the ranks of one run left behind, among the children of this subreaper.
 *
 * Descendants that lost their parent become our children, whatever they did to their environment
 * or their session; so all that is left of a run is among them, round by round. Which run one
 * belongs to is told by the tag in its environment, else by its process group or session, which a
 * rank made. One that hid all of that is charged to the job: it is ended with its last run.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/run.h"
#include "sweep/sweep.h"

enum { UNDECIDED_MS = 1000 };	/* for the middle of an exec on a busy machine */

struct search {
	struct daemon *daemon;
	struct daemon_run *run;		/* the one that is being ended */
	int others;			/* there are more runs */
	int undecided;			/* how many may be in the middle of an exec */
};

static struct daemon_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct daemon_run, entry);
}

static int is_rank(const struct search *search, pid_t pid)
{
	base_list_for(entry, &search->daemon->runs)
		for (uint32_t i = 0; i < run_of(entry)->task_count; i++)
			if (run_of(entry)->tasks[i].pid == pid)
				return 1;
	return 0;
}

static struct daemon_run *find_by_tag(struct search *search, pid_t pid)
{
	char tag[DAEMON_RUN_TAG_BYTES];
	int rc = launch_sweep_env(pid, LAUNCH_ENV_RUN_TAG, tag, sizeof(tag));

	search->undecided += rc == -ENODATA;
	if (rc < 0)
		return NULL;
	base_list_for(entry, &search->daemon->runs)
		if (strcmp(run_of(entry)->tag, tag) == 0)
			return run_of(entry);
	return NULL;
}

/* The newest run wins: the number of an older one's rank may have been given again. */
static struct daemon_run *find_by_group(const struct search *search, pid_t pid)
{
	pid_t group = getpgid(pid), session = getsid(pid);
	struct daemon_run *found = NULL;

	base_list_for(entry, &search->daemon->runs)
		for (uint32_t i = 0; i < run_of(entry)->task_count; i++) {
			pid_t made = run_of(entry)->tasks[i].group;

			if (made > 0 && (made == group || made == session))
				found = run_of(entry);
		}
	return found;
}

static int end_one(void *arg, pid_t pid)
{
	struct search *search = arg;
	int undecided = search->undecided;
	struct daemon_run *owner;

	if (pid == search->daemon->agent || is_rank(search, pid))
		return 0;
	owner = find_by_tag(search, pid);
	if (!owner)
		owner = find_by_group(search, pid);
	if (owner)
		search->undecided = undecided;
	if (owner ? owner != search->run : search->others)
		return 0;
	kill(pid, SIGKILL);	/* not reaped yet, so it hits no other */
	return 1;
}

int launch_daemon_orphans_end(struct daemon_run *run)
{
	struct search search = { .daemon = run->daemon, .run = run };
	int ended;

	base_list_for(entry, &run->daemon->runs)
		search.others |= run_of(entry) != run && run_of(entry)->state < DAEMON_RUN_DONE;
	ended = launch_sweep_each_child(end_one, &search);
	/* The kernel may skip a child while others come and go: nothing is nothing twice. */
	if (!ended)
		ended = launch_sweep_each_child(end_one, &search);
	if (ended || !search.others || !search.undecided)
		return ended;
	if (!run->undecided_until_ns)
		run->undecided_until_ns = base_now_ns() + UNDECIDED_MS * BASE_MS;
	return base_now_ns() < run->undecided_until_ns ? search.undecided : 0;
}
