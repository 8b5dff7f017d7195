/* SPDX-License-Identifier: MIT */
/* keyfile.h - one file of keys, read and written; what keytree.h declares of files is here, too. */
#ifndef LAUNCH_SERVER_KEYFILE_H
#define LAUNCH_SERVER_KEYFILE_H

#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"
#include "server/keytree.h"

/* Made anew, 0600 from its first moment on. @server: public key to add, or NULL.
 * Return: 0; -EEXIST; other negative errno. */
int server_key_file_write(const char *path, const struct launch_keys *keys,
			  const uint8_t *server, struct base_err *reterr);
/* Made anew, 0644 less the umask. */
int server_key_file_write_public(const char *path, const uint8_t key[LAUNCH_KEY_BYTES],
				 struct base_err *reterr);

#endif
