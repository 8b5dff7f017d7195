/* SPDX-License-Identifier: MIT */
/*
 * config_log.h - `dragon_config.log`: the file in which clients of a folder find its server.
 *
 * SmartSim reads the line DRAGON_SERVER_CONFIG and takes the address out of its JSON; the rest is
 * for people. Dhow's own clients read the same.
 */
#ifndef LAUNCH_SERVER_CONFIG_LOG_H
#define LAUNCH_SERVER_CONFIG_LOG_H

#include <stddef.h>

#include "base/err.h"

/* Replaces what is there in one go. Return: 0; negative errno. */
int server_config_write(const char *folder, const char *endpoint, struct base_err *reterr);
/* Return: 0; -ENOENT no file; -EBADMSG no address in it. */
int server_config_read(const char *folder, char *ret_endpoint, size_t room,
		       struct base_err *reterr);
/* Only while it still names @endpoint. */
void server_config_remove(const char *folder, const char *endpoint);

#endif
