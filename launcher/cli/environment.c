/* SPDX-License-Identifier: MIT */
/* environment.c - see environment.h. */
#include "cli/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct list {
	char **entry;
	size_t count;
};

int launch_env_add(struct launch_env_edits *edits, enum launch_env_action action, char *text)
{
	size_t name = strcspn(text, "=");
	struct launch_env_edit *larger;

	if (!name || (text[name] != 0) != (action == LAUNCH_ENV_SET))
		return -EINVAL;
	larger = realloc(edits->edit, (edits->count + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	edits->edit = larger;
	larger[edits->count++] = (struct launch_env_edit){ action, text };
	return 0;
}

void launch_env_fini(struct launch_env_edits *edits)
{
	free(edits->edit);
	memset(edits, 0, sizeof(*edits));
}

/* @name ends at '=' or at its end. */
static char *find(char *const *env, const char *name)
{
	size_t bytes = strcspn(name, "=");

	for (; *env; env++)
		if (strncmp(*env, name, bytes) == 0 && (*env)[bytes] == '=')
			return *env;
	return NULL;
}

const char *launch_env_get(char *const *env, const char *name)
{
	const char *entry = find(env, name);

	return entry ? entry + strlen(name) + 1 : NULL;
}

static size_t index_of(const struct list *list, const char *name)
{
	size_t bytes = strcspn(name, "="), at = 0;

	while (at < list->count && !(strncmp(list->entry[at], name, bytes) == 0 &&
				     list->entry[at][bytes] == '='))
		at++;
	return at;
}

static void put(struct list *list, char *entry)
{
	size_t at = entry ? index_of(list, entry) : 0;

	if (!entry)
		return;
	list->entry[at] = entry;
	list->count += at == list->count;
}

static void drop(struct list *list, const char *name)
{
	size_t at = index_of(list, name);

	if (at < list->count)
		memmove(&list->entry[at], &list->entry[at + 1],
			(--list->count - at) * sizeof(*list->entry));
}

static int names_all(const char *exports)
{
	for (; exports; exports = strchr(exports, ',') ? strchr(exports, ',') + 1 : NULL)
		if (strncmp(exports, "ALL", strcspn(exports, ",")) == 0 && exports[0] == 'A')
			return 1;
	return 0;
}

/* @copy is cut into its words. */
static void take_exports(struct list *list, char *const *ours, char *copy)
{
	char *rest = NULL;

	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (strcmp(word, "ALL") == 0 || strcmp(word, "NONE") == 0 || *word == '=')
			continue;
		put(list, strchr(word, '=') ? word : find(ours, word));
	}
}

static void take_edits(struct list *list, char *const *ours, const struct launch_env_edits *edits)
{
	for (uint32_t i = 0; i < edits->count; i++) {
		const struct launch_env_edit *edit = &edits->edit[i];

		switch (edit->action) {
		case LAUNCH_ENV_SET:
			put(list, edit->text);
			break;
		case LAUNCH_ENV_PASS:
			put(list, find(ours, edit->text));
			break;
		case LAUNCH_ENV_UNSET:
			drop(list, edit->text);
			break;
		}
	}
}

static size_t count_commas(const char *text)
{
	size_t count = 1;

	for (; *text; text++)
		count += *text == ',';
	return count;
}

char **launch_env_make(char *const *ours, const char *exports,
		       const struct launch_env_edits *const *edits, uint32_t count,
		       char **ret_owned)
{
	size_t room = exports ? count_commas(exports) + 2 : 1;
	struct list list = { NULL, 0 };

	*ret_owned = exports ? strdup(exports) : NULL;
	for (char *const *at = ours; *at; at++)
		room++;
	for (uint32_t i = 0; i < count; i++)
		room += edits[i]->count;
	list.entry = calloc(room, sizeof(*list.entry));
	if (!list.entry || (exports && !*ret_owned)) {
		free(list.entry);
		free(*ret_owned);
		*ret_owned = NULL;
		return NULL;
	}
	/* Ours has no name twice, or the first one counts: as getenv() has it. */
	for (char *const *at = ours; *at && (!exports || names_all(exports)); at++)
		if (index_of(&list, *at) == list.count)
			put(&list, *at);
	if (exports)
		put(&list, find(ours, "PATH"));
	if (exports)
		take_exports(&list, ours, *ret_owned);
	for (uint32_t i = 0; i < count; i++)
		take_edits(&list, ours, edits[i]);
	list.entry[list.count] = NULL;
	return list.entry;
}
