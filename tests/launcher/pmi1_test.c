/* SPDX-License-Identifier: MIT */
/* pmi1_test.c - PMI-1: lines, and two nodes whose ranks exchange what they publish. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pmi/pmi1.h"
#include "pmi/pmi1_line.h"
#include "pmi/pmi1_port.h"
#include "pmi/source.h"

TestSuite(pmi1, .timeout = 200);

Test(pmi1, lines)
{
	char value[16];
	long number;

	cr_expect_eq(launch_pmi1_command("cmd=put kvsname=a key=b value=c"), LAUNCH_PMI1_PUT);
	cr_expect_eq(launch_pmi1_command("mcmd=spawn"), LAUNCH_PMI1_SPAWN);
	cr_expect_eq(launch_pmi1_command("cmd=puts"), LAUNCH_PMI1_UNKNOWN);
	cr_expect_eq(launch_pmi1_command("cmd="), LAUNCH_PMI1_UNKNOWN);
	cr_expect_eq(launch_pmi1_command(""), LAUNCH_PMI1_UNKNOWN);
	cr_expect_eq(launch_pmi1_word("cmd=get key=a=b x=1", "key", value, sizeof(value)), 0);
	cr_expect_str_eq(value, "a=b");
	cr_expect_eq(launch_pmi1_word("cmd=get monkey=a", "key", value, sizeof(value)), -ENOENT);
	cr_expect_eq(launch_pmi1_rest("cmd=put value=a b=c ", "value", value, sizeof(value)), 0);
	cr_expect_str_eq(value, "a b=c ");
	cr_expect_eq(launch_pmi1_word("k=0123456789012345", "k", value, sizeof(value)), -E2BIG);
	cr_expect_eq(launch_pmi1_number("exitcode=-7", "exitcode", &number), 0);
	cr_expect_eq(number, -7);
	cr_expect_eq(launch_pmi1_number("exitcode=7x", "exitcode", &number), -EINVAL);
	cr_expect_eq(launch_pmi1_number("exitcode=", "exitcode", &number), -EINVAL);
}

/* Two ranks on each of two nodes; fences are carried by hand. */
struct node {
	struct launch_pmi_layout *layout;
	struct launch_pmi1 *pmi1;
	struct launch_pmi1_hooks hooks;
	int epoll, tasks[2];
	char key[64], data[4096];
	uint32_t bytes;
	int fences;
	uint32_t abort_rank, abort_code;
	char abort_text[256];
};

static void fence(void *arg, const char *key, const void *data, uint32_t bytes)
{
	struct node *node = arg;

	cr_assert_leq(bytes, sizeof(node->data));
	snprintf(node->key, sizeof(node->key), "%s", key);
	if (bytes)
		memcpy(node->data, data, bytes);
	node->bytes = bytes;
	node->fences++;
}

static void on_abort(void *arg, uint32_t rank, uint32_t code, const char *text)
{
	struct node *node = arg;

	node->abort_rank = rank;
	node->abort_code = code;
	snprintf(node->abort_text, sizeof(node->abort_text), "%s", text);
}

static void node_open(struct node *node, uint32_t number)
{
	struct base_err err;

	*node = (struct node){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	node->layout = launch_pmi_layout_new(4);
	launch_pmi_layout_add(node->layout, 2, 0, 0);
	launch_pmi_layout_add(node->layout, 2, 1, 0);
	cr_assert_eq(launch_pmi_layout_seal(node->layout, number, NULL, NULL), 0);
	node->hooks = (struct launch_pmi1_hooks){ node, fence, on_abort };
	cr_assert_eq(launch_pmi1_open(node->layout, "run", node->epoll, &node->hooks, &node->pmi1,
				      &err), 0);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert_eq(launch_pmi1_connect(node->pmi1, i, &node->tasks[i]), 0);
}

static void node_close(struct node *node)
{
	launch_pmi1_close(node->pmi1);
	launch_pmi_layout_free(node->layout);
	close(node->tasks[0]);
	close(node->tasks[1]);
	close(node->epoll);
}

static void turn(int epoll)
{
	struct epoll_event events[8];
	int count = epoll_wait(epoll, events, 8, 0);

	for (int i = 0; i < count; i++) {
		struct launch_pmi_source *source = events[i].data.ptr;

		source->ready(source->arg);
	}
}

static void say(struct node *node, int local, const char *line)
{
	cr_assert_eq(send(node->tasks[local], line, strlen(line), MSG_NOSIGNAL),
		     (ssize_t)strlen(line));
	turn(node->epoll);
}

static const char *hear(struct node *node, int local)
{
	static char answer[4096];
	ssize_t n = recv(node->tasks[local], answer, sizeof(answer) - 1, MSG_DONTWAIT);

	answer[n > 0 ? n : 0] = 0;
	return n == 0 ? "closed" : answer;
}

static void talk(struct node *node, int local, const char *line, const char *wanted)
{
	say(node, local, line);
	cr_expect_str_eq(hear(node, local), wanted);
}

#define HELLO "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n"

static void init(struct node *node)
{
	for (int i = 0; i < 2; i++)
		talk(node, i, "cmd=init pmi_version=1 pmi_subversion=1\n", HELLO);
}

Test(pmi1, what_is_put_is_seen_everywhere_after_a_barrier)
{
	struct node nodes[2];
	char both[8192];

	for (uint32_t i = 0; i < 2; i++) {
		node_open(&nodes[i], i);
		init(&nodes[i]);
	}
	talk(&nodes[0], 0, "cmd=get_universe_size\n", "cmd=universe_size size=4\n");
	talk(&nodes[0], 0, "cmd=get kvsname=run key=PMI_process_mapping\n",
	     "cmd=get_result rc=0 msg=success value=(vector,(0,2,2))\n");
	talk(&nodes[0], 0, "cmd=put kvsname=run key=a value=x=1 y\n",
	     "cmd=put_result rc=0 msg=success\n");
	talk(&nodes[1], 1, "cmd=put kvsname=run key=b value=2\n",
	     "cmd=put_result rc=0 msg=success\n");
	talk(&nodes[1], 1, "cmd=get kvsname=run key=a\n",
	     "cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
	for (int i = 0; i < 2; i++) {
		talk(&nodes[i], 0, "cmd=barrier_in\n", "");
		cr_expect_eq(nodes[i].fences, 0);
		talk(&nodes[i], 1, "cmd=barrier_in\n", "");
		cr_expect_eq(nodes[i].fences, 1);
		cr_expect(launch_pmi1_is_mine(nodes[i].key));
	}
	cr_expect_str_eq(nodes[0].key, nodes[1].key);
	memcpy(both, nodes[1].data, nodes[1].bytes);
	memcpy(both + nodes[1].bytes, nodes[0].data, nodes[0].bytes);
	for (int i = 0; i < 2; i++) {
		launch_pmi1_fenced(nodes[i].pmi1, 0, both, nodes[0].bytes + nodes[1].bytes);
		cr_expect_str_eq(hear(&nodes[i], 0), "cmd=barrier_out\n");
		cr_expect_str_eq(hear(&nodes[i], 1), "cmd=barrier_out\n");
	}
	talk(&nodes[1], 1, "cmd=get kvsname=run key=a\n",
	     "cmd=get_result rc=0 msg=success value=x=1 y\n");
	talk(&nodes[0], 1, "cmd=finalize\n", "cmd=finalize_ack\n");
	cr_expect_eq(launch_pmi1_ended(nodes[0].pmi1, 1, 0), LAUNCH_PMI1_OUTSIDE);
	cr_expect_eq(launch_pmi1_ended(nodes[0].pmi1, 0, 0), LAUNCH_PMI1_INSIDE);
	cr_expect_eq(nodes[0].abort_code, 0);
	node_close(&nodes[0]);
	node_close(&nodes[1]);
}

Test(pmi1, abort_and_damage)
{
	struct node node;

	node_open(&node, 0);
	init(&node);
	/* two lines in one piece, and one in two */
	say(&node, 0, "cmd=get_appnum\ncmd=get_my_kvs");
	cr_expect_str_eq(hear(&node, 0), "cmd=appnum appnum=0\n");
	talk(&node, 0, "name\n", "cmd=my_kvsname kvsname=run\n");
	say(&node, 0, "cmd=abort exitcode=17\n");
	cr_expect_eq(node.abort_rank, 0);
	cr_expect_eq(node.abort_code, 17);
	cr_expect_str_eq(node.abort_text, "rank 0 called MPI_Abort with code 17");
	say(&node, 1, "cmd=init pmi_version=1 pmi_subversion=1\n");	/* it has done so */
	cr_expect_str_eq(hear(&node, 1), "closed");
	launch_pmi1_fenced(node.pmi1, 0, "key without value", 17);
	node_close(&node);
}

Test(pmi1, who_waits_for_a_dead_one_is_freed)
{
	struct node node;

	node_open(&node, 0);
	talk(&node, 0, "cmd=init pmi_version=1 pmi_subversion=1\n", HELLO);
	cr_expect_eq(launch_pmi1_ended(node.pmi1, 1, 9), LAUNCH_PMI1_SILENT);
	cr_expect_eq(node.abort_code, 0);
	say(&node, 0, "cmd=barrier_in\n");
	cr_expect_eq(node.abort_rank, 1);
	cr_expect_eq(node.abort_code, 9);
	node_close(&node);
}

static int knock(const struct launch_pmi1_port *port, uint32_t id)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((uint16_t)launch_pmi1_port_number(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[64];

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	snprintf(line, sizeof(line), "cmd=initack pmiid=%u\n", id);
	cr_assert_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
	return fd;
}

Test(pmi1, by_port_only_with_the_number)
{
	struct launch_pmi1_port *port;
	struct base_err err;
	struct node node;
	char byte;

	node_open(&node, 1);
	cr_assert_eq(launch_pmi1_port_open(node.pmi1, node.epoll, 2, &port, &err), 0);
	close(node.tasks[1]);
	node.tasks[1] = knock(port, launch_pmi1_port_id(port, 1));
	for (int i = 0; i < 4; i++)
		turn(node.epoll);
	cr_expect_str_eq(hear(&node, 1), "cmd=initack rc=0\ncmd=set size=4\ncmd=set rank=3\n"
					 "cmd=set debug=0\n");
	for (int i = 0; i < 64; i++) {	/* then the port is closed */
		int fd = knock(port, launch_pmi1_port_id(port, 0) ^ 1);

		for (int j = 0; j < 4; j++)
			turn(node.epoll);
		cr_expect_leq(recv(fd, &byte, 1, 0), 0);
		close(fd);
	}
	cr_expect_eq(launch_pmi1_port_id(port, 0) == launch_pmi1_port_id(port, 1), 0);
	launch_pmi1_port_close(port);
	node_close(&node);
}
