/* SPDX-License-Identifier: MIT */
/* thread.c - see thread.h. */
#include "src/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "src/context.h"
#include "src/liveness.h"

enum command { COMMAND_NONE, COMMAND_ENTER, COMMAND_LEAVE, COMMAND_QUIT };

static struct {
	pthread_t thread;
	int wake;			/* eventfd: look at the command and the connection */
	_Atomic int connection;		/* whose end is ours; -1 none */
	pthread_mutex_t lock;		/* guards what follows; rank 30 */
	pthread_cond_t done;
	enum command command;
	struct segment *subject;
	uint32_t rank;
	int result;
	const struct dhow_node_options *own;	/* borrowed until ready */
	bool ready;
	int door;
	char why[200];
} thread = { .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };

static void answer_command(int result)
{
	thread.result = result;
	thread.command = COMMAND_NONE;
	pthread_cond_broadcast(&thread.done);
}

/* True: quit. */
static bool do_command(void)
{
	bool quit = false;
	uint64_t count;

	if (read(thread.wake, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&thread.lock);
	switch (thread.command) {
	case COMMAND_NONE:
		break;
	case COMMAND_ENTER:
		answer_command(liveness_enter(thread.subject, thread.rank));
		break;
	case COMMAND_LEAVE:
		liveness_leave(thread.subject);
		answer_command(0);
		break;
	case COMMAND_QUIT:
		quit = true;
		answer_command(0);
		break;
	}
	pthread_mutex_unlock(&thread.lock);
	return quit;
}

static int command(enum command what, struct segment *subject)
{
	const uint64_t one = 1;
	int rc;

	pthread_mutex_lock(&thread.lock);
	thread.command = what;
	thread.subject = subject;
	if (write(thread.wake, &one, sizeof(one)) < 0)
		base_log_debug("cannot wake the library's thread");
	while (thread.command != COMMAND_NONE)
		pthread_cond_wait(&thread.done, &thread.lock);
	rc = thread.result;
	pthread_mutex_unlock(&thread.lock);
	return rc;
}

static void daemon_ended(void)
{
	static const char text[] = "dhow: the node's daemon has ended: ending this process\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(125);
	kill(getpid(), SIGKILL);
}

static void *library_thread(void *unused)
{
	struct dhow_node_service *service = NULL;
	struct dhow_node_hooks hooks = { 0 };
	struct pollfd fds[3];
	int rc = 0;

	(void)unused;
	if (thread.own)
		rc = dhow_node_create(thread.own, &hooks, &service);
	if (service && rc == 0)
		rc = dhow_node_door(service, &thread.door);
	pthread_mutex_lock(&thread.lock);
	/* The text of a failure is this thread's; hand it to who started us. */
	snprintf(thread.why, sizeof(thread.why), "%s", rc < 0 ? dhow_error_text() : "");
	thread.ready = true;
	answer_command(rc);
	pthread_mutex_unlock(&thread.lock);

	fds[0] = (struct pollfd){ .fd = thread.wake, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = service ? dhow_node_fd(service) : -1, .events = POLLIN };
	/* Only the end of the connection: what it brings is read by those who asked. */
	fds[2] = (struct pollfd){ .fd = -1 };
	for (int timeout = -1;;) {
		fds[2].fd = atomic_load_explicit(&thread.connection, memory_order_relaxed);
		if (poll(fds, 3, timeout) < 0 && errno != EINTR)
			break;
		if (service)
			timeout = dhow_node_step(service);
		if (fds[2].fd >= 0 && fds[2].revents & (POLLHUP | POLLERR))
			daemon_ended();
		if (fds[0].revents & POLLIN && do_command())
			break;
	}
	dhow_node_destroy(service);
	return NULL;
}

int thread_start(const struct dhow_node_options *own, int *ret_door)
{
	sigset_t all, old;
	int rc;

	thread.own = own;
	thread.ready = false;
	atomic_store_explicit(&thread.connection, -1, memory_order_relaxed);
	thread.wake = eventfd(0, EFD_CLOEXEC);
	if (thread.wake < 0)
		return dhow_fail(-errno, "eventfd: %s", strerror(errno));
	/* Signals are the application's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&thread.thread, NULL, library_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc < 0) {
		close(thread.wake);
		return dhow_fail(rc, "cannot start a thread: %s", strerror(-rc));
	}
	pthread_mutex_lock(&thread.lock);
	while (!thread.ready)
		pthread_cond_wait(&thread.done, &thread.lock);
	rc = thread.result;
	pthread_mutex_unlock(&thread.lock);
	if (rc < 0) {
		thread_stop();
		return dhow_fail(rc, "cannot serve a node: %s", thread.why);
	}
	*ret_door = thread.door;
	return 0;
}

void thread_stop(void)
{
	command(COMMAND_QUIT, NULL);
	pthread_join(thread.thread, NULL);
	close(thread.wake);
}

void thread_live_with(int connection)
{
	const uint64_t one = 1;

	atomic_store_explicit(&thread.connection, connection, memory_order_relaxed);
	if (write(thread.wake, &one, sizeof(one)) < 0)
		base_log_debug("cannot wake the library's thread");
}

int thread_enter(struct segment *segment, uint32_t rank)
{
	thread.rank = rank;
	return command(COMMAND_ENTER, segment);
}

void thread_leave(struct segment *segment)
{
	command(COMMAND_LEAVE, segment);
}
