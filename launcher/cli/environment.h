/* SPDX-License-Identifier: MIT */
/* environment.h - the variables of a program: which of ours it gets, and what is changed. */
#ifndef LAUNCH_ENVIRONMENT_H
#define LAUNCH_ENVIRONMENT_H

#include <stdint.h>

/* What options say, in their order: a later one wins. */
struct launch_env_edit {
	enum launch_env_action {
		LAUNCH_ENV_SET,		/* NAME=VALUE */
		LAUNCH_ENV_PASS,	/* NAME: ours, if there is one */
		LAUNCH_ENV_UNSET,	/* NAME */
	} action;
	char *text;			/* borrowed from the command line */
};

/* Zeroed is empty. */
struct launch_env_edits {
	struct launch_env_edit *edit;	/* owned */
	uint32_t count;
};

/* Return: 0; -ENOMEM; -EINVAL the text has no name, or a value where there must be none. */
int launch_env_add(struct launch_env_edits *edits, enum launch_env_action action, char *text);
void launch_env_fini(struct launch_env_edits *edits);

/**
 * launch_env_make - the environment of a program.
 * @ours: where it comes from, NULL at the end.
 * @exports: NULL or "ALL" all of it; "NONE" nothing; else names and NAME=VALUE between commas,
 * with ALL among them for all the rest. PATH is always passed, so that programs are found.
 * @edits: @count lists, applied in their order.
 *
 * Return: an array to be freed whose strings are borrowed, except those in @ret_owned, to be
 * freed, too; NULL no memory.
 */
char **launch_env_make(char *const *ours, const char *exports,
		       const struct launch_env_edits *const *edits, uint32_t count,
		       char **ret_owned);

/* Value in an environment. Return: NULL it is not there. */
const char *launch_env_get(char *const *env, const char *name);

#endif
