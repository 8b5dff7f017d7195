/* SPDX-License-Identifier: MIT */
/*
 * cmd_smartsim.c - `dhow smartsim`: run a script with our `dragon` on PATH, and what a site needs
 * to have that always.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.h"
#include "base/spawn.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/interface.h"
#include "cli/program.h"
#include "cli/watch.h"

enum { FAILED = 1, USAGE = 2, ASK_MS = 60000, POLL_MS = 10000 };

static const char help[] =
	"Usage: dhow smartsim -- python3 SCRIPT [ARGUMENT...]\n"
	"  or:  dhow smartsim --print-env | --write-env | --undo-env | --make-interface\n\n"
	"Run a script of SmartSim on Dhow: Experiment(launcher=\"dragon\") starts our command\n"
	"server. If that cannot start, its reason is told here at once.\n\n"
	"  --print-env       the line to source instead: PATH with our dragon in front\n"
	"  --write-env       tell the SmartSim of `python3` to take our dragon, by its file .env\n"
	"  --undo-env        take that back\n"
	"  --make-interface  make the network interface hsn0, if SmartSim finds none (as root)\n\n"
	"On one machine DHOW_LOCAL_NODES says how many nodes it plays (1).\n";

/* Where `dragon` is. */
static int find_folder(char ret_folder[PATH_MAX])
{
	static const char *const names[] = { "../libexec/dhow/bin/dragon", "dragon" };
	char *slash, path[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		if (launch_program_find(names[i], path) < 0 || !realpath(path, ret_folder))
			continue;
		slash = strrchr(ret_folder, '/');
		*slash = 0;
		return 0;
	}
	fputs("dhow: smartsim: our dragon is not installed in ../libexec/dhow/bin\n", stderr);
	return -ENOENT;
}

static int print_env(const char *folder)
{
	printf("export PATH=\"%s:$PATH\"\n", folder);
	return 0;
}

/* Folder of SmartSim's own .env. */
static int find_config(char ret_folder[PATH_MAX])
{
	char python[PATH_MAX], text[PATH_MAX];
	char *argv[] = { (char[]){ "python3" }, (char[]){ "-c" },
			 (char[]){ "import importlib.util as u, os; s = u.find_spec('smartsim');"
				   "print(os.path.dirname(s.origin) if s else '', end='')" },
			 NULL };

	if (base_spawn_find("python3", getenv("PATH"), NULL, python) < 0 ||
	    launch_ask(python, argv, ASK_MS, text, sizeof(text)) != 0 || text[0] != '/') {
		fputs("dhow: smartsim: the python3 on PATH has no SmartSim\n", stderr);
		return -ENOENT;
	}
	if (snprintf(ret_folder, PATH_MAX, "%s/_core/config/dragon", text) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static int tell(const char *path, int rc)
{
	if (rc == 0)
		printf("%s\n", path);
	else
		fprintf(stderr, "dhow: smartsim: %s: %s\n", path, strerror(errno));
	return rc == 0 ? 0 : FAILED;
}

/* SmartSim puts each line before the variable of that name; it knows no comments. What was there
 * is kept beside it, once: with our link there, what is there is ours. `smart teardown --dragon`
 * runs the dragon-cleanup that it finds there. */
static int write_env(const char *folder)
{
	char config[PATH_MAX], path[PATH_MAX + 32], saved[PATH_MAX + 32], cleanup[PATH_MAX + 32];
	char ours[PATH_MAX + 32];
	struct stat st;
	FILE *file;
	int rc;

	if (find_config(config) < 0)
		return FAILED;
	mkdir(config, 0755);
	snprintf(path, sizeof(path), "%s/.env", config);
	snprintf(saved, sizeof(saved), "%s/.env.before-dhow", config);
	snprintf(cleanup, sizeof(cleanup), "%s/dragon-cleanup", config);
	snprintf(ours, sizeof(ours), "%s/dragon-cleanup", folder);
	if (access(saved, F_OK) < 0 && !(lstat(cleanup, &st) == 0 && S_ISLNK(st.st_mode)) &&
	    rename(path, saved) < 0 && errno != ENOENT)
		return tell(saved, -1);
	file = fopen(path, "we");
	rc = file ? 0 : -1;
	if (file && (fprintf(file, "PATH=%s\n", folder) < 0 || fclose(file) != 0))
		rc = -1;
	unlink(cleanup);
	if (rc == 0)
		rc = symlink(ours, cleanup);
	return tell(path, rc);
}

static int undo_env(void)
{
	char config[PATH_MAX], path[PATH_MAX + 32], saved[PATH_MAX + 32], cleanup[PATH_MAX + 32];
	int rc;

	if (find_config(config) < 0)
		return FAILED;
	snprintf(path, sizeof(path), "%s/.env", config);
	snprintf(saved, sizeof(saved), "%s/.env.before-dhow", config);
	snprintf(cleanup, sizeof(cleanup), "%s/dragon-cleanup", config);
	unlink(cleanup);
	rc = rename(saved, path);
	if (rc < 0 && errno == ENOENT)
		rc = unlink(path) < 0 && errno != ENOENT ? -1 : 0;
	return tell(path, rc);
}

static void warn_interface(void)
{
	char name[64];

	if (!launch_interface_find(name, sizeof(name)))
		fputs("dhow: smartsim: no network interface here is called hsn*, ipogif* or ib*: "
		      "SmartSim will refuse to start its server\n"
		      "try: dhow smartsim --make-interface   (as root)\n", stderr);
}

static pid_t child;

static void pass_on(int number)
{
	if (child > 0)
		kill(child, number);
}

/* Print what dragon tells until the script ends. */
static int attend(int watch, int ends)
{
	char text[LAUNCH_WATCH_BYTES];
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		struct pollfd fds[] = { { .fd = watch, .events = POLLIN },
					{ .fd = ends, .events = POLLIN } };
		struct signalfd_siginfo info;

		poll(fds, 2, POLL_MS);
		while (read(ends, &info, sizeof(info)) == sizeof(info))
			;
		if (launch_watch_read(watch, text) > 0)
			fprintf(stderr, "dhow: smartsim: the command server could not serve, %s\n"
				"dhow: smartsim: SmartSim does not see that and waits (for "
				"SMARTSIM_DRAGON_STARTUP_TIMEOUT, 300000 ms if not set); ^C ends "
				"it\n", text);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_script(char **argv, const char *folder)
{
	const char *before = getenv("PATH");
	char program[PATH_MAX], *path;
	struct base_spawn spec = { .path = program, .argv = argv, .stdio = { -1, -1, -1 } };
	int watch = launch_watch_open(), ends, rc;
	static const int number = SIGCHLD;
	struct base_err err;

	if (asprintf(&path, "%s%s%s", folder, before ? ":" : "", before ? before : "") < 0)
		return FAILED;
	setenv("PATH", path, 1);
	free(path);
	warn_interface();
	rc = base_spawn_find(argv[0], getenv("PATH"), NULL, program);
	if (rc < 0) {
		fprintf(stderr, "dhow: smartsim: \"%s\": %s\n", argv[0], strerror(-rc));
		return base_spawn_exit_code(rc);
	}
	spec.envp = environ;
	signal(SIGINT, SIG_IGN);	/* the terminal tells the script itself */
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);
	ends = base_signals_open(&number, 1, &err);
	if (ends < 0 || base_spawn(&spec, &child, &err) < 0) {
		fprintf(stderr, "dhow: smartsim: %s\n", err.text);
		return FAILED;
	}
	return attend(watch, ends);
}

int launch_cmd_smartsim(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	char folder[PATH_MAX];

	signal(SIGCHLD, SIG_DFL);	/* ignored by some parents: no child could be waited for */
	if (strcmp(word, "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(word, "--make-interface") == 0 && argc == 2)
		return launch_interface_make();
	if (strcmp(word, "--undo-env") == 0 && argc == 2)
		return undo_env();
	if (find_folder(folder) < 0)
		return FAILED;
	if (strcmp(word, "--print-env") == 0 && argc == 2)
		return print_env(folder);
	if (strcmp(word, "--write-env") == 0 && argc == 2)
		return write_env(folder);
	if (strcmp(word, "--") == 0 && argc > 2)
		return run_script(argv + 2, folder);
	if (*word && *word != '-')
		return run_script(argv + 1, folder);
	fputs("dhow: smartsim: say what to run: dhow smartsim -- python3 SCRIPT\n"
	      "try: dhow smartsim --help\n", stderr);
	return USAGE;
}
