/* SPDX-License-Identifier: MIT */
/*
 * transport.c - channels between two nodes against the bare network, over TCP or HSTA.
 *
 *     build/bench/transport --transport hsta --fabric ofi --provider 'tcp;ofi_rxm'
 *
 * Started without a launcher, it starts itself under the dlaunch of the same build, with the
 * transport it was asked for; under one, the agent's own process says what it runs on.
 * The way of a message: process, gateway, agent, network, agent, channel, process.
 */
#include "transport.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programs.h"
#include "raw.h"
#include "raw_zmq.h"
#include "transport_link.h"
#include "transport_veth.h"

enum { PROCESSES = 4, CONFIG_BYTES = 112 };

/* What dlaunch is told; NULL = it chooses. */
struct wanted {
	const char *transport, *fabric, *provider, *nic;
	bool veth;			/* in two network namespaces, without dlaunch */
};

/* The baseline of this job: the library of the agents, or a TCP connection. */
#define RAW(name)                                                        \
	static int bare_##name(struct bench_run *run)                     \
	{                                                                \
		struct transport *transport = run->context;              \
		return transport->net ? raw_net_##name(run, transport->net) : \
					raw_tcp_##name(run, transport->fd);   \
	}
RAW(oneway)
RAW(rate)
RAW(stream)
RAW(wake)

/* A blocking socket copies from and to the program's memory anyway. */
static int bare_copied(struct bench_run *run)
{
	struct transport *transport = run->context;

	return transport->net ? raw_net_copied(run, transport->net) :
				raw_tcp_stream(run, transport->fd);
}
RAW(cpu)

/* Large messages are copied here, too. */
static int bare_flow_cpu(struct bench_run *run)
{
	struct transport *transport = run->context;
	uint64_t begin = raw_cpu_ns();
	int rc = transport_all_at_once(run, run->row->bytes > RAW_NET_SMALL_MAX ? bare_copied :
										  bare_rate);

	return rc ? rc : transport_share_cpu(run, transport->fd, raw_cpu_ns() - begin);
}

/* Not what lies below, but what a program would take instead. */
static int zmq_rate(struct bench_run *run)
{
	const struct transport *transport = run->context;
	const char *host = getenv(VETH_HOST);

	return raw_zmq_rate(run, transport->fd, host ? host : "127.0.0.1");
}

#define ONEWAY(size) \
	{ "oneway", "", size, "ns", 2, 0, false, transport_oneway, bare_oneway, 0 }
#define RATE(size) \
	{ "rate", "1flow ", size, "M/s", 2, 0, true, transport_rate, bare_rate, 0 }
#define RATE12(size) \
	{ "rate", "12flows ", size, "M/s", 2, 0, true, transport_flows, bare_rate, 0 }
#define STREAM(size) \
	{ "stream", "", size, "GB/s", 2, 0, true, transport_stream, bare_stream, 0 }

/* A config gets what the job runs on behind it. */
static const struct bench_case rows[] = {
	ONEWAY(8),
	ONEWAY(1024),
	ONEWAY(65536),
	ONEWAY(1048576),
	RATE(8),
	RATE(64),
	RATE12(8),
	RATE12(64),
#ifdef BENCH_RAW_ZMQ
	{ "zeromq", "1flow ", 64, "M/s", 2, 0, true, transport_rate, zmq_rate, 0 },
#endif
	STREAM(65536),
	STREAM(1048576),
	{ "copied", "", 65536, "GB/s", 2, 0, true, transport_stream, bare_copied, 0 },
	{ "copied", "", 1048576, "GB/s", 2, 0, true, transport_stream, bare_copied, 0 },
	{ "lent", "", 65536, "GB/s", 2, 0, true, transport_lent, bare_stream, 0 },
	{ "lent", "", 1048576, "GB/s", 2, 0, true, transport_lent, bare_stream, 0 },
	{ "incast", "12to1 ", 65536, "GB/s", 2, 0, true, transport_incast, bare_stream, 0 },
	{ "wake", "", 8, "ns", 2, 0, false, transport_wake, bare_wake, 0 },
	{ "agent_cpu", "", 64, "ns", 2, 0, false, transport_cpu, bare_cpu, 0 },
	{ "flow_cpu", "1flow ", 64, "ns", 2, 0, false, transport_flow_cpu, bare_flow_cpu, 0 },
	{ "flow_cpu", "1flow ", 1048576, "ns", 2, 0, false, transport_flow_cpu, bare_flow_cpu, 0 },
};
enum { CASES = sizeof(rows) / sizeof(rows[0]) };

static struct bench_case cases[CASES];

static void name_configs(const char *path, const char *label)
{
	static char configs[CASES][CONFIG_BYTES];

	for (int i = 0; i < CASES; i++) {
		cases[i] = rows[i];
		snprintf(configs[i], CONFIG_BYTES, "%s%s%s", rows[i].config, path, label);
		cases[i].config = configs[i];
	}
}

static const struct argp_option option_table[] = {
	{ "transport", 't', "NAME", 0, "tcp, hsta or auto: as dlaunch knows it", 1 },
	{ "fabric", 'F', "NAME", 0, "uring, epoll, ofi or ucx", 1 },
	{ "provider", 'p', "NAME", 0, "of hsta, e.g. 'tcp;ofi_rxm'", 1 },
	{ "path", 'P', "NAME", 0, "loopback, or veth: tcp between two network namespaces; needs "
	  "root [loopback]", 1 },
	{ "nic", 'n', "DEVICE", 0, "of hsta, e.g. cxi0", 1 },
	{ 0 }
};

static error_t take_option(int key, char *arg, struct argp_state *state)
{
	struct wanted *wanted = state->input;

	switch (key) {
	case 't':
		wanted->transport = arg;
		return 0;
	case 'F':
		wanted->fabric = arg;
		return 0;
	case 'p':
		wanted->provider = arg;
		return 0;
	case 'n':
		wanted->nic = arg;
		return 0;
	case 'P':
		wanted->veth = strcmp(arg, "veth") == 0;
		if (!wanted->veth && strcmp(arg, "loopback") != 0)
			argp_error(state, "--path '%s': there are loopback and veth", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Replace this process by `dlaunch -n 2 -N 1 ... self args...`; or do without dlaunch. */
static int relaunch(int argc, char **argv, const struct wanted *wanted)
{
	static char self[PATH_MAX], launcher[PATH_MAX];
	const struct {
		const char *option, *value;
	} options[] = {
		{ "-n", "2" },
		{ "-N", "1" },
		{ "--transport", wanted->transport },
		{ "--fabric", wanted->fabric },
		{ "--provider", wanted->provider },
		{ "--nic", wanted->nic },
	};
	char **args = calloc((size_t)argc + 16, sizeof(*args));
	ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int count = 0;

	if (!args || bytes < 0)
		return -ENOMEM;
	bench_program_find(wanted->veth ? "dhow-tcp" : "dlaunch", launcher);
	if (wanted->veth) {
		free(args);
		return veth_run(argv, launcher, wanted->fabric);
	}
	args[count++] = launcher;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (!options[i].value)
			continue;
		args[count++] = (char *)(uintptr_t)options[i].option;
		args[count++] = (char *)(uintptr_t)options[i].value;
	}
	args[count++] = self;
	for (int i = 1; i < argc; i++)
		args[count++] = argv[i];
	execv(launcher, args);
	fprintf(stderr, "transport: cannot execute '%s': %s\ntry: dlaunch -n 2 -N 1 %s\n", launcher,
		strerror(errno), self);
	return 1;
}

static int attach(struct bench_run *run, struct transport *transport)
{
	int rc = dhow_init();

	if (rc)
		return rc;
	if (dhow_size() != 2 || dhow_nodes() != 2) {
		fprintf(stderr, "transport: wanted 2 tasks on 2 nodes, got %d on %d\n"
			"try: dlaunch -n 2 -N 1\n", dhow_size(), dhow_nodes());
		return -EINVAL;
	}
	run->side = (unsigned)dhow_rank();
	run->sides = 2;
	rc = bench_agent_find(&transport->agent);
	return rc ? rc : transport_open(run->side, transport);
}

/* Both sides: the connection to meet, and what is measured beside the agents. */
static int open_raw(struct bench_run *run, struct transport *transport)
{
	const struct bench_agent *agent = &transport->agent;
	const struct raw_net_options options = {
		.side = run->side,
		.provider = *agent->provider ? agent->provider : NULL,
		.nic = *agent->nic ? agent->nic : NULL,
		.bind = *agent->bind ? agent->bind : NULL,
		.fd = transport->fd,
	};
	const struct raw_net_ops *ops = raw_net_find(agent->fabric);

	if (ops)
		return ops->open(&options, &transport->net);
	if (!strcmp(agent->transport, "hsta") && !run->side)
		fprintf(stderr, "transport: built without the library of %s: raw is TCP\n",
			agent->fabric);
	return 0;
}

/* For the report: of this side's agent. */
static const struct bench_agent *counted;

static uint64_t count_calls(void)
{
	return bench_agent_calls(counted);
}

static int open_all(struct bench_run *run, struct transport *transport)
{
	bool is_tcp;
	const char *path = "";
	char pinning[sizeof(run->pinning)], prefix[32];
	int rc = attach(run, transport);

	rc = rc ? rc : link_open((int)run->side, transport->mine, transport->theirs,
				 &transport->fd, &path);
	run->links[1 - run->side] = transport->fd;
	rc = rc ? rc : open_raw(run, transport);
	if (rc) {
		fprintf(stderr, "transport: rank %u: cannot start: %s: %s\n", run->side,
			dhow_strerror(rc), dhow_error_text());
		return rc;
	}
	counted = &transport->agent;
	if (bench_agent_calls(counted) > 0)
		run->calls = count_calls;
	/* Two processes and two agents: fewer CPUs must stay shared. */
	bench_pin(run, PROCESSES);
	is_tcp = !strcmp(transport->agent.transport, "tcp");
	snprintf(pinning, sizeof(pinning), "%.50s, raw is %s", run->pinning,
		 transport->net ? transport->net->ops->name : "TCP");
	memcpy(run->pinning, pinning, sizeof(pinning));
	snprintf(prefix, sizeof(prefix), "%s%s", is_tcp ? path : "", is_tcp ? "-" : "");
	name_configs(prefix, transport->agent.label);
	return 0;
}

int main(int argc, char **argv)
{
	static struct transport transport;
	const struct argp more = { option_table, take_option, NULL, NULL, NULL, NULL, NULL };
	struct wanted wanted = { 0 };
	struct bench_options options;
	struct bench_run run = { .context = &transport };
	uint64_t nothing = 0;
	int rc;

	bench_options_parse_more(argc, argv, "Channels between two nodes against the bare network.",
				 &more, &wanted, &options);
	if (options.list) {
		name_configs("", wanted.fabric ? wanted.fabric :
				 wanted.transport ? wanted.transport : "auto");
		bench_list("transport", cases, CASES);
		return 0;
	}
	if (!getenv("DHOW_RANK"))
		return relaunch(argc, argv, &wanted);
	if (open_all(&run, &transport))
		return 1;
	rc = bench_main(&run, &options, "transport", cases, CASES);
	if (!rc)
		rc = bench_sync(&run, 2, &nothing) ? 1 : 0;
	if (transport.net)
		transport.net->ops->close(transport.net);
	transport_close(run.side, &transport);
	dhow_fini();
	return rc;
}
