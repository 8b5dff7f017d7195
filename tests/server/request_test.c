/* SPDX-License-Identifier: MIT */
/* request_test.c - what is taken from clients, and what is not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/request.h"

TestSuite(request, .timeout = 200);

static int parse(const char *text, struct server_request *request, struct base_err *err)
{
	return server_request_parse(text, strlen(text), request, err);
}

#define RUN(fields) "run|{\"exe\":\"/bin/a\",\"path\":\"/tmp\"" fields "}"

Test(request, a_run_of_smartsim)
{
	struct server_request request;
	struct base_err err;

	cr_assert_eq(parse("run|{\"exe\":\"/usr/bin/bash\",\"exe_args\":[\"-c\",\"echo \xc3\xa4\"],"
			   "\"path\":\"/tmp/m1\",\"nodes\":4,\"tasks\":1,\"tasks_per_node\":3,"
			   "\"hostlist\":null,\"output_file\":\"/tmp/m1.out\",\"error_file\":null,"
			   "\"env\":{\"A\":\"1\",\"B\":null},\"name\":\"m1-X\",\"pmi_enabled\":"
			   "true,"
			   "\"current_env\":{\"A\":\"0\",\"B\":\"2\",\"C\":\"3\",\"\":\"x\"},"
			   "\"policy\":{\"cpu_affinity\":[0,5],\"gpu_affinity\":[]}}", &request,
			   &err), 0, "%s", err.text);
	cr_expect_eq(request.kind, SERVER_RUN);
	cr_expect_str_eq(request.run.exe, "/usr/bin/bash");
	cr_expect_eq(request.run.nodes, 4);
	cr_expect_eq(request.run.tasks_per_node, 3);
	cr_expect_str_eq(request.run.output_file, "/tmp/m1.out");
	cr_expect_null(request.run.error_file);
	cr_expect_eq(server_numbers_max(request.run.cpus), 5);
	cr_expect_eq(server_numbers_max(request.run.gpus), -1);

	char **env = server_run_environment(&request.run), **argv;

	cr_expect_str_eq(env[0], "C=3");
	cr_expect_str_eq(env[1], "A=1", "env wins over current_env");
	cr_expect_null(env[2], "a null takes the variable away: %s", env[2]);
	free(env);
	argv = server_run_arguments(&request.run);
	cr_expect_str_eq(argv[2], "echo \xc3\xa4");
	cr_expect_null(argv[3]);
	free(argv);
	server_request_fini(&request);
}

Test(request, what_has_a_default_may_be_absent_and_what_is_unknown_is_ignored)
{
	struct server_request request;
	struct base_err err;

	cr_assert_eq(parse(RUN(",\"colour\":[{}]"), &request, &err), 0, "%s", err.text);
	cr_expect_eq(request.run.nodes, 1);
	cr_expect_eq(request.run.tasks_per_node, 1);
	cr_expect(request.run.pmi);
	server_request_fini(&request);
	cr_assert_eq(parse("shutdown|{}", &request, &err), 0);
	cr_expect(request.shutdown.immediate && request.shutdown.frontend);
	server_request_fini(&request);
	cr_assert_eq(parse("shutdown| {\"immediate\" : false}", &request, &err), 0);
	cr_expect(!request.shutdown.immediate && request.shutdown.frontend);
	server_request_fini(&request);
}

/* Whatever is wrong, the kind is known, so that the answer can be of that kind. */
static const struct {
	const char *text;
	enum server_kind kind;
	int rc;
} wrong[] = {
	{ "", SERVER_KINDS, -EBADMSG },
	{ "handshake", SERVER_KINDS, -EBADMSG },
	{ "Handshake|{}", SERVER_KINDS, -EBADMSG },
	{ "bootstrap|{\"address\":\"tcp://1.2.3.4:5\"}", SERVER_KINDS, -EBADMSG },
	{ "handshake|", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|[]", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{} x", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":1,\"a\":2}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":1e999}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":99999999999999999999}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":\"\\u0000\"}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":\"\xff\"}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{\"a\":NaN}", SERVER_HANDSHAKE, -EBADMSG },
	{ "handshake|{'a':1}", SERVER_HANDSHAKE, -EBADMSG },
	{ "run|{}", SERVER_RUN, -EINVAL },
	{ "run|{\"exe\":\"\",\"path\":\"/\"}", SERVER_RUN, -EINVAL },
	{ "run|{\"exe\":\"/bin/a\"}", SERVER_RUN, -EINVAL },
	{ RUN(",\"nodes\":0"), SERVER_RUN, -EINVAL },
	{ RUN(",\"nodes\":-1"), SERVER_RUN, -EINVAL },
	{ RUN(",\"nodes\":\"2\""), SERVER_RUN, -EINVAL },
	{ RUN(",\"nodes\":4294967297"), SERVER_RUN, -EINVAL },
	{ RUN(",\"tasks_per_node\":1.5"), SERVER_RUN, -EINVAL },
	{ RUN(",\"exe_args\":[1]"), SERVER_RUN, -EINVAL },
	{ RUN(",\"exe_args\":\"a\""), SERVER_RUN, -EINVAL },
	{ RUN(",\"env\":{\"A\":1}"), SERVER_RUN, -EINVAL },
	{ RUN(",\"env\":{\"A=B\":\"\"}"), SERVER_RUN, -EINVAL },
	{ RUN(",\"env\":[]"), SERVER_RUN, -EINVAL },
	{ RUN(",\"policy\":{\"cpu_affinity\":[-1]}"), SERVER_RUN, -EINVAL },
	{ RUN(",\"policy\":{\"gpu_affinity\":[8192]}"), SERVER_RUN, -EINVAL },
	{ RUN(",\"policy\":[]"), SERVER_RUN, -EINVAL },
	{ RUN(",\"output_file\":3"), SERVER_RUN, -EINVAL },
	{ "update_status|{}", SERVER_UPDATE_STATUS, -EINVAL },
	{ "update_status|{\"step_ids\":[1]}", SERVER_UPDATE_STATUS, -EINVAL },
	{ "stop|{}", SERVER_STOP, -EINVAL },
	{ "stop|{\"step_id\":null}", SERVER_STOP, -EINVAL },
	{ "shutdown|{\"immediate\":1}", SERVER_SHUTDOWN, -EINVAL },
	{ "logs|{\"step_id\":\"a-0\",\"offset\":-1}", SERVER_LOGS, -EINVAL },
};

/* A step that is over keeps them, and equal tokens are one request: none is cut. */
Test(request, a_text_that_is_kept_is_bounded)
{
	static const struct {
		const char *name;
		int bytes;
	} rows[] = {
		{ "token", SERVER_TOKEN_BYTES },
		{ "name", SERVER_NAME_BYTES },
		{ "output_file", 4096 },
		{ "error_file", 4096 },
	};
	struct server_request request;
	struct base_err err = { 0 };
	char text[8192];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int more = -1; more <= 0; more++) {
			snprintf(text, sizeof(text), RUN(",\"%s\":\"%0*d\""), rows[i].name,
				 rows[i].bytes + more, 0);
			cr_expect_eq(parse(text, &request, &err), more ? 0 : -EINVAL, "%s",
				     rows[i].name);
			cr_expect(more || strstr(err.text, rows[i].name), "%s", err.text);
			server_request_fini(&request);
		}
}

/* It goes to a log and to a client. */
Test(request, what_is_wrong_is_shown_as_text_and_without_secrets)
{
	struct server_request request;
	struct base_err err;

	cr_assert_eq(parse(RUN(",\"env\":{\"A=B\":\"hush\"}"), &request, &err), -EINVAL);
	cr_expect(strstr(err.text, "\"env\"") && !strstr(err.text, "hush"), "%s", err.text);
	server_request_fini(&request);
	cr_assert_eq(parse(RUN(",\"exe_args\":\"\xc3\xa4\""), &request, &err), -EINVAL);
	cr_expect(strstr(err.text, "\\u00E4"), "%s", err.text);
	server_request_fini(&request);
}

Test(request, what_is_wrong_is_refused_and_named)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct server_request request;
		struct base_err err = { "" };
		int rc = parse(wrong[i].text, &request, &err);

		cr_expect_eq(rc, wrong[i].rc, "%s: %d", wrong[i].text, rc);
		cr_expect_eq(request.kind, wrong[i].kind, "%s: %d", wrong[i].text, request.kind);
		cr_expect(strlen(err.text) > 5, "%s: \"%s\"", wrong[i].text, err.text);
		server_request_fini(&request);
	}
}

Test(request, depth_and_size_have_limits)
{
	char deep[256] = "handshake|{\"a\":";
	struct server_request request;
	struct base_err err;
	char *large;

	memset(deep + strlen(deep), '[', 100);
	cr_expect_eq(parse(deep, &request, &err), -EBADMSG);
	server_request_fini(&request);
	/* brackets in a string are no depth */
	cr_expect_eq(parse("handshake|{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}",
			   &request, &err), 0);
	server_request_fini(&request);
	large = malloc(SERVER_REQUEST_BYTES_MAX + 1);
	memset(large, ' ', SERVER_REQUEST_BYTES_MAX + 1);
	memcpy(large, "handshake|{}", 12);
	cr_expect_eq(server_request_parse(large, SERVER_REQUEST_BYTES_MAX + 1, &request, &err),
		     -E2BIG);
	server_request_fini(&request);
	cr_expect_eq(server_request_parse(large, SERVER_REQUEST_BYTES_MAX, &request, &err), 0);
	server_request_fini(&request);
	free(large);
}
