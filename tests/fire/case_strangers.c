/* SPDX-License-Identifier: MIT */
/*
 * case_strangers.c - programs without the secret at an agent's door: silent ones, ones that
 * talk rubbish, and ones that say a proper beginning very slowly.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cases.h"
#include "tcp/address.h"
#include "tcp/wire.h"

enum { STRANGERS = 1000, DRIP_US = 100000, MEANWHILE_MS = 3000, JOIN_MS = 60000 };

static int knock(const union tcp_address *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, &address->any, tcp_address_bytes(address)) < 0 &&
		       errno != EINPROGRESS)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Who is thrown out comes again. */
static void besiege(const union tcp_address *address)
{
	static int fds[STRANGERS];
	static size_t said[STRANGERS];
	uint8_t rubbish[512], proper[TCP_WIRE_BYTES];

	for (size_t i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = (uint8_t)random();
	tcp_wire_encode(proper, TCP_FRAME, 0, TCP_FRAME_MAX);
	memset(fds, -1, sizeof(fds));
	for (;;) {
		for (int i = 0; i < STRANGERS; i++) {
			char byte;

			if (fds[i] >= 0 && recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0) {
				close(fds[i]);
				fds[i] = -1;
			}
			if (fds[i] < 0) {
				fds[i] = knock(address);
				said[i] = 0;
			}
			if (fds[i] >= 0 && i % 3 == 1 && !said[i])
				said[i] = send(fds[i], rubbish, sizeof(rubbish), MSG_NOSIGNAL) > 0;
			else if (fds[i] >= 0 && i % 3 == 2 && said[i] < sizeof(proper))
				said[i] += send(fds[i], proper + said[i], 1, MSG_NOSIGNAL) == 1;
		}
		usleep(DRIP_US);
	}
}

static pid_t start_strangers(struct rig *rig)
{
	union tcp_address address;
	struct rlimit files = { STRANGERS + 64, STRANGERS + 64 };
	const struct dhow_node_peer *peer = &rig->nodes[1].address;
	pid_t parent = getpid(), pid;

	if (tcp_address_decode(peer->address, peer->bytes, &address))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || setns(rig->nodes[2].space, CLONE_NEWNET) < 0)
			_exit(1);
		setrlimit(RLIMIT_NOFILE, &files);
		besiege(&address);
	}
	return pid;
}

static unsigned descriptors(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

bool fire_strangers(struct fire_run *run)
{
	struct rig *rig = &run->rig;
	unsigned before, most = 0;
	uint64_t start;
	pid_t strangers;

	if (!rig_flow_start(rig, 0, 0, 1, NULL) || !rig_flow_moves(rig, 0, 50, RIG_LIMIT_MS))
		return false;
	before = descriptors(rig->nodes[1].agent);
	strangers = start_strangers(rig);
	if (strangers <= 0)
		return rig_fail(rig, "cannot start the strangers");
	for (start = base_now_ns(); base_now_ns() - start < MEANWHILE_MS * BASE_MS;) {
		unsigned now = descriptors(rig->nodes[1].agent);

		most = now > most ? now : most;
		rig_run(rig, 10);
	}
	start = base_now_ns();
	if (rig_flow_start(rig, 1, 2, 1, NULL) && rig_flow_moves(rig, 1, 50, JOIN_MS) &&
	    rig_flow_moves(rig, 0, 50, JOIN_MS) && fire_flows_check(run)) {
		fprintf(run->figures, "%d strangers, at most %u connections of them open; ",
			STRANGERS, most - before);
		fprintf(run->figures, "a good peer joined meanwhile, first answer after %.0f ms; ",
			rig_ms(start, rig_flow(rig, 1)->first_ns));
		fire_flows_print(run);
	}
	kill(strangers, SIGKILL);
	return !rig->why[0];
}
