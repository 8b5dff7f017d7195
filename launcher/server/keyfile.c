/* SPDX-License-Identifier: MIT */
/*
 * keyfile.c - see keyfile.h. The reader is as pyzmq's: lines `public-key = "Z85"`; the first '='
 * ends the name, as Z85 has more of them.
 */
#include "server/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_BYTES_MAX = 4096, Z85_BYTES = 40 };

static const char heading[] =
	"#   ****  Made by dhow  ****\n"
	"#   ZeroMQ CURVE %s\n"
	"%s\n"
	"metadata\n"
	"curve\n";
static const char secret_warning[] = "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its "
				     "permissions.\n";
static const char public_note[] = "#   Exchange securely, or use a secure mechanism to verify the "
				  "contents.\n";

static int check_secret(const char *path, const struct stat *st, struct base_err *reterr)
{
	if (!S_ISREG(st->st_mode))
		return base_err(reterr, -EPERM, "the key %.200s is no regular file", path);
	if (st->st_uid != geteuid())
		return base_err(reterr, -EPERM, "the secret key %.180s belongs to user %u, not to "
				"you", path, st->st_uid);
	if (st->st_mode & 077)
		return base_err(reterr, -EPERM, "others may use the secret key %.90s (mode %04o)\n"
				"try: chmod 600 %.90s", path, st->st_mode & 07777, path);
	return 0;
}

/* The whole file with a zero behind it. Return: 0 or negative errno. */
static int read_file(const char *path, int is_secret, char text[FILE_BYTES_MAX],
		     struct base_err *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return base_err(reterr, -errno, "cannot read the key %.180s: %s", path,
				strerror(errno));
	if (is_secret)
		rc = fstat(fd, &st) < 0 ? -errno : check_secret(path, &st, reterr);
	if (rc == 0) {
		n = read(fd, text, FILE_BYTES_MAX - 1);
		if (n < 0)
			rc = base_err(reterr, -errno, "cannot read the key %.180s: %s", path,
				      strerror(errno));
		else
			text[n] = 0;
	}
	close(fd);
	return rc;
}

/* The key that follows @name in @text. Return: 0; -ENOENT no such line; -EBADMSG no key. */
static int find_key(const char *text, const char *name, uint8_t ret_key[LAUNCH_KEY_BYTES])
{
	static const char blanks[] = " \t\r'\"";
	char z85[Z85_BYTES + 1];
	int rc = -ENOENT;

	for (const char *line = text; rc == -ENOENT && *line; line += strcspn(line, "\n")) {
		const char *at;

		line += strspn(line, " \t\r\n");
		at = line + strlen(name);
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		at += strspn(at, " \t");
		if (*at++ != '=')
			continue;
		at += strspn(at, blanks);
		rc = -EBADMSG;
		if (strcspn(at, "\n") < Z85_BYTES)
			continue;
		memcpy(z85, at, Z85_BYTES);
		z85[Z85_BYTES] = 0;
		at += Z85_BYTES;
		at += strspn(at, blanks);
		if ((*at == 0 || *at == '\n') && zmq_z85_decode(ret_key, z85))
			rc = 0;
	}
	launch_keys_wipe(z85, sizeof(z85));
	return rc;
}

static int explain(const char *path, const char *name, int rc, struct base_err *reterr)
{
	return base_err(reterr, -EBADMSG, "the key file %.150s has no %s \"%s\"", path,
			rc == -ENOENT ? "line" : "40 characters of a key in its line", name);
}

int server_key_file_public(const char *path, uint8_t ret_key[LAUNCH_KEY_BYTES],
			   struct base_err *reterr)
{
	char text[FILE_BYTES_MAX];
	int rc = read_file(path, 0, text, reterr);

	if (rc < 0)
		return rc;
	rc = find_key(text, "public-key", ret_key);
	launch_keys_wipe(text, sizeof(text));	/* it may hold more than its name says */
	return rc < 0 ? explain(path, "public-key", rc, reterr) : 0;
}

int server_key_file_load(const char *path, struct launch_keys **ret_keys,
			 uint8_t ret_server[LAUNCH_KEY_BYTES], struct base_err *reterr)
{
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));
	char *text = launch_keys_alloc(FILE_BYTES_MAX);
	const char *name = "public-key";
	int rc;

	*ret_keys = NULL;
	memset(ret_server, 0, LAUNCH_KEY_BYTES);
	if (!keys || !text) {
		rc = base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
		goto out;
	}
	rc = read_file(path, 1, text, reterr);
	if (rc < 0)
		goto out;
	rc = find_key(text, name, keys->public);
	if (rc == 0)
		rc = find_key(text, name = "secret-key", keys->secret);
	if (rc == 0) {
		rc = find_key(text, name = "server-key", ret_server);
		rc = rc == -ENOENT ? 0 : rc;
	}
	if (rc < 0)
		rc = explain(path, name, rc, reterr);
out:
	launch_keys_free(text);
	if (rc < 0)
		launch_keys_free(keys);
	else
		*ret_keys = keys;
	return rc;
}

static int write_text(const char *path, mode_t mode, const char *text, struct base_err *reterr)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode), rc = 0;
	size_t bytes = strlen(text);

	if (fd < 0)
		return base_err(reterr, -errno, "cannot make the key %.180s: %s", path,
				strerror(errno));
	if (write(fd, text, bytes) != (ssize_t)bytes || fsync(fd) < 0)
		rc = base_err(reterr, -EIO, "cannot write the key %.180s", path);
	close(fd);
	if (rc < 0)
		unlink(path);
	return rc;
}

int server_key_file_write(const char *path, const struct launch_keys *keys,
			  const uint8_t *server, struct base_err *reterr)
{
	char *text = launch_keys_alloc(FILE_BYTES_MAX), *at = text;
	char z85[Z85_BYTES + 1];
	int rc;

	if (!text)
		return base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	at += sprintf(at, heading, "**Secret** Certificate", secret_warning);
	at += sprintf(at, "    public-key = \"%s\"\n",
		      zmq_z85_encode(z85, keys->public, LAUNCH_KEY_BYTES));
	at += sprintf(at, "    secret-key = \"%s\"\n",
		      zmq_z85_encode(z85, keys->secret, LAUNCH_KEY_BYTES));
	if (server)
		sprintf(at, "    server-key = \"%s\"\n",
			zmq_z85_encode(z85, server, LAUNCH_KEY_BYTES));
	launch_keys_wipe(z85, sizeof(z85));
	rc = write_text(path, 0600, text, reterr);
	launch_keys_free(text);
	return rc;
}

int server_key_file_write_public(const char *path, const uint8_t key[LAUNCH_KEY_BYTES],
				 struct base_err *reterr)
{
	char text[1024], z85[Z85_BYTES + 1], *at = text;

	at += sprintf(at, heading, "Public Certificate", public_note);
	sprintf(at, "    public-key = \"%s\"\n", zmq_z85_encode(z85, key, LAUNCH_KEY_BYTES));
	return write_text(path, 0644, text, reterr);
}
