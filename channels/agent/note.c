/* SPDX-License-Identifier: MIT */
/* note.c - notes keep their order among themselves because the to-do list does. */
#include "agent/note.h"

#include "agent/credit.h"
#include "agent/link.h"
#include "base/log.h"

struct note {
	struct agent_todo todo;
	struct agent *agent;
	struct agent_record record;
};

static void drop_note(struct agent_todo *todo)
{
	struct note *note = base_list_entry(todo, struct note, todo);

	agent_slab_put(&note->agent->slab, note);
}

static int write_note(struct agent_todo *todo, struct agent_link *link)
{
	struct note *note = base_list_entry(todo, struct note, todo);
	int rc = agent_link_write(link, &note->record);

	if (rc == 0)
		drop_note(todo);
	return rc;
}

void agent_note(struct agent_link *link, const struct agent_record *record)
{
	struct note *note;

	if (link->state == AGENT_LINK_DEAD)
		return;
	if (base_list_empty(&link->todo) && agent_link_write(link, record) == 0)
		return;
	note = agent_slab_get(&link->agent->slab, sizeof(*note));
	if (!note) {
		base_log_error("no memory");
		link->agent->fatal = true;
		return;
	}
	agent_todo_init(&note->todo, write_note);
	note->todo.drop = drop_note;
	note->agent = link->agent;
	note->record = *record;
	agent_link_todo(link, &note->todo);
}
