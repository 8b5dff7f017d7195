/* SPDX-License-Identifier: MIT */
/* case_deaths.c - agents and receivers that are killed, stopped, and come back. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cases.h"

enum { SILENT_MS = 3000, NOTICE_MS = 60000, KILLS_MAX = 1000 };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(FILE *to, const char *what, double *times, size_t count)
{
	if (!count)
		return;
	qsort(times, count, sizeof(*times), compare);
	fprintf(to, "%s median %.0f most %.0f ms; ", what, times[count / 2], times[count - 1]);
}

struct kill_times {
	double noticed_ms, reported_ms, dead_ms;
};

/* Kill the agent of node 1 in traffic, and judge what it leaves. */
static bool kill_once(struct fire_run *run, struct kill_times *ret_times, uint64_t *acknowledged)
{
	struct rig *rig = &run->rig;
	const struct node_note *lost, *dead, *silent;
	uint64_t killed;

	rig_run(rig, 20 + (unsigned)(random() % 130));
	killed = rig_agent_signal(rig, 1, SIGKILL);
	dead = killed ? rig_await(rig, 0, NODE_PEER_DOWN, NULL, killed, NOTICE_MS) : NULL;
	lost = dead ? rig_await(rig, 0, NODE_LOG, "connection lost", killed, NOTICE_MS) : NULL;
	if (!lost || !fire_flows_check(run))
		return false;
	ret_times->noticed_ms = rig_ms(killed, lost->at_ns);
	ret_times->reported_ms = ret_times->dead_ms = rig_ms(killed, dead->at_ns);
	if (ret_times->dead_ms > SILENT_MS) {
		/* Where nothing says that it was killed, it is reported as silent before. */
		silent = rig_await(rig, 0, NODE_PEER_SILENT, NULL, killed, 1);
		if (!silent)
			return rig_fail(rig, "dead, and was not reported as silent before");
		ret_times->reported_ms = rig_ms(killed, silent->at_ns);
	}
	*acknowledged += rig_flow(rig, 0)->acknowledged + rig_flow(rig, 1)->acknowledged;
	return true;
}

bool fire_kill(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	unsigned kills = run->kills < KILLS_MAX ? run->kills : KILLS_MAX, again = 0;
	double noticed[KILLS_MAX], reported[KILLS_MAX], dead[KILLS_MAX], connected[KILLS_MAX];
	struct kill_times times;
	uint64_t acknowledged = 0, up = 0;

	srandom(1);
	for (unsigned i = 0; i < kills; i++) {
		if (!fire_flows_start(run))
			return false;
		if (up)
			connected[again++] = rig_ms(up, rig_flow(rig, 0)->first_ns);
		if (!kill_once(run, &times, &acknowledged))
			return false;
		noticed[i] = times.noticed_ms;
		reported[i] = times.reported_ms;
		dead[i] = times.dead_ms;
		rig_node_kill(rig, 1);
		if (i + 1 == kills)
			break;
		rig->nodes[0].notes_count = rig->nodes[1].notes_count = 0;
		up = base_now_ns();
		if (!rig_node_start(rig, 1))
			return false;
	}
	fprintf(run->figures, "%u kills; ", kills);
	print_times(run->figures, "noticed after", noticed, kills);
	print_times(run->figures, "reported after", reported, kills);
	print_times(run->figures, "dead after", dead, kills);
	print_times(run->figures, "new node acknowledged after", connected, again);
	fprintf(run->figures, "acknowledged %llu, lost 0, repeated 0, damaged 0",
		(unsigned long long)acknowledged);
	return true;
}

bool fire_half_open(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	const struct node_note *lost, *dead;
	uint64_t killed;

	if (!fire_flows_start(run))
		return false;
	injector_cut(rig->injector, 0, 1, 1);
	injector_cut(rig->injector, 1, 0, 1);
	rig_run(rig, 50);
	/* Nothing that its kernel says gets through. */
	killed = base_now_ns();
	rig_node_kill(rig, 1);
	rig_run(rig, 500);
	injector_cut(rig->injector, 0, 1, 0);
	injector_cut(rig->injector, 1, 0, 0);
	lost = rig_await(rig, 0, NODE_LOG, "connection lost", killed, NOTICE_MS);
	dead = lost ? rig_await(rig, 0, NODE_PEER_DOWN, NULL, killed, NOTICE_MS) : NULL;
	if (!dead || !rig_flow_stop(rig, 1, NOTICE_MS) || !rig_flow_check(rig, 0, NOTICE_MS))
		return false;
	fprintf(run->figures, "noticed after %.0f ms, declared dead after %.0f ms; ",
		rig_ms(killed, lost->at_ns), rig_ms(killed, dead->at_ns));
	fprintf(run->figures, "latest return %.0f ms after its deadline",
		(double)rig_flow(rig, 1)->late_ns / 1e6);
	return true;
}

/* Resident memory of a process, without what it shares; KiB. */
static long memory_kib(pid_t pid)
{
	char path[64], line[128];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* Acknowledged messages of a flow in @ms, each second. */
static double rate(struct rig *rig, unsigned flow, unsigned ms)
{
	uint64_t before = rig_flow(rig, flow)->acknowledged, start = base_now_ns();

	rig_run(rig, ms);
	return (double)(rig_flow(rig, flow)->acknowledged - before) * 1e9 /
	       (double)(base_now_ns() - start);
}

bool fire_stopped_receiver(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	unsigned stop_ms = run->is_long ? 10000 : 3000;
	double before, meanwhile;
	long memory, grown;
	pid_t receiver;

	if (!rig_flow_start(rig, 0, 0, 1, &receiver) || !rig_flow_moves(rig, 0, 50, RIG_LIMIT_MS) ||
	    !rig_flow_start(rig, 1, 0, 2, NULL) || !rig_flow_moves(rig, 1, 50, RIG_LIMIT_MS))
		return false;
	before = rate(rig, 1, 1500);
	memory = memory_kib(rig->nodes[0].agent);
	if (!rig_signal(rig, 1, receiver, SIGSTOP))
		return false;
	rig_run(rig, 500);
	meanwhile = rate(rig, 1, stop_ms - 500);
	grown = memory_kib(rig->nodes[0].agent) - memory;
	if (!rig_signal(rig, 1, receiver, SIGCONT) || !rig_flow_moves(rig, 0, 50, RIG_LIMIT_MS) ||
	    !fire_flows_check(run))
		return false;
	fprintf(run->figures, "stopped %u ms: sender's agent %ld + %ld KiB; ", stop_ms, memory,
		grown);
	fprintf(run->figures, "other peer %.0f -> %.0f msg/s; ", before, meanwhile);
	fire_flows_print(run);
	return true;
}

bool fire_stopped_agent(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	const struct node_note *lost, *dead;
	uint64_t stopped;

	if (!fire_flows_start(run) || !fire_flows_check(run))
		return false;
	rig_run(rig, 300);
	stopped = rig_agent_signal(rig, 1, SIGSTOP);
	lost = stopped ? rig_await(rig, 0, NODE_PEER_SILENT, "no", stopped, NOTICE_MS) : NULL;
	dead = lost ? rig_await(rig, 0, NODE_PEER_DOWN, NULL, stopped, NOTICE_MS) : NULL;
	if (!dead)
		return false;
	fprintf(run->figures, "no traffic: reported after %.0f ms, declared dead after %.0f ms",
		rig_ms(stopped, lost->at_ns), rig_ms(stopped, dead->at_ns));
	return true;
}

bool fire_fencing(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	const struct node_note *dead, *refused;
	uint64_t stopped, before, after;

	if (!fire_flows_start(run))
		return false;
	stopped = rig_agent_signal(rig, 1, SIGSTOP);
	dead = stopped ? rig_await(rig, 0, NODE_PEER_DOWN, NULL, stopped, NOTICE_MS) : NULL;
	if (!dead)
		return false;
	rig_run(rig, 500);
	before = rig_flow(rig, 0)->received;
	stopped = rig_agent_signal(rig, 1, SIGCONT);
	refused = rig_await(rig, 0, NODE_LOG, "was declared dead", stopped, NOTICE_MS);
	rig_run(rig, 1000);
	after = rig_flow(rig, 0)->received;
	if (!refused || !fire_flows_check(run))
		return false;
	if (after != before)
		return rig_fail(rig, "%llu messages of a dead node came in",
				(unsigned long long)(after - before));
	fprintf(run->figures, "back after its death: refused after %.0f ms, 0 writes accepted; ",
		rig_ms(stopped, refused->at_ns));
	rig_node_kill(rig, 1);
	if (!rig_node_start(rig, 1) || !fire_flows_start(run) || !fire_flows_check(run))
		return false;
	fprintf(run->figures, "a new one joined; ");
	fire_flows_print(run);
	return true;
}
