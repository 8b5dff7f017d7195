/* SPDX-License-Identifier: MIT */
/* message_run.c - bodies of what is said about one run. */
#include <errno.h>
#include <signal.h>

#include "proto/body.h"

enum { ENTRY_BYTES = 10 };

uint32_t launch_get_run_id(struct launch_reader *reader)
{
	uint32_t run = launch_get_u32(reader);

	if (!run)
		reader->failed = -EBADMSG;
	return run;
}

void launch_entry_add(struct launch_writer *list, const struct launch_entry *entry)
{
	launch_put_u32(list, entry->rank);
	launch_put_u32(list, entry->pid);
	launch_put_u8(list, entry->signal);
	launch_put_u8(list, entry->code);
}

int launch_entry_next(const struct launch_message *message, const uint8_t **at,
		      struct launch_entry *ret_entry)
{
	struct launch_reader reader = { .at = *at ? *at : message->entries.data,
					.end = message->entries.data + message->entries.bytes };

	if (reader.at >= reader.end)
		return 0;
	ret_entry->rank = launch_get_u32(&reader);
	ret_entry->pid = launch_get_u32(&reader);
	ret_entry->signal = launch_get_u8(&reader);
	ret_entry->code = launch_get_u8(&reader);
	*at = reader.at;
	return !reader.failed;
}

void launch_put_entries(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->entries.run);
	launch_put_u32(w, m->entries.count);
	launch_put_blob(w, m->entries.data, m->entries.bytes);
}

void launch_get_entries(struct launch_reader *r, struct launch_message *m)
{
	m->entries.run = launch_get_run_id(r);
	m->entries.count = launch_get_u32(r);
	m->entries.data = launch_get_blob(r, &m->entries.bytes);
	if (m->entries.count > LAUNCH_ENTRIES_MAX ||
	    m->entries.bytes != m->entries.count * ENTRY_BYTES)
		r->failed = -EBADMSG;
}

void launch_put_output(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->output.run);
	launch_put_u32(w, m->output.rank);
	launch_put_u8(w, m->output.stream);
	launch_put_blob(w, m->output.data, m->output.bytes);
}

void launch_get_output(struct launch_reader *r, struct launch_message *m)
{
	m->output.run = launch_get_run_id(r);
	m->output.rank = launch_get_u32(r);
	m->output.stream = launch_get_u8(r);
	m->output.data = launch_get_blob(r, &m->output.bytes);
	if (m->output.stream != LAUNCH_STDOUT && m->output.stream != LAUNCH_STDERR)
		r->failed = -EBADMSG;
	if (m->output.bytes > LAUNCH_PIECE_BYTES)
		r->failed = -EBADMSG;
}

void launch_put_input(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->input.run);
	launch_put_u32(w, m->input.rank);
	launch_put_blob(w, m->input.data, m->input.bytes);
}

void launch_get_input(struct launch_reader *r, struct launch_message *m)
{
	m->input.run = launch_get_run_id(r);
	m->input.rank = launch_get_u32(r);
	m->input.data = launch_get_blob(r, &m->input.bytes);
	if (m->input.bytes > LAUNCH_PIECE_BYTES)
		r->failed = -EBADMSG;
}

void launch_put_taken(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->taken.run);
	launch_put_u32(w, m->taken.bytes);
}

void launch_get_taken(struct launch_reader *r, struct launch_message *m)
{
	m->taken.run = launch_get_run_id(r);
	m->taken.bytes = launch_get_u32(r);
}

void launch_put_run(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->run.run);
}

void launch_get_run(struct launch_reader *r, struct launch_message *m)
{
	m->run.run = launch_get_run_id(r);
}

void launch_put_stop(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->stop.run);
	launch_put_u32(w, m->stop.grace_ms);
}

void launch_get_stop(struct launch_reader *r, struct launch_message *m)
{
	m->stop.run = launch_get_run_id(r);
	m->stop.grace_ms = launch_get_u32(r);
}

void launch_put_signal(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->signal.run);
	launch_put_u32(w, m->signal.number);
}

void launch_get_signal(struct launch_reader *r, struct launch_message *m)
{
	m->signal.run = launch_get_run_id(r);
	m->signal.number = launch_get_u32(r);
	if (m->signal.number == 0 || m->signal.number >= NSIG)
		r->failed = -EBADMSG;
}

void launch_put_restart(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->restart.run);
	launch_put_u32(w, m->restart.rank);
}

void launch_get_restart(struct launch_reader *r, struct launch_message *m)
{
	m->restart.run = launch_get_run_id(r);
	m->restart.rank = launch_get_u32(r);
}
