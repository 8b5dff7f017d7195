/* SPDX-License-Identifier: MIT */
/* server_test.c - requests to a server whose job is played: the tables of docs/server.md. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fake_job.h"
#include "keys/keys.h"
#include "server/server.h"
#include "server/steps.h"

static struct server *server;
static struct launch_writer answer;
static struct server_route route = { .bytes = 9, .frames = 3, .sizes = { 5, 4, 0 },
				     .data = "abcde\0\0\0\1" };

static void open_server(enum server_schedule schedule)
{
	static const uint32_t slots[] = { 2, 2, 2, 2 };
	struct server_spec spec = { .schedule = schedule, .slots = slots, .hosts = 4, .cpus = 2,
				    .gpus = 1, .grace_ms = 700, .pid = 4711,
				    .spool = "/dev/null/spool" };
	struct base_err err;

	launch_keys_init(&err);
	base_log_set_level(BASE_LOG_ERROR);
	fake_reset();
	cr_assert_eq(server_create(&spec, &server, &err), 0);
	server_set_job(server, (struct launch_job *)(void *)&answer);
}

static void setup(void)
{
	open_server(SERVER_SCHEDULE_ORIGINAL);
}

static void teardown(void)
{
	server_free(server);
	launch_writer_fini(&answer);
}

TestSuite(server, .init = setup, .fini = teardown, .timeout = 200);

/* As a new message: each has a number of its own. */
static const char *ask(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *ask(const char *format, ...)
{
	char text[8192];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	route.data[5]++;
	server_answer(server, &route, text, strlen(text), &answer);
	launch_put_u8(&answer, 0);
	server_step(server);
	return (const char *)answer.data;
}

static const char *id_of(const char *text)
{
	static char ids[64][SERVER_ID_BYTES];
	static unsigned next;
	char *id = ids[next++ % 64];

	cr_assert_eq(sscanf(text, "run|{\"step_id\":\"%31[^\"]\"", id), 1, "%s", text);
	return id;
}

#define RUN "run|{\"exe\":\"/bin/a\",\"path\":\"/tmp\""

static const char *run(unsigned nodes, unsigned tasks)
{
	return id_of(ask(RUN ",\"nodes\":%u,\"tasks_per_node\":%u}", nodes, tasks));
}

static void expect_status(const char *id, const char *status)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted),
		 "status_update|{\"statuses\":{\"%s\":%s},\"error_message\":null}", id, status);
	cr_expect_str_eq(ask("update_status|{\"step_ids\":[\"%s\"]}", id), wanted);
}

Test(server, handshake_tells_the_pid)
{
	cr_expect_str_eq(ask("handshake|{}"),
			 "handshake|{\"error_message\":null,\"dragon_pid\":4711}");
}

Test(server, life_of_a_step)
{
	const char *id = run(2, 3), *queued;

	cr_assert_eq(fake_run_count, 1);
	cr_expect_eq(fake_runs[0].size, 6);
	cr_expect_eq(fake_runs[0].nodes[2], 0);
	cr_expect_eq(fake_runs[0].nodes[3], 1);
	expect_status(id, "[\"NeverStarted\",null]");
	fake_start(&fake_runs[0]);
	expect_status(id, "[\"Running\",[]]");
	queued = run(3, 1);
	cr_expect_eq(fake_run_count, 1, "two hosts are left");
	expect_status(queued, "[\"NeverStarted\",null]");
	fake_end(&fake_runs[0], 0, 0);
	expect_status(id, "[\"Completed\",[0,0,0,0,0,0]]");
	cr_expect(fake_runs[0].freed);
	cr_assert_eq(fake_run_count, 2, "what waited was started");
	fake_end(&fake_runs[1], 3, 0);
	expect_status(queued, "[\"Failed\",[3,3,3]]");
	ask("stop|{\"step_id\":\"%s\"}", queued);
	expect_status(queued, "[\"Failed\",[3,3,3]]");
}

Test(server, ends_of_all_kinds)
{
	const char *killed = run(1, 1), *missing = run(1, 2), *mixed = run(1, 2);
	struct launch_run *last = &fake_runs[2];

	fake_end(&fake_runs[0], 0, 11);
	expect_status(killed, "[\"Failed\",[-11]]");
	fake_runs[1].hooks.failed(fake_runs[1].hooks.arg, 127, "no such program");
	fake_runs[1].hooks.ended(fake_runs[1].hooks.arg);
	expect_status(missing, "[\"Failed\",[127,127]]");
	last->hooks.exited(last->hooks.arg, 0, 0, 0);
	last->hooks.exited(last->hooks.arg, 1, 3, 0);
	expect_status(mixed, "[\"NeverStarted\",null]");
	last->hooks.ended(last->hooks.arg);
	expect_status(mixed, "[\"Failed\",[0,3]]");
	fake_start_result = -EHOSTUNREACH;
	expect_status(run(1, 1), "[\"Failed\",[125]]");
}

Test(server, stopping)
{
	const char *running = run(4, 1), *waiting = run(1, 1);

	fake_start(&fake_runs[0]);
	cr_expect_str_eq(ask("stop|{\"step_id\":\"%s\"}", waiting),
			 "stop|{\"error_message\":null}");
	expect_status(waiting, "[\"Cancelled\",[-9]]");
	ask("stop|{\"step_id\":\"%s\"}", running);
	ask("stop|{\"step_id\":\"%s\"}", running);
	cr_expect_eq(fake_runs[0].stopped, 1);
	cr_expect_eq(fake_runs[0].stop_grace_ms, 700);
	expect_status(running, "[\"Running\",[]]");
	fake_end(&fake_runs[0], 0, 15);
	expect_status(running, "[\"Cancelled\",[-9]]");
	cr_expect_str_eq(ask("stop|{\"step_id\":\"0000000-7\"}"), "stop|{\"error_message\":null}");
}

Test(server, refusals_in_the_order_and_words_of_the_original)
{
	const char *id = id_of(ask(RUN ",\"nodes\":5}"));

	cr_expect(strstr((char *)answer.data, "\"error_message\":\"Cannot satisfy request. "
			 "Requested 5 nodes, but "
			 "only 4 nodes are available.\""), "%s", answer.data);
	expect_status(id, "[\"Failed\",[-1]]");
	cr_expect(strstr(ask(RUN ",\"policy\":{\"cpu_affinity\":[0,2]}}"),
			 "Cannot satisfy request, not enough CPUs available"));
	cr_expect(strstr(ask(RUN ",\"policy\":{\"gpu_affinity\":[1]}}"),
			 "Cannot satisfy request, not enough GPUs available"));
	cr_expect_str_eq(ask("shutdown|{\"immediate\":false}"),
			 "shutdown|{\"error_message\":null}");
	id = id_of(ask(RUN ",\"policy\":{\"cpu_affinity\":[9]}}"));
	cr_expect(strstr((char *)answer.data, "Cannot satisfy request, server is shutting down."));
	expect_status(id, "[\"Failed\",[-1]]");
	cr_expect(strstr(ask(RUN ",\"nodes\":5}"), "only 4 nodes"));
	cr_expect_eq(fake_run_count, 0);
}

Test(server, broken_requests_are_answered)
{
	const char *id = id_of(ask(RUN ",\"nodes\":0}"));

	expect_status(id, "[\"Failed\",[-1]]");
	cr_expect(strstr(ask("update_status|{}"), "status_update|{\"statuses\":{},"
			 "\"error_message\":\"update_status: the field"), "%s", answer.data);
	cr_expect(strstr(ask("stop|[]"), "stop|{\"error_message\":\"stop: no JSON object"));
	cr_expect(strstr(ask("dance|{}"), "error|{\"error_message\":\"unknown request \\\"dance"));
	cr_expect(strstr(ask("\xff\xfe"), "error|{\"error_message\":"), "%s", answer.data);
	cr_expect(strstr(ask("handshake|{}"), "4711"), "it lives");
}

Test(server, unknown_ids_are_left_out_and_repeated_ones_told_once)
{
	const char *id = run(1, 1);
	char wanted[128];

	snprintf(wanted, sizeof(wanted), "{\"%s\":[\"NeverStarted\",null]}", id);
	cr_expect(strstr(ask("update_status|{\"step_ids\":[\"%s\",\"x\",\"\",\"0-0\",\"%s\","
			     "\"-\"]}", id, id), wanted), "%s", answer.data);
}

/* The same list, now asked for the first time as this text: @blanks tell them apart. */
static const char *ask_all(const char *list, int blanks)
{
	return ask("update_status|{%*s\"step_ids\":[%s]}", blanks, "", list);
}

static void expect_the_same_anew(const char *list)
{
	static int blanks = 1;
	char again[8192];

	snprintf(again, sizeof(again), "%s", ask_all(list, 0));
	cr_expect_str_eq(again, ask_all(list, ++blanks));
}

Test(server, a_list_that_comes_again_is_answered_with_what_is_true_now)
{
	char list[4096] = "\"none\"";
	const char *first = run(1, 2), *second = run(1, 1);

	for (int i = 0; i < 40; i++)
		sprintf(list + strlen(list), ",\"%s\"", i % 2 ? first : i ? run(1, 1) : second);
	expect_the_same_anew(list);	/* with an id that is unknown: not kept */
	memmove(list, list + 7, strlen(list + 7) + 1);
	for (int i = 0; i < 3; i++)
		expect_the_same_anew(list);
	fake_start(&fake_runs[0]);
	expect_the_same_anew(list);
	cr_expect(strstr(ask_all(list, 0), "[\"Running\",[]]"));
	ask("stop|{\"step_id\":\"%s\"}", first);
	expect_the_same_anew(list);
	fake_end(&fake_runs[0], 0, 15);
	expect_the_same_anew(list);
	cr_expect(strstr(ask_all(list, 0), "[\"Cancelled\",[-9]]"));
	fake_end(&fake_runs[1], 3, 0);
	expect_the_same_anew(list);
	cr_expect(strstr(ask_all(list, 0), "[\"Failed\",[3]]"));
}

Test(server, a_repeated_message_is_executed_once)
{
	static const char text[] = RUN ",\"name\":\"m1\"}", other[] = RUN ",\"name\":\"m2\"}";
	const char *first, *again;

	route.data[5] = 100;
	server_answer(server, &route, text, strlen(text), &answer);
	first = id_of((char *)answer.data);
	server_answer(server, &route, text, strlen(text), &answer);
	again = id_of((char *)answer.data);
	cr_expect_str_eq(first, again);
	cr_expect_eq(fake_run_count, 1);
	server_answer(server, &route, other, strlen(other), &answer);
	cr_expect_str_neq(first, id_of((char *)answer.data));
	cr_expect_str_neq(first, id_of(ask("%s", text)), "another number is another request");
	cr_expect_eq(fake_run_count, 3);
	first = id_of(ask(RUN ",\"token\":\"t1\"}"));
	cr_expect_str_eq(first, id_of(ask(RUN ",\"token\":\"t1\"}")));
	cr_expect_eq(fake_run_count, 4);
}

Test(server, what_the_job_is_given)
{
	ask(RUN ",\"output_file\":\"/tmp/o\",\"env\":{\"A\":\"1\",\"N\":null},\"current_env\":{"
	    "\"N\":\"x\",\"B\":\"2\"},\"pmi_enabled\":false,\"tasks_per_node\":2,\"policy\":{"
	    "\"cpu_affinity\":[0,1],\"gpu_affinity\":[0]}}");
	cr_expect_str_eq(fake_runs[0].argv0, "/bin/a");
	cr_expect_str_eq(fake_runs[0].wdir, "/tmp");
	cr_expect_str_eq(fake_runs[0].env, "B=2;A=1;");
	cr_expect_str_eq(fake_runs[0].output, "/tmp/o");
	cr_expect_str_eq(fake_runs[0].error, "");
	cr_expect_str_eq(fake_runs[0].settings, "mpi=none;");
	cr_expect_eq(fake_runs[0].grace_ms, 700);
	cr_expect_str_eq(fake_runs[0].extras,
			 "0:CUDA_VISIBLE_DEVICES=0;0:ROCR_VISIBLE_DEVICES=0;0:ZE_AFFINITY_MASK=0;"
			 "0:0x3;1:CUDA_VISIBLE_DEVICES=0;1:ROCR_VISIBLE_DEVICES=0;"
			 "1:ZE_AFFINITY_MASK=0;1:0x3;");
	ask(RUN ",\"spool\":true,\"output_file\":null}");
	cr_expect(strncmp(fake_runs[1].output, "/dev/null/spool/", 16) == 0, "%s",
		  fake_runs[1].output);
	cr_expect(strstr(fake_runs[1].error, ".err"), "%s", fake_runs[1].error);
	ask(RUN ",\"output_file\":\"a/out\",\"error_file\":\"err\"}");
	cr_expect_str_eq(fake_runs[2].output, "/tmp/a/out");
	cr_expect_str_eq(fake_runs[2].error, "/tmp/err");
}

Test(server, a_narrow_step_overtakes_a_wide_one)
{
	const char *first = run(3, 1), *wide = run(4, 1), *narrow = run(1, 1);

	cr_expect_eq(fake_run_count, 2);
	expect_status(wide, "[\"NeverStarted\",null]");
	fake_start(&fake_runs[1]);
	expect_status(narrow, "[\"Running\",[]]");
	fake_end(&fake_runs[0], 0, 0);
	expect_status(first, "[\"Completed\",[0,0,0]]");
	cr_expect_eq(fake_run_count, 2);
	fake_end(&fake_runs[1], 0, 0);
	server_step(server);
	cr_expect_eq(fake_run_count, 3);
}

Test(server, shutdown_at_once_stops_everything)
{
	const char *running = run(4, 1), *waiting = run(1, 1);

	cr_expect_not(server_is_ending(server));
	ask("shutdown|{\"immediate\":true,\"frontend_shutdown\":false}");
	cr_expect(server_is_ending(server));
	cr_expect_not(server_ends_frontend(server));
	expect_status(waiting, "[\"Cancelled\",[-9]]");
	cr_expect_eq(fake_runs[0].stopped, 1);
	cr_expect_eq(server_living(server), 1);
	fake_end(&fake_runs[0], 0, 15);
	cr_expect_eq(server_living(server), 0);
	expect_status(running, "[\"Cancelled\",[-9]]");
}

Test(server, who_only_asks_for_statuses_has_no_steps)
{
	ask("handshake|{}");
	ask("update_status|{\"step_ids\":[]}");
	cr_expect_eq(server_heard_ns(server), 0);
	run(1, 1);
	cr_expect_neq(server_heard_ns(server), 0);
}

Test(server, a_dead_node_takes_nothing_any_more)
{
	const char *wide = run(4, 1), *next = run(4, 1);

	cr_assert(wide && next);
	server_node_dead(server, 2, "it was killed");
	server_step(server);
	expect_status(next, "[\"Failed\",[-1]]");
	fake_runs[0].hooks.failed(fake_runs[0].hooks.arg, 125, "a node is gone");
	fake_end(&fake_runs[0], 0, 9);
	cr_expect(strstr(ask(RUN ",\"nodes\":4}"), "only 3 nodes"));
	run(3, 1);
	cr_expect_eq(fake_run_count, 2);
	cr_expect(fake_runs[1].nodes[0] != 2 && fake_runs[1].nodes[1] != 2 &&
		  fake_runs[1].nodes[2] != 2);
}

Test(server, ten_thousand_finished_steps_fit_in_32_MiB)
{
	unsigned long before, after, ignored;
	FILE *file;

#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("the sanitizer keeps freed memory: its size says nothing");
#endif
	file = fopen("/proc/self/statm", "re");

	cr_assert_eq(fscanf(file, "%lu %lu", &ignored, &before), 2);
	for (int i = 0; i < 10000; i++) {
		fake_run_count = 0;
		ask(RUN ",\"name\":\"model_%d-DN3JJI9OEHTN\",\"output_file\":\"/home/user/runs/exp"
		    "/.smartsim/telemetry/exp/ae9fbbc/model/m1/m1.out\",\"error_file\":"
		    "\"/home/user/runs/exp/.smartsim/telemetry/exp/ae9fbbc/model/m1/m1.err\","
		    "\"current_env\":{\"A\":"
		    "\"0123456789012345678901234567890123456789\"}}", i);
		fake_end(&fake_runs[0], 0, 0);
	}
	server_step(server);
	rewind(file);
	fflush(file);
	cr_assert_eq(fscanf(file, "%lu %lu", &ignored, &after), 2);
	fclose(file);
	cr_expect_lt((after - before) * (unsigned long)getpagesize(), 32ul << 20);
	cr_expect(strstr(ask("list|{}"), "model_9999"));
}
