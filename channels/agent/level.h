/* SPDX-License-Identifier: MIT */
/*
 * level.h - how a connection protects what goes over it: mac, integrity or encrypt.
 *
 * A level is a row of functions, chosen once per handshake; nobody else asks which it is.
 * The nonce of a frame is in its header (version, kind, serial, session). Serials are given
 * once for each direction's key, so none repeats: a frame that is sent again has a new one.
 *
 *	          header   body           bulk data
 *	mac       MAC      CRC32C         CRC32C
 *	integrity MAC      MAC            MAC
 *	encrypt   MAC      encrypted+MAC  encrypted+MAC
 */
#ifndef AGENT_LEVEL_H
#define AGENT_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/cipher.h"
#include "agent/hello.h"
#include "agent/wire.h"

enum {
	AGENT_SEEN_WORDS = 32,		/* 1,984 frames may overtake one that is still taken */
};

/* More than this under one key would weaken it; the connection is made anew before. */
#define AGENT_SERIAL_MAX (UINT64_C(1) << 36)
#define AGENT_SEALED_MAX (UINT64_C(1) << 50)	/* bytes */
/* AES-GCM encrypts less than 64 GiB under one nonce. */
#define AGENT_BULK_MAX (UINT64_C(1) << 35)

struct agent_level;

struct agent_seal {			/* of one connection; wiped by its owner */
	struct agent_key send, recv;
	const struct agent_level *level;
	const struct agent_cipher *cipher;
	uint32_t session;
	uint64_t serial;		/* last given */
	uint64_t sealed_bytes;
	uint64_t newest;		/* serial that arrived */
	uint64_t seen[AGENT_SEEN_WORDS];	/* ring of bits by serial */
};

/* NULL: there is no such level. An empty or missing name is the default, mac. */
const struct agent_level *agent_level_find(const char *name);
/* NULL: no such id. */
const struct agent_level *agent_level_of(unsigned id);
unsigned agent_level_id(const struct agent_level *level);
const char *agent_level_name(const struct agent_level *level);
/* Must data be sealed into other memory than it lies in? */
bool agent_level_hides(const struct agent_level *level);

/* Keys of @session become a seal; @ciphers: bits that both sides have. */
void agent_seal_init(struct agent_seal *seal, const struct agent_level *level, unsigned ciphers,
		     const struct agent_session *session);

/* Are so many frames or bytes sealed that new keys are due? */
bool agent_seal_spent(const struct agent_seal *seal);

/*
 * agent_seal_frame - write a sealed frame.
 * @header: serial, session and crc are filled in here.
 * @body: of header->bytes, NULL if 0; @at: room for AGENT_HEADER_BYTES and the body.
 */
void agent_seal_frame(struct agent_seal *seal, struct agent_header *header, const void *body,
		      void *at);

/*
 * agent_seal_open - check a frame and find its body.
 * @data: the whole frame, whose header is decoded in @header.
 * @scratch: room for header->bytes; the body may be put there.
 *
 * Return: 0; -EPERM the seal is not of this session; -EILSEQ the body is damaged;
 * -EALREADY it was here before; -ESTALE too old to know that.
 */
int agent_seal_open(struct agent_seal *seal, const void *data, const struct agent_header *header,
		    void *scratch, const uint8_t **ret_body);

/* Seal bulk data; @to: room for @bytes if the level hides, else not used. */
void agent_seal_bulk(struct agent_seal *seal, const void *data, size_t bytes, void *to,
		     struct agent_bulk_seal *ret_seal);
/* Check, and open in place, what was fetched. Return: 0; -EILSEQ damaged: @data is of no use. */
int agent_seal_bulk_open(const struct agent_seal *seal, const struct agent_bulk_seal *bulk,
			 void *data, size_t bytes);

#endif
