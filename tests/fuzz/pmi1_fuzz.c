/* SPDX-License-Identifier: MIT */
/*
 * pmi1_fuzz.c - what a rank may write into its PMI-1 socket: any bytes.
 *
 * The first byte says into how many pieces the rest is cut. Whatever comes, the server lives, and
 * another rank is still served.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "mutate.h"
#include "pmi/pmi1.h"
#include "pmi/source.h"

#define INIT "cmd=init pmi_version=1 pmi_subversion=1\n"

static const char *const seeds[] = {
	"\1" INIT "cmd=get_maxes\ncmd=get_appnum\ncmd=get_my_kvsname\ncmd=get_universe_size\n",
	"\3" INIT "cmd=put kvsname=r key=a value=b=c d\ncmd=get kvsname=r key=a\ncmd=barrier_in\n",
	"\2" INIT "cmd=publish_name service=s port=p q\ncmd=lookup_name service=s\n"
	"cmd=unpublish_name service=s\ncmd=finalize\n" INIT,
	"\4" INIT "mcmd=spawn\nnprocs=1\nexecname=x\nendcmd\ncmd=abort exitcode=3\n",
	"\1" "cmd=initack pmiid=1\n" INIT "cmd=barrier_in\ncmd=barrier_in\n",
};
enum { SEEDS = sizeof(seeds) / sizeof(*seeds) };

static struct launch_pmi_layout *layout;
static struct launch_pmi1 *pmi1;
static struct launch_pmi1_hooks hooks;
static int epoll;

static void on_fence(void *arg, const char *key, const void *data, uint32_t bytes)
{
	(void)arg, (void)data, (void)bytes;
	FUZZ_CHECK(launch_pmi1_is_mine(key));
}

static void on_abort(void *arg, uint32_t rank, uint32_t code, const char *text)
{
	(void)arg, (void)code;
	FUZZ_CHECK(rank < 2 && strlen(text) < 256);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	base_log_set_level(BASE_LOG_ERROR);
	layout = launch_pmi_layout_new(3);
	FUZZ_CHECK(layout && launch_pmi_layout_add(layout, 2, 0, 0) == 0 &&
		   launch_pmi_layout_add(layout, 1, 1, 0) == 0 &&
		   launch_pmi_layout_seal(layout, 0, NULL, NULL) == 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	hooks = (struct launch_pmi1_hooks){ NULL, on_fence, on_abort };
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	if (index >= SEEDS)
		return 0;
	memcpy(at, seeds[index], strlen(seeds[index]));
	return strlen(seeds[index]);
}

static void turn(void)
{
	struct epoll_event events[4];
	int count = epoll_wait(epoll, events, 4, 0);

	for (int i = 0; i < count; i++) {
		struct launch_pmi_source *source = events[i].data.ptr;

		source->ready(source->arg);
	}
}

static void serve_other(int fd)
{
	static const char wanted[] = "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n";
	char answer[256];

	FUZZ_CHECK(send(fd, INIT, strlen(INIT), 0) > 0);
	turn();
	FUZZ_CHECK(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == (ssize_t)strlen(wanted));
	FUZZ_CHECK(memcmp(answer, wanted, strlen(wanted)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int bad, good;
	size_t piece;
	struct base_err err;

	if (bytes < 2)
		return 0;
	FUZZ_CHECK(launch_pmi1_open(layout, "r", epoll, &hooks, &pmi1, &err) == 0);
	FUZZ_CHECK(launch_pmi1_connect(pmi1, 0, &bad) == 0);
	FUZZ_CHECK(launch_pmi1_connect(pmi1, 1, &good) == 0);
	piece = (bytes - 1) / (data[0] % 8 + 1) + 1;
	for (size_t at = 1; at < bytes; at += piece) {
		size_t count = bytes - at < piece ? bytes - at : piece;

		if (send(bad, data + at, count, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		turn();
	}
	/* what another node may have sent, too */
	launch_pmi1_fenced(pmi1, 0, data, (uint32_t)bytes);
	serve_other(good);
	launch_pmi1_ended(pmi1, 0, 1);
	launch_pmi1_close(pmi1);
	close(bad);
	close(good);
	return 0;
}
