/* SPDX-License-Identifier: MIT */
/*
 * daemon.c - the loop and the life of a node's daemon.
 *
 * STARTING -> READY -> (FAILING ->) LEAVING -> LEFT. Whatever happens, two things stay true: when
 * the life line ends (the owner died) everything of the job is killed at once, and the daemon never
 * leaves while it has a child.
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
#include "node/run.h"
#include "node/pmi.h"
#include "proto/boot_file.h"
#include "sweep/sweep.h"

enum { EVENTS = 64, LINGER_MS = 1000, DEAD_ROUNDS_MAX = 400 };

int launch_daemon_watch(struct daemon *daemon, int fd, uint32_t events,
			struct daemon_watch *watch, struct base_err *reterr)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return base_err(reterr, -errno, "cannot watch a descriptor: %s", strerror(errno));
	return 0;
}

void launch_daemon_rewatch(struct daemon *daemon, int fd, uint32_t events,
			   struct daemon_watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	epoll_ctl(daemon->epoll, EPOLL_CTL_MOD, fd, &event);
}

void launch_daemon_unwatch(struct daemon *daemon, int fd)
{
	epoll_ctl(daemon->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* dlaunch is gone or out of reach: nobody is left to be asked or told. Never returns. */
static void __attribute__((noreturn)) die(struct daemon *daemon, const char *why)
{
	char tag[64];
	const char *wanted[] = { tag, NULL };

	base_log_warn("node %u: %s, ending the job", daemon->boot->node, why);
	if (daemon->boot->file)
		launch_boot_file_forget(daemon->boot->file);
	snprintf(tag, sizeof(tag), "%s=%s", LAUNCH_ENV_JOB_TAG, daemon->boot->tag);
	for (int round = 0; round < DEAD_ROUNDS_MAX && launch_sweep_children() > 0; round++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(DAEMON_SWEEP_MS * 1000);
	}
	launch_sweep_tag(wanted, 0);
	launch_daemon_mpi_abandon(daemon);
	launch_daemon_service_close(daemon);
	_exit(DAEMON_FAILED);
}

void launch_daemon_send(struct daemon *daemon, const struct launch_message *message)
{
	int rc = launch_relay_send(daemon->relay, message);

	if (rc < 0) {
		base_log_error("node %u: cannot send %s to dlaunch: %s", daemon->boot->node,
			       launch_type_name(message->type), strerror(-rc));
		die(daemon, "the control link is broken");
	}
}

static struct daemon_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct daemon_run, entry);
}

void launch_daemon_fail(struct daemon *daemon, unsigned code, const char *format, ...)
{
	struct launch_message message = { .type = LAUNCH_FAIL };
	va_list args;

	if (daemon->state >= DAEMON_FAILING)
		return;
	message.fail.code = code;
	va_start(args, format);
	vsnprintf(message.fail.text, sizeof(message.fail.text), format, args);
	va_end(args);
	daemon->exit_code = (int)code;
	daemon->state = DAEMON_FAILING;
	launch_daemon_send(daemon, &message);
	base_list_for(entry, &daemon->runs)
		launch_daemon_run_stop(run_of(entry), DAEMON_KILL_AFTER_MS);
}

void launch_daemon_check_ready(struct daemon *daemon)
{
	struct launch_message message = { .type = LAUNCH_READY };

	if (daemon->state != DAEMON_STARTING || !daemon->joined || !daemon->service ||
	    (*daemon->boot->agent && !daemon->agent_up))
		return;
	daemon->state = DAEMON_READY;
	message.ready = daemon->self;
	message.ready.node = daemon->boot->node;
	launch_daemon_send(daemon, &message);
}

void launch_daemon_leave(struct daemon *daemon)
{
	daemon->state = DAEMON_LEAVING;
	base_list_for(entry, &daemon->runs)
		launch_daemon_run_finish(run_of(entry));
	if (daemon->agent > 0)
		kill(daemon->agent, SIGTERM);
	daemon->agent_kill_at_ns = base_now_ns() + DAEMON_AGENT_GRACE_MS * BASE_MS;
	daemon->below_until_ns = base_now_ns() + DAEMON_BELOW_MS * BASE_MS;
}

/* Return: ms until it wants to be called again, -1 when something else will wake us. */
static int leaving_step(struct daemon *daemon)
{
	struct launch_message left = { .type = LAUNCH_LEFT };

	if (!base_list_empty(&daemon->runs))
		return -1;	/* their own steps lead on */
	if (daemon->agent > 0 && base_now_ns() < daemon->agent_kill_at_ns)
		return base_poll_ms(daemon->agent_kill_at_ns);
	if (launch_sweep_children() > 0)
		return DAEMON_SWEEP_MS;
	/* What they have to say goes by way of us. */
	if (launch_relay_waits_for(daemon->relay) && !daemon->exit_code)
		return -1;
	if (launch_relay_waits_for(daemon->relay) && base_now_ns() < daemon->below_until_ns)
		return base_poll_ms(daemon->below_until_ns);
	launch_daemon_mpi_close(daemon);
	launch_daemon_service_close(daemon);
	launch_daemon_send(daemon, &left);
	daemon->state = DAEMON_LEFT;
	return 0;
}

/* The sooner of two times to wait, of which -1 is for ever. */
static int sooner(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void agent_lost(struct daemon *daemon)
{
	daemon->agent_lost_ns = UINT64_MAX;
	launch_daemon_fail(daemon, DAEMON_FAILED, "agent (pid %d) ended its connection",
			   (int)daemon->agent);
}

static int next_timer(struct daemon *daemon)
{
	int wait_ms;

	if (daemon->agent_lost_ns <= base_now_ns())
		agent_lost(daemon);
	wait_ms = launch_daemon_runs_step(daemon);
	if (daemon->state == DAEMON_FAILING && base_list_empty(&daemon->runs))
		launch_daemon_leave(daemon);
	if (daemon->state == DAEMON_LEAVING)
		wait_ms = sooner(wait_ms, leaving_step(daemon));
	if (daemon->service)
		wait_ms = sooner(wait_ms, dhow_node_step(daemon->service));
	/* Last: what was done above may have set it. */
	return sooner(wait_ms, base_poll_ms(daemon->agent_lost_ns));
}

void launch_daemon_reap(struct daemon *daemon)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == daemon->agent) {
			launch_daemon_agent_ended(daemon, status);
			continue;
		}
		base_list_for(entry, &daemon->runs)
			if (launch_daemon_tasks_reaped(run_of(entry), pid, status))
				break;
	}
}

static void take_signals(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			launch_daemon_fail(daemon, DAEMON_FAILED,
					   "daemon (pid %d) was told to end by %s", (int)getpid(),
					   strsignal((int)info.ssi_signo));
	launch_daemon_reap(daemon);
}

static void check_lifeline(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;
	char byte;
	ssize_t n = read(daemon->lifeline, &byte, 1);

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die(daemon, "dlaunch is gone");
}

/* Where nothing carries our stdin, the control link is the life line. Else it only tells why nobody
 * will hear of us. */
static void check_link(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;
	int wait_ms;

	(void)events;
	if (!launch_link_broken(launch_relay_root(daemon->relay), &wait_ms))
		return;
	if (!daemon->heard && !daemon->told_broken)
		base_log_warn("node %u: %s cannot be reached from here (see --bind-address of "
			      "dlaunch)", daemon->boot->node, daemon->boot->endpoint);
	daemon->told_broken = 1;
	if (daemon->lifeline < 0)
		die(daemon, "dlaunch is gone");
}

/* A life line that somebody carries does not break when the network is cut. Return: ms until we
 * want to know again, -1 not before there is news. */
static int check_cut(struct daemon *daemon)
{
	uint64_t since_ns = launch_link_cut_ns(launch_relay_root(daemon->relay));
	unsigned limit_ms = daemon->heard ? DAEMON_CUT_MS : DAEMON_UNHEARD_MS;
	uint64_t limit_ns = since_ns + limit_ms * BASE_MS;

	if (!since_ns)
		return -1;
	if (base_now_ns() >= limit_ns)
		die(daemon, "dlaunch cannot be reached any more");
	return base_poll_ms(limit_ns);
}

/* The link is drained and the service stepped on every turn anyway. */
static void wake(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
}

static void flush(struct daemon *daemon)
{
	if (launch_relay_flush(daemon->relay) < 0)
		die(daemon, "the control link is broken");
}

static void dispatch(const struct epoll_event *event)
{
	struct daemon_watch *watch = event->data.ptr;

	watch->ready(watch->arg, event->events);
}

static void loop(struct daemon *daemon)
{
	struct epoll_event events[EVENTS];

	while (daemon->state != DAEMON_LEFT) {
		int wait_ms = next_timer(daemon), count;

		flush(daemon);
		/* Last before we sleep: the link's descriptor tells of news only once. What was
		 * heard may have set a timer or given the service work. */
		if (launch_daemon_hear(daemon) > 0) {
			daemon->heard = 1;
			wait_ms = 0;
		}
		if (daemon->state == DAEMON_LEFT)
			break;
		check_link(daemon, 0);
		wait_ms = sooner(wait_ms, check_cut(daemon));
		count = epoll_wait(daemon->epoll, events, EVENTS, wait_ms);
		for (int i = 0; i < count; i++)
			dispatch(&events[i]);
	}
}

static int open_all(struct daemon *daemon, struct base_err *reterr)
{
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a pool beyond ulimit -f is an error like others */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
	daemon->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (daemon->epoll < 0 || daemon->signals < 0)
		return base_err(reterr, -errno, "no epoll or signalfd: %s", strerror(errno));
	rc = launch_daemon_tree_open(daemon, reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon, daemon->signals, EPOLLIN, &daemon->on_signals,
					 reterr);
	if (rc == 0 && daemon->lifeline >= 0)
		rc = launch_daemon_watch(daemon, daemon->lifeline, EPOLLIN, &daemon->on_lifeline,
					 reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon,
					 launch_link_broken_fd(launch_relay_root(daemon->relay)),
					 EPOLLIN, &daemon->on_broken, reterr);
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
	snprintf(hello.hello.endpoint, sizeof(hello.hello.endpoint), "%s",
		 launch_relay_endpoint(daemon->relay));
	launch_daemon_send(daemon, &hello);
	rc = launch_daemon_service_open(daemon, &err);
	if (rc == 0 && *daemon->boot->agent)
		rc = launch_daemon_agent_start(daemon, &err);
	/* Nothing else needs the secret: a core or a stray read cannot find it. */
	launch_keys_wipe(daemon->boot->secret, sizeof(daemon->boot->secret));
	if (rc < 0)
		launch_daemon_fail(daemon, DAEMON_FAILED, "%s", err.text);
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
				 .agent_lost_ns = UINT64_MAX,
				 .on_link = { wake, NULL },
				 .on_service = { wake, NULL },
				 .on_signals = { take_signals, &daemon },
				 .on_lifeline = { check_lifeline, &daemon },
				 .on_broken = { check_link, &daemon },
				 .core = *core,
				 .files = *files };
	struct base_err err;

	base_list_init(&daemon.runs);
	if (open_all(&daemon, &err) < 0) {
		base_log_error("node %u: %s", boot->node, err.text);
		return DAEMON_FAILED;
	}
	come_up(&daemon);
	loop(&daemon);
	launch_relay_close(daemon.relay, LINGER_MS);
	close(daemon.epoll);
	close(daemon.signals);
	return daemon.exit_code;
}
