/* SPDX-License-Identifier: MIT */
/* spawn_test.c - finding and starting programs (channels/base/spawn.c). */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"

TestSuite(spawn, .timeout = 200);

Test(spawn, not_found_and_not_executable_are_told_apart)
{
	char path[PATH_MAX];

	cr_expect_eq(base_spawn_find("sh", "/nowhere:/bin:/usr/bin", NULL, path), 0);
	cr_expect_str_eq(path, "/bin/sh");
	cr_expect_eq(base_spawn_find("no-such", "/bin:/usr/bin", NULL, path), -ENOENT);
	cr_expect_eq(base_spawn_find("passwd", "/etc", NULL, path), -EACCES);
	cr_expect_eq(base_spawn_find("/etc/passwd", NULL, NULL, path), -EACCES);
	cr_expect_eq(base_spawn_find("/etc", NULL, NULL, path), -EACCES);
	cr_expect_eq(base_spawn_find("", NULL, NULL, path), -ENOENT);
	cr_expect_eq(base_spawn_find("./sh", NULL, "/bin", path), 0);
	cr_expect_str_eq(path, "/bin/./sh");
	cr_expect_eq(base_spawn_exit_code(-ENOENT), 127);
	cr_expect_eq(base_spawn_exit_code(-EACCES), 126);
}

static int run_shell(struct base_spawn *spec, const char *script, char *ret_text, size_t room)
{
	char text[512];
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, text, NULL };
	char *envp[] = { (char[]){ "PATH=/bin:/usr/bin" }, NULL };
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", script);
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	spec->path = "/bin/sh";
	spec->argv = argv;
	spec->envp = envp;
	spec->stdio[0] = spec->stdio[2] = -1;
	spec->stdio[1] = fds[1];
	cr_assert_eq(base_spawn(spec, &pid, NULL), 0);
	close(fds[1]);
	while ((n = read(fds[0], ret_text + used, room - 1 - used)) > 0)
		used += (size_t)n;
	ret_text[used] = 0;
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

Test(spawn, directory_umask_and_group_are_set)
{
	struct base_spawn spec = { .cwd = "/usr", .set_umask = 1, .umask = 0027,
				   .flags = BASE_SPAWN_GROUP, .death_signal = SIGKILL };
	char text[128];

	cr_expect_eq(run_shell(&spec, "pwd; umask; exit 5", text, sizeof(text)), 5);
	cr_expect_str_eq(text, "/usr\n0027\n");
}

Test(spawn, only_named_descriptors_arrive)
{
	int leaked = open("/dev/null", O_RDONLY);	/* not close-on-exec on purpose */
	int door = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct base_spawn spec = { .fds = { { .from = door, .to = 42 } }, .fd_count = 1 };
	char text[128], script[256];

	snprintf(script, sizeof(script), "test -e /proc/$$/fd/42 && printf door; "
		 "test -e /proc/$$/fd/%d && printf leaked; true", leaked);
	cr_expect_eq(run_shell(&spec, script, text, sizeof(text)), 0);
	cr_expect_str_eq(text, "door");
	close(leaked);
	close(door);
}

Test(spawn, signals_are_reset)
{
	struct base_spawn spec = { 0 };
	char text[128];
	sigset_t mask;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	run_shell(&spec, "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\n\\t'", text,
		  sizeof(text));
	cr_expect_str_eq(text, "SigBlk:0000000000000000SigIgn:0000000000000000");
}

Test(spawn, what_fails_in_the_child_comes_back)
{
	char *argv[] = { (char[]){ "x" }, NULL };
	struct base_spawn spec = { .path = "/etc/passwd", .argv = argv, .envp = argv,
				   .stdio = { -1, -1, -1 } };
	struct base_err err;
	pid_t pid = -7;

	cr_expect_eq(base_spawn(&spec, &pid, &err), -EACCES);
	cr_expect(strstr(err.text, "/etc/passwd") != NULL);
	spec.path = "/bin/true";
	spec.cwd = "/proc/self/nowhere";
	cr_expect_eq(base_spawn(&spec, &pid, &err), -ENOENT);
	cr_expect(strstr(err.text, "/proc/self/nowhere") != NULL, "%s", err.text);
	cr_expect_eq(pid, -7);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
}
