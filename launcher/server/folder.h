/* SPDX-License-Identifier: MIT */
/* folder.h - where a server leaves what its clients look for. */
#ifndef LAUNCH_SERVER_FOLDER_H
#define LAUNCH_SERVER_FOLDER_H

#include <limits.h>

#include "base/err.h"

/* ~/.dhow/server. Return: 0; -ENOENT no HOME; -ENAMETOOLONG. */
int server_folder_usual(char ret_folder[PATH_MAX], struct base_err *reterr);
/* It and all above it, 0700 what is made. Return: 0; negative errno. */
int server_folder_make(const char *folder, struct base_err *reterr);
/* Remove a folder of plain files; one that is not there is fine. */
void server_folder_clear(const char *folder);

#endif
