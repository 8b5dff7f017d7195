/* SPDX-License-Identifier: MIT */
/*
 * server.c - the command server: `dhow serve` on four local nodes, by its own client, against a
 * bare REP socket of ZeroMQ with CURVE that answers with as many bytes.
 *
 *     build/bench/server [--json FILE] [--filter status]
 */
#include "server_trials.h"

static const struct bench_case cases[] = {
	{ "status", "1step", 1, "us", 1, 0, false, trial_status, raw_echo, 0 },
	{ "status", "1000steps", 1000, "us", 1, 0, false, trial_status, raw_echo, 0 },
	{ "status", "1000steps-new", 1000, "us", 1, 0, false, trial_status_new, raw_echo, 0 },
	{ "run_accept", "4nodes", 1, "1/s", 1, 0, true, trial_accept, raw_echo_rate, 0 },
	{ "steps", "4nodes-true", 1, "1/s", 1, 0, true, trial_steps, raw_spawn_rate, 0 },
	{ "startup", "4nodes", 1, "ms", 1, 0, false, trial_startup, raw_connect, 0 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static const char doc[] =
	"The command server against a bare echo by ZeroMQ with CURVE.\v"
	"status: one request for the statuses of so many steps, the same each time as from one who "
	"watches them; new: seven lists in turns, more than the server remembers. run_accept: "
	"requests to run, taken and answered. steps: one-task steps of /bin/true from the request "
	"to their end, beside posix_spawn() and waitpid(). startup: from the exec of `dhow serve` "
	"to its first answer, "
	"beside a bare connection with CURVE.";

int main(int argc, char **argv)
{
	const struct bench_alone alone = { "server", doc, cases, CASES, trial_server_open,
					   trial_server_close };

	return bench_alone(argc, argv, &alone);
}
