/* SPDX-License-Identifier: MIT */
/*
 * cmd.h - one subcommand of `dhow`: a row of the table in dhow.c and a file cmd_<verb>.c.
 */
#ifndef LAUNCH_CMD_H
#define LAUNCH_CMD_H

struct launch_cmd {
	const char *name;
	const char *help;	/* one line */
	/* argv[0] is the verb. Return: exit code: 0 done, 1 failed, 2 wrong usage. */
	int (*run)(int argc, char **argv);
};

int launch_cmd_bench(int argc, char **argv);
int launch_cmd_info(int argc, char **argv);
int launch_cmd_clean(int argc, char **argv);
int launch_cmd_ps(int argc, char **argv);
int launch_cmd_serve(int argc, char **argv);
int launch_cmd_run(int argc, char **argv);
int launch_cmd_stop(int argc, char **argv);
int launch_cmd_logs(int argc, char **argv);
int launch_cmd_shutdown(int argc, char **argv);
int launch_cmd_keygen(int argc, char **argv);
int launch_cmd_smartsim(int argc, char **argv);

#endif
