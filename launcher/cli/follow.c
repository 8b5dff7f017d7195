/* SPDX-License-Identifier: MIT */
/* follow.c - see follow.h. */
#include "cli/follow.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };	/* of an answer, see describe.c */

static int print(int fd, const unsigned char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			bytes -= (size_t)n;
		}
	}
	return 0;
}

static int take(struct launch_follow *follow, const json_t *answer, struct base_err *reterr)
{
	static unsigned char piece[PIECE_BYTES];
	const char *text = json_string_value(json_object_get(answer, "data"));
	size_t bytes = 0;
	int rc;

	if (!text || sodium_base642bin(piece, sizeof(piece), text, strlen(text), NULL, &bytes, NULL,
				       sodium_base64_VARIANT_ORIGINAL) != 0)
		return base_err(reterr, -EPROTO, "the server does not answer as one");
	rc = print(follow->is_error ? STDERR_FILENO : STDOUT_FILENO, piece, bytes);
	if (rc < 0)
		return base_err(reterr, rc, "cannot write the output: %s", strerror(-rc));
	follow->offset += bytes;
	follow->over = !bytes && json_is_true(json_object_get(answer, "over"));
	return (int)bytes;
}

int launch_follow_step(struct server_client *client, struct launch_follow *follow,
		       struct base_err *reterr)
{
	int total = 0, n = 1;

	while (n > 0 && !follow->over) {
		json_t *answer, *body = json_pack("{s:s,s:I,s:b}", "step_id", follow->id, "offset",
						  (json_int_t)follow->offset, "is_error",
						  follow->is_error);

		n = server_client_ask(client, SERVER_LOGS, body, &answer, reterr);
		if (n < 0)
			return n;
		n = take(follow, answer, reterr);
		json_decref(answer);
		if (n < 0)
			return n;
		total += n;
	}
	return total;
}
