/* SPDX-License-Identifier: MIT */
/* folder.c - see folder.h. */
#include "server/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int server_folder_usual(char ret_folder[PATH_MAX], struct base_err *reterr)
{
	const char *home = getenv("HOME");

	if (!home || !*home)
		return base_err(reterr, -ENOENT, "HOME is not set; say --dir");
	if (snprintf(ret_folder, PATH_MAX, "%s/.dhow/server", home) >= PATH_MAX)
		return base_err(reterr, -ENAMETOOLONG, "HOME is too long");
	return 0;
}

int server_folder_make(const char *folder, struct base_err *reterr)
{
	char part[PATH_MAX];

	if (!*folder || strlen(folder) >= sizeof(part))
		return base_err(reterr, -EINVAL, "\"%.100s\" is no name for a folder", folder);
	strcpy(part, folder);
	for (char *at = part + 1;; at++) {
		char before = *at;

		if (before && before != '/')
			continue;
		*at = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return base_err(reterr, -errno, "cannot make the folder %.150s: %s", part,
					strerror(errno));
		*at = before;
		if (!before)
			return 0;
	}
}

void server_folder_clear(const char *folder)
{
	char path[PATH_MAX];
	DIR *dir = *folder ? opendir(folder) : NULL;
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (*entry->d_name != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < PATH_MAX)
			unlink(path);
	closedir(dir);
	rmdir(folder);
}
