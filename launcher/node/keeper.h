/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - the process above a daemon on a node where dlaunch is not.
 *
 * On its own machine dlaunch is the subreaper that gets and ends what a daemon leaves when it is
 * killed. Elsewhere nobody would: so there `dhowd --keeper` starts the daemon as its child, waits,
 * and ends what is left. It reads no message and holds no key. When the keeper itself is killed,
 * the daemon ends its runs in order. Only both at once leave something, for `dhow clean`.
 */
#ifndef LAUNCH_KEEPER_H
#define LAUNCH_KEEPER_H

#define LAUNCH_KEEPER_OPTION "--keeper"

/* Start this program once more without the option, with stdin and stderr as they are. Blocks until
 * nothing is left. Return: exit code of the daemon; 128 + signal; 125 it could not be started. */
int launch_keeper_run(int argc, char **argv);

#endif
