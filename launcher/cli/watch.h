/* SPDX-License-Identifier: MIT */
/*
 * watch.h - how `dragon` tells `dhow smartsim` why it failed, while SmartSim waits on.
 *
 * A datagram to an abstract socket of the same user, whose random name is in the environment.
 */
#ifndef LAUNCH_WATCH_H
#define LAUNCH_WATCH_H

#include <stddef.h>

#define LAUNCH_ENV_WATCH "DHOW_SMARTSIM_WATCH"

enum { LAUNCH_WATCH_BYTES = 2048 };

/* Open the hearing end and put its name into our environment. Return: descriptor; -errno. */
int launch_watch_open(void);
/* What was told, with a zero behind. Return: bytes; -EAGAIN nothing, or by another user. */
int launch_watch_read(int fd, char ret_text[LAUNCH_WATCH_BYTES]);
/* Tell @code and the end of what is in our stderr, if that is a file. Nobody listens: fine. */
void launch_watch_tell(int code);

#endif
