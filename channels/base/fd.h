/* SPDX-License-Identifier: MIT */
/* fd.h - descriptors: passing them, closing them, whole reads and writes. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

enum { BASE_FD_PASS_MAX = 4 };

/* Send one SEQPACKET message with @fd_count (0..4) descriptors, and our credentials if
 * @with_credentials. Return: 0 or negative errno. Never raises SIGPIPE. */
int base_fd_send(int socket, const void *data, size_t bytes, const int *fds, int fd_count,
		 int with_credentials);

/* Receive one message. Descriptors arrive close-on-exec; surplus ones are closed.
 * *ret_pid: sender's pid if the socket has SO_PASSCRED, else 0 (may be NULL).
 * Return: bytes (0 = peer closed) or negative errno; -EAGAIN on a non-blocking socket. */
ssize_t base_fd_recv(int socket, void *buffer, size_t room, int *fds, int *ret_fd_count,
		     pid_t *ret_pid);

int base_fd_set_nonblocking(int fd, int on);
int base_fd_set_cloexec(int fd, int on);

/* Close-on-exec for all from @first up: close_range(), or /proc/self/fd on old kernels. */
void base_fd_cloexec_from(int first);

#endif
