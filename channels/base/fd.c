/* SPDX-License-Identifier: MIT */
/* fd.c - see fd.h. */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * BASE_FD_PASS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
};

int base_fd_send(int socket, const void *data, size_t bytes, const int *fds, int fd_count,
		 int with_credentials)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *part;
	size_t used = 0;

	memset(&control, 0, sizeof(control));
	message.msg_control = control.room;
	message.msg_controllen = sizeof(control.room);
	part = CMSG_FIRSTHDR(&message);
	if (fd_count > 0) {
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * (size_t)fd_count);
		used += CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		part = (struct cmsghdr *)(void *)(control.room + used);
	}
	if (with_credentials) {
		struct ucred me = { .pid = getpid(), .uid = getuid(), .gid = getgid() };

		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_CREDENTIALS;
		part->cmsg_len = CMSG_LEN(sizeof(me));
		memcpy(CMSG_DATA(part), &me, sizeof(me));
		used += CMSG_SPACE(sizeof(me));
	}
	message.msg_control = used ? control.room : NULL;
	message.msg_controllen = used;
	while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void take_fds(struct cmsghdr *part, int *fds, int *ret_count)
{
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
		if (fds && *ret_count < BASE_FD_PASS_MAX)
			fds[(*ret_count)++] = fd;
		else
			close(fd);
	}
}

ssize_t base_fd_recv(int socket, void *buffer, size_t room, int *fds, int *ret_fd_count,
		     pid_t *ret_pid)
{
	struct iovec iov = { .iov_base = buffer, .iov_len = room };
	union control control;
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.room,
				  .msg_controllen = sizeof(control.room) };
	int count = 0;
	ssize_t n;

	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (ret_pid)
		*ret_pid = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part;
	     part = CMSG_NXTHDR(&message, part)) {
		if (part->cmsg_level != SOL_SOCKET)
			continue;
		if (part->cmsg_type == SCM_RIGHTS) {
			take_fds(part, ret_fd_count ? fds : NULL, &count);
		} else if (part->cmsg_type == SCM_CREDENTIALS && ret_pid) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(part), sizeof(who));
			*ret_pid = who.pid;
		}
	}
	if (ret_fd_count)
		*ret_fd_count = count;
	return n;
}

static int set_flag(int fd, int get, int set, int flag, int on)
{
	int flags = fcntl(fd, get);

	if (flags < 0)
		return -errno;
	return fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0 ? -errno : 0;
}

int base_fd_set_nonblocking(int fd, int on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int base_fd_set_cloexec(int fd, int on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

void base_fd_cloexec_from(int first)
{
	const unsigned cloexec = 1u << 2;	/* CLOSE_RANGE_CLOEXEC, kernel 5.11 */
	struct dirent *entry;
	DIR *dir;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0u, cloexec) == 0)
		return;
#endif
	dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd >= first)
			base_fd_set_cloexec(fd, 1);
	}
	if (dir)
		closedir(dir);
}
