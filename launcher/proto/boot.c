/* SPDX-License-Identifier: MIT */
/* boot.c - see boot.h. */
#include "proto/boot.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BOOT_MAGIC = 0x424c4844, BOOT_VERSION = 3, BOOT_HEADER_BYTES = 12 };	/* "DHLB" */

int launch_boot_encode(const struct launch_boot *boot, struct launch_writer *writer)
{
	size_t start = writer->used, bytes;

	launch_put_u32(writer, BOOT_MAGIC);
	launch_put_u32(writer, BOOT_VERSION);
	launch_put_u32(writer, 0);	/* body bytes, filled in below */
	launch_put_u32(writer, boot->job);
	launch_put_u32(writer, boot->node);
	launch_put_u32(writer, boot->nodes);
	launch_put_u32(writer, boot->verbose);
	launch_put_u64(writer, boot->pool_bytes);
	launch_put_raw(writer, boot->server, sizeof(boot->server));
	launch_put_raw(writer, boot->keys.public, sizeof(boot->keys.public));
	launch_put_raw(writer, boot->keys.secret, sizeof(boot->keys.secret));
	launch_put_raw(writer, boot->secret, sizeof(boot->secret));
	launch_put_string(writer, boot->tag);
	launch_put_string(writer, boot->endpoint);
	launch_put_string(writer, boot->agent);
	launch_put_string(writer, boot->bind);
	launch_put_string(writer, boot->fabric);
	launch_put_string(writer, boot->provider);
	launch_put_string(writer, boot->nic);
	launch_put_string(writer, boot->security);
	if (writer->failed)
		return writer->failed;
	bytes = writer->used - start - BOOT_HEADER_BYTES;
	for (unsigned i = 0; i < 4; i++)
		writer->data[start + 8 + i] = (uint8_t)(bytes >> (8 * i));
	return 0;
}

static void get_fixed(struct launch_reader *reader, void *ret, size_t bytes)
{
	const void *data = launch_get_raw(reader, bytes);

	if (data)
		memcpy(ret, data, bytes);
}

int launch_boot_decode(const void *data, size_t bytes, struct launch_boot *ret_boot)
{
	struct launch_reader reader = { .at = data, .end = (const uint8_t *)data + bytes };
	struct launch_boot *boot = ret_boot;

	if (launch_get_u32(&reader) != BOOT_MAGIC || launch_get_u32(&reader) != BOOT_VERSION ||
	    launch_get_u32(&reader) != bytes - BOOT_HEADER_BYTES)
		return -EBADMSG;
	boot->job = launch_get_u32(&reader);
	boot->node = launch_get_u32(&reader);
	boot->nodes = launch_get_u32(&reader);
	boot->verbose = launch_get_u32(&reader);
	boot->pool_bytes = launch_get_u64(&reader);
	get_fixed(&reader, boot->server, sizeof(boot->server));
	get_fixed(&reader, boot->keys.public, sizeof(boot->keys.public));
	get_fixed(&reader, boot->keys.secret, sizeof(boot->keys.secret));
	get_fixed(&reader, boot->secret, sizeof(boot->secret));
	launch_get_string(&reader, boot->tag, sizeof(boot->tag));
	launch_get_string(&reader, boot->endpoint, sizeof(boot->endpoint));
	launch_get_string(&reader, boot->agent, sizeof(boot->agent));
	launch_get_string(&reader, boot->bind, sizeof(boot->bind));
	launch_get_string(&reader, boot->fabric, sizeof(boot->fabric));
	launch_get_string(&reader, boot->provider, sizeof(boot->provider));
	launch_get_string(&reader, boot->nic, sizeof(boot->nic));
	launch_get_string(&reader, boot->security, sizeof(boot->security));
	if (boot->node >= boot->nodes || strlen(boot->tag) != LAUNCH_TAG_BYTES - 1)
		return -EBADMSG;
	return launch_reader_end(&reader);
}

static int read_some(int fd, uint8_t *data, size_t bytes, uint64_t deadline_ns)
{
	size_t used = 0;

	while (used < bytes) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int rc = poll(&poller, 1, base_poll_ms(deadline_ns));
		ssize_t n;

		if (rc == 0)
			return -ETIMEDOUT;
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc < 0)
			continue;
		n = read(fd, data + used, bytes - used);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		used += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int launch_boot_read(int fd, int timeout_ms, struct launch_boot *ret_boot,
		     struct base_err *reterr)
{
	uint64_t deadline_ns = base_now_ns() + (uint64_t)timeout_ms * BASE_MS;
	uint8_t *frame = launch_keys_alloc(LAUNCH_BOOT_BYTES_MAX);
	size_t bytes = 0;
	int rc;

	if (!frame)
		return base_err(reterr, -ENOMEM, "no locked memory for the start message");
	rc = read_some(fd, frame, BOOT_HEADER_BYTES, deadline_ns);
	if (rc == 0) {
		struct launch_reader reader = { .at = frame + 8, .end = frame + 12 };

		bytes = launch_get_u32(&reader);
		rc = bytes > LAUNCH_BOOT_BYTES_MAX - BOOT_HEADER_BYTES ? -EBADMSG :
			read_some(fd, frame + BOOT_HEADER_BYTES, bytes, deadline_ns);
	}
	if (rc == 0)
		rc = launch_boot_decode(frame, BOOT_HEADER_BYTES + bytes, ret_boot);
	launch_keys_free(frame);
	if (rc < 0)
		return base_err(reterr, rc, "no valid start message on stdin: %s "
				"(dhowd is started by dlaunch, not by hand)", strerror(-rc));
	return 0;
}

int launch_boot_write(int fd, const struct launch_boot *boot)
{
	/* Room at once: a buffer that grows would leave copies of the keys behind. */
	struct launch_writer writer = { .data = malloc(LAUNCH_BOOT_BYTES_MAX),
					.room = LAUNCH_BOOT_BYTES_MAX };
	int rc = writer.data ? launch_boot_encode(boot, &writer) : -ENOMEM;

	for (size_t sent = 0; rc == 0 && sent < writer.used;) {
		ssize_t n = write(fd, writer.data + sent, writer.used - sent);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	if (writer.data)
		launch_keys_wipe(writer.data, writer.room);
	launch_writer_fini(&writer);
	return rc;
}
