/* SPDX-License-Identifier: MIT */
/* launch_trials.c - see launch_trials.h. */
#include "launch_trials.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "job/job.h"
#include "job/run.h"
#include "programs.h"

enum { RANKS_MAX = 4096, WAIT_MS = 30000 };

static const char program[] = "/bin/true";
static char *const program_argv[] = { (char *)(uintptr_t)program, NULL };

static const struct launch_wlm_wishes wishes = { .wlm = "local" };
static struct launch_hosts hosts;
static struct launch_job_spec spec = { .nodes = LAUNCH_NODES, .start_timeout_ms = WAIT_MS };
static struct launch_job *job;
static char dhowd[PATH_MAX], dlaunch[PATH_MAX];
static int signals = -1;
static uint64_t started_ns;	/* when the last task was heard to run */

/* Step the job until *what is set. */
static int wait_for(const int *what)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;

	while (!*what) {
		int wait_ms = launch_job_step(job);
		zmq_pollitem_t items[] = {
			{ .socket = launch_job_socket(job), .events = ZMQ_POLLIN },
			{ .fd = launch_job_fd(job), .events = ZMQ_POLLIN },
			{ .fd = signals, .events = ZMQ_POLLIN },
		};
		struct signalfd_siginfo info;

		if (*what)
			break;
		if (base_now_ns() >= limit_ns)
			return -ETIMEDOUT;
		zmq_poll(items, 3, wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms);
		while (read(signals, &info, sizeof(info)) > 0)
			;
	}
	return 0;
}

static void set(void *arg)
{
	*(int *)arg = 1;
}

static void say(void *arg, int code, const char *text)
{
	(void)arg;
	fprintf(stderr, "launch: %s (%d)\n", text, code);
}

static int open_job(void)
{
	struct launch_job_hooks hooks = { .failed = say };
	struct base_err err = { "" };
	static int ready;
	sigset_t mask;
	int rc = bench_program_find("dhowd", dhowd);

	if (rc < 0)
		return rc;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	spec.dhowd = dhowd;
	spec.wishes = &wishes;
	spec.hosts = &hosts;
	spec.source = launch_wlm_find(&wishes, &err);
	rc = spec.source ? launch_wlm_hosts(spec.source, &wishes, LAUNCH_NODES, &hosts, &err) :
			   -ENOENT;
	hooks.arg = &ready;
	hooks.ready = set;
	if (rc == 0)
		rc = launch_job_open(&spec, &hooks, &job, &err);
	if (rc < 0) {
		fprintf(stderr, "launch: %s\n", err.text);
		return rc;
	}
	return wait_for(&ready);
}

void trial_launch_close(void)
{
	if (!job)
		return;
	launch_job_leave(job);
	for (int i = 0; i < 200 && !launch_job_over(job); i++) {
		launch_job_step(job);
		usleep(1000);
	}
	launch_job_close(job);
	launch_hosts_fini(&hosts);
	job = NULL;
}

static void note_start(void *arg, uint32_t rank, pid_t pid)
{
	(void)arg;
	(void)rank;
	(void)pid;
	started_ns = base_now_ns();
}

static int launch_once(uint32_t size)
{
	static struct launch_place map[RANKS_MAX];
	const struct launch_app app = { .argv = program_argv, .env = environ, .wdir = "/" };
	const struct launch_run_spec run_spec = {
		.apps = &app, .app_count = 1, .map = map, .size = size, .umask = 022,
	};
	struct launch_run_hooks hooks = { .started = note_start, .failed = say };
	uint32_t nodes = size < LAUNCH_NODES ? size : LAUNCH_NODES, each = size / nodes;
	struct launch_run *launched;
	struct base_err err;
	int ended = 0, rc;

	for (uint32_t i = 0; i < size; i++)
		map[i] = (struct launch_place){ i, i / each, i % each };
	hooks.arg = &ended;
	hooks.ended = set;
	rc = launch_run_start(job, &run_spec, &hooks, &launched, &err);
	if (rc < 0)
		return rc;
	rc = wait_for(&ended);
	launch_run_free(launched);
	return rc;
}

/* Time @once over all operations of the trial. */
static int time_all(struct bench_run *run, int (*once)(uint32_t size))
{
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns();

		for (uint64_t k = 0; rc == 0 && k < run->batch; k++)
			rc = once((uint32_t)run->row->bytes);
		run->values[i] = (double)(base_now_ns() - begin_ns) / 1e6 / (double)run->batch;
	}
	return rc;
}

int trial_launch(struct bench_run *run)
{
	int rc = job ? 0 : open_job();

	return rc < 0 ? rc : time_all(run, launch_once);
}

int trial_step(struct bench_run *run)
{
	int rc = job ? 0 : open_job();

	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		double spent_ns = 0;

		for (uint64_t k = 0; rc == 0 && k < run->batch; k++) {
			uint64_t begin_ns = base_now_ns();

			rc = launch_once((uint32_t)run->row->bytes);
			spent_ns += (double)(started_ns - begin_ns);
		}
		run->values[i] = spent_ns / 1e6 / (double)run->batch;
	}
	return rc;
}

static int cold_once(uint32_t size)
{
	char nodes[16], tasks[16];
	char *argv[] = { dlaunch, (char[]){ "-n" }, nodes, (char[]){ "-N" }, tasks,
			 (char *)(uintptr_t)program, NULL };
	int status, rc = bench_program_find("dlaunch", dlaunch);
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;

	if (rc < 0)
		return rc;
	sigemptyset(&none);
	snprintf(nodes, sizeof(nodes), "%d", LAUNCH_NODES);
	snprintf(tasks, sizeof(tasks), "%u", size / LAUNCH_NODES);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	rc = -posix_spawn(&pid, dlaunch, NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	if (rc < 0)
		return rc;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return -EIO;
	return 0;
}

int trial_cold(struct bench_run *run)
{
	return time_all(run, cold_once);
}

static int spawn_once(uint32_t size)
{
	uint32_t started = 0, ended = 0;
	int status;

	while (ended < size) {
		pid_t pid;
		int rc = 0;

		if (started < size && started - ended < LAUNCH_IN_FLIGHT) {
			rc = -posix_spawn(&pid, program, NULL, NULL, program_argv, environ);
			started++;
		} else if (waitpid(-1, &status, 0) > 0) {
			ended++;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int raw_spawn(struct bench_run *run)
{
	return time_all(run, spawn_once);
}
