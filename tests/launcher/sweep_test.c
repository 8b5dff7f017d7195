/* SPDX-License-Identifier: MIT */
/* sweep_test.c - exactly the processes with the tag are ended. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "sweep/owner.h"
#include "sweep/rundir.h"
#include "sweep/sweep.h"

TestSuite(sweep, .timeout = 200);

static pid_t start_sleep(char *first, char *second)
{
	char *argv[] = { (char[]){ "sleep" }, (char[]){ "60" }, NULL };
	char *envp[] = { first, second, NULL };
	struct base_spawn spec = { .path = "/bin/sleep", .argv = argv, .envp = envp,
				   .stdio = { -1, -1, -1 }, .flags = BASE_SPAWN_SESSION };
	pid_t pid;

	cr_assert_eq(base_spawn(&spec, &pid, NULL), 0);
	return pid;
}

Test(sweep, only_exact_matches_are_ended)
{
	char tag[64], longer[80], node[] = "DHOW_NODE=1", other[] = "DHOW_NODE=10", none[] = "A=";
	const char *wanted[] = { tag, node, NULL };
	pid_t hit, missed[3];
	int status;

	snprintf(tag, sizeof(tag), "DHOW_RUN_TAG=test%d", (int)getpid());
	snprintf(longer, sizeof(longer), "%sx", tag);
	hit = start_sleep(tag, node);
	missed[0] = start_sleep(longer, node);
	missed[1] = start_sleep(tag, other);
	missed[2] = start_sleep(none, node);
	cr_expect_eq(launch_sweep_tag(wanted, 0), 1);
	cr_expect_eq(waitpid(hit, &status, 0), hit);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(waitpid(missed[i], &status, WNOHANG), 0, "bystander %d", i);
		kill(missed[i], SIGKILL);
		waitpid(missed[i], &status, 0);
	}
}

Test(sweep, children_are_counted_and_ended)
{
	char none[] = "A=";
	pid_t first = start_sleep(none, NULL), second = start_sleep(none, NULL);

	cr_expect_eq(launch_sweep_count_children(), 2);
	cr_expect_eq(launch_sweep_children(), 2);
	cr_expect_eq(waitpid(first, NULL, 0), first);
	cr_expect_eq(waitpid(second, NULL, 0), second);
	cr_expect_eq(launch_sweep_children(), 0);
}

Test(sweep, a_start_time_names_a_process)
{
	cr_expect_neq(launch_sweep_start_time(getpid()), 0);
	cr_expect_eq(launch_sweep_start_time(getpid()), launch_sweep_start_time(getpid()));
	cr_expect_eq(launch_sweep_start_time(4194304 + 5), 0);
}

Test(sweep, directories_of_the_dead_are_removed)
{
	struct launch_rundir alive, dead;
	char base[] = "/tmp/sweep_testXXXXXX", path[PATH_MAX];
	struct stat status;
	struct base_err err;

	cr_assert_not_null(mkdtemp(base));
	setenv("TMPDIR", base, 1);
	cr_assert_eq(launch_rundir_open("dead", &dead, &err), 0, "%s", err.text);
	snprintf(path, sizeof(path), "%s/below", dead.path);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/below/link", dead.path);
	cr_assert_eq(symlink("/etc", path), 0);
	cr_expect_lt(launch_rundir_open("dead", &alive, &err), 0);
	cr_assert_eq(stat(dead.path, &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0700);
	close(dead.lock);		/* as when it dies */
	cr_assert_eq(launch_rundir_open("alive", &alive, &err), 0);
	cr_expect_lt(stat(dead.path, &status), 0);
	cr_expect_eq(launch_rundir_sweep(), 0);
	cr_expect_eq(stat(alive.path, &status), 0);
	launch_rundir_close(&alive);
	cr_expect_eq(rmdir(base), 0);
	cr_expect_eq(stat("/etc", &status), 0);
}

Test(sweep, an_owner_is_known_in_its_place_only)
{
	char text[LAUNCH_OWNER_BYTES], other[2 * LAUNCH_OWNER_BYTES], *colon;

	launch_owner_print(text);
	cr_expect_eq(launch_owner_look(text), LAUNCH_OWNER_LIVES, "%s", text);
	cr_expect_eq(launch_owner_pid(text), getpid());
	colon = strchr(text, ':');
	cr_assert_not_null(colon);
	snprintf(other, sizeof(other), "01234567.1%s", colon);
	cr_expect_eq(launch_owner_look(other), LAUNCH_OWNER_ELSEWHERE);
	snprintf(other, sizeof(other), "%.*s:%d:1", (int)(colon - text), text, (int)getpid());
	cr_expect_eq(launch_owner_look(other), LAUNCH_OWNER_DEAD, "its pid was given again");
	snprintf(other, sizeof(other), "%.*s:4194309:1", (int)(colon - text), text);
	cr_expect_eq(launch_owner_look(other), LAUNCH_OWNER_DEAD);
	snprintf(other, sizeof(other), "%sx", text);
	cr_expect_eq(launch_owner_look(other), LAUNCH_OWNER_LIVES, "damaged");
	cr_expect_eq(launch_owner_look("12:34"), LAUNCH_OWNER_LIVES, "damaged");
	cr_expect_eq(launch_owner_pid(""), 0);
}

/* Another run sweeps all the time: it leaves alone what is being made. */
Test(sweep, a_directory_that_is_being_made_is_not_touched)
{
	char base[] = "/tmp/sweep_testXXXXXX";
	struct launch_rundir rundir;
	struct base_err err;
	pid_t sweeper;

	cr_assert_not_null(mkdtemp(base));
	setenv("TMPDIR", base, 1);
	sweeper = fork();
	if (sweeper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			launch_rundir_sweep();
	}
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(launch_rundir_open("run", &rundir, &err), 0, "%s", err.text);
		launch_rundir_close(&rundir);
	}
	kill(sweeper, SIGKILL);
	waitpid(sweeper, NULL, 0);
	cr_expect_eq(rmdir(base), 0);
}
