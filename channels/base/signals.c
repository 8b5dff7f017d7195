/* SPDX-License-Identifier: MIT */
/* signals.c - see signals.h. */
#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

int base_signals_open(const int *numbers, size_t count, struct base_err *reterr)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	signal(SIGCHLD, SIG_DFL);	/* ignored, it would not be heard */
	for (size_t i = 0; i < count; i++) {
		struct sigaction now;

		/* A signalfd would hear what is ignored all the same. */
		if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&mask, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? base_err(reterr, -errno, "no signalfd: %s", strerror(errno)) : fd;
}
