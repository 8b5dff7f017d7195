/* SPDX-License-Identifier: MIT */
/* steps.c - see steps.h. */
#include "cli/steps.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/server_args.h"

static json_int_t number(const json_t *step, const char *name)
{
	return json_integer_value(json_object_get(step, name));
}

static const char *text(const json_t *step, const char *name)
{
	const char *value = json_string_value(json_object_get(step, name));

	return value ? value : "-";
}

/* Seconds that it has run. */
static double age(const json_t *step)
{
	json_int_t started = number(step, "started_ms"), ended = number(step, "ended_ms");

	if (!started)
		return 0;
	if (!ended)
		ended = base_day_ms();
	return (double)(ended - started) / 1000;
}

static void print_row(const json_t *step)
{
	const char *status = text(step, "status");
	int waits = strcmp(status, "NeverStarted") == 0;

	printf("%-14s %-10s %5lld %5lld %8.1f  %-20.20s %s\n", text(step, "step_id"),
	       waits ? "waiting" : status, (long long)number(step, "nodes"),
	       (long long)number(step, "tasks_per_node"), age(step), text(step, "name"),
	       text(step, "command"));
}

int launch_steps_print(struct server_client *client, int all, int as_json)
{
	json_t *answer = launch_server_ask(client, "ps", SERVER_LIST, json_object());
	json_t *list = json_object_get(answer, "steps"), *step;
	int rc = 0;

	if (!answer)
		return 1;
	if (as_json) {
		json_object_del(answer, "error_message");
		json_object_set_new(answer, "server", json_string(server_client_endpoint(client)));
		rc = json_dumpf(answer, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		printf("%-14s %-10s %5s %5s %8s  %-20s %s\n", "STEP", "STATUS", "NODES", "TASKS",
		       "SECONDS", "NAME", "COMMAND");
		for (size_t i = json_array_size(list); i-- > 0;) {
			step = json_array_get(list, i);
			if (all || !number(step, "ended_ms"))
				print_row(step);
		}
	}
	json_decref(answer);
	return rc < 0 ? 1 : 0;
}
