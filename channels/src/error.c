/* SPDX-License-Identifier: MIT */
/* error.c - the table behind error.h, and the text of the last failure. */
#include "src/context.h"

#include <dhow/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	enum dhow_scope scope;
	const char *text;
} errors[] = {
	{ 0, DHOW_SCOPE_NONE, "success" },
	{ EAGAIN, DHOW_SCOPE_NONE, "nothing to take now, try again" },
	{ ETIMEDOUT, DHOW_SCOPE_NONE, "the deadline has passed" },
	{ EINVAL, DHOW_SCOPE_CALL, "argument out of range" },
	{ EMSGSIZE, DHOW_SCOPE_CALL, "message too large" },
	{ EBADMSG, DHOW_SCOPE_CALL, "damaged channel address" },
	{ EXDEV, DHOW_SCOPE_CALL, "channel address of another job" },
	{ ENOENT, DHOW_SCOPE_CALL, "no channel of this name" },
	{ EEXIST, DHOW_SCOPE_CALL, "the name is taken" },
	{ EREMOTE, DHOW_SCOPE_CALL, "not possible for a channel of another node" },
	{ EHOSTUNREACH, DHOW_SCOPE_CALL, "no such node in this job" },
	{ ENOMEM, DHOW_SCOPE_CALL, "not enough memory" },
	{ ENFILE, DHOW_SCOPE_CALL, "a table of the node is full" },
	{ EMFILE, DHOW_SCOPE_CALL, "too many open descriptors" },
	{ EPROTOTYPE, DHOW_SCOPE_CALL, "channel, semaphore or barrier: it is of another kind" },
	{ EOVERFLOW, DHOW_SCOPE_CALL, "more units than the semaphore's maximum" },
	{ EOWNERDEAD, DHOW_SCOPE_CHANNEL, "a process that had the barrier open has died" },
	{ ECANCELED, DHOW_SCOPE_CHANNEL, "a party gave up, or the barrier was reset" },
	{ EPIPE, DHOW_SCOPE_CHANNEL, "the channel was destroyed" },
	{ ESTALE, DHOW_SCOPE_CHANNEL, "the channel was destroyed" },
	{ EHOSTDOWN, DHOW_SCOPE_NODE, "node is down" },
	{ ENOTCONN, DHOW_SCOPE_PROCESS, "not attached to a node: call dhow_init()" },
	{ EPROTO, DHOW_SCOPE_PROCESS, "another version of dhow, or damaged shared memory" },
	{ EPERM, DHOW_SCOPE_PROCESS, "the node belongs to another user" },
	{ EADDRINUSE, DHOW_SCOPE_PROCESS, "socket exists but nobody serves it" },
};

static _Thread_local char last_text[256];

static unsigned find(int rc)
{
	int code = rc < 0 ? -rc : rc;
	unsigned i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].code == code)
			break;
	return i;
}

const char *dhow_strerror(int rc)
{
	unsigned i = find(rc);

	return i < sizeof(errors) / sizeof(*errors) ? errors[i].text : strerror(rc < 0 ? -rc : rc);
}

enum dhow_scope dhow_error_scope(int rc)
{
	unsigned i = find(rc);

	return i < sizeof(errors) / sizeof(*errors) ? errors[i].scope : DHOW_SCOPE_CALL;
}

const char *dhow_error_text(void)
{
	return last_text;
}

int dhow_fail(int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_text, sizeof(last_text), format, args);
	va_end(args);
	return rc;
}
