/* SPDX-License-Identifier: MIT */
/* message_fence.c - bodies of what the PMIx and PMI-1 servers of nodes say to each other. */
#include <errno.h>

#include "proto/body.h"

static void get_code(struct launch_reader *r, int32_t *ret_rc)
{
	*ret_rc = (int32_t)launch_get_u32(r);
	if (*ret_rc > 0)
		r->failed = -EBADMSG;
}

static void get_key(struct launch_reader *r, char key[LAUNCH_FENCE_KEY_BYTES])
{
	launch_get_string(r, key, LAUNCH_FENCE_KEY_BYTES);
	if (!*key)
		r->failed = -EBADMSG;
}

void launch_put_fence(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->fence.run);
	launch_put_u32(w, m->fence.nodes);
	launch_put_u32(w, m->fence.count);
	launch_put_string(w, m->fence.key);
	launch_put_blob(w, m->fence.data, m->fence.bytes);
}

void launch_get_fence(struct launch_reader *r, struct launch_message *m)
{
	m->fence.run = launch_get_run_id(r);
	m->fence.nodes = launch_get_u32(r);
	m->fence.count = launch_get_u32(r);
	get_key(r, m->fence.key);
	m->fence.data = launch_get_blob(r, &m->fence.bytes);
	if (m->fence.count == 0)
		r->failed = -EBADMSG;
}

void launch_put_fenced(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->fenced.run);
	launch_put_u32(w, (uint32_t)m->fenced.rc);
	launch_put_string(w, m->fenced.key);
	launch_put_blob(w, m->fenced.data, m->fenced.bytes);
}

void launch_get_fenced(struct launch_reader *r, struct launch_message *m)
{
	m->fenced.run = launch_get_run_id(r);
	get_code(r, &m->fenced.rc);
	get_key(r, m->fenced.key);
	m->fenced.data = launch_get_blob(r, &m->fenced.bytes);
}

void launch_put_modex(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->modex.run);
	launch_put_u32(w, m->modex.origin);
	launch_put_u32(w, m->modex.rank);
	launch_put_u64(w, m->modex.ticket);
}

void launch_get_modex(struct launch_reader *r, struct launch_message *m)
{
	m->modex.run = launch_get_run_id(r);
	m->modex.origin = launch_get_u32(r);
	m->modex.rank = launch_get_u32(r);
	m->modex.ticket = launch_get_u64(r);
}

void launch_put_modex_answer(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->modex_answer.run);
	launch_put_u32(w, m->modex_answer.to);
	launch_put_u64(w, m->modex_answer.ticket);
	launch_put_u32(w, (uint32_t)m->modex_answer.rc);
	launch_put_blob(w, m->modex_answer.data, m->modex_answer.bytes);
}

void launch_get_modex_answer(struct launch_reader *r, struct launch_message *m)
{
	m->modex_answer.run = launch_get_run_id(r);
	m->modex_answer.to = launch_get_u32(r);
	m->modex_answer.ticket = launch_get_u64(r);
	get_code(r, &m->modex_answer.rc);
	m->modex_answer.data = launch_get_blob(r, &m->modex_answer.bytes);
}

void launch_put_abort(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->abort.run);
	launch_put_u32(w, m->abort.rank);
	launch_put_u32(w, m->abort.code);
	launch_put_string(w, m->abort.text);
}

void launch_get_abort(struct launch_reader *r, struct launch_message *m)
{
	m->abort.run = launch_get_run_id(r);
	m->abort.rank = launch_get_u32(r);
	m->abort.code = launch_get_u32(r);
	launch_get_string(r, m->abort.text, sizeof(m->abort.text));
	if (m->abort.code > 255)
		r->failed = -EBADMSG;
}
