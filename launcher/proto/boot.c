/* SPDX-License-Identifier: MIT */
/* boot.c - see boot.h. */
#include "proto/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/tree.h"

enum { BOOT_MAGIC = 0x424c4844, BOOT_VERSION = 5, BOOT_HEADER_BYTES = 12 };	/* "DHLB" */
enum { PIPE_USUAL_BYTES = 65536 };

int launch_boot_encode(const struct launch_boot *boot, struct launch_writer *writer)
{
	size_t start = writer->used, bytes;

	launch_put_u32(writer, BOOT_MAGIC);
	launch_put_u32(writer, BOOT_VERSION);
	launch_put_u32(writer, 0);	/* body bytes, filled in below */
	launch_put_u32(writer, boot->job);
	launch_put_u32(writer, boot->nodes);
	launch_put_u32(writer, boot->verbose);
	launch_put_u32(writer, boot->fanout);
	launch_put_u64(writer, boot->pool_bytes);
	launch_put_raw(writer, boot->server, sizeof(boot->server));
	launch_put_raw(writer, boot->secret, sizeof(boot->secret));
	launch_put_string(writer, boot->tag);
	launch_put_string(writer, boot->endpoint);
	launch_put_string(writer, boot->agent);
	launch_put_u32(writer, boot->bind_rule);
	launch_put_string(writer, boot->device);
	launch_put_string(writer, boot->fabric);
	launch_put_string(writer, boot->provider);
	launch_put_string(writer, boot->nic);
	launch_put_string(writer, boot->security);
	launch_put_blob(writer, boot->names, boot->names_bytes);
	launch_put_blob(writer, boot->environment, boot->environment_bytes);
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

/* Copy a list of strings, each with a zero behind it. Return: how many; -EBADMSG; -ENOMEM. */
static long take_list(struct launch_reader *reader, char **ret_list, uint32_t *ret_bytes)
{
	uint32_t bytes;
	const char *list = launch_get_blob(reader, &bytes);
	long count = 0;

	if (!list || !bytes)
		return 0;
	for (uint32_t i = 0; i < bytes; i++)
		count += !list[i];
	if (list[bytes - 1])
		return -EBADMSG;
	*ret_list = malloc(bytes);
	if (!*ret_list)
		return -ENOMEM;
	memcpy(*ret_list, list, bytes);
	*ret_bytes = bytes;
	return count;
}

static void drop_lists(struct launch_boot *boot)
{
	free(boot->names);
	free(boot->environment);
	boot->names = boot->environment = NULL;
	boot->names_bytes = boot->environment_bytes = 0;
}

/* Names: either one for each node, or none at all. */
static int take_lists(struct launch_boot *boot, struct launch_reader *reader)
{
	long names, strings;

	boot->names = boot->environment = NULL;
	boot->names_bytes = boot->environment_bytes = 0;
	names = take_list(reader, &boot->names, &boot->names_bytes);
	strings = take_list(reader, &boot->environment, &boot->environment_bytes);
	if (names == -ENOMEM || strings == -ENOMEM || names < 0 || strings < 0 ||
	    (names && names != boot->nodes) || launch_reader_end(reader) < 0) {
		drop_lists(boot);
		return names == -ENOMEM || strings == -ENOMEM ? -ENOMEM : -EBADMSG;
	}
	return 0;
}

int launch_boot_decode(const void *data, size_t bytes, struct launch_boot *ret_boot)
{
	struct launch_reader reader = { .at = data, .end = (const uint8_t *)data + bytes };
	struct launch_boot *boot = ret_boot;

	if (launch_get_u32(&reader) != BOOT_MAGIC || launch_get_u32(&reader) != BOOT_VERSION ||
	    launch_get_u32(&reader) != bytes - BOOT_HEADER_BYTES)
		return -EBADMSG;
	boot->job = launch_get_u32(&reader);
	boot->nodes = launch_get_u32(&reader);
	boot->verbose = launch_get_u32(&reader);
	boot->fanout = launch_get_u32(&reader);
	boot->pool_bytes = launch_get_u64(&reader);
	get_fixed(&reader, boot->server, sizeof(boot->server));
	get_fixed(&reader, boot->secret, sizeof(boot->secret));
	launch_get_string(&reader, boot->tag, sizeof(boot->tag));
	launch_get_string(&reader, boot->endpoint, sizeof(boot->endpoint));
	launch_get_string(&reader, boot->agent, sizeof(boot->agent));
	boot->bind_rule = (enum launch_bind)launch_get_u32(&reader);
	launch_get_string(&reader, boot->device, sizeof(boot->device));
	launch_get_string(&reader, boot->fabric, sizeof(boot->fabric));
	launch_get_string(&reader, boot->provider, sizeof(boot->provider));
	launch_get_string(&reader, boot->nic, sizeof(boot->nic));
	launch_get_string(&reader, boot->security, sizeof(boot->security));
	if (!boot->fanout || boot->fanout > LAUNCH_TREE_FANOUT_MAX)
		return -EBADMSG;
	if (!boot->nodes || strlen(boot->tag) != LAUNCH_TAG_BYTES - 1 ||
	    boot->bind_rule < LAUNCH_BIND_LOCAL || boot->bind_rule > LAUNCH_BIND_DEVICE)
		return -EBADMSG;
	return take_lists(boot, &reader);
}

void launch_boot_free(struct launch_boot *boot)
{
	if (boot)
		drop_lists(boot);
	launch_keys_free(boot);
}

long launch_boot_find(const struct launch_boot *boot, const char *name)
{
	size_t bytes = strcspn(name, ".");
	long found = -1, number = 0;
	int count = 0;

	for (uint32_t at = 0; at < boot->names_bytes; number++) {
		const char *other = boot->names + at;

		at += (uint32_t)strlen(other) + 1;
		if (strcmp(other, name) == 0)
			return number;
		/* Short for long or long for short, but not two long ones that differ. */
		if (strcspn(other, ".") == bytes && strncmp(other, name, bytes) == 0 &&
		    (!name[bytes] || !other[bytes])) {
			found = number;
			count++;
		}
	}
	return count == 1 ? found : -1;
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
	uint8_t header[BOOT_HEADER_BYTES], *frame = NULL;
	struct launch_reader reader = { .at = header + 8, .end = header + 12 };
	size_t bytes = 0;
	int rc = read_some(fd, header, sizeof(header), deadline_ns);

	if (rc == 0) {
		bytes = launch_get_u32(&reader);
		rc = bytes > LAUNCH_BOOT_BYTES_MAX - sizeof(header) ? -EBADMSG : 0;
	}
	if (rc == 0) {
		frame = launch_keys_alloc(sizeof(header) + bytes);
		rc = frame ? read_some(fd, frame + sizeof(header), bytes, deadline_ns) : -ENOMEM;
	}
	if (rc == 0) {
		memcpy(frame, header, sizeof(header));
		rc = launch_boot_decode(frame, sizeof(header) + bytes, ret_boot);
	}
	launch_keys_free(frame);
	if (rc < 0)
		return base_err(reterr, rc, "no valid start message on stdin: %s "
				"(dhowd is started by dlaunch, not by hand)", strerror(-rc));
	return 0;
}

/* Room at once: a buffer that grows would leave copies of the secret behind. */
static int encode_once(const struct launch_boot *boot, struct launch_writer *ret_writer)
{
	size_t room = sizeof(*boot) + boot->names_bytes + boot->environment_bytes + 256;
	int rc;

	*ret_writer = (struct launch_writer){ .data = malloc(room), .room = room };
	rc = ret_writer->data ? launch_boot_encode(boot, ret_writer) : -ENOMEM;
	return rc == 0 && ret_writer->used > LAUNCH_BOOT_BYTES_MAX ? -E2BIG : rc;
}

static void wipe(struct launch_writer *writer)
{
	if (writer->data)
		launch_keys_wipe(writer->data, writer->room);
	launch_writer_fini(writer);
}

static int write_all(int fd, const struct launch_writer *writer)
{
	for (size_t sent = 0; sent < writer->used;) {
		ssize_t n = write(fd, writer->data + sent, writer->used - sent);

		if (n < 0 && errno != EINTR)
			return -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int launch_boot_write(int fd, const struct launch_boot *boot)
{
	struct launch_writer writer;
	int rc = encode_once(boot, &writer);

	if (rc == 0)
		rc = write_all(fd, &writer);
	wipe(&writer);
	return rc;
}

int launch_boot_pipe(const struct launch_boot *boot, int *ret_stdin, int *ret_lifeline)
{
	struct launch_writer writer;
	int fds[2], rc = encode_once(boot, &writer);

	if (rc == 0 && pipe2(fds, O_CLOEXEC) < 0)
		rc = -errno;
	if (rc < 0)
		goto out;
	/* All of it must fit before anybody reads. */
	if (writer.used > PIPE_USUAL_BYTES && fcntl(fds[1], F_SETPIPE_SZ, (int)writer.used) < 0)
		rc = -errno;
	if (rc == 0)
		rc = write_all(fds[1], &writer);
	if (rc < 0) {
		close(fds[0]);
		close(fds[1]);
		goto out;
	}
	*ret_stdin = fds[0];
	*ret_lifeline = fds[1];
out:
	wipe(&writer);
	return rc;
}
