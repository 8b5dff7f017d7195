/* SPDX-License-Identifier: MIT */
/*
 * api_client.c - a program that drives a server by <dhow/server.h>: `api_client ADDRESS FILE`. It
 * says on stderr what is not as the header says, exits with 1 then, and ends the server.
 */
#include <dhow/server.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TRIES = 3000, TRY_NS = 10 * 1000 * 1000 };

static struct dhow_server *server;
static char error[DHOW_SERVER_ERROR_BYTES];
static int failures;

#define EXPECT(condition)                                                                     \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			fprintf(stderr, "%d: %s (%s)\n", __LINE__, #condition, error);        \
			failures++;                                                           \
		}                                                                             \
	} while (0)

/* Return: its exit code once it is in @state; 1000 it does not get there. */
static int wait_for(const char *id, enum dhow_server_state state)
{
	const struct timespec nap = { .tv_nsec = TRY_NS };
	struct dhow_server_status status;

	for (int i = 0; i < TRIES; i++) {
		if (dhow_server_status(server, id, &status, error) < 0)
			break;
		if (status.state == state)
			return status.code;
		nanosleep(&nap, NULL);
	}
	return 1000;
}

static void check_runs(const char *file)
{
	struct dhow_server_run run = { .name = "api", .output_file = file, .wdir = "/" };
	struct dhow_server_status status;
	char id[DHOW_SERVER_ID_BYTES];

	EXPECT(dhow_server_run(server, &run, id, error) == -EINVAL);
	run.argv = (char *[]){ "/bin/sh", "-c", "echo from C", NULL };
	EXPECT(dhow_server_run(server, &run, id, error) == 0);
	EXPECT(wait_for(id, DHOW_SERVER_COMPLETED) == 0);
	run.name = "\xff";
	EXPECT(dhow_server_run(server, &run, id, error) == -EINVAL && strstr(error, "UTF-8"));
	run = (struct dhow_server_run){ .argv = (char *[]){ "/bin/sh", "-c", "exit 7", NULL } };
	EXPECT(dhow_server_run(server, &run, id, NULL) == 0);
	EXPECT(wait_for(id, DHOW_SERVER_FAILED) == 7);
	run.argv = (char *[]){ "/bin/sleep", "1000", NULL };
	EXPECT(dhow_server_run(server, &run, id, error) == 0);
	EXPECT(wait_for(id, DHOW_SERVER_RUNNING) == 0);
	EXPECT(dhow_server_stop(server, id, error) == 0);
	EXPECT(wait_for(id, DHOW_SERVER_CANCELLED) == -9);
	EXPECT(dhow_server_status(server, "1234567-9", &status, error) == 0 &&
	       status.state == DHOW_SERVER_UNKNOWN);
	run.nodes = 9;
	EXPECT(dhow_server_run(server, &run, id, error) == -EREMOTEIO && strstr(error, "nodes"));
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	EXPECT(dhow_server_connect("tcp://127.0.0.1:1", NULL, &server, error) == -ECONNREFUSED);
	EXPECT(!server && strstr(error, "no server"));
	EXPECT(dhow_server_connect(argv[1], NULL, &server, error) == 0);
	if (!server)
		return 1;
	check_runs(argv[2]);
	EXPECT(dhow_server_shutdown(server, 1, error) == 0);
	dhow_server_close(server);
	dhow_server_close(NULL);
	return failures != 0;
}
