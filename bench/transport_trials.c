/* SPDX-License-Identifier: MIT */
/* transport_trials.c - what is measured: process, gateway, agent, network, and back up. */
#include "transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { CAPACITY = 256, OPEN_MS = 20000, STACK_BYTES = 256 * 1024 };

static int create(const char *stem, unsigned number, struct dhow_channel **ret_channel)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };
	char name[32];

	snprintf(name, sizeof(name), "transport-%s%u", stem, number);
	return dhow_channel_create(name, &attr, ret_channel);
}

static int open_one(const char *stem, unsigned number, struct dhow_channel **ret_channel)
{
	char name[32];

	snprintf(name, sizeof(name), "transport-%s%u", stem, number);
	return dhow_channel_open(name, dhow_in_ms(OPEN_MS), ret_channel);
}

int transport_open(unsigned side, struct transport *transport)
{
	int rc = create("", side, &transport->mine);

	if (!side && !rc)
		rc = create("in", 0, &transport->incast[0]);
	for (unsigned i = 0; i < TRANSPORT_FLOWS && !rc; i++) {
		rc = side ? open_one("flow", i, &transport->flows[i]) :
			    create("flow", i, &transport->flows[i]);
		if (side && !rc)
			rc = open_one("in", 0, &transport->incast[i]);
	}
	return rc ? rc : open_one("", 1 - side, &transport->theirs);
}

static void end(unsigned side, struct dhow_channel *channel)
{
	if (channel && side)
		dhow_channel_close(channel);
	else if (channel)
		dhow_channel_destroy(channel);
}

void transport_close(unsigned side, struct transport *transport)
{
	for (unsigned i = 0; i < TRANSPORT_FLOWS; i++) {
		end(side, transport->flows[i]);
		end(side, transport->incast[i]);
	}
	if (transport->theirs)
		dhow_channel_close(transport->theirs);
	if (transport->mine)
		dhow_channel_destroy(transport->mine);
}

static int ping(struct bench_run *run, uint64_t deadline_ns)
{
	struct transport *transport = run->context;
	size_t bytes = run->row->bytes, got;
	int rc = 0;

	if (!run->side)
		rc = dhow_send(transport->theirs, transport->data, bytes, deadline_ns);
	if (!rc)
		rc = dhow_recv(transport->mine, transport->data, bytes, &got, NULL, deadline_ns);
	if (!rc && run->side)
		rc = dhow_send(transport->theirs, transport->data, bytes, deadline_ns);
	return rc;
}

static int oneway(struct bench_run *run, bool pauses)
{
	uint64_t deadline_ns = dhow_in_ms(TRANSPORT_TRIAL_MS);
	int rc = 0;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t sum = 0, begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (pauses && !run->side) {
				sum += base_now_ns() - begin;
				raw_pause();
				begin = base_now_ns();
			}
			rc = ping(run, deadline_ns);
		}
		sum += base_now_ns() - begin;
		run->values[i] = (double)sum / (double)(2 * run->batch);
	}
	return rc;
}

int transport_oneway(struct bench_run *run)
{
	return oneway(run, false);
}

int transport_wake(struct bench_run *run)
{
	return oneway(run, true);
}

/* A round trip takes each agent once out and once in, as one message takes both together. */
int transport_cpu(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin = bench_agent_cpu_ns(&transport->agent);
	int rc = oneway(run, false);
	double each = (double)(bench_agent_cpu_ns(&transport->agent) - begin) /
		      (double)(run->batch * run->values_count);

	for (uint64_t i = 0; i < run->values_count; i++)
		run->values[i] = each;
	return rc;
}

struct flow {
	struct dhow_channel *channel;
	unsigned char *data;
	size_t bytes;
	uint64_t count, deadline_ns;
	bool sends;
	int rc;
};

/* A block that goes over as it is: no process copies it. */
static int lend_one(struct flow *flow)
{
	struct dhow_message message;
	int rc;

	if (!flow->sends) {
		rc = dhow_recv_message(flow->channel, &message, flow->deadline_ns);
		if (!rc)
			dhow_message_free(&message);
		return rc;
	}
	rc = dhow_message_alloc(NULL, flow->bytes, flow->deadline_ns, &message);
	if (rc)
		return rc;
	message.bytes = flow->bytes;
	rc = dhow_send_message(flow->channel, &message, DHOW_ACCEPTED,
			       flow->deadline_ns);
	if (rc)
		dhow_message_free(&message);
	return rc;
}

static void *lend_run(void *arg)
{
	struct flow *flow = arg;

	for (uint64_t i = 0; i < flow->count && !flow->rc; i++)
		flow->rc = lend_one(flow);
	return NULL;
}

static void *flow_run(void *arg)
{
	struct flow *flow = arg;
	size_t got;

	for (uint64_t i = 0; i < flow->count && !flow->rc; i++)
		flow->rc = flow->sends ?
			dhow_send(flow->channel, flow->data, flow->bytes, flow->deadline_ns) :
			dhow_recv(flow->channel, flow->data, flow->bytes, &got, NULL,
				  flow->deadline_ns);
	return NULL;
}

/* Share run->batch messages among @count threads, each with a channel of @channels. */
static int threads(struct bench_run *run, struct dhow_channel **channels, unsigned count)
{
	struct transport *transport = run->context;
	struct flow flows[TRANSPORT_FLOWS];
	pthread_t ids[TRANSPORT_FLOWS];
	pthread_attr_t attr;
	unsigned started = 0;
	int rc = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (; started < count && !rc; started++) {
		struct flow *flow = &flows[started];

		*flow = (struct flow){ .channel = channels[started],
				       .data = malloc(run->row->bytes),
				       .bytes = run->row->bytes,
				       .count = run->batch / count +
						(started < run->batch % count),
				       .deadline_ns = dhow_in_ms(TRANSPORT_TRIAL_MS),
				       .sends = run->side != 0 };
		if (flow->data)
			memcpy(flow->data, transport->data, flow->bytes);
		rc = flow->data ? -pthread_create(&ids[started], &attr, flow_run, flow) : -ENOMEM;
		if (rc) {
			free(flow->data);
			break;
		}
	}
	for (unsigned i = 0; i < started; i++) {
		pthread_join(ids[i], NULL);	/* each has a deadline of its own */
		rc = rc ? rc : flows[i].rc;
		free(flows[i].data);
	}
	pthread_attr_destroy(&attr);
	return rc;
}

static int one_thread(struct bench_run *run, struct dhow_channel *channel,
		      void *(*work)(void *flow))
{
	struct transport *transport = run->context;
	struct flow flow = { .channel = channel,
			     .data = transport->data,
			     .bytes = run->row->bytes,
			     .count = run->batch,
			     .deadline_ns = dhow_in_ms(TRANSPORT_TRIAL_MS),
			     .sends = run->side != 0 };

	work(&flow);
	return flow.rc;
}

/* Million messages per second since @begin_ns. */
static int conclude(struct bench_run *run, uint64_t begin_ns, int rc)
{
	run->values[0] = (double)run->batch * 1e3 / (double)(base_now_ns() - begin_ns);
	return rc;
}

int transport_rate(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin_ns = base_now_ns();

	return conclude(run, begin_ns, one_thread(run, transport->flows[0], flow_run));
}

/* What both sides have spent for the messages of this trial, as a value for each. */
int transport_share_cpu(struct bench_run *run, int fd, uint64_t mine)
{
	uint64_t theirs = 0;
	int rc = run->side ? raw_net_tell(fd, &mine, sizeof(mine)) :
			     raw_net_hear(fd, &theirs, sizeof(theirs));

	for (uint64_t i = 0; i < run->values_count; i++)
		run->values[i] = (double)(mine + theirs) /
				 (double)(run->batch * run->values_count);
	return rc;
}

int transport_all_at_once(struct bench_run *run, bench_trial *rate)
{
	const uint64_t batch = run->batch;
	int rc;

	run->batch *= run->values_count;
	rc = rate(run);
	run->batch = batch;
	return rc;
}

int transport_flow_cpu(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t agent = bench_agent_cpu_ns(&transport->agent), own = raw_cpu_ns();
	int rc = transport_all_at_once(run, transport_rate);

	agent = bench_agent_cpu_ns(&transport->agent) - agent;
	return rc ? rc : transport_share_cpu(run, transport->fd, agent + raw_cpu_ns() - own);
}

int transport_lent(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin_ns = base_now_ns();
	int rc = conclude(run, begin_ns, one_thread(run, transport->flows[0], lend_run));

	run->values[0] *= (double)run->row->bytes / 1e3;
	return rc;
}

int transport_stream(struct bench_run *run)
{
	int rc = transport_rate(run);

	run->values[0] *= (double)run->row->bytes / 1e3;	/* -> GB/s */
	return rc;
}

int transport_flows(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin_ns = base_now_ns();

	return conclude(run, begin_ns, threads(run, transport->flows, TRANSPORT_FLOWS));
}

int transport_incast(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin_ns = base_now_ns();
	int rc = run->side ? threads(run, transport->incast, TRANSPORT_FLOWS) :
			     one_thread(run, transport->incast[0], flow_run);

	rc = conclude(run, begin_ns, rc);
	run->values[0] *= (double)run->row->bytes / 1e3;
	return rc;
}
