/* SPDX-License-Identifier: MIT */
/* watch.c - see watch.h. */
#include "cli/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { NAME_BYTES = 64 };

static socklen_t make_address(const char *name, struct sockaddr_un *ret_address)
{
	size_t bytes = strnlen(name, NAME_BYTES);

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path + 1, name, bytes);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + bytes);
}

int launch_watch_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	struct sockaddr_un address;
	unsigned long long random[2];
	char name[NAME_BYTES];
	socklen_t size;

	if (fd < 0)
		return -errno;
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		close(fd);
		return -EIO;
	}
	snprintf(name, sizeof(name), "dhow-watch-%016llx%016llx", random[0], random[1]);
	size = make_address(name, &address);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)(void *)&address, size) < 0 ||
	    setenv(LAUNCH_ENV_WATCH, name, 1) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int is_ours(struct msghdr *message)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(message);
	struct ucred credentials;

	if (!part || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS)
		return 0;
	memcpy(&credentials, CMSG_DATA(part), sizeof(credentials));
	return credentials.uid == geteuid();
}

int launch_watch_read(int fd, char ret_text[LAUNCH_WATCH_BYTES])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec piece = { .iov_base = ret_text, .iov_len = LAUNCH_WATCH_BYTES - 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	if (n <= 0 || !is_ours(&message))
		return -EAGAIN;
	ret_text[n] = 0;
	return (int)n;
}

/* SmartSim has opened a file for it. */
static size_t read_stderr(char *text, size_t room)
{
	struct stat st;
	ssize_t n = 0;
	int fd;

	if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	fd = open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = pread(fd, text, room, st.st_size > (off_t)room ? st.st_size - (off_t)room : 0);
		close(fd);
	}
	return n > 0 ? (size_t)n : 0;
}

void launch_watch_tell(int code)
{
	const char *name = getenv(LAUNCH_ENV_WATCH);
	struct sockaddr_un address;
	char text[LAUNCH_WATCH_BYTES];
	size_t used;
	int fd;

	if (!name || !*name)
		return;
	used = (size_t)snprintf(text, sizeof(text), "exit code %d: ", code);
	used += read_stderr(text + used, sizeof(text) - used - 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, text, used, MSG_NOSIGNAL, (struct sockaddr *)(void *)&address,
	       make_address(name, &address));
	close(fd);
}
