/* SPDX-License-Identifier: MIT */
/* message_start.c - see start.h. The lists are checked once, when a message is decoded. */
#include "proto/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/body.h"

enum { STRINGS_MAX = 1 << 20, RANGE_BYTES = 16 };

static void put_strings(struct launch_writer *w, const struct launch_strings *strings)
{
	launch_put_u32(w, strings->count);
	launch_put_blob(w, strings->data, strings->bytes);
}

static void get_strings(struct launch_reader *r, struct launch_strings *strings)
{
	uint32_t zeros = 0;

	strings->count = launch_get_u32(r);
	strings->data = launch_get_blob(r, &strings->bytes);
	for (uint32_t i = 0; i < strings->bytes; i++)
		zeros += strings->data[i] == 0;
	if (zeros != strings->count || zeros > STRINGS_MAX ||
	    (strings->bytes && strings->data[strings->bytes - 1] != 0))
		r->failed = -EBADMSG;
}

void launch_app_add(struct launch_writer *list, const struct launch_start_app *app)
{
	put_strings(list, &app->argv);
	put_strings(list, &app->env);
	put_strings(list, &app->settings);
	launch_put_string(list, app->wdir);
}

static void get_app(struct launch_reader *r, struct launch_start_app *app)
{
	get_strings(r, &app->argv);
	get_strings(r, &app->env);
	get_strings(r, &app->settings);
	launch_get_string(r, app->wdir, sizeof(app->wdir));
	if (app->argv.count == 0)
		r->failed = -EBADMSG;
}

void launch_range_add(struct launch_writer *list, const struct launch_start_range *range)
{
	launch_put_u32(list, range->first);
	launch_put_u32(list, range->count);
	launch_put_u32(list, range->node);
	launch_put_u32(list, range->app);
}

static void get_range(struct launch_reader *r, struct launch_start_range *range)
{
	range->first = launch_get_u32(r);
	range->count = launch_get_u32(r);
	range->node = launch_get_u32(r);
	range->app = launch_get_u32(r);
}

void launch_extra_add(struct launch_writer *list, const struct launch_start_extra *extra)
{
	launch_put_u32(list, extra->rank);
	launch_put_u8(list, extra->kind);
	launch_put_blob(list, extra->text, strlen(extra->text) + 1);
}

static void get_extra(struct launch_reader *r, struct launch_start_extra *extra)
{
	uint32_t bytes;

	extra->rank = launch_get_u32(r);
	extra->kind = launch_get_u8(r);
	extra->text = launch_get_blob(r, &bytes);
	if (!bytes || memchr(extra->text, 0, bytes) != extra->text + bytes - 1)
		r->failed = -EBADMSG;
}

#define LIST_NEXT(what, field) \
	int launch_##what##_next(const struct launch_start *start, const uint8_t **at, \
				 struct launch_start_##what *ret_##what) \
	{ \
		struct launch_reader reader = { .at = *at ? *at : start->field.data, \
						.end = start->field.data + start->field.bytes }; \
\
		if (reader.at >= reader.end) \
			return 0; \
		get_##what(&reader, ret_##what); \
		*at = reader.at; \
		return !reader.failed; \
	}

LIST_NEXT(app, apps)
LIST_NEXT(range, ranges)
LIST_NEXT(extra, extras)

#define PUT_LIST(w, list) \
	do { \
		launch_put_u32(w, (list).count); \
		launch_put_blob(w, (list).data, (list).bytes); \
	} while (0)

#define GET_LIST(r, list) \
	do { \
		(list).count = launch_get_u32(r); \
		(list).data = launch_get_blob(r, &(list).bytes); \
	} while (0)

void launch_put_start(struct launch_writer *w, const struct launch_message *m)
{
	const struct launch_start *start = &m->start;

	launch_put_u32(w, start->run);
	launch_put_u32(w, start->size);
	launch_put_u32(w, start->nodes);
	launch_put_u32(w, start->umask);
	launch_put_u32(w, start->grace_ms);
	launch_put_u32(w, start->restartable);
	launch_put_u8(w, start->input);
	launch_put_u32(w, start->input_rank);
	for (int i = 0; i < 2; i++) {
		launch_put_u8(w, start->output[i].to);
		launch_put_u8(w, start->output[i].truncate);
		launch_put_string(w, start->output[i].path);
	}
	put_strings(w, &start->settings);
	PUT_LIST(w, start->apps);
	PUT_LIST(w, start->ranges);
	PUT_LIST(w, start->extras);
}

/* Each list has as many entries as it says, and none that points at nothing. */
static int lists_are_sound(const struct launch_start *start, struct launch_start_app *app)
{
	struct launch_start_extra extra;
	struct launch_start_range range;
	uint32_t apps = 0, ranges = 0, extras = 0;
	uint64_t ranks = 0;
	const uint8_t *at = NULL;

	while (launch_app_next(start, &at, app))
		apps++;
	if (at != start->apps.data + start->apps.bytes || apps != start->apps.count || !apps)
		return 0;
	if (start->ranges.bytes != (uint64_t)start->ranges.count * RANGE_BYTES)
		return 0;
	for (at = NULL; launch_range_next(start, &at, &range); ranges++) {
		if (range.first != ranks || !range.count || range.app >= apps)
			return 0;
		ranks += range.count;
	}
	if (ranks != start->size || !ranks)
		return 0;
	for (at = NULL; launch_extra_next(start, &at, &extra); extras++)
		if (extra.rank >= start->size)
			return 0;
	return extras == start->extras.count &&
	       (!extras || at == start->extras.data + start->extras.bytes);
}

void launch_get_start(struct launch_reader *r, struct launch_message *m)
{
	struct launch_start *start = &m->start;
	struct launch_start_app app;

	start->run = launch_get_run_id(r);
	start->size = launch_get_u32(r);
	start->nodes = launch_get_u32(r);
	start->umask = launch_get_u32(r);
	start->grace_ms = launch_get_u32(r);
	start->restartable = launch_get_u32(r);
	start->input = launch_get_u8(r);
	start->input_rank = launch_get_u32(r);
	for (int i = 0; i < 2; i++) {
		start->output[i].to = launch_get_u8(r);
		start->output[i].truncate = launch_get_u8(r);
		launch_get_string(r, start->output[i].path, sizeof(start->output[i].path));
		if (start->output[i].to > LAUNCH_OUTPUT_NULL)
			r->failed = -EBADMSG;
	}
	get_strings(r, &start->settings);
	GET_LIST(r, start->apps);
	GET_LIST(r, start->ranges);
	GET_LIST(r, start->extras);
	if (r->failed || start->umask > 0777 || start->input > LAUNCH_INPUT_ALL ||
	    !lists_are_sound(start, &app))
		r->failed = -EBADMSG;
}

int launch_strings_pack(char *const *array, struct launch_writer *writer,
			struct launch_strings *ret_strings)
{
	uint32_t count = 0;

	for (; array && array[count]; count++) {
		launch_put_raw(writer, array[count], strlen(array[count]) + 1);
		if (writer->used > LAUNCH_FRAME_BYTES_MAX || count == STRINGS_MAX)
			return -E2BIG;
	}
	if (writer->failed)
		return writer->failed;
	ret_strings->count = count;
	ret_strings->bytes = (uint32_t)writer->used;
	ret_strings->data = (const char *)writer->data;
	return 0;
}

char **launch_strings_unpack(const struct launch_strings *strings, unsigned extra)
{
	size_t slots = (size_t)strings->count + extra + 1;
	char **array = calloc(1, slots * sizeof(*array) + strings->bytes);
	char *at = (char *)(array + slots);

	if (!array)
		return NULL;
	if (strings->bytes)
		memcpy(at, strings->data, strings->bytes);
	for (uint32_t i = 0; i < strings->count; i++) {
		array[i] = at;
		at += strlen(at) + 1;
	}
	return array;
}
