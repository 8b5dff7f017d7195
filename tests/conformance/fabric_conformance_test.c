/* SPDX-License-Identifier: MIT */
/* fabric_conformance_test.c - every fabric against every case: one line each at the end. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "fabric_conformance.h"
#include "tcp/fabrics.h"

static void run(const struct fabric_ops *ops, void (*body)(const struct fabric_ops *))
{
	char why[160] = "";

	if (!ops || ops->probe(NULL, why, sizeof(why)) < 0)
		cr_skip_test("cannot run here: %s", why);
	body(ops);
}

#define CASE(suite, ops, name) \
	Test(suite, name, .timeout = 200) \
	{ \
		run(ops, conformance_##name); \
	}

/* io_uring with all of it that goes together, with none of it, and with a kernel thread. */
#define TUNED(suite, options_) \
	static int suite##_open(const struct fabric_options *options, \
				const struct fabric_events *events, void *user, \
				struct fabric **ret_fabric, struct fabric_caps *ret_caps) \
	{ \
		struct fabric_options own = *options; \
		own.tuning = options_; \
		return tcp_fabrics[0].ops->open(&own, events, user, ret_fabric, ret_caps); \
	} \
	__attribute__((unused)) static const struct fabric_ops *suite##_ops(void) \
	{ \
		static struct fabric_ops ops; \
		if (!tcp_fabrics[0].ops) \
			return NULL; \
		ops = *tcp_fabrics[0].ops; \
		ops.open = suite##_open; \
		return &ops; \
	}
TUNED(uring_all, "defer=on,multishot=on,files=on,zc=on,fixed=on")
TUNED(uring_none, "defer=off,multishot=off,files=off,zc=off,fixed=off")
TUNED(uring_sqpoll, "files=on,zc=on,fixed=on,sqpoll=on")

#define MEM(name) CASE(mem, &fabric_mem, name)
#define URING(name) CASE(uring, tcp_fabrics[0].ops, name)
#define URING_ALL(name) CASE(uring_all, uring_all_ops(), name)
#define URING_NONE(name) CASE(uring_none, uring_none_ops(), name)
/* Each ring has a thread of the kernel: many of them on few processors take for ever. */
#define URING_SQPOLL(name) \
	Test(uring_sqpoll, name, .timeout = 200) \
	{ \
		if (strcmp(#name, "many_peers") == 0 && sysconf(_SC_NPROCESSORS_ONLN) < 16) \
			cr_skip_test("26 kernel threads for fewer than 16 processors"); \
		run(uring_sqpoll_ops(), conformance_##name); \
	}
#define EPOLL(name) CASE(epoll, tcp_fabrics[1].ops, name)

CONFORMANCE_CASES(MEM)
CONFORMANCE_CASES(URING)
CONFORMANCE_CASES(EPOLL)
#ifndef __SANITIZE_THREAD__	/* it is slow, and would see the same again */
CONFORMANCE_CASES(URING_ALL)
CONFORMANCE_CASES(URING_NONE)
CONFORMANCE_CASES(URING_SQPOLL)
#endif
