/* SPDX-License-Identifier: MIT */
/*
 * error.h - what a failed call returns and how to say it to a person.
 *
 * Every function that can fail returns a negative errno. The table in
 * docs/errors.md lists each code with its cause, its scope and its cure.
 */
#ifndef DHOW_ERROR_H
#define DHOW_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* What is broken after an error; see dhow_error_scope(). */
enum dhow_scope {
	DHOW_SCOPE_NONE,	/* nothing: 0, or try again (-EAGAIN, -ETIMEDOUT) */
	DHOW_SCOPE_CALL,	/* this call: its arguments or its size */
	DHOW_SCOPE_CHANNEL,	/* this channel: closed, destroyed */
	DHOW_SCOPE_NODE,	/* one other node, or this node's agent */
	DHOW_SCOPE_PROCESS,	/* this process is not (or no longer) attached */
};

/**
 * dhow_strerror - one line for an error code.
 * @rc: a value returned by a function of this library; the sign is ignored.
 *
 * Return: a static string, never NULL. Thread-safe. Cost: a table look-up.
 */
const char *dhow_strerror(int rc);

/**
 * dhow_error_text - what exactly failed in the last failed call of this thread.
 *
 * Names the offending value and the cure, e.g. `node 3 is down: heartbeat lost`.
 * Return: a string owned by the library, valid until this thread's next call
 * that fails; empty before the first failure. -EAGAIN never changes it.
 */
const char *dhow_error_text(void);

/**
 * dhow_error_scope - what an error code breaks.
 * @rc: as for dhow_strerror().
 *
 * Return: one of enum dhow_scope. Thread-safe.
 */
enum dhow_scope dhow_error_scope(int rc);

#ifdef __cplusplus
}
#endif
#endif
