/* SPDX-License-Identifier: MIT */
/*
 * daemon.c - the loop and the life of a node's daemon.
 *
 * STARTING -> READY -> RUNNING -> (STOPPING ->) FINISHING -> LEAVING. Whatever happens, two things
 * stay true: when the life line ends (dlaunch died) everything of the run is killed at once, and
 * the daemon never leaves while it has a child.
 */
#include "node/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sweep/sweep.h"

enum { EVENTS = 64, LINGER_MS = 1000, DEAD_ROUNDS_MAX = 400 };

int launch_daemon_watch(struct daemon *daemon, int fd, uint32_t events,
			enum daemon_source source, uint32_t index, struct base_err *reterr)
{
	struct epoll_event event = { .events = events,
				     .data.u64 = (uint64_t)source << 32 | index };

	if (epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return base_err(reterr, -errno, "cannot watch a descriptor: %s", strerror(errno));
	return 0;
}

/* dlaunch is gone or out of reach: nobody is left to be asked or told. Never returns. */
static void __attribute__((noreturn)) die(struct daemon *daemon, const char *why)
{
	char tag[64];
	const char *wanted[] = { tag, NULL };

	base_log_warn("node %u: %s, ending the run", daemon->boot->node, why);
	snprintf(tag, sizeof(tag), "%s=%s", LAUNCH_ENV_RUN_TAG, daemon->boot->tag);
	for (int round = 0; round < DEAD_ROUNDS_MAX && launch_sweep_children() > 0; round++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(DAEMON_SWEEP_MS * 1000);
	}
	launch_sweep_tag(wanted, 0);
	launch_daemon_service_close(daemon);
	_exit(125);
}

void launch_daemon_send(struct daemon *daemon, const struct launch_message *message)
{
	int rc = launch_link_send(daemon->link, 0, message);

	if (rc < 0) {
		base_log_error("node %u: cannot send %s to dlaunch: %s", daemon->boot->node,
			       launch_type_name(message->type), strerror(-rc));
		die(daemon, "the control link is broken");
	}
}

void launch_daemon_fail(struct daemon *daemon, unsigned code, const char *format, ...)
{
	struct launch_message message = { .type = LAUNCH_FAIL };
	va_list args;

	message.fail.code = code;
	va_start(args, format);
	vsnprintf(message.fail.text, sizeof(message.fail.text), format, args);
	va_end(args);
	daemon->exit_code = (int)code;
	launch_daemon_send(daemon, &message);
	launch_daemon_stop_tasks(daemon);
}

void launch_daemon_check_ready(struct daemon *daemon)
{
	struct launch_message message = { .type = LAUNCH_READY };

	if (daemon->state != DAEMON_STARTING || *daemon->boot->agent)
		return;
	daemon->state = DAEMON_READY;
	message.ready.node = daemon->boot->node;
	launch_daemon_send(daemon, &message);
}

void launch_daemon_finish(struct daemon *daemon)
{
	char tag[64], node[32];
	const char *wanted[] = { tag, node, NULL };

	daemon->state = DAEMON_FINISHING;
	launch_daemon_kill_tasks(daemon);
	if (daemon->agent > 0)
		kill(daemon->agent, SIGTERM);
	snprintf(tag, sizeof(tag), "%s=%s", LAUNCH_ENV_RUN_TAG, daemon->boot->tag);
	snprintf(node, sizeof(node), "%s=%u", DHOW_ENV_NODE, daemon->boot->node);
	launch_sweep_tag(wanted, daemon->agent);
	daemon->agent_kill_at_ns = base_now_ns() + DAEMON_AGENT_GRACE_MS * BASE_MS;
}

/* Return: ms until it wants to be called again, -1 when something else will wake us. */
static int finishing_step(struct daemon *daemon)
{
	struct launch_message done = { .type = LAUNCH_DONE };

	launch_daemon_reap(daemon);
	if (daemon->agent > 0 && base_now_ns() < daemon->agent_kill_at_ns)
		return base_poll_ms(daemon->agent_kill_at_ns);
	if (launch_sweep_children() > 0)
		return DAEMON_SWEEP_MS;
	if (daemon->open_pipes) {	/* the last output, or dlaunch is slow to take it */
		if (!daemon->drain_until_ns || launch_daemon_pipes_paused(daemon))
			daemon->drain_until_ns = base_now_ns() + DAEMON_DRAIN_MS * BASE_MS;
		if (base_now_ns() < daemon->drain_until_ns)
			return base_poll_ms(daemon->drain_until_ns);
		launch_daemon_pipes_close(daemon);
	}
	launch_daemon_service_close(daemon);
	launch_daemon_send(daemon, &done);
	daemon->state = DAEMON_LEAVING;
	return 0;
}

/* The sooner of two times to wait, of which -1 is for ever. */
static int sooner(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int next_timer(struct daemon *daemon)
{
	uint64_t now_ns = base_now_ns();
	int wait_ms = -1;

	if (daemon->kill_at_ns <= now_ns)
		launch_daemon_kill_tasks(daemon);
	if (daemon->agent_lost_ns <= now_ns) {
		daemon->agent_lost_ns = UINT64_MAX;
		if (daemon->state < DAEMON_FINISHING)
			launch_daemon_fail(daemon, 125, "agent (pid %d) ended its connection",
					   (int)daemon->agent);
	}
	if (daemon->state == DAEMON_STOPPING && !daemon->running)
		launch_daemon_finish(daemon);
	if (daemon->state == DAEMON_FINISHING)
		wait_ms = finishing_step(daemon);
	if (daemon->service)
		wait_ms = sooner(wait_ms, dhow_node_step(daemon->service));
	/* Last: what was done above may have set them. */
	wait_ms = sooner(wait_ms, base_poll_ms(daemon->kill_at_ns));
	return sooner(wait_ms, base_poll_ms(daemon->agent_lost_ns));
}

static void take_signals(struct daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && daemon->state < DAEMON_FINISHING)
			launch_daemon_fail(daemon, 125, "daemon (pid %d) was told to end by %s",
					   (int)getpid(), strsignal((int)info.ssi_signo));
	launch_daemon_reap(daemon);
}

static void check_lifeline(struct daemon *daemon)
{
	char byte;
	ssize_t n = read(daemon->lifeline, &byte, 1);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die(daemon, "dlaunch is gone");
}

static void dispatch(struct daemon *daemon, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;

	switch ((enum daemon_source)(event->data.u64 >> 32)) {
	case DAEMON_LINK:	/* drained on every turn anyway */
	case DAEMON_SERVICE:
		break;
	case DAEMON_SIGNALS:
		take_signals(daemon);
		break;
	case DAEMON_LIFELINE:
		check_lifeline(daemon);
		break;
	case DAEMON_OUTPUT:
		launch_daemon_pipe_read(daemon, index);
		break;
	case DAEMON_INPUT:
		if (event->events & EPOLLERR)
			launch_daemon_input_close(daemon);
		else
			launch_daemon_input_write(daemon);
		break;
	}
}

static void loop(struct daemon *daemon)
{
	struct epoll_event events[EVENTS];

	while (daemon->state != DAEMON_LEAVING) {
		int wait_ms = next_timer(daemon), count;

		/* Last before we sleep: the link's descriptor tells of news only once. What was
		 * heard may have set a timer or given the service work. */
		if (launch_daemon_hear(daemon) > 0)
			wait_ms = 0;
		if (daemon->state == DAEMON_LEAVING)
			break;
		count = epoll_wait(daemon->epoll, events, EVENTS, wait_ms);
		for (int i = 0; i < count; i++)
			dispatch(daemon, &events[i]);
	}
}

static int open_all(struct daemon *daemon, struct base_err *reterr)
{
	struct launch_boot *boot = daemon->boot;
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
	daemon->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (daemon->epoll < 0 || daemon->signals < 0)
		return base_err(reterr, -errno, "no epoll or signalfd: %s", strerror(errno));
	rc = launch_link_connect(boot->endpoint, boot->node, &boot->keys, boot->server,
				 &daemon->link, reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon, launch_link_fd(daemon->link), EPOLLIN, DAEMON_LINK,
					 0, reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon, daemon->signals, EPOLLIN, DAEMON_SIGNALS, 0,
					 reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon, daemon->lifeline, EPOLLIN, DAEMON_LIFELINE, 0,
					 reterr);
	return rc;
}

static void come_up(struct daemon *daemon)
{
	struct launch_message hello = { .type = LAUNCH_HELLO };
	struct base_err err;
	int rc;

	hello.hello.node = daemon->boot->node;
	hello.hello.job = daemon->boot->job;
	hello.hello.pid = (uint32_t)getpid();
	launch_daemon_send(daemon, &hello);
	rc = launch_daemon_service_open(daemon, &err);
	if (rc == 0 && *daemon->boot->agent)
		rc = launch_daemon_agent_start(daemon, &err);
	/* Nothing else needs the secret: a core or a stray read cannot find it. */
	launch_keys_wipe(daemon->boot->secret, sizeof(daemon->boot->secret));
	if (rc < 0)
		launch_daemon_fail(daemon, 125, "%s", err.text);
	else
		launch_daemon_check_ready(daemon);
}

int launch_daemon_run(struct launch_boot *boot, int lifeline, const struct rlimit *core,
		      const struct rlimit *files)
{
	struct daemon daemon = { .boot = boot,
				 .epoll = -1,
				 .signals = -1,
				 .lifeline = lifeline,
				 .window_bytes = LAUNCH_WINDOW_BYTES,
				 .input = -1,
				 .kill_at_ns = UINT64_MAX,
				 .agent_lost_ns = UINT64_MAX,
				 .core = *core,
				 .files = *files };
	struct base_err err;

	if (open_all(&daemon, &err) < 0) {
		base_log_error("node %u: %s", boot->node, err.text);
		return 125;
	}
	come_up(&daemon);
	loop(&daemon);
	launch_daemon_pipes_close(&daemon);
	launch_daemon_input_close(&daemon);
	launch_link_close(daemon.link, LINGER_MS);
	free(daemon.tasks);
	close(daemon.epoll);
	close(daemon.signals);
	return daemon.exit_code;
}
