/* SPDX-License-Identifier: MIT */
/* space.c - see space.h. */
#include "space.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE_PACKETS = 2000 };

static int bring(int socket, const char *name, bool up)
{
	struct ifreq request = { 0 };

	strcpy(request.ifr_name, name);
	if (ioctl(socket, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	if (up)
		request.ifr_flags |= IFF_UP | IFF_RUNNING;
	else
		request.ifr_flags &= ~IFF_UP;
	return ioctl(socket, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int set_address(int socket, unsigned long what, const char *text)
{
	struct ifreq request = { .ifr_addr.sa_family = AF_INET };
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&request.ifr_addr;

	strcpy(request.ifr_name, SPACE_DEVICE);
	inet_pton(AF_INET, text, &address->sin_addr);
	return ioctl(socket, what, &request) < 0 ? -errno : 0;
}

static int configure(unsigned index)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	struct ifreq queue = { .ifr_qlen = QUEUE_PACKETS };
	char own[32];

	if (fd < 0)
		return -errno;
	snprintf(own, sizeof(own), SPACE_ADDRESS_FORMAT, SPACE_FIRST + index);
	rc = set_address(fd, SIOCSIFADDR, own);
	if (!rc)
		rc = set_address(fd, SIOCSIFNETMASK, "255.255.255.0");
	strcpy(queue.ifr_name, SPACE_DEVICE);
	if (!rc && ioctl(fd, SIOCSIFTXQLEN, &queue) < 0)
		rc = -errno;
	if (!rc)
		rc = bring(fd, SPACE_DEVICE, true);
	if (!rc)
		rc = bring(fd, "lo", true);
	close(fd);
	return rc;
}

/* In the namespace already. */
static int open_tun(unsigned index, int *ret_tun, char *why, size_t why_bytes)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), rc;

	if (fd < 0) {
		rc = -errno;
		snprintf(why, why_bytes, "/dev/net/tun: %s", strerror(errno));
		return rc;
	}
	strcpy(request.ifr_name, SPACE_DEVICE);
	rc = ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : configure(index);
	if (rc) {
		snprintf(why, why_bytes, "a TUN device: %s", strerror(-rc));
		close(fd);
		return rc;
	}
	*ret_tun = fd;
	return 0;
}

int space_create(unsigned index, int *ret_space, int *ret_tun, char *why, size_t why_bytes)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), space = -1, rc;

	if (home < 0 || unshare(CLONE_NEWNET) < 0) {
		rc = -errno;
		snprintf(why, why_bytes, "a network namespace: %s", strerror(errno));
		if (home >= 0)
			close(home);
		return rc;
	}
	space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	rc = space < 0 ? -errno : open_tun(index, ret_tun, why, why_bytes);
	if (setns(home, CLONE_NEWNET) < 0 && !rc)
		rc = -errno;
	close(home);
	if (rc && space >= 0)
		close(space);
	*ret_space = rc ? -1 : space;
	return rc;
}

int space_device(int space, bool up)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1, rc = 0;

	if (home < 0 || setns(space, CLONE_NEWNET) < 0)
		rc = -errno;
	if (!rc)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!rc)
		rc = fd < 0 ? -errno : bring(fd, SPACE_DEVICE, up);
	if (home >= 0 && setns(home, CLONE_NEWNET) < 0 && !rc)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (home >= 0)
		close(home);
	return rc;
}
