/* SPDX-License-Identifier: MIT */
/* metrics.c - see metrics.h. */
#include "server/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void server_metrics_init(struct server_metrics *metrics, json_t *(*agents)(void))
{
	memset(metrics, 0, sizeof(*metrics));
	pthread_mutex_init(&metrics->lock, NULL);
	metrics->agents = agents;
}

void server_metrics_publish(struct server_metrics *metrics, const struct server_numbers *numbers)
{
	pthread_mutex_lock(&metrics->lock);
	metrics->numbers = *numbers;
	pthread_mutex_unlock(&metrics->lock);
}

__attribute__((format(printf, 2, 3)))
static void put(struct launch_writer *writer, const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(line))
		launch_put_raw(writer, line, (size_t)n);
}

static void put_family(struct launch_writer *writer, const char *name, const char *type,
		       const char *help)
{
	put(writer, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- of the server ---- */

/* SmartSim's names are no labels: two states of ours have the same. */
static const char *const state_names[SERVER_STATES] = {
	[SERVER_QUEUED] = "queued",	  [SERVER_STARTING] = "starting",
	[SERVER_RUNNING] = "running",	  [SERVER_STOPPING] = "stopping",
	[SERVER_COMPLETED] = "completed", [SERVER_FAILED] = "failed",
	[SERVER_CANCELLED] = "cancelled",
};

static void put_steps(struct launch_writer *writer, const uint64_t *steps)
{
	put_family(writer, "dhow_steps", "gauge", "Steps under way, by state.");
	for (int i = 0; i < SERVER_COMPLETED; i++)
		put(writer, "dhow_steps{state=\"%s\"} %" PRIu64 "\n", state_names[i], steps[i]);
	put_family(writer, "dhow_steps_ended_total", "counter", "Steps that are over, by end.");
	for (int i = SERVER_COMPLETED; i < SERVER_STATES; i++)
		put(writer, "dhow_steps_ended_total{state=\"%s\"} %" PRIu64 "\n", state_names[i],
		    steps[i]);
}

static void put_server(struct launch_writer *writer, const struct server_numbers *numbers)
{
	put_steps(writer, numbers->steps);
	put_family(writer, "dhow_requests_total", "counter", "Requests of clients, answered.");
	put(writer, "dhow_requests_total %" PRIu64 "\n", numbers->requests);
	put_family(writer, "dhow_requests_refused_total", "counter",
		   "Strangers refused, and messages dropped for their shape.");
	put(writer, "dhow_requests_refused_total %" PRIu64 "\n", numbers->refused);
	put_family(writer, "dhow_nodes", "gauge", "Nodes of the job.");
	put(writer, "dhow_nodes %" PRIu32 "\n", numbers->hosts);
	put_family(writer, "process_start_time_seconds", "gauge", "Start of the server.");
	put(writer, "process_start_time_seconds %.3f\n", numbers->started_s);
}

/* ---- of agents: a table of families, each filled from all agents ---- */

struct family {
	const char *name, *type, *help;
	const char *object;	/* of the agent that has the value; NULL = each of its links */
	const char *key;
	double scale;
};

static const struct family families[] = {
	{ "dhow_channels", "gauge", "Channels open on the node.", "channels", "open", 1 },
	{ "dhow_channel_messages_waiting", "gauge", "Messages in all channels of the node.",
	  "channels", "waiting", 1 },
	{ "dhow_channel_messages_waiting_max", "gauge", "Messages in the fullest channel.",
	  "channels", "longest", 1 },
	{ "dhow_pool_bytes", "gauge", "Shared memory that the node's pool can give.", "pool",
	  "bytes", 1 },
	{ "dhow_pool_outbound_bytes", "gauge", "Of it, in messages for other nodes.", "pool",
	  "outbound", 1 },
	{ "dhow_link_messages_sent_total", "counter", "Messages to the peer.", NULL,
	  "messages_sent", 1 },
	{ "dhow_link_messages_received_total", "counter", "Messages from the peer.", NULL,
	  "messages_received", 1 },
	{ "dhow_link_frames_sent_total", "counter", "Frames to the peer.", NULL, "frames_sent", 1 },
	{ "dhow_link_frames_received_total", "counter", "Frames from the peer.", NULL,
	  "frames_received", 1 },
	{ "dhow_link_bytes_sent_total", "counter", "Bytes to the peer.", NULL, "bytes_sent", 1 },
	{ "dhow_link_bytes_received_total", "counter", "Bytes from the peer.", NULL,
	  "bytes_received", 1 },
	{ "dhow_link_retransmits_total", "counter", "Frames sent again.", NULL, "retransmits", 1 },
	{ "dhow_link_connections_total", "counter", "Connections made.", NULL, "connections", 1 },
	{ "dhow_link_credits", "gauge", "Frames that may be sent now.", NULL, "credits", 1 },
	{ "dhow_link_rtt_min_seconds", "gauge", "Shortest round trip so far.", NULL, "rtt_min_ns",
	  1e-9 },
	{ "dhow_link_rtt_mean_seconds", "gauge", "Mean round trip.", NULL, "rtt_mean_ns", 1e-9 },
};

static double value_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static long long label_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* What an agent sends as text is of a process of this user: still nothing of it is quoted here. */
static void put_agent(struct launch_writer *writer, const struct family *family,
		      const json_t *agent)
{
	const json_t *links = json_object_get(agent, "links"), *link;
	const json_t *object = family->object ? json_object_get(agent, family->object) : NULL;
	long long job = label_of(agent, "job"), node = label_of(agent, "node");
	size_t i;

	if (object)
		put(writer, "%s{job=\"%llx\",node=\"%lld\"} %.15g\n", family->name,
		    (unsigned long long)job, node, value_of(object, family->key) * family->scale);
	if (family->object)
		return;
	json_array_foreach(links, i, link)
		put(writer, "%s{job=\"%llx\",node=\"%lld\",peer=\"%lld\"} %.15g\n", family->name,
		    (unsigned long long)job, node, label_of(link, "peer"),
		    value_of(link, family->key) * family->scale);
}

static void put_agents(struct launch_writer *writer, const json_t *agents)
{
	const json_t *agent;
	size_t i, at;

	for (i = 0; i < sizeof(families) / sizeof(*families); i++) {
		put_family(writer, families[i].name, families[i].type, families[i].help);
		json_array_foreach(agents, at, agent)
			if (!json_object_get(agent, "error"))
				put_agent(writer, &families[i], agent);
	}
}

void server_metrics_print(struct server_metrics *metrics, struct launch_writer *writer)
{
	struct server_numbers numbers;
	json_t *agents;

	pthread_mutex_lock(&metrics->lock);
	numbers = metrics->numbers;
	pthread_mutex_unlock(&metrics->lock);
	put_server(writer, &numbers);
	if (!metrics->agents)
		return;
	agents = metrics->agents();
	put_agents(writer, agents);
	json_decref(agents);
}
