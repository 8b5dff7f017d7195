/* SPDX-License-Identifier: MIT */
/* config_test.c - the file by which clients find a server, and the first words to SmartSim. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "server/bootstrap.h"
#include "server/config_log.h"

static char folder[32];
static struct base_err err;

static void setup(void)
{
	strcpy(folder, "/tmp/dhow-config-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(config, .init = setup, .fini = teardown, .timeout = 200);

Test(config, written_and_read_and_removed)
{
	char found[64], path[64], text[1024] = "";
	FILE *file;

	cr_expect_eq(server_config_read(folder, found, sizeof(found), &err), -ENOENT);
	cr_assert_eq(server_config_write(folder, "tcp://127.0.0.1:4000", &err), 0, "%s", err.text);
	cr_assert_eq(server_config_read(folder, found, sizeof(found), &err), 0, "%s", err.text);
	cr_expect_str_eq(found, "tcp://127.0.0.1:4000");
	snprintf(path, sizeof(path), "%s/dragon_config.log", folder);
	file = fopen(path, "r");
	cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	cr_expect(strstr(text, "\nDRAGON_SERVER_CONFIG: {\"interface\": \"lo\", \"address\": "
			 "\"tcp://127.0.0.1:4000\"}\n"), "%s", text);
	server_config_remove(folder, "tcp://127.0.0.1:4001");
	cr_expect_eq(access(path, F_OK), 0, "that is another server's");
	server_config_remove(folder, "tcp://127.0.0.1:4000");
	cr_expect_neq(access(path, F_OK), 0);
}

Test(config, nonsense_in_the_file)
{
	char path[64], found[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/dragon_config.log", folder);
	file = fopen(path, "w");
	fputs("DRAGON_SERVER_CONFIG\nDRAGON_SERVER_CONFIG: {\nDRAGON_SERVER_CONFIG: "
	      "{\"address\": 3}\nDRAGON_SERVER_CONFIG: {\"address\": \"ipc:///x\"}\n", file);
	fclose(file);
	cr_expect_eq(server_config_read(folder, found, sizeof(found), &err), -EBADMSG);
}

struct launcher {
	void *context, *socket;
	const char *answer;
	char heard[256];
};

static void *play(void *arg)
{
	struct launcher *launcher = arg;
	int n = zmq_recv(launcher->socket, launcher->heard, sizeof(launcher->heard) - 1, 0);

	if (n > 0)
		zmq_send(launcher->socket, launcher->answer, strlen(launcher->answer), 0);
	return NULL;
}

/* Return: what server_bootstrap() does when the launcher answers so. */
static int bootstrap(const char *answer, struct launcher *launcher, int *ret_pid)
{
	struct launch_keys *server, *client;
	char url[64];
	size_t size = sizeof(url);
	int one = 1, linger = 0, rc;
	pthread_t thread;

	launch_keys_init(&err);
	launch_keys_create(&server);
	launch_keys_create(&client);
	launcher->answer = answer;
	launcher->context = zmq_ctx_new();
	launcher->socket = zmq_socket(launcher->context, ZMQ_REP);
	zmq_setsockopt(launcher->socket, ZMQ_CURVE_SERVER, &one, sizeof(one));
	zmq_setsockopt(launcher->socket, ZMQ_CURVE_SECRETKEY, server->secret, 32);
	zmq_setsockopt(launcher->socket, ZMQ_LINGER, &linger, sizeof(linger));
	cr_assert_eq(zmq_bind(launcher->socket, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(launcher->socket, ZMQ_LAST_ENDPOINT, url, &size);
	if (answer)
		pthread_create(&thread, NULL, play, launcher);
	rc = server_bootstrap(launcher->context, url, "tcp://10.0.0.1:7", client, server->public,
			      answer ? 10000 : 50, -1, ret_pid, &err);
	if (answer)
		pthread_join(thread, NULL);
	zmq_close(launcher->socket);
	zmq_ctx_term(launcher->context);
	launch_keys_free(server);
	launch_keys_free(client);
	return rc;
}

Test(config, bootstrap_as_smartsim_does_it)
{
	struct launcher launcher = { 0 };
	int pid = 0;

	cr_assert_eq(bootstrap("bootstrap|{\"error_message\":null,\"dragon_pid\":27}", &launcher,
			       &pid), 0, "%s", err.text);
	cr_expect_eq(pid, 27);
	cr_expect_str_eq(launcher.heard, "bootstrap|{\"address\":\"tcp://10.0.0.1:7\"}");
}

Test(config, bootstrap_with_somebody_who_is_none)
{
	struct launcher launcher = { 0 };
	int pid;

	cr_expect_eq(bootstrap("bootstrap|{\"error_message\":\"no\"}", &launcher, &pid), -EPROTO);
	cr_expect(strstr(err.text, "no"), "%s", err.text);
	cr_expect_eq(bootstrap("hello", &launcher, &pid), -EPROTO);
	cr_expect_eq(bootstrap(NULL, &launcher, &pid), -ETIMEDOUT);
	cr_expect(strstr(err.text, "SMARTSIM_DRAGON_TIMEOUT"), "%s", err.text);
}

Test(config, the_address_that_faces_the_launcher)
{
	char address[64];

	cr_assert_eq(server_bootstrap_address("tcp://127.0.0.1:5995", address, 64, &err), 0);
	cr_expect_str_eq(address, "127.0.0.1");
	cr_expect_eq(server_bootstrap_address("ipc:///tmp/x", address, 64, &err), -EINVAL);
	cr_expect_eq(server_bootstrap_address("tcp://127.0.0.1:", address, 64, &err), -EINVAL);
	cr_expect_eq(server_bootstrap_address("", address, 64, &err), -EINVAL);
}
