/* SPDX-License-Identifier: MIT */
/* case_network.c - a network that is cut, loses, repeats, reorders, damages and resets. */
#include "base/clock.h"
#include "cases.h"

enum { NOTICE_MS = 60000, HEAL_MS = 60000, MANY_MESSAGES = 50 };

static void cut_both(struct rig *rig, int cut)
{
	injector_cut(rig->injector, 0, 1, cut);
	injector_cut(rig->injector, 1, 0, cut);
}

/* Both nodes lose the connection after @cut, and then declare each other dead. */
static bool await_deaths(struct fire_run *run, uint64_t cut)
{
	double noticed[2], dead[2];

	for (unsigned i = 0; i < 2; i++) {
		const struct node_note *note = rig_await(&run->rig, i, NODE_PEER_SILENT, "no", cut,
							 NOTICE_MS);

		if (!note)
			return false;
		noticed[i] = rig_ms(cut, note->at_ns);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct node_note *note = rig_await(&run->rig, i, NODE_PEER_DOWN, NULL, cut,
							 NOTICE_MS);

		if (!note)
			return false;
		dead[i] = rig_ms(cut, note->at_ns);
	}
	for (unsigned i = 0; i < 2; i++)
		if (dead[i] <= noticed[i])
			return rig_fail(&run->rig, "node %u: dead before reported silent", i);
	fprintf(run->figures, "reported silent after %.0f and %.0f ms, dead after %.0f and %.0f; ",
		noticed[0], noticed[1], dead[0], dead[1]);
	return true;
}

bool fire_partition(struct fire_run *run)
{
	uint64_t cut;

	if (!fire_flows_start(run))
		return false;
	cut = base_now_ns();
	cut_both(&run->rig, 1);
	if (!await_deaths(run, cut) || !fire_flows_check(run))
		return false;
	fire_flows_print(run);
	return true;
}

bool fire_one_way(struct fire_run *run)
{
	struct rig *rig = &run->rig;

	for (unsigned from = 0; from < (run->is_long ? 2u : 1u); from++) {
		uint64_t cut;

		if (!fire_flows_start(run))
			return false;
		cut = base_now_ns();
		injector_cut(rig->injector, from, 1 - from, 1);
		fprintf(run->figures, "%u to %u cut: ", from, 1 - from);
		if (!await_deaths(run, cut) || !fire_flows_check(run))
			return false;
		fire_flows_print(run);
		injector_cut(rig->injector, from, 1 - from, 0);
		if (from || !run->is_long)
			break;
		fprintf(run->figures, " | ");
		/* They fenced each other: only new ones meet again. */
		for (unsigned i = 0; i < 2; i++)
			rig_node_kill(rig, i);
		for (unsigned i = 0; i < 2; i++)
			if (!rig_node_start(rig, i))
				return false;
	}
	return true;
}

/* Cut for @ms. @survives: too short to be declared dead. */
static bool cut_for(struct fire_run *run, unsigned ms, bool survives)
{
	struct rig *rig = &run->rig;
	uint64_t healed;

	cut_both(rig, 1);
	rig_run(rig, ms);
	healed = base_now_ns();
	cut_both(rig, 0);
	fprintf(run->figures, "cut for %u s: ", ms / 1000);
	if (survives) {
		if (!rig_flow_moves(rig, 0, MANY_MESSAGES, HEAL_MS) ||
		    !rig_flow_moves(rig, 1, MANY_MESSAGES, HEAL_MS))
			return false;
		fprintf(run->figures, "goes on after %.0f ms; ", rig_ms(healed, base_now_ns()));
	} else {
		fprintf(run->figures, "declared dead; ");
	}
	return true;
}

bool fire_short_cut(struct fire_run *run)
{
	if (!fire_flows_start(run) || !cut_for(run, 1000, true))
		return false;
	if (run->is_long && (!cut_for(run, 5000, true) || !cut_for(run, 20000, false)))
		return false;
	if (!fire_flows_check(run))
		return false;
	fire_flows_print(run);
	return true;
}

/* As fast as it goes for @ms. Return: MB/s of payload, both ways. */
static double full_speed(struct fire_run *run, unsigned ms)
{
	struct traffic_flow *flows = run->rig.traffic->flows;
	uint64_t start, bytes = flows[0].bytes + flows[1].bytes;

	flows[0].pause_us = flows[1].pause_us = 0;
	start = base_now_ns();
	rig_run(&run->rig, ms);
	bytes = flows[0].bytes + flows[1].bytes - bytes;
	return (double)bytes * 1e3 / (double)(base_now_ns() - start);
}

static void print_figures(struct fire_run *run, double mb_per_s)
{
	fprintf(run->figures, "%.1f MB/s; %u times a new connection; ", mb_per_s,
		run->rig.nodes[0].connections - 1);
	injector_print(run->rig.injector, run->figures);
	fprintf(run->figures, "; ");
	fire_flows_print(run);
}

bool fire_bad_net(struct fire_run *run)
{
	struct injector *net = run->rig.injector;
	double mb_per_s;

	if (!fire_flows_start(run))
		return false;
	net->loss = net->repeat = net->reorder = 10000;
	net->delay_us = 1000;
	net->jitter_us = 500;
	mb_per_s = full_speed(run, run->is_long ? 60000 : 5000);
	if (!fire_flows_check(run))
		return false;
	print_figures(run, mb_per_s);
	return true;
}

bool fire_damage(struct fire_run *run)
{
	struct injector *net = run->rig.injector;
	double mb_per_s;

	if (!fire_flows_start(run))
		return false;
	net->damage = 500;
	mb_per_s = full_speed(run, run->is_long ? 60000 : 6000);
	net->damage = 0;
	if (!fire_flows_check(run))
		return false;
	if (!net->damaged)
		return rig_fail(&run->rig, "nothing was damaged");
	print_figures(run, mb_per_s);
	return true;
}

/* The device of node 0 is gone for a while, shorter than what makes a node dead. */
static bool device_down(struct fire_run *run, unsigned ms)
{
	struct rig *rig = &run->rig;
	int down = space_device(rig->nodes[0].space, false), up;
	uint64_t healed;

	rig_run(rig, ms);
	healed = base_now_ns();
	up = space_device(rig->nodes[0].space, true);
	if (down || up)
		return rig_fail(rig, "the device cannot go down and up: %d, %d", down, up);
	if (!rig_flow_moves(rig, 0, MANY_MESSAGES, HEAL_MS) ||
	    !rig_flow_moves(rig, 1, MANY_MESSAGES, HEAL_MS))
		return false;
	fprintf(run->figures, "device down for %u ms: goes on after %.0f ms; ", ms,
		rig_ms(healed, base_now_ns()));
	return true;
}

bool fire_resets(struct fire_run *run)
{
	struct injector *net = run->rig.injector;
	double mb_per_s;

	if (!fire_flows_start(run))
		return false;
	net->reset = 500;
	mb_per_s = full_speed(run, run->is_long ? 60000 : 3000);
	net->reset = 0;
	if (!net->resets)
		return rig_fail(&run->rig, "nothing was reset");
	if (!device_down(run, 500) || !fire_flows_check(run))
		return false;
	print_figures(run, mb_per_s);
	return true;
}
