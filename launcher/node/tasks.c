/* SPDX-License-Identifier: MIT */
/* tasks.c - the ranks of a node: started once, told to end, killed, reaped. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/error.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "node/daemon.h"
#include "sweep/sweep.h"

/* What each rank finds in its environment besides the user's; one buffer is used for all. */
enum { VARIABLES = 9, VARIABLE_BYTES = 64 };

static const char *const own_variables[VARIABLES] = {
	LAUNCH_ENV_RUN_TAG,  DHOW_ENV_NODE,	  DHOW_ENV_RANK,
	DHOW_ENV_SIZE,	     DHOW_ENV_NODES,	  DHOW_ENV_LOCAL_RANK,
	DHOW_ENV_LOCAL_SIZE, DHOW_ENV_NODE_FD,	  DHOW_ENV_NODE_SOCKET,
};

struct birth {
	const struct launch_message *message;	/* LAUNCH_START */
	char path[PATH_MAX];
	char **argv, **env;
	char variables[VARIABLES][VARIABLE_BYTES];
	int null;
};

static const char *find_variable(char *const *env, const char *name)
{
	size_t bytes = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, bytes) == 0 && (*env)[bytes] == '=')
			return *env + bytes + 1;
	return NULL;
}

/* Drop what we set ourselves, and put our own entries (still empty) behind the rest. */
static void prepare_environment(struct birth *birth)
{
	size_t kept = 0;

	for (char **at = birth->env; *at; at++) {
		int own = 0;

		for (unsigned i = 0; i < VARIABLES; i++) {
			size_t bytes = strlen(own_variables[i]);

			own |= strncmp(*at, own_variables[i], bytes) == 0 && (*at)[bytes] == '=';
		}
		if (!own)
			birth->env[kept++] = *at;
	}
	for (unsigned i = 0; i < VARIABLES - 1; i++)	/* the last one is only dropped */
		birth->env[kept++] = birth->variables[i];
	birth->env[kept] = NULL;
}

static void set_environment(const struct daemon *daemon, struct birth *birth, uint32_t local)
{
	const struct launch_message *message = birth->message;
	const uint32_t values[] = { daemon->boot->node,	daemon->tasks[local].rank,
				    message->start.size, message->start.nodes, local,
				    message->start.local_size, DAEMON_DOOR_FD };

	snprintf(birth->variables[0], VARIABLE_BYTES, "%s=%s", own_variables[0],
		 daemon->boot->tag);
	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++)
		snprintf(birth->variables[i + 1], VARIABLE_BYTES, "%s=%u", own_variables[i + 1],
			 values[i]);
}

static void close_fds(int fds[3], int keep)
{
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && fds[i] != keep)
			close(fds[i]);
}

/* Return: 0; negative errno with @reterr filled. */
static int start_one(struct daemon *daemon, struct birth *birth, uint32_t local,
		     struct base_err *reterr)
{
	struct daemon_task *task = &daemon->tasks[local];
	struct base_spawn spec = { .path = birth->path,
				   .argv = birth->argv,
				   .envp = birth->env,
				   .cwd = birth->message->start.wdir,
				   .stdio = { birth->null, -1, -1 },
				   .fd_count = 1,
				   .flags = BASE_SPAWN_GROUP,
				   .death_signal = SIGKILL,
				   .set_umask = 1,
				   .umask = (mode_t)birth->message->start.umask,
				   .core = &daemon->core,
				   .files = &daemon->files };
	int door = -1, rc = 0;

	set_environment(daemon, birth, local);
	if (task->rank == 0)
		rc = launch_daemon_input_open(daemon, &spec.stdio[0], reterr);
	for (int stream = LAUNCH_STDOUT; rc == 0 && stream <= LAUNCH_STDERR; stream++)
		rc = launch_daemon_pipe_open(daemon, local, (enum launch_stream)stream,
					     &spec.stdio[stream], reterr);
	if (rc == 0) {
		rc = dhow_node_door(daemon->service, &door);
		if (rc < 0)
			base_err(reterr, rc, "cannot start task %u of %u here: no door to the "
				 "node: %s", local + 1, daemon->task_count, dhow_strerror(rc));
	}
	spec.fds[0] = (struct base_spawn_fd){ .from = door, .to = DAEMON_DOOR_FD };
	if (rc == 0)
		rc = base_spawn(&spec, &task->pid, reterr);
	close_fds(spec.stdio, birth->null);
	if (door >= 0)
		close(door);
	return rc;
}

static int prepare(struct daemon *daemon, struct birth *birth, struct base_err *reterr)
{
	const struct launch_message *message = birth->message;
	int rc;

	birth->argv = launch_strings_unpack(&message->start.argv, 0);
	birth->env = launch_strings_unpack(&message->start.env, VARIABLES);
	birth->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	daemon->tasks = calloc(message->start.count, sizeof(*daemon->tasks));
	if (!birth->argv || !birth->env || birth->null < 0 || !daemon->tasks)
		return base_err(reterr, -ENOMEM, "no memory to start %u tasks",
				message->start.count);
	daemon->task_count = message->start.count;
	for (uint32_t i = 0; i < daemon->task_count; i++) {
		daemon->tasks[i].rank = launch_start_rank(message, i);
		daemon->tasks[i].output[0].fd = daemon->tasks[i].output[1].fd = -1;
	}
	rc = base_spawn_find(birth->argv[0], find_variable(birth->env, "PATH"),
			     message->start.wdir, birth->path);
	if (rc < 0)
		return base_err(reterr, rc, "program \"%.100s\" %s", birth->argv[0],
				rc == -ENOENT ? "not found" : "cannot be executed");
	prepare_environment(birth);
	return 0;
}

void launch_daemon_start_tasks(struct daemon *daemon, const struct launch_message *message)
{
	struct launch_message started = { .type = LAUNCH_STARTED };
	struct birth *birth = calloc(1, sizeof(*birth));
	struct base_err err = { "no memory" };
	int rc = -ENOMEM, exec_error = 0;

	daemon->state = DAEMON_RUNNING;
	if (birth) {
		birth->message = message;
		rc = prepare(daemon, birth, &err);
		exec_error = rc == -ENOENT || rc == -EACCES;
	}
	for (uint32_t i = 0; rc == 0 && i < daemon->task_count; i++) {
		rc = start_one(daemon, birth, i, &err);
		exec_error = rc == -ENOEXEC || rc == -EACCES || rc == -ENOENT || rc == -E2BIG;
		if (rc < 0)
			break;
		daemon->running++;
		started.started.rank = daemon->tasks[i].rank;
		started.started.pid = (uint32_t)daemon->tasks[i].pid;
		launch_daemon_send(daemon, &started);
	}
	if (birth) {
		free(birth->argv);
		free(birth->env);
		if (birth->null >= 0)
			close(birth->null);
		free(birth);
	}
	if (rc < 0)
		launch_daemon_fail(daemon, exec_error ? (unsigned)base_spawn_exit_code(rc) : 125,
				   "%s", err.text);
}

static void signal_tasks(struct daemon *daemon, int number)
{
	for (uint32_t i = 0; i < daemon->task_count; i++)
		if (daemon->tasks[i].pid > 0)	/* not reaped, so the group is still its own */
			kill(-daemon->tasks[i].pid, number);
}

void launch_daemon_stop_tasks(struct daemon *daemon)
{
	if (daemon->state >= DAEMON_STOPPING)
		return;
	daemon->state = DAEMON_STOPPING;
	signal_tasks(daemon, SIGTERM);
	signal_tasks(daemon, SIGCONT);	/* a stopped one must hear it */
	daemon->kill_at_ns = base_now_ns() + DAEMON_KILL_AFTER_MS * BASE_MS;
}

void launch_daemon_kill_tasks(struct daemon *daemon)
{
	daemon->kill_at_ns = UINT64_MAX;
	signal_tasks(daemon, SIGKILL);
}

static void task_ended(struct daemon *daemon, struct daemon_task *task, int status)
{
	struct launch_message message = { .type = LAUNCH_EXIT };

	task->pid = 0;
	daemon->running--;
	if (task->rank == 0)
		launch_daemon_input_close(daemon);
	message.exit.rank = task->rank;
	if (WIFSIGNALED(status))
		message.exit.signal = (uint8_t)WTERMSIG(status);
	else
		message.exit.code = (uint8_t)WEXITSTATUS(status);
	launch_daemon_send(daemon, &message);
}

static void agent_ended(struct daemon *daemon, int status)
{
	int pid = (int)daemon->agent;

	daemon->agent = 0;
	daemon->agent_lost_ns = UINT64_MAX;
	if (daemon->state >= DAEMON_FINISHING)
		return;
	if (WIFSIGNALED(status))
		launch_daemon_fail(daemon, 125, "agent (pid %d) was killed by signal %d (%s)", pid,
				   WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		launch_daemon_fail(daemon, 125, "agent (pid %d) ended with exit code %d%s", pid,
				   WEXITSTATUS(status),
				   daemon->agent_up ? "" : " before it was up");
}

void launch_daemon_reap(struct daemon *daemon)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == daemon->agent) {
			agent_ended(daemon, status);
			continue;
		}
		for (uint32_t i = 0; i < daemon->task_count; i++)
			if (daemon->tasks[i].pid == pid)
				task_ended(daemon, &daemon->tasks[i], status);
	}
}
