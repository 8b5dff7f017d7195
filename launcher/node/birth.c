/* SPDX-License-Identifier: MIT */
/* birth.c - see birth.h. */
#include "node/birth.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dhow/error.h>

#include "base/spawn.h"
#include "node/bind.h"
#include "node/pmi.h"
#include "pmi/environment.h"
#include "sweep/sweep.h"

enum { VARIABLES = 11, VARIABLE_BYTES = 96 };

/* What each rank finds in its environment besides the user's. */
static const char *const own_variables[VARIABLES] = {
	LAUNCH_ENV_RUN_TAG, LAUNCH_ENV_JOB_TAG,	 DHOW_ENV_NODE,	      DHOW_ENV_RANK,
	DHOW_ENV_SIZE,	    DHOW_ENV_NODES,	 DHOW_ENV_LOCAL_RANK, DHOW_ENV_LOCAL_SIZE,
	DHOW_ENV_NODE_FD,   DHOW_ENV_NODE_SOCKET, LAUNCH_ENV_OWNER,
};

struct birth_app {
	char path[PATH_MAX], wdir[LAUNCH_PATH_BYTES];
	char **argv, **env;
	size_t env_count;
	int found;		/* 0 or negative errno: the program */
};

struct daemon_birth {
	struct birth_app *apps;
	uint32_t app_count;
	int null;
	int files[2];		/* of stdout and stderr, where all ranks share one */
	/* of the rank that is being born */
	char **env;
	size_t env_count, env_room, added;
	char *owned[DAEMON_BIRTH_ADD_MAX];
};

static int has_name(const char *entry, const char *name, size_t bytes)
{
	return strncmp(entry, name, bytes) == 0 && entry[bytes] == '=';
}

static int is_own(const char *entry)
{
	for (unsigned i = 0; i < VARIABLES; i++)
		if (has_name(entry, own_variables[i], strlen(own_variables[i])))
			return 1;
	return 0;
}

static const char *find_variable(char *const *env, const char *name)
{
	for (; *env; env++)
		if (has_name(*env, name, strlen(name)))
			return *env + strlen(name) + 1;
	return NULL;
}

const char *launch_daemon_birth_get(const struct daemon_birth *birth, const char *name)
{
	return find_variable(birth->env, name);
}

int launch_daemon_birth_add(struct daemon_birth *birth, const char *entry)
{
	size_t bytes = strcspn(entry, "="), at = 0;
	char *copy;

	if (birth->added == DAEMON_BIRTH_ADD_MAX)
		return -E2BIG;
	copy = strdup(entry);
	if (!copy)
		return -ENOMEM;
	birth->owned[birth->added++] = copy;
	while (at < birth->env_count && !has_name(birth->env[at], entry, bytes))
		at++;
	birth->env[at] = copy;
	if (at == birth->env_count)
		birth->env[++birth->env_count] = NULL;
	return 0;
}

static void drop_added(struct daemon_birth *birth)
{
	for (size_t i = 0; i < birth->added; i++)
		free(birth->owned[i]);
	birth->added = 0;
}

/* The user's environment without what we set ourselves, and what describes another run. */
static int prepare_app(const struct daemon_run *run, struct birth_app *app,
		       const struct launch_start_app *start)
{
	struct daemon_birth *birth = run->birth;
	unsigned when;

	app->argv = launch_strings_unpack(&start->argv, 0);
	app->env = launch_strings_unpack(&start->env, 0);
	if (!app->argv || !app->env)
		return -ENOMEM;
	when = launch_daemon_pmi_when(run, app->env);
	for (char **at = app->env; *at; at++)
		if (!is_own(*at) && !launch_environment_is_foreign(*at, when))
			app->env[app->env_count++] = *at;
	app->env[app->env_count] = NULL;
	if (app->env_count + DAEMON_BIRTH_ADD_MAX + 1 > birth->env_room)
		birth->env_room = app->env_count + DAEMON_BIRTH_ADD_MAX + 1;
	memcpy(app->wdir, start->wdir, sizeof(app->wdir));
	app->found = base_spawn_find(app->argv[0], find_variable(app->env, "PATH"),
				     *app->wdir ? app->wdir : "/", app->path);
	return 0;
}

/* The daemon's own umask is strict; files of ranks are made as the ranks would make them. */
static int open_output(const struct daemon_run *run, int index, const char *path, int truncate,
		       int *ret_fd, struct base_err *reterr)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
	mode_t before = umask((mode_t)run->start->umask);

	if (truncate && run->start->output[index].truncate)
		flags |= O_TRUNC;
	*ret_fd = open(path, flags, 0666);
	umask(before);
	if (*ret_fd < 0)	/* -ENOENT would mean the program */
		return base_err(reterr, -EIO, "cannot open \"%.150s\" for output: %s", path,
				strerror(errno));
	return 0;
}

static int open_shared_outputs(struct daemon_run *run, struct base_err *reterr)
{
	const struct launch_start *start = run->start;
	struct daemon_birth *birth = run->birth;
	int rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		if (start->output[i].to != LAUNCH_OUTPUT_FILE || !*start->output[i].path)
			continue;
		if (i && birth->files[0] >= 0 &&
		    strcmp(start->output[0].path, start->output[1].path) == 0)
			birth->files[1] = birth->files[0];
		else
			rc = open_output(run, i, start->output[i].path, 1, &birth->files[i],
					 reterr);
	}
	return rc;
}

char *const *launch_daemon_birth_env(const struct daemon_run *run)
{
	return run->birth->apps[0].env;
}

int launch_daemon_birth_open(struct daemon_run *run, struct base_err *reterr)
{
	struct daemon_birth *birth = calloc(1, sizeof(*birth));
	struct launch_start_app app;
	const uint8_t *at = NULL;
	int rc = 0;

	run->birth = birth;
	if (!birth)
		return base_err(reterr, -ENOMEM, "no memory to start tasks");
	birth->files[0] = birth->files[1] = -1;
	birth->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (birth->null < 0)
		return base_err(reterr, -errno, "cannot open /dev/null: %s", strerror(errno));
	birth->apps = calloc(run->start->apps.count, sizeof(*birth->apps));
	while (birth->apps && rc == 0 && launch_app_next(run->start, &at, &app))
		rc = prepare_app(run, &birth->apps[birth->app_count++], &app);
	if (rc == 0 && birth->apps)
		birth->env = calloc(birth->env_room, sizeof(*birth->env));
	if (!birth->env)
		return base_err(reterr, -ENOMEM, "no memory to start tasks");
	return open_shared_outputs(run, reterr);
}

void launch_daemon_birth_close(struct daemon_run *run)
{
	struct daemon_birth *birth = run->birth;

	run->birth = NULL;
	launch_daemon_bind_close(run);
	if (!birth)
		return;
	drop_added(birth);
	for (uint32_t i = 0; i < birth->app_count; i++) {
		free(birth->apps[i].argv);
		free(birth->apps[i].env);
	}
	if (birth->files[1] >= 0 && birth->files[1] != birth->files[0])
		close(birth->files[1]);
	if (birth->files[0] >= 0)
		close(birth->files[0]);
	if (birth->null >= 0)
		close(birth->null);
	free(birth->apps);
	free(birth->env);
	free(birth);
}

static int set_environment(struct daemon_task *task, const struct birth_app *app)
{
	struct daemon_run *run = task->run;
	struct daemon_birth *birth = run->birth;
	const struct launch_boot *boot = run->daemon->boot;
	const uint32_t values[] = { boot->node, task->rank, run->start->size, boot->nodes,
				    (uint32_t)(task - run->tasks), run->task_count,
				    DAEMON_DOOR_FD };
	const char *owner = getenv(LAUNCH_ENV_OWNER);
	char text[VARIABLE_BYTES];
	int rc;

	drop_added(birth);
	memcpy(birth->env, app->env, (app->env_count + 1) * sizeof(*birth->env));
	birth->env_count = app->env_count;
	snprintf(text, sizeof(text), "%s=%s", LAUNCH_ENV_RUN_TAG, run->tag);
	rc = launch_daemon_birth_add(birth, text);
	snprintf(text, sizeof(text), "%s=%s", LAUNCH_ENV_JOB_TAG, boot->tag);
	if (rc == 0)
		rc = launch_daemon_birth_add(birth, text);
	snprintf(text, sizeof(text), "%s=%s", LAUNCH_ENV_OWNER, owner ? owner : "");
	if (rc == 0 && owner)	/* for dhow clean */
		rc = launch_daemon_birth_add(birth, text);
	for (unsigned i = 0; rc == 0 && i < sizeof(values) / sizeof(*values); i++) {
		snprintf(text, sizeof(text), "%s=%u", own_variables[i + 2], values[i]);
		rc = launch_daemon_birth_add(birth, text);
	}
	return rc;
}

/* Groups of up to 8 hexadecimal digits, most significant first, as in /proc/PID/status. */
static int parse_cpus(const char *text, cpu_set_t *ret_cpus)
{
	int bit = 0;

	CPU_ZERO(ret_cpus);
	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	for (const char *at = text + strlen(text); at > text; at--) {
		int digit = isxdigit((unsigned char)at[-1]) ? at[-1] : -1;

		if (at[-1] == ',')
			continue;
		if (digit < 0)
			return -EINVAL;
		digit = isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10;
		for (int i = 0; i < 4; i++, bit++)
			if (digit >> i & 1 && bit < CPU_SETSIZE)
				CPU_SET(bit, ret_cpus);
	}
	return CPU_COUNT(ret_cpus) ? 0 : -EINVAL;
}

struct own {		/* what this rank alone has */
	const char *paths[2];
	cpu_set_t cpus;
	int bound;
};

static int take_extras(struct daemon_task *task, struct own *own, struct base_err *reterr)
{
	struct launch_start_extra extra;
	const uint8_t *at = task->extras;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < task->extra_count; i++) {
		launch_extra_next(task->run->start, &at, &extra);
		switch (extra.kind) {
		case LAUNCH_EXTRA_ENV:
			rc = launch_daemon_birth_add(task->run->birth, extra.text);
			break;
		case LAUNCH_EXTRA_CPUS:
			rc = parse_cpus(extra.text, &own->cpus);
			own->bound = 1;
			break;
		case LAUNCH_EXTRA_STDOUT:
		case LAUNCH_EXTRA_STDERR:
			own->paths[extra.kind - LAUNCH_EXTRA_STDOUT] = extra.text;
			break;
		}
		if (rc < 0)
			base_err(reterr, rc, "rank %u: cannot take \"%.100s\": %s", task->rank,
				 extra.text, strerror(-rc));
	}
	return rc;
}

static int open_stream(struct daemon_task *task, int index, struct base_spawn *spec,
		       const struct own *own, struct base_err *reterr)
{
	struct daemon_run *run = task->run;
	const char *path = own->paths[index];
	int *fd = &spec->stdio[1 + index];

	switch (run->start->output[index].to) {
	case LAUNCH_OUTPUT_NULL:
		*fd = run->birth->null;
		return 0;
	case LAUNCH_OUTPUT_FILE:
		if (index && path && own->paths[0] && strcmp(path, own->paths[0]) == 0)
			*fd = spec->stdio[1];
		else if (path)
			/* A rank that is started again goes on where it was. */
			return open_output(run, index, path, !task->group, fd, reterr);
		else
			*fd = run->birth->files[index];
		return *fd < 0 ? base_err(reterr, -EINVAL, "rank %u has no file for output",
					  task->rank) : 0;
	default:
		return launch_daemon_pipe_open(&task->output[index], fd, reterr);
	}
}

static int open_streams(struct daemon_task *task, struct base_spawn *spec, const struct own *own,
			struct base_err *reterr)
{
	const struct launch_start *start = task->run->start;
	int rc = 0;

	spec->stdio[0] = task->run->birth->null;
	if (start->input == LAUNCH_INPUT_ALL ||
	    (start->input == LAUNCH_INPUT_RANK && start->input_rank == task->rank))
		rc = launch_daemon_input_open(task, &spec->stdio[0], reterr);
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = open_stream(task, i, spec, own, reterr);
	return rc;
}

/* The rank has its copies: what all ranks share stays open. */
static void close_streams(const struct daemon_birth *birth, const int stdio[3])
{
	for (int i = 0; i < 3; i++) {
		int fd = stdio[i];

		if (fd >= 0 && fd != birth->null && fd != birth->files[0] &&
		    fd != birth->files[1] && !(i == 2 && fd == stdio[1]))
			close(fd);
	}
}

static int open_door(struct daemon_task *task, struct base_spawn *spec, struct base_err *reterr)
{
	struct daemon_run *run = task->run;
	int door = -1, rc = dhow_node_door(run->daemon->service, &door);

	if (rc < 0)
		return base_err(reterr, rc, "cannot start task %u of %u here: no door to the "
				"node: %s", (uint32_t)(task - run->tasks) + 1, run->task_count,
				dhow_strerror(rc));
	spec->fds[spec->fd_count++] = (struct base_spawn_fd){ door, DAEMON_DOOR_FD };
	return 0;
}

int launch_daemon_birth(struct daemon_task *task, struct base_err *reterr)
{
	struct daemon *daemon = task->run->daemon;
	struct daemon_birth *birth = task->run->birth;
	struct birth_app *app = &birth->apps[task->app];
	struct own own = { .paths = { NULL } };
	struct base_spawn spec = { .path = app->path,
				   .argv = app->argv,
				   .cwd = *app->wdir ? app->wdir : "/",
				   .stdio = { -1, -1, -1 },
				   .flags = BASE_SPAWN_GROUP,
				   .death_signal = SIGKILL,
				   .set_umask = 1,
				   .umask = (mode_t)task->run->start->umask,
				   .core = &daemon->core,
				   .files = &daemon->files };
	int rc = app->found;

	if (rc < 0)
		return base_err(reterr, rc, "program \"%.100s\" %s", app->argv[0],
				rc == -ENOENT ? "not found" : "cannot be executed");
	rc = set_environment(task, app);
	if (rc < 0)
		return base_err(reterr, rc, "no memory for the environment");
	if ((rc = take_extras(task, &own, reterr)) < 0)
		return rc;
	if (!own.bound) {
		own.bound = launch_daemon_bind(task, &own.cpus, reterr);
		if (own.bound < 0)
			return own.bound;
	}
	if (own.bound) {
		spec.cpus = &own.cpus;
		spec.cpus_bytes = sizeof(own.cpus);
	}
	rc = open_streams(task, &spec, &own, reterr);
	if (rc == 0)
		rc = open_door(task, &spec, reterr);
	if (rc == 0)
		rc = launch_daemon_pmi_task(task, birth, &spec, reterr);
	spec.envp = birth->env;
	if (rc == 0)
		rc = base_spawn(&spec, &task->pid, reterr);
	close_streams(birth, spec.stdio);
	for (int i = 0; i < spec.fd_count; i++)
		close(spec.fds[i].from);
	return rc;
}
