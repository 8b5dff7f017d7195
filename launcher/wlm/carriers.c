/* SPDX-License-Identifier: MIT */
/* carriers.c - see carriers.h: which carriers there are, their turns and their ends. */
#include "wlm/carriers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "wlm/carrier.h"

enum {
	GONE_MS = 500,		/* for the last words of a daemon that left by itself */
	DONE_MS = 5000,		/* the same if it was content: they come by way of others */
	EVENTS = 16,
	WAIT_US = 500,
	LOCAL_LEAVE_MS = 1000,	/* for daemons to go when their life line ends */
	LEAVE_MS = 3000,	/* the same on other machines */
	LAST_MS = 500,		/* for carriers, from SIGTERM to SIGKILL */
	COMMAND_FAILED = 125,	/* status of one that could not even be started */
};

static struct carrier *carrier_of(const struct launch_carriers *carriers, uint32_t node)
{
	return &carriers->carriers[carriers->spec.source->one_for_all ? 0 : node];
}

static void read_all(struct launch_carriers *carriers)
{
	struct epoll_event events[EVENTS];
	int count;

	while ((count = epoll_wait(carriers->epoll, events, EVENTS, 0)) > 0)
		for (int i = 0; i < count; i++)
			launch_carrier_read(carriers, &carriers->carriers[events[i].data.u32]);
}

/* As many as may be coming up at the same time. */
static int start_some(struct launch_carriers *carriers, struct base_err *reterr)
{
	const struct launch_wlm *source = carriers->spec.source;

	while (carriers->started < carriers->count && !carriers->closing &&
	       (!source->at_once || carriers->coming_up < source->at_once)) {
		int rc = launch_carrier_start(carriers, carriers->started, reterr);

		if (rc < 0)
			return rc;
		carriers->started++;
		carriers->coming_up++;
	}
	return 0;
}

static void print_end(const struct launch_carriers *carriers, const struct carrier *carrier,
		      uint32_t node, char *ret_text, size_t room)
{
	const struct launch_wlm *source = carriers->spec.source;
	int killed = WIFSIGNALED(carrier->status);
	char what[64], how[64];

	if (source->same_machine)
		snprintf(what, sizeof(what), "daemon of node %u", node);
	else if (source->one_for_all)
		snprintf(what, sizeof(what), "%s, which carries all daemons,", source->carrier);
	else
		snprintf(what, sizeof(what), "%s to node %u (%.30s)", source->carrier, node,
			 carriers->spec.hosts[node].name);
	if (killed)
		snprintf(how, sizeof(how), "was killed by signal %d (%s)",
			 WTERMSIG(carrier->status), strsignal(WTERMSIG(carrier->status)));
	else
		snprintf(how, sizeof(how), "ended with exit code %d", WEXITSTATUS(carrier->status));
	snprintf(ret_text, room, "%s %s%s%.120s", what, how, *carrier->last ? ": " : "",
		 carrier->last);
}

static void tell_end(struct launch_carriers *carriers, struct carrier *carrier)
{
	char text[LAUNCH_CARRIER_TEXT_BYTES];

	if (carrier->errors >= 0)
		launch_carrier_read(carriers, carrier);
	carrier->told = 1;
	for (uint32_t node = carrier->first; node < carrier->first + carrier->count; node++) {
		if (carriers->nodes[node] & CARRIER_OVER)
			continue;
		print_end(carriers, carrier, node, text, sizeof(text));
		if (carriers->hooks.lost)
			carriers->hooks.lost(carriers->hooks.arg, node, text);
	}
}

/* Return: ms until one of them must be told of, -1 none. */
static int tell_ends(struct launch_carriers *carriers)
{
	uint64_t now_ns = base_now_ns(), next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < carriers->started; i++) {
		struct carrier *carrier = &carriers->carriers[i];
		uint64_t due_ns = carrier->gone_ns +
				  (carrier->status ? GONE_MS : DONE_MS) * BASE_MS;

		if (!carrier->gone_ns || carrier->told)
			continue;
		/* One that left by itself may have said why: its words can still be on the way. */
		if (WIFSIGNALED(carrier->status) || now_ns >= due_ns)
			tell_end(carriers, carrier);
		else if (due_ns < next_ns)
			next_ns = due_ns;
	}
	carriers->changed = next_ns != UINT64_MAX;
	return base_poll_ms(next_ns);
}

int launch_carriers_step(struct launch_carriers *carriers)
{
	struct base_err err;

	read_all(carriers);
	if (start_some(carriers, &err) < 0) {
		struct carrier *carrier = &carriers->carriers[carriers->started];

		/* As if it had ended at once: the reason goes the same way. */
		snprintf(carrier->last, sizeof(carrier->last), "%s", err.text);
		carrier->status = COMMAND_FAILED << 8;
		carrier->gone_ns = base_now_ns();
		carriers->started++;
		carriers->changed = 1;
	}
	return carriers->changed ? tell_ends(carriers) : -1;
}

int launch_carriers_reaped(struct launch_carriers *carriers, pid_t pid, int status)
{
	for (uint32_t i = 0; i < carriers->started; i++) {
		struct carrier *carrier = &carriers->carriers[i];

		if (carrier->pid != pid)
			continue;
		carrier->pid = 0;
		carrier->status = status;
		carrier->gone_ns = base_now_ns();
		carriers->coming_up -= carrier->greeted < carrier->count;
		carriers->changed = 1;
		return 1;
	}
	return 0;
}

void launch_carriers_greeted(struct launch_carriers *carriers, uint32_t node)
{
	struct carrier *carrier = carrier_of(carriers, node);

	if (carriers->nodes[node] & CARRIER_GREETED || !carrier->started)
		return;
	carriers->nodes[node] |= CARRIER_GREETED;
	if (++carrier->greeted < carrier->count)
		return;
	launch_carrier_release(carriers, carrier);
	carriers->coming_up -= carrier->pid > 0;
	if (++carriers->up == carriers->count)
		launch_boot_file_remove(&carriers->boot_file);
}

void launch_carriers_over(struct launch_carriers *carriers, uint32_t node)
{
	struct carrier *carrier = carrier_of(carriers, node);

	if (!(carriers->nodes[node] & CARRIER_OVER))
		carrier->over++;
	carriers->nodes[node] |= CARRIER_OVER;
}

void launch_carriers_describe(const struct launch_carriers *carriers, uint32_t node,
			      char *ret_text, size_t room)
{
	const struct carrier *carrier = carrier_of(carriers, node);

	if (!carrier->started)
		snprintf(ret_text, room, "waits for its turn to be started");
	else if (*carrier->last)
		snprintf(ret_text, room, "its daemon does not answer: %s", carrier->last);
	else
		snprintf(ret_text, room, "its daemon does not answer");
}

int launch_carriers_fd(const struct launch_carriers *carriers)
{
	return carriers->epoll;
}

static uint32_t count_running(struct launch_carriers *carriers)
{
	uint32_t count = 0;

	read_all(carriers);	/* none may wait for us in its write() */
	for (uint32_t i = 0; i < carriers->started; i++) {
		struct carrier *carrier = &carriers->carriers[i];
		int status;

		if (carrier->pid > 0 && waitpid(carrier->pid, &status, WNOHANG) != 0)
			carrier->pid = 0;
		count += carrier->pid > 0;
	}
	return count;
}

static void wait_for_all(struct launch_carriers *carriers, int limit_ms)
{
	uint64_t limit_ns = base_now_ns() + (uint64_t)limit_ms * BASE_MS;

	while (count_running(carriers) && base_now_ns() < limit_ns)
		usleep(WAIT_US);
}

/* A carrier's group: ssh and srun have helpers. */
static void signal_all(struct launch_carriers *carriers, int number)
{
	for (uint32_t i = 0; i < carriers->started; i++)
		if (carriers->carriers[i].pid > 0)
			kill(-carriers->carriers[i].pid, number);
}

static void end_all(struct launch_carriers *carriers)
{
	int here = carriers->spec.source->same_machine;

	for (uint32_t i = 0; i < carriers->started; i++) {
		struct carrier *carrier = &carriers->carriers[i];

		/* What it leaves behind is swept by tag; elsewhere only a daemon could do it, so
		 * it gets time, unless none has ever been heard of. */
		if (here && carrier->pid > 0 && carrier->over < carrier->count)
			kill(carrier->pid, SIGKILL);
		else if (!here && carrier->pid > 0 && !carrier->greeted)
			kill(-carrier->pid, SIGTERM);
		if (carrier->lifeline >= 0)
			close(carrier->lifeline);
		carrier->lifeline = -1;
	}
	wait_for_all(carriers, here ? LOCAL_LEAVE_MS : LEAVE_MS);
	if (!here && count_running(carriers)) {
		signal_all(carriers, SIGTERM);
		wait_for_all(carriers, LAST_MS);
	}
	signal_all(carriers, SIGKILL);
	wait_for_all(carriers, LAST_MS);
}

void launch_carriers_close(struct launch_carriers *carriers)
{
	if (!carriers)
		return;
	carriers->closing = 1;
	end_all(carriers);
	launch_boot_file_remove(&carriers->boot_file);
	for (uint32_t i = 0; i < carriers->count; i++)
		if (carriers->carriers[i].errors >= 0)
			close(carriers->carriers[i].errors);
	if (carriers->epoll >= 0)
		close(carriers->epoll);
	free(carriers->carriers);
	free(carriers->nodes);
	free(carriers);
}

static struct launch_carriers *make(const struct launch_carriers_spec *spec,
				    const struct launch_carriers_hooks *hooks)
{
	struct launch_carriers *carriers = calloc(1, sizeof(*carriers));
	int one = spec->source->one_for_all;

	if (!carriers)
		return NULL;
	carriers->spec = *spec;
	carriers->hooks = *hooks;
	carriers->epoll = epoll_create1(EPOLL_CLOEXEC);
	carriers->count = one ? 1 : spec->nodes;
	carriers->carriers = calloc(carriers->count, sizeof(*carriers->carriers));
	carriers->nodes = calloc(spec->nodes, 1);
	if (carriers->epoll < 0 || !carriers->carriers || !carriers->nodes) {
		carriers->count = 0;
		launch_carriers_close(carriers);
		return NULL;
	}
	for (uint32_t i = 0; i < carriers->count; i++) {
		struct carrier *carrier = &carriers->carriers[i];

		carrier->lifeline = carrier->errors = -1;
		carrier->first = i;
		carrier->count = one ? spec->nodes : 1;
	}
	return carriers;
}

int launch_carriers_open(const struct launch_carriers_spec *spec,
			 const struct launch_carriers_hooks *hooks,
			 struct launch_carriers **ret_carriers, struct base_err *reterr)
{
	struct launch_carriers *carriers = make(spec, hooks);
	int rc;

	if (!carriers)
		return base_err(reterr, -ENOMEM, "no memory or descriptors for %u nodes",
				spec->nodes);
	rc = spec->source->boot_by_file ?
		launch_boot_file_write(spec->boot, &carriers->boot_file, reterr) : 0;
	if (rc == 0)
		rc = start_some(carriers, reterr);
	if (rc < 0)
		launch_carriers_close(carriers);
	else
		*ret_carriers = carriers;
	return rc;
}
