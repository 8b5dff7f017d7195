/* SPDX-License-Identifier: MIT */
/*
 * keytree.h - CURVE keys in files, as SmartSim keeps them (the ZPL format of pyzmq):
 *
 *     ROOT/server/pub/smartsim.key             0644    ROOT/client/pub: each .key may enter
 *     ROOT/server/priv/smartsim.key_secret     0600    ROOT/client/priv/smartsim.key_secret
 *
 * Secrets are read into locked memory only, and refused when others could have read or changed
 * them.
 */
#ifndef LAUNCH_SERVER_KEYTREE_H
#define LAUNCH_SERVER_KEYTREE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"

enum { SERVER_CLIENTS_MAX = 4096 };

/* All of it: what a server needs. Zeroed is empty; server_keytree_fini() ends it. */
struct server_keytree {
	struct launch_keys *server, *client;	/* locked memory */
	uint8_t (*allowed)[LAUNCH_KEY_BYTES];
	size_t allowed_count;
};

/* $DHOW_KEY_PATH, else $SMARTSIM_KEY_PATH, else $HOME/.smartsim/keys. Return: 0; -ENOENT no HOME;
 * -ENAMETOOLONG. */
int server_keytree_root(char ret_root[PATH_MAX], struct base_err *reterr);

/* Return: 0; -ENOENT there are none; -EPERM wrong owner or mode (the cure is in @reterr);
 * -EBADMSG damaged; other negative errno. */
int server_keytree_load(const char *root, struct server_keytree *ret_tree,
			struct base_err *reterr);
void server_keytree_fini(struct server_keytree *tree);

/* Both pairs, directories 0700 and secrets 0600 from their first moment on.
 * Return: 0; -EEXIST there are keys, nothing was changed; other negative errno. */
int server_keytree_create(const char *root, struct base_err *reterr);

/**
 * server_keytree_export - a new client pair: its public key joins those who may enter (servers
 * read them when they start), and @path gets all that a client elsewhere needs.
 * @name: of the file among the public keys, without `.key`; letters, digits, '-', '_', '.'.
 */
int server_keytree_export(const char *root, const char *name, const char *path,
			  struct base_err *reterr);

/**
 * server_key_file_load - a client's pair and the server's public key from one exported file.
 * @ret_server: all zero if the file does not say (as a `.key_secret` of SmartSim does not).
 */
int server_key_file_load(const char *path, struct launch_keys **ret_keys,
			 uint8_t ret_server[LAUNCH_KEY_BYTES], struct base_err *reterr);
/* The public key of a `.key` file. */
int server_key_file_public(const char *path, uint8_t ret_key[LAUNCH_KEY_BYTES],
			   struct base_err *reterr);

#endif
