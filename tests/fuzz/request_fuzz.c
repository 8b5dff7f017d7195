/* SPDX-License-Identifier: MIT */
/* request_fuzz.c - requests of clients to the command server, as SmartSim sends them and worse. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"
#include "server/request.h"

static const char *const seeds[] = {
	"handshake|{}",
	"run|{\"exe\":\"/usr/bin/bash\",\"exe_args\":[\"-c\",\"echo hello; echo oops\"],"
	"\"path\":\"/tmp/m1\",\"nodes\":4,\"tasks\":1,\"tasks_per_node\":3,\"hostlist\":null,"
	"\"output_file\":\"/tmp/m1.out\",\"error_file\":\"/tmp/m1.err\","
	"\"env\":{\"A\":null,\"B\":\"\"},\"name\":\"m1-DN3JJI9OEHTN\",\"pmi_enabled\":true,"
	"\"current_env\":{\"PATH\":\"/usr/bin:/bin\"},"
	"\"policy\":{\"cpu_affinity\":[0,1,63],\"gpu_affinity\":[2]}}",
	"update_status|{\"step_ids\":[\"f4f9bf9-0\",\"f4f9bf9-1\"]}",
	"stop|{\"step_id\":\"f4f9bf9-0\"}",
	"shutdown|{\"immediate\":false,\"frontend_shutdown\":true}",
	"list|{}",
	"logs|{\"step_id\":\"f4f9bf9-0\",\"offset\":65536,\"is_error\":true}",
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	if (index >= sizeof(seeds) / sizeof(*seeds))
		return 0;
	memcpy(at, seeds[index], strlen(seeds[index]));
	return strlen(seeds[index]);
}

/* What was taken is within what the server counts on. */
static void check_run(const struct server_run *run)
{
	char **argv = server_run_arguments(run), **env = server_run_environment(run);

	FUZZ_CHECK(argv && env && argv[0] == run->exe && *run->exe && *run->path);
	FUZZ_CHECK(run->nodes >= 1 && run->nodes <= SERVER_NODES_MAX);
	FUZZ_CHECK(run->tasks_per_node >= 1 && run->tasks_per_node <= SERVER_TASKS_PER_NODE_MAX);
	FUZZ_CHECK(server_numbers_max(run->cpus) < SERVER_CPUS_MAX);
	FUZZ_CHECK(server_numbers_max(run->gpus) < SERVER_CPUS_MAX);
	for (char **at = env; *at; at++)
		FUZZ_CHECK(strchr(*at, '=') > *at);
	free(argv);
	free(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct base_err err = { "" };
	struct server_request request;
	int rc = server_request_parse((const char *)data, bytes, &request, &err);

	if (rc < 0) {
		FUZZ_CHECK(rc == -EBADMSG || rc == -EINVAL || rc == -E2BIG);
		FUZZ_CHECK(*err.text);
	} else {
		FUZZ_CHECK(request.kind < SERVER_KINDS && request.body);
		if (request.kind == SERVER_RUN)
			check_run(&request.run);
	}
	server_request_fini(&request);
	return 0;
}
