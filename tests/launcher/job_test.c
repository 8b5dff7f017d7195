/* SPDX-License-Identifier: MIT */
/* job_test.c - one job of real daemons on local nodes serves several runs side by side. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "job/job.h"
#include "job/run.h"

enum { NODES = 2, WAIT_MS = 60000, RANKS_MAX = 16, OUTPUT_BYTES = 4096 };

static struct launch_job *job;
static struct launch_job_spec spec = {
	.nodes = NODES, .dhowd = DHOWD_PATH, .start_timeout_ms = 20000,
};
static const struct launch_wlm_wishes wishes = { .wlm = "local" };
static struct launch_hosts hosts;
static int signals, dead_nodes;

/* What was heard of a run. */
struct heard {
	struct launch_run *run;
	char output[OUTPUT_BYTES];
	size_t bytes;
	pid_t pids[RANKS_MAX];
	int code[RANKS_MAX], signal[RANKS_MAX];
	int started, exited, ended, failed_code;
	char failed[256];
};

static void started(void *arg, uint32_t rank, pid_t pid)
{
	struct heard *heard = arg;

	heard->started++;
	heard->pids[rank] = pid;
}

static void output(void *arg, uint32_t rank, enum launch_stream stream, const void *data,
		   uint32_t bytes)
{
	struct heard *heard = arg;

	cr_assert(stream == LAUNCH_STDOUT || stream == LAUNCH_STDERR);
	cr_assert_lt(heard->bytes + bytes, OUTPUT_BYTES);
	memcpy(heard->output + heard->bytes, data, bytes);
	heard->bytes += bytes;
	launch_run_taken(heard->run, launch_run_node(heard->run, rank), bytes);
}

static void exited(void *arg, uint32_t rank, int code, int signal)
{
	struct heard *heard = arg;

	heard->exited++;
	heard->code[rank] = code;
	heard->signal[rank] = signal;
}

static void failed(void *arg, int code, const char *text)
{
	struct heard *heard = arg;

	if (heard->failed_code)
		return;
	heard->failed_code = code;
	snprintf(heard->failed, sizeof(heard->failed), "%s", text);
}

static void ended(void *arg)
{
	struct heard *heard = arg;

	cr_expect_eq(heard->ended, 0, "ended only once");
	heard->ended = 1;
}

static void node_dead(void *arg, uint32_t node, const char *text)
{
	(void)arg;
	(void)node;
	(void)text;
	dead_nodes++;
}

static void open_job(void)
{
	const struct launch_job_hooks hooks = { .node_dead = node_dead };
	struct base_err err = { "" };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	spec.source = launch_wlm_find(&wishes, &err);
	cr_assert(spec.source, "%s", err.text);
	cr_assert_eq(launch_wlm_hosts(spec.source, &wishes, NODES, &hosts, &err), 0);
	spec.wishes = &wishes;
	spec.hosts = &hosts;
	cr_assert_eq(launch_job_open(&spec, &hooks, &job, &err), 0, "%s", err.text);
}

static void close_job(void)
{
	launch_job_leave(job);
	launch_job_close(job);
	launch_hosts_fini(&hosts);
	close(signals);
}

TestSuite(job, .timeout = 200, .init = open_job, .fini = close_job);

/* Step the job until *what is at least @wanted. */
static void wait_for(const int *what, int wanted)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;

	while (*what < wanted) {
		int wait_ms = launch_job_step(job);
		zmq_pollitem_t items[] = {
			{ .socket = launch_job_socket(job), .events = ZMQ_POLLIN },
			{ .fd = signals, .events = ZMQ_POLLIN },
		};
		struct signalfd_siginfo info;

		cr_assert_lt(base_now_ns(), limit_ns, "nothing came");
		if (*what >= wanted)
			break;
		zmq_poll(items, 2, wait_ms < 0 || wait_ms > 500 ? 500 : wait_ms);
		while (read(signals, &info, sizeof(info)) > 0)
			;
	}
}

/* @ranks ranks, every second one on node 1; `sh -c script`. */
static void start_with(struct heard *heard, uint32_t ranks, const char *script,
		       struct launch_run_spec *run)
{
	const struct launch_run_hooks hooks = { heard, started, output, exited, failed, ended };
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script, NULL };
	char *env[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	const struct launch_app app = { .argv = argv, .env = env, .wdir = "/" };
	struct launch_place map[RANKS_MAX];
	struct base_err err = { "" };

	for (uint32_t i = 0; i < ranks; i++)
		map[i] = (struct launch_place){ i, i % NODES, i / NODES };
	memset(heard, 0, sizeof(*heard));
	if (!run->apps) {
		run->apps = &app;
		run->app_count = 1;
	}
	run->map = map;
	run->size = ranks;
	cr_assert_eq(launch_run_start(job, run, &hooks, &heard->run, &err), 0, "%s", err.text);
}

static void start(struct heard *heard, uint32_t ranks, const char *script)
{
	struct launch_run_spec run = { .umask = 022 };

	start_with(heard, ranks, script, &run);
}

Test(job, runs_side_by_side)
{
	struct heard one, two, three;

	start(&one, 4, "echo one $DHOW_RANK of $DHOW_SIZE; exit 3");
	start(&two, 2, "sleep 100");
	wait_for(&two.started, 2);
	start(&three, 2, "echo three >&2");
	wait_for(&one.ended, 1);
	wait_for(&three.ended, 1);
	cr_expect_eq(one.exited, 4);
	cr_expect_eq(one.code[3], 3);
	cr_expect(strstr(one.output, "one 3 of 4\n"), "%s", one.output);
	cr_expect_str_eq(three.output, "three\nthree\n");
	cr_expect_eq(two.exited, 0, "not touched by the end of the others");
	launch_run_free(one.run);
	launch_run_stop(two.run, 300);
	wait_for(&two.ended, 1);
	cr_expect_eq(two.signal[0], SIGTERM);
	cr_expect_eq(two.signal[1], SIGTERM);
}

Test(job, tags_and_numbers_differ)
{
	struct heard one, two;
	char wanted[LAUNCH_RUN_TAG_BYTES + 64];

	start(&one, 1, "echo $DHOW_RUN_TAG $DHOW_JOB_TAG");
	start(&two, 1, "echo $DHOW_RUN_TAG $DHOW_JOB_TAG");
	wait_for(&one.ended, 1);
	wait_for(&two.ended, 1);
	cr_expect_neq(launch_run_id(one.run), launch_run_id(two.run));
	snprintf(wanted, sizeof(wanted), "%s %s\n", launch_run_tag(two.run), launch_job_tag(job));
	cr_expect_str_eq(two.output, wanted);
	cr_expect_str_neq(one.output, two.output);
}

/* What a run leaves behind ends with it; what another run leaves behind, or has, does not. */
Test(job, leftovers_end_with_their_run)
{
	struct heard one, two;
	pid_t kept, left;

	start(&two, 1, "setsid sleep 100 & echo $!; wait");
	start(&one, 1, "setsid sleep 100 & echo $!");
	wait_for(&one.ended, 1);
	wait_for(&two.started, 1);
	left = atoi(one.output);
	cr_assert_gt(left, 1);
	cr_expect(kill(left, 0) < 0 && errno == ESRCH, "left behind: %d", (int)left);
	while (!two.bytes)
		wait_for(&two.ended, 0), launch_job_step(job), usleep(1000);
	kept = atoi(two.output);
	cr_assert_gt(kept, 1);
	cr_expect_eq(kill(kept, 0), 0, "of a run that goes on");
	launch_run_stop(two.run, 0);
	wait_for(&two.ended, 1);
	cr_expect(kill(kept, 0) < 0 && errno == ESRCH, "ended with its run");
}

Test(job, a_program_that_is_not_there)
{
	char *argv[] = { (char[]){ "/no/such/program" }, NULL }, *env[] = { NULL };
	const struct launch_app app = { .argv = argv, .env = env, .wdir = "/" };
	struct launch_run_spec run = { .apps = &app, .app_count = 1 };
	struct heard heard;

	start_with(&heard, 2, "", &run);
	wait_for(&heard.ended, 1);
	cr_expect_eq(heard.failed_code, 127);
	cr_expect(strstr(heard.failed, "/no/such/program"), "%s", heard.failed);
}

Test(job, several_programs_in_one_run)
{
	char *argv[2][4] = { { (char[]){ "/bin/echo" }, (char[]){ "first" }, NULL },
			     { (char[]){ "/bin/echo" }, (char[]){ "second" }, NULL } };
	char *env[] = { NULL };
	const struct launch_app apps[] = { { .argv = argv[0], .env = env, .wdir = "/" },
					   { .argv = argv[1], .env = env, .wdir = "/" } };
	const uint32_t app_of_rank[] = { 0, 1, 1 };
	struct launch_run_spec run = { .apps = apps, .app_count = 2, .app_of_rank = app_of_rank };
	struct heard heard;
	int firsts = 0, seconds = 0;

	start_with(&heard, 3, "", &run);
	wait_for(&heard.ended, 1);
	for (char *at = strtok(heard.output, "\n"); at; at = strtok(NULL, "\n")) {
		firsts += strcmp(at, "first") == 0;
		seconds += strcmp(at, "second") == 0;
	}
	cr_expect_eq(firsts, 1);
	cr_expect_eq(seconds, 2);
}

Test(job, output_to_files_and_extras)
{
	char dir[] = "/tmp/job_test.XXXXXX", all[64], own[64], text[64] = "";
	struct launch_extra extras[] = { { 0, LAUNCH_EXTRA_STDERR, own },
					 { 1, LAUNCH_EXTRA_ENV, "WHO=me" },
					 { 1, LAUNCH_EXTRA_STDERR, "/dev/null" } };
	struct launch_run_spec run = { .umask = 027, .extras = extras, .extra_count = 3,
				       .output = { { LAUNCH_OUTPUT_FILE, all, 0 },
						   { LAUNCH_OUTPUT_FILE, NULL, 1 } } };
	struct heard heard;
	struct stat st;
	int fd;

	cr_assert(mkdtemp(dir));
	snprintf(all, sizeof(all), "%s/all", dir);
	snprintf(own, sizeof(own), "%s/own", dir);
	start_with(&heard, 2, "echo out; echo err $DHOW_RANK $WHO >&2", &run);
	wait_for(&heard.ended, 1);
	cr_expect_eq(heard.bytes, 0);
	cr_assert_eq(stat(all, &st), 0);
	cr_expect_eq(st.st_size, 8, "both appended");
	cr_expect_eq(st.st_mode & 0777, 0640);
	fd = open(own, O_RDONLY);
	cr_expect_gt(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	cr_expect_str_eq(text, "err 0\n");
	unlink(all);
	unlink(own);
	rmdir(dir);
}

static void feed(struct heard *heard, const char *text)
{
	while (!launch_run_input_room(heard->run)) {
		launch_job_step(job);
		usleep(1000);
	}
	cr_assert_eq(launch_run_input(heard->run, text, (uint32_t)strlen(text)), 0);
}

Test(job, input_for_one_and_for_all)
{
	struct launch_run_spec one_spec = { .input = LAUNCH_INPUT_RANK, .input_rank = 1 };
	struct launch_run_spec all_spec = { .input = LAUNCH_INPUT_ALL };
	struct heard one, all;

	start_with(&one, 2, "while read line; do echo $DHOW_RANK $line; done", &one_spec);
	start_with(&all, 2, "while read line; do echo $line; done", &all_spec);
	feed(&one, "hello\n");
	feed(&one, "");
	feed(&all, "you\n");
	feed(&all, "");
	wait_for(&one.ended, 1);
	wait_for(&all.ended, 1);
	cr_expect_str_eq(one.output, "1 hello\n");
	cr_expect_str_eq(all.output, "you\nyou\n");
}

Test(job, signals_and_a_second_life)
{
	struct launch_run_spec run = { .restartable = 1 };
	struct heard heard;

	start_with(&heard, 2, "trap 'exit 5' USR1; echo up; while :; do sleep 0.01; done", &run);
	while (heard.bytes < 6)
		launch_job_step(job), usleep(1000);
	cr_expect_eq(launch_run_restart(heard.run, 0), -EINVAL, "it runs");
	kill(heard.pids[1], SIGKILL);
	wait_for(&heard.exited, 1);
	cr_expect_eq(heard.signal[1], SIGKILL);
	cr_assert_eq(launch_run_restart(heard.run, 1), 0);
	while (heard.bytes < 9)
		launch_job_step(job), usleep(1000);
	cr_expect_eq(heard.started, 3);
	launch_run_signal(heard.run, SIGUSR1);
	wait_for(&heard.ended, 1);
	cr_expect_eq(heard.code[0], 5);
	cr_expect_eq(heard.code[1], 5);
}

Test(job, what_does_not_fit_is_refused)
{
	struct launch_place map[2] = { { 0, 0, 0 }, { 1, 0, 0 } };
	char *argv[] = { (char[]){ "true" }, NULL }, *env[] = { NULL };
	const struct launch_app app = { .argv = argv, .env = env, .wdir = "/" };
	struct launch_run_spec run = { .apps = &app, .app_count = 1, .map = map, .size = 2 };
	struct launch_run *none;
	struct base_err err;

	cr_expect_eq(launch_run_start(job, &run, NULL, &none, &err), -EINVAL, "two local ranks 0");
	map[1] = (struct launch_place){ 1, NODES, 0 };
	cr_expect_eq(launch_run_start(job, &run, NULL, &none, &err), -EINVAL, "no such node");
	run.size = 0;
	cr_expect_eq(launch_run_start(job, &run, NULL, &none, &err), -EINVAL, "no ranks");
	launch_job_leave(job);
	run.size = 1;
	cr_expect_eq(launch_run_start(job, &run, NULL, &none, &err), -ESHUTDOWN);
}

/* A daemon dies: its runs fail, the others go on. */
Test(job, a_node_dies)
{
	char path[64], text[32] = "";
	struct heard both, mine;
	FILE *file;

	start(&mine, 1, "sleep 100");
	start(&both, 2, "sleep 100");
	wait_for(&both.started, 2);
	wait_for(&mine.started, 1);
	snprintf(path, sizeof(path), "ps -o ppid= -p %d", (int)both.pids[1]);
	file = popen(path, "r");
	cr_assert(file && fgets(text, sizeof(text), file));
	pclose(file);
	kill(atoi(text), SIGKILL);
	wait_for(&both.ended, 1);
	cr_expect_eq(both.failed_code, LAUNCH_JOB_FAILED);
	cr_expect(strstr(both.failed, "node 1"), "%s", both.failed);
	cr_expect_eq(dead_nodes, 1);
	cr_expect(launch_job_node_is_dead(job, 1));
	cr_expect_eq(mine.exited, 0);
	launch_run_stop(mine.run, 0);
	wait_for(&mine.ended, 1);
	cr_expect_eq(mine.signal[0], SIGKILL);
}
