/* SPDX-License-Identifier: MIT */
/* node_test.c - several processes on one standalone node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"

static char name[64];

static void start(void)
{
	snprintf(name, sizeof(name), "@dhow-test-%d", (int)getpid());
	assert_ok(dhow_init_at(name, 0));
}

TestSuite(node, .init = start, .fini = detach, .timeout = 200);

/* Run @body in a child that joins; it returns an exit code. */
static pid_t child(int (*body)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		_exit(dhow_init_at(name, 0) < 0 ? 90 : body());
	}
	return pid;
}

static int exit_code(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int echo(void)
{
	struct dhow_channel *in, *out;
	static char data[100000];
	size_t bytes;

	if (dhow_channel_open("to", SOON, &in) < 0 || dhow_channel_open("from", SOON, &out) < 0)
		return 1;
	for (int i = 0; i < 200; i++)
		if (dhow_recv(in, data, sizeof(data), &bytes, NULL, SOON) < 0 ||
		    dhow_send(out, data, bytes, SOON) < 0)
			return 2;
	dhow_channel_close(in);
	dhow_channel_close(out);
	dhow_fini();
	return 0;
}

Test(node, two_processes_share_channels_by_name)
{
	static char data[100000], back[100000];
	struct dhow_channel *to, *from;
	pid_t pid = child(echo);
	size_t bytes;

	assert_ok(dhow_channel_create("to", NULL, &to));
	assert_ok(dhow_channel_create("from", NULL, &from));
	for (int i = 0; i < 200; i++) {
		size_t size = (size_t)(i * 487) % sizeof(data);

		memset(data, i, size);
		assert_ok(dhow_send(to, data, size, SOON));
		assert_ok(dhow_recv(from, back, sizeof(back), &bytes, NULL, SOON));
		cr_assert_eq(bytes, size);
		cr_assert_arr_eq(back, data, size);
	}
	cr_assert_eq(exit_code(pid), 0);
	dhow_channel_close(to);
	dhow_channel_close(from);
}

static int use_pool_of_parent(void)
{
	struct dhow_channel *channel;

	if (dhow_channel_open("pooled", SOON, &channel) < 0)
		return 1;
	return dhow_send(channel, "hello", 6, SOON) < 0 ? 2 : 0;
}

Test(node, pool_of_one_process_is_reached_by_another)
{
	struct dhow_channel_attr attr = { 0 };
	struct dhow_channel *channel;
	struct dhow_pool *pool;
	char data[8];
	size_t bytes;

	assert_ok(dhow_pool_create(1 << 20, &pool));
	attr.pool = pool;
	assert_ok(dhow_channel_create("pooled", &attr, &channel));
	cr_assert_eq(exit_code(child(use_pool_of_parent)), 0);
	assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, NULL, SOON));
	cr_assert_str_eq(data, "hello");
	dhow_channel_close(channel);
	dhow_pool_close(pool);
}

static int use_after_fork(void)
{
	struct dhow_channel *channel;
	int status;

	if (dhow_channel_create(NULL, NULL, &channel) < 0)
		return 1;
	if (fork() == 0)
		_exit(dhow_send(channel, "x", 1, SOON) == -ENOTCONN ? 0 : 3);
	wait(&status);
	return WEXITSTATUS(status);
}

Test(node, forked_child_is_told_to_attach)
{
	cr_assert_eq(exit_code(child(use_after_fork)), 0);
}

static int leak_and_die(void)
{
	struct dhow_message message;
	struct dhow_channel *channel;

	for (int i = 0; i < 50; i++)
		if (dhow_message_alloc(NULL, 10000, SOON, &message) < 0)
			return 1;
	if (dhow_channel_open("kept", SOON, &channel) < 0 ||
	    dhow_recv_begin(channel, &message, SOON) < 0)
		return 2;
	kill(getpid(), SIGKILL);
	return 3;
}

Test(node, what_a_killed_process_held_comes_back)
{
	struct dhow_pool_stats before, after;
	struct dhow_channel *channel;
	char data[8];
	size_t bytes;

	assert_ok(dhow_channel_create("kept", NULL, &channel));
	assert_ok(dhow_send(channel, "hello", 6, SOON));
	dhow_pool_stats(dhow_pool_default(), &before);
	cr_assert_eq(exit_code(child(leak_and_die)), 128 + SIGKILL);
	assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, NULL, SOON));
	cr_assert_str_eq(data, "hello", "the lent message is given again");
	for (int i = 0; i < 500; i++) {
		dhow_pool_stats(dhow_pool_default(), &after);
		if (after.blocks == before.blocks)
			break;
		usleep(10000);
	}
	cr_assert_eq(after.blocks, before.blocks);
	cr_assert_eq(after.free_bytes, before.free_bytes);
	dhow_channel_close(channel);
}

static char other[80];		/* a node that nobody serves yet */

static int meet_at_other(void)
{
	struct dhow_channel *mine, *theirs;
	char data[8];
	size_t bytes;
	int first;

	dhow_fini();
	if (dhow_init_at(other, 1 << 20) < 0)
		return 1;
	/* Who gets the name receives, the other one sends. */
	first = dhow_channel_create("meeting", NULL, &mine) == 0;
	if (first)
		return dhow_recv(mine, data, sizeof(data), &bytes, NULL, SOON) < 0 ? 2 : 0;
	if (dhow_channel_open("meeting", SOON, &theirs) < 0)
		return 3;
	return dhow_send_with(theirs, "hello", 6, NULL, DHOW_RECEIVED, SOON) < 0 ? 4 : 0;
}

Test(node, two_that_start_at_once_share_one_node)
{
	for (int i = 0; i < 20; i++) {
		pid_t first, second;

		snprintf(other, sizeof(other), "%s-%d", name, i);
		first = child(meet_at_other);
		second = child(meet_at_other);
		cr_assert_eq(exit_code(first), 0);
		cr_assert_eq(exit_code(second), 0);
	}
}

Test(node, socket_leaves_no_file)
{
	char path[64];

	dhow_fini();
	snprintf(path, sizeof(path), "/tmp/dhow-test-%d.sock", (int)getpid());
	assert_ok(dhow_init_at(path, 1 << 20));
	cr_assert_eq(access(path, F_OK), 0);
	dhow_fini();
	cr_assert_neq(access(path, F_OK), 0);
	assert_ok(dhow_init());
}

Test(node, garbage_at_the_socket_harms_nobody)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	struct dhow_channel *channel;

	memcpy(address.sun_path, name, length);
	address.sun_path[0] = '\0';
	for (size_t size = 1; size < 1000; size += 97) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		char garbage[1000];

		memset(garbage, 0xa5, sizeof(garbage));
		cr_assert_eq(connect(fd, (struct sockaddr *)&address,
				     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			     0);
		cr_assert_gt(send(fd, garbage, size, MSG_NOSIGNAL), 0);
		close(fd);
	}
	assert_ok(dhow_channel_create("still-works", NULL, &channel));
	dhow_channel_close(channel);
}

Test(node, can_be_attached_again_and_again)
{
	for (int i = 0; i < 10; i++) {
		dhow_fini();
		assert_ok(dhow_init_at(name, 1 << 20));
	}
}
