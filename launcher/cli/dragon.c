/* SPDX-License-Identifier: MIT */
/*
 * dragon.c - stands in for the program `dragon` that SmartSim starts:
 *
 *     dragon -t tcp|hsta -l LEVEL python -m smartsim._core.entrypoints.dragon
 *            +launching_address tcp://ADDRESS:PORT
 *
 * It starts `dhow serve` in place of that Python program, in a session of its own, and is only its
 * front: SmartSim waits for the end of this process without a limit, and the server tells when no
 * step is left. The server lives on for a while, as others still ask for statuses.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/spawn.h"
#include "cli/program.h"
#include "cli/watch.h"
#include "server/serve.h"
#include "sweep/sweep.h"

enum { FAILED = 1, USAGE = 2, FRONT_FD = 3, WORDS_MAX = 24, TEXT_BYTES = 64 };

static const char module[] = "smartsim._core.entrypoints.dragon";

struct request {
	const char *transport, *level, *launcher;
	const char *module;
};

static int usage(const char *text, const char *value)
{
	fprintf(stderr, "dragon: %s%s%s\n"
		"dragon: this is Dhow's stand-in for SmartSim's command server; programs are "
		"started by dlaunch\n", text, value ? " " : "", value ? value : "");
	return USAGE;
}

/* Options of the real program that SmartSim may pass; those with a value need one. */
static int parse(int argc, char **argv, struct request *request)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		const char **value = NULL;

		if (strcmp(argv[i], "-t") == 0 || strcmp(argv[i], "--transport") == 0)
			value = &request->transport;
		else if (strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--log-level") == 0)
			value = &request->level;
		else
			return usage("unknown option", argv[i]);
		if (i + 1 == argc)
			return usage("a value is missing after", argv[i]);
		*value = argv[++i];
	}
	for (; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-m") == 0)
			request->module = argv[i + 1];
		else if (strcmp(argv[i], "+launching_address") == 0)
			request->launcher = argv[i + 1];
	}
	if (!request->module || strcmp(request->module, module) != 0)
		return usage("no program of SmartSim: there is no -m", module);
	if (!request->launcher)
		return usage("+launching_address is missing", NULL);
	return 0;
}

/* SmartSim says hsta when nobody has said anything: then this machine decides. */
static const char *transport_of(const struct request *request)
{
	const char *wish = getenv("SMARTSIM_DRAGON_TRANSPORT");

	if ((!wish || !*wish) && request->transport && strcmp(request->transport, "hsta") == 0)
		return NULL;
	return request->transport;
}

static int is_verbose(const struct request *request)
{
	return request->level &&
	       (strstr(request->level, "INFO") || strstr(request->level, "DEBUG"));
}

static int open_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGCHLD };
	sigset_t mask;

	sigemptyset(&mask);
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&mask, numbers[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Our environment, with a tag by which dragon-cleanup finds what belongs to this server. */
static char **tagged_environment(char *tag)
{
	size_t count = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 2, sizeof(*env));
	if (!env)
		return NULL;
	env[0] = tag;
	for (size_t i = 0, kept = 1; i < count; i++)
		if (strncmp(environ[i], LAUNCH_ENV_SERVER_TAG "=",
			    strlen(LAUNCH_ENV_SERVER_TAG) + 1) != 0)
			env[kept++] = environ[i];
	return env;
}

/* The command line of the server; what is NULL in between is left out. */
static void make_words(const struct request *request, const char *client, char **words)
{
	const char *transport = transport_of(request);
	const char *const line[] = {
		"dhow", "serve", "--launcher", request->launcher, "--client", client,
		"--front-fd", "3", transport ? "--transport" : NULL, transport,
		is_verbose(request) ? "--verbose" : NULL,
	};

	for (size_t i = 0; i < sizeof(line) / sizeof(*line); i++)
		if (line[i])
			*words++ = (char *)line[i];
	*words = NULL;
}

static int start(const struct request *request, int front_fd, pid_t *ret_pid,
		 struct base_err *reterr)
{
	char client[TEXT_BYTES], tag[TEXT_BYTES], path[PATH_MAX];
	char *words[WORDS_MAX], **env;
	struct base_spawn spec = {
		.path = path,
		.argv = words,
		.stdio = { -1, -1, -1 },
		.fds = { { .from = front_fd, .to = FRONT_FD } },
		.fd_count = 1,
		.flags = BASE_SPAWN_SESSION,
	};
	int rc;

	if (launch_program_find("dhow", path) < 0)
		return base_err(reterr, -ENOENT, "the program dhow is not installed where this one "
				"looks for it: ../../../bin");
	snprintf(client, sizeof(client), "%d:%llu", (int)getppid(),
		 launch_sweep_start_time(getppid()));
	snprintf(tag, sizeof(tag), "%s=%d.%llu", LAUNCH_ENV_SERVER_TAG, (int)getpid(),
		 launch_sweep_start_time(getpid()));
	make_words(request, client, words);
	env = tagged_environment(tag);
	if (!env)
		return base_err(reterr, -ENOMEM, "no memory for the environment");
	spec.envp = env;
	rc = base_spawn(&spec, ret_pid, reterr);
	free(env);
	return rc;
}

/* Return: the exit code that the end of the server means. */
static int code_of(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "dragon: the server was ended by signal %d\n", WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

/* Until the server says that no step is left, or ends. */
static int attend(pid_t server, int socket, int signals)
{
	pid_t parent = getppid();
	int keep = 0, told = 0;		/* to stay; to end */

	for (;;) {
		struct pollfd fds[2] = { { .fd = socket, .events = POLLIN },
					 { .fd = signals, .events = POLLIN } };
		struct signalfd_siginfo info;
		char word = 0;
		int status;

		poll(fds, 2, keep ? 1000 : -1);
		while (read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGCHLD)
				continue;
			if (!server)
				return 0;
			told = 1;
			kill(server, (int)info.ssi_signo);
		}
		if (socket >= 0 && fds[0].revents && recv(socket, &word, 1, MSG_DONTWAIT) <= 0)
			socket = -1;	/* its exit follows */
		if (word == SERVER_FRONT_DONE)
			return 0;
		keep |= word == SERVER_FRONT_KEEP;
		if (server && waitpid(server, &status, WNOHANG) == server) {
			if (!keep)
				return code_of(status);
			if (told)	/* it may have been dead when we passed that on */
				return 0;
			server = 0;
		}
		/* told to stay until somebody ends us: but not longer than who could */
		if (keep && getppid() != parent)
			return 0;
	}
}

int main(int argc, char **argv)
{
	struct request request = { 0 };
	int sockets[2], signals, code = parse(argc, argv, &request);
	struct base_err err;
	pid_t server;

	if (code) {
		launch_watch_tell(code);
		return code;
	}
	signals = open_signals();
	if (signals < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		fprintf(stderr, "dragon: no descriptors: %s\n", strerror(errno));
		return FAILED;
	}
	if (start(&request, sockets[1], &server, &err) < 0) {
		fprintf(stderr, "dragon: cannot start the server: %s\n", err.text);
		launch_watch_tell(FAILED);
		return FAILED;
	}
	close(sockets[1]);
	code = attend(server, sockets[0], signals);
	if (code)
		launch_watch_tell(code);
	return code;
}
