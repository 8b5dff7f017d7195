/* SPDX-License-Identifier: MIT */
/* server_trials.c - see server_trials.h. */
#include "server_trials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "programs.h"
#include "server/config_log.h"
#include "server/folder.h"
#include "server/keytree.h"

enum { NODES = 4, STEPS_MAX = 4096, TEXT_MAX = 256 * 1024, ID_BYTES = 32, WAIT_MS = 30000 };
enum { LISTS = 7 };

static char folder[64], dhow[PATH_MAX], text[TEXT_MAX];
static struct server_keytree tree;
static pid_t echo, server;
static void *context, *socket_echo, *socket_server;
static size_t answer_bytes;	/* of the candidate's last answer */
static char ids[STEPS_MAX][ID_BYTES];
static unsigned id_count;
static int is_busy;		/* all nodes of the server are held: by trial_accept() */

static void set_int(void *socket, int option, int value)
{
	zmq_setsockopt(socket, option, &value, sizeof(value));
}

static char echo_endpoint[64];

static void *connect_to(const char *endpoint)
{
	void *socket = zmq_socket(context, ZMQ_REQ);

	zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, tree.server->public, LAUNCH_KEY_BYTES);
	zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, tree.client->public, LAUNCH_KEY_BYTES);
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, tree.client->secret, LAUNCH_KEY_BYTES);
	set_int(socket, ZMQ_LINGER, 0);
	set_int(socket, ZMQ_RCVTIMEO, WAIT_MS);
	zmq_connect(socket, endpoint);
	return socket;
}

/* Answers as many bytes as the number says that a request begins with. */
static void serve_echo(int fd)
{
	void *own = zmq_ctx_new(), *socket = zmq_socket(own, ZMQ_REP);
	char endpoint[64];
	size_t size = sizeof(endpoint);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_int(socket, ZMQ_CURVE_SERVER, 1);
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, tree.server->secret, LAUNCH_KEY_BYTES);
	if (zmq_bind(socket, "tcp://127.0.0.1:*") < 0 ||
	    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) < 0 ||
	    write(fd, endpoint, sizeof(endpoint)) < 0)
		_exit(1);
	for (;;) {
		unsigned bytes = 0;
		int n = zmq_recv(socket, text, sizeof(text), 0);

		if (n < (int)sizeof(bytes))
			_exit(1);
		memcpy(&bytes, text, sizeof(bytes));
		zmq_send(socket, text, bytes < sizeof(text) ? bytes : sizeof(text), 0);
	}
}

static int make_keys(struct base_err *err)
{
	char root[80];
	int rc;

	snprintf(root, sizeof(root), "%s/keys", folder);
	setenv("DHOW_KEY_PATH", root, 1);
	rc = launch_keys_init(err);
	if (rc == 0)
		rc = server_keytree_create(root, err);
	return rc < 0 ? rc : server_keytree_load(root, &tree, err);
}

int trial_server_open(void)
{
	struct base_err err = { .text = "no folder or no pipe" };
	ssize_t n;
	int fds[2];

	strcpy(folder, "/tmp/dhow-bench-XXXXXX");
	bench_program_find("dhow", dhow);
	if (!mkdtemp(folder) || make_keys(&err) < 0 || pipe2(fds, O_CLOEXEC) < 0) {
		fprintf(stderr, "server: no keys in %s: %s\n", folder, err.text);
		return -1;
	}
	echo = fork();
	if (echo == 0)
		serve_echo(fds[1]);
	close(fds[1]);	/* an echo that dies is heard */
	n = read(fds[0], echo_endpoint, sizeof(echo_endpoint));
	close(fds[0]);
	if (echo < 0 || n != sizeof(echo_endpoint)) {
		fprintf(stderr, "server: the echo by CURVE does not start\n");
		return -1;
	}
	context = zmq_ctx_new();
	socket_echo = connect_to(echo_endpoint);
	return 0;
}

/* The answer is in @text, with a zero behind. Return: its bytes; negative errno. */
static int ask(void *socket, const void *request, size_t bytes)
{
	int n;

	if (zmq_send(socket, request, bytes, 0) < 0)
		return -errno;
	n = zmq_recv(socket, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n < (int)sizeof(text) ? n : 0] = 0;
	return n;
}

static int start_server(pid_t *ret_pid)
{
	char *argv[] = { dhow, (char[]){ "serve" }, (char[]){ "--nodes" }, (char[]){ "4" },
			 (char[]){ "--dir" }, folder, NULL };
	struct base_spawn spec = { .path = dhow, .argv = argv, .envp = environ,
				   .stdio = { -1, -1, -1 } };
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	char endpoint[256];
	struct base_err err;
	int rc = base_spawn(&spec, ret_pid, &err);

	while (rc == 0 && server_config_read(folder, endpoint, sizeof(endpoint), NULL) < 0) {
		if (base_now_ns() > limit_ns)
			return -ETIMEDOUT;
		usleep(500);
	}
	if (rc < 0)
		return rc;
	socket_server = connect_to(endpoint);
	rc = ask(socket_server, "handshake|{}", 12);
	return rc < 0 ? rc : 0;
}

/* Ends it also if it does not answer. */
static void stop_server(pid_t *pid)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;

	if (*pid <= 0)
		return;
	if (!socket_server || ask(socket_server, "shutdown|{}", 11) < 0)
		kill(*pid, SIGTERM);
	if (socket_server)
		zmq_close(socket_server);
	socket_server = NULL;
	while (waitpid(*pid, NULL, WNOHANG) == 0) {
		if (base_now_ns() > limit_ns)
			kill(*pid, SIGKILL);
		usleep(500);
	}
	*pid = 0;
	is_busy = 0;
}

void trial_server_close(void)
{
	char path[96];
	static const char *const parts[] = { "keys/server/pub", "keys/server/priv", "keys/server",
					     "keys/client/pub", "keys/client/priv", "keys/client",
					     "keys", "" };

	stop_server(&server);
	if (echo > 0) {
		kill(echo, SIGKILL);
		waitpid(echo, NULL, 0);
	}
	if (context) {
		zmq_close(socket_echo);
		zmq_ctx_term(context);
	}
	server_keytree_fini(&tree);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		server_folder_clear(path);
		rmdir(path);
	}
}

static const char run_true[] =
	"run|{\"exe\":\"/bin/true\",\"exe_args\":[],\"path\":\"/\",\"nodes\":1,"
	"\"tasks_per_node\":1,\"output_file\":\"/dev/null\","
	"\"error_file\":\"/dev/null\",\"name\":\"bench\","
	"\"current_env\":{\"PATH\":\"/usr/bin:/bin\"}}";
static const char run_sleep[] =
	"run|{\"exe\":\"/bin/sleep\",\"exe_args\":[\"1000\"],\"path\":\"/\",\"nodes\":4}";

/* Return: 0 and the step's id in @ret_id. */
static int submit(const char *request, char ret_id[ID_BYTES])
{
	int n = ask(socket_server, request, strlen(request));

	if (n < 0)
		return n;
	return sscanf(text, "run|{\"step_id\":\"%31[^\"]\"", ret_id) == 1 ? 0 : -EPROTO;
}

/* `update_status` for @count ids from @from on, beginning with the one that is @first of them.
 * Return: bytes of the request. */
static size_t print_request(char *request, unsigned from, unsigned count, unsigned first)
{
	char *at = request + sprintf(request, "update_status|{\"step_ids\":[");

	for (unsigned i = 0; i < count; i++)
		at += sprintf(at, "%s\"%s\"", i ? "," : "", ids[from + (first + i) % count]);
	return (size_t)(at + sprintf(at, "]}") - request);
}

/* Until the last one has ended; they end in the order in which they began, but for four. */
static int wait_for(unsigned count)
{
	static char request[TEXT_MAX];
	unsigned from = count > NODES ? count - NODES : 0;
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	size_t bytes = print_request(request, from, count - from, 0);

	for (;;) {
		int n = ask(socket_server, request, bytes);

		if (n < 0)
			return n;
		if (!strstr(text, "NeverStarted") && !strstr(text, "Running"))
			return strstr(text, "Failed") ? -EIO : 0;
		if (base_now_ns() > limit_ns)
			return -ETIMEDOUT;
		usleep(1000);
	}
}

static int finish_steps(unsigned count)
{
	int rc;

	if (is_busy)
		stop_server(&server);
	rc = server ? 0 : start_server(&server);

	for (id_count = 0; rc == 0 && id_count < count; id_count++)
		rc = submit(run_true, ids[id_count]);
	return rc < 0 ? rc : wait_for(count);
}

static size_t status_request(unsigned count, char *request, int *ret_rc)
{
	*ret_rc = server && id_count >= count ? 0 : finish_steps(count);
	return *ret_rc < 0 ? 0 : print_request(request, 0, count, 0);
}

static int time_asks(struct bench_run *run, void *socket, const char *request, size_t bytes)
{
	for (uint64_t i = 0; i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns();

		for (uint64_t k = 0; k < run->batch; k++) {
			int n = ask(socket, request, bytes);

			if (n < 0)
				return n;
			answer_bytes = (size_t)n;
		}
		run->values[i] = (double)(base_now_ns() - begin_ns) / 1e3 / (double)run->batch;
		if (run->row->is_rate)
			run->values[i] = 1e6 / run->values[i];
	}
	return 0;
}

/* More lists than the server remembers: each must be read. */
int trial_status_new(struct bench_run *run)
{
	static char request[LISTS][TEXT_MAX];
	static unsigned turn;
	unsigned count = (unsigned)run->row->bytes;
	int rc;
	size_t bytes = status_request(count, request[0], &rc);

	for (unsigned i = 1; rc == 0 && i < LISTS; i++)
		print_request(request[i], 0, count, i);
	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns();

		for (uint64_t k = 0; k < run->batch; k++) {
			int n = ask(socket_server, request[turn++ % LISTS], bytes);

			if (n < 0)
				return n;
			answer_bytes = (size_t)n;
		}
		run->values[i] = (double)(base_now_ns() - begin_ns) / 1e3 / (double)run->batch;
	}
	return rc;
}

int trial_status(struct bench_run *run)
{
	static char request[TEXT_MAX];
	int rc;
	size_t bytes = status_request((unsigned)run->row->bytes, request, &rc);

	return rc < 0 ? rc : time_asks(run, socket_server, request, bytes);
}

/* A request and an answer as large as the server's. */
static int echo_like(struct bench_run *run, size_t bytes)
{
	static char request[TEXT_MAX];
	unsigned wanted = (unsigned)answer_bytes;

	memcpy(request, &wanted, sizeof(wanted));
	return time_asks(run, socket_echo, request, bytes);
}

int raw_echo(struct bench_run *run)
{
	static char request[TEXT_MAX];
	int rc;
	size_t bytes = status_request((unsigned)run->row->bytes, request, &rc);

	return rc < 0 ? rc : echo_like(run, bytes);
}

int raw_echo_rate(struct bench_run *run)
{
	return echo_like(run, sizeof(run_true) - 1);
}

/* All nodes are busy: what is taken waits. The server is a new one each time. */
int trial_accept(struct bench_run *run)
{
	char id[ID_BYTES];
	int rc;

	stop_server(&server);
	rc = start_server(&server);
	id_count = 0;
	is_busy = 1;
	if (rc == 0)
		rc = submit(run_sleep, id);
	return rc < 0 ? rc : time_asks(run, socket_server, run_true, sizeof(run_true) - 1);
}

int trial_steps(struct bench_run *run)
{
	uint64_t begin_ns, left = run->batch;
	int rc = finish_steps(1);	/* the nodes are up */

	begin_ns = base_now_ns();
	while (rc == 0 && left) {
		unsigned count = left < STEPS_MAX ? (unsigned)left : STEPS_MAX;

		rc = finish_steps(count);
		left -= count;
	}
	run->values[0] = (double)run->batch * 1e9 / (double)(base_now_ns() - begin_ns);
	return rc;
}

int trial_startup(struct bench_run *run)
{
	int rc = 0;

	stop_server(&server);
	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		uint64_t total_ns = 0;

		for (uint64_t k = 0; rc == 0 && k < run->batch; k++) {
			uint64_t begin_ns = base_now_ns();

			rc = start_server(&server);
			total_ns += base_now_ns() - begin_ns;
			stop_server(&server);
		}
		run->values[i] = (double)total_ns / 1e6 / (double)run->batch;
	}
	return rc;
}

/* One after the other: what starting a process costs here, at least. */
int raw_spawn_rate(struct bench_run *run)
{
	char *argv[] = { (char[]){ "/bin/true" }, NULL };
	uint64_t begin_ns = base_now_ns();
	pid_t pid;

	for (uint64_t i = 0; i < run->batch; i++)
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
		    waitpid(pid, NULL, 0) != pid)
			return -EIO;
	run->values[0] = (double)run->batch * 1e9 / (double)(base_now_ns() - begin_ns);
	return 0;
}

/* Connection, handshake and one answer. */
int raw_connect(struct bench_run *run)
{
	static const unsigned wanted = 64;

	for (uint64_t i = 0; i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns();

		for (uint64_t k = 0; k < run->batch; k++) {
			void *socket = connect_to(echo_endpoint);
			int n = ask(socket, &wanted, sizeof(wanted));

			zmq_close(socket);
			if (n < 0)
				return n;
		}
		run->values[i] = (double)(base_now_ns() - begin_ns) / 1e6 / (double)run->batch;
	}
	return 0;
}
