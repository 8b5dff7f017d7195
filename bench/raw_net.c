/* SPDX-License-Identifier: MIT */
/* raw_net.c - see raw_net.h. */
#include "raw_net.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"

enum { LIMIT_S = 30, PAUSE_US = 3000, SPIN_NS = 1000000, LOOK_AT_CLOCK = 16 };

const struct raw_net_ops *raw_net_find(const char *fabric)
{
	static const struct raw_net_ops *const all[] = {
#ifdef BENCH_RAW_OFI
		&raw_ofi,
#endif
#ifdef BENCH_RAW_UCX
		&raw_ucx,
#endif
		NULL,
	};

	for (int i = 0; all[i]; i++)
		if (!strcmp(all[i]->name, fabric))
			return all[i];
	return NULL;
}

int raw_net_tell(int fd, const void *data, size_t bytes)
{
	return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -EPIPE;
}

int raw_net_hear(int fd, void *data, size_t bytes)
{
	return recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes ? 0 : -EPIPE;
}

void raw_pause(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_US * 1000L };

	nanosleep(&pause, NULL);
}

uint64_t raw_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* How a side waits, and until when. */
struct patience {
	uint64_t deadline_ns;
	bool sleeps;
	uint64_t idle_since_ns;	/* 0: not idle */
	unsigned looks;
};

static struct patience patience(bool sleeps)
{
	return (struct patience){ .sleeps = sleeps,
				  .deadline_ns = base_now_ns() + LIMIT_S * 1000 * BASE_MS };
}

/* Two cores and other processes: whoever has nothing to do for a while gives way. A yield alone
 * costs milliseconds where somebody else computes. */
static int turn(struct raw_net *net, struct patience *p)
{
	int rc = net->ops->turn(net);
	uint64_t now_ns;

	if (rc < 0)
		return rc;
	if (rc) {
		p->idle_since_ns = 0;
		return 0;
	}
	if (!p->sleeps && ++p->looks % LOOK_AT_CLOCK)
		return 0;
	now_ns = base_now_ns();
	if (!p->idle_since_ns)
		p->idle_since_ns = now_ns;
	if (now_ns > p->deadline_ns)
		return -ETIMEDOUT;
	if (!(p->sleeps || now_ns - p->idle_since_ns > SPIN_NS) || !net->ops->sleep(net))
		sched_yield();
	return 0;
}

static int until(struct raw_net *net, struct patience *p, uint64_t came)
{
	int rc = 0;

	while (net->came < came && !rc)
		rc = turn(net, p);
	return rc;
}

static int post(struct raw_net *net, struct patience *p, size_t bytes)
{
	int rc;

	while ((rc = net->ops->post(net, bytes)) == -EAGAIN) {
		rc = turn(net, p);
		if (rc)
			break;
	}
	p->idle_since_ns = 0;	/* who has work to do is not idle, even if nothing comes back */
	return rc;
}

int raw_net_part(struct raw_net *net)
{
	struct patience p = patience(false);
	int rc = 0;
	char byte = 0;

	while (net->under_way && !rc)
		rc = turn(net, &p);
	rc = rc ? rc : raw_net_tell(net->fd, &byte, 1);
	while (!rc) {
		ssize_t got = recv(net->fd, &byte, 1, MSG_DONTWAIT);

		if (got == 1)
			break;
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return -EPIPE;
		rc = turn(net, &p);
	}
	return rc;
}

static int ping(struct bench_run *run, struct raw_net *net, struct patience *p)
{
	uint64_t next = net->came + 1;
	int rc = run->side ? 0 : post(net, p, run->row->bytes);

	rc = rc ? rc : until(net, p, next);
	return rc || !run->side ? rc : post(net, p, run->row->bytes);
}

static int oneway(struct bench_run *run, struct raw_net *net, bool sleeps, bool pauses)
{
	struct patience p = patience(sleeps);
	int rc = 0;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t sum = 0;

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			uint64_t begin;

			if (pauses && !run->side)
				raw_pause();
			begin = base_now_ns();
			rc = ping(run, net, &p);
			sum += base_now_ns() - begin;
		}
		run->values[i] = (double)sum / (double)(2 * run->batch);
	}
	return rc ? rc : raw_net_part(net);
}

int raw_net_oneway(struct bench_run *run, struct raw_net *net)
{
	return oneway(run, net, false, false);
}

int raw_net_wake(struct bench_run *run, struct raw_net *net)
{
	return oneway(run, net, true, true);
}

int raw_net_cpu(struct bench_run *run, struct raw_net *net)
{
	uint64_t begin = raw_cpu_ns();
	int rc = oneway(run, net, true, false);
	double each = (double)(raw_cpu_ns() - begin) / (double)(run->batch * run->values_count);

	/* A clock that is read too often would be what is measured. */
	for (uint64_t i = 0; i < run->values_count; i++)
		run->values[i] = each;
	return rc;
}

int raw_net_rate(struct bench_run *run, struct raw_net *net)
{
	struct patience p = patience(false);
	uint64_t begin = base_now_ns(), came = net->came;
	int rc = 0;

	if (!run->side) {
		rc = until(net, &p, came + run->batch);
		run->values[0] = (double)run->batch * 1e3 / (double)(base_now_ns() - begin);
		rc = rc ? rc : post(net, &p, 8);
		return rc ? rc : raw_net_part(net);
	}
	for (uint64_t i = 0; i < run->batch && !rc; i++) {
		rc = post(net, &p, run->row->bytes);
		if (!rc && i % 32 == 31)
			rc = turn(net, &p);
	}
	/* One comes back when all are there. */
	rc = rc ? rc : until(net, &p, came + 1);
	return rc ? rc : raw_net_part(net);
}

int raw_net_stream(struct bench_run *run, struct raw_net *net)
{
	int rc = raw_net_rate(run, net);

	run->values[0] *= (double)run->row->bytes / 1e3;
	return rc;
}

int raw_net_copied(struct bench_run *run, struct raw_net *net)
{
	int rc = -ENOMEM;

	net->own = malloc(2 * (size_t)RAW_NET_BYTES_MAX);
	if (net->own) {
		memset(net->own, 1, 2 * (size_t)RAW_NET_BYTES_MAX);
		rc = raw_net_stream(run, net);
	}
	free(net->own);
	net->own = NULL;
	return rc;
}
