/* SPDX-License-Identifier: MIT */
/*
 * zap.h - who may speak to a server of ours: a list of public keys, asked by libzmq (RFC 27/ZAP).
 *
 * Without a handler libzmq lets every stranger with keys of his own in, so the sockets also set
 * ZMQ_ZAP_ENFORCE_DOMAIN: no handler, no entry. The handler never reads a file and never waits.
 */
#ifndef LAUNCH_ZAP_H
#define LAUNCH_ZAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"

#define LAUNCH_ZAP_DOMAIN "dhow"

struct launch_zap;

/* Start the handler thread of a ZeroMQ context. @allowed[i] may enter, as User-Id `@name-i`
 * (@name: borrowed for ever, e.g. "node"). The list is copied. Return: 0; negative errno. */
int launch_zap_start(void *context, const char *name, const uint8_t (*allowed)[LAUNCH_KEY_BYTES],
		     size_t count, struct launch_zap **ret_zap, struct base_err *reterr);
/* Ends the thread; call before the context is ended. NULL is fine. */
void launch_zap_stop(struct launch_zap *zap);
/* How many strangers were refused. */
unsigned launch_zap_refused(const struct launch_zap *zap);

#endif
