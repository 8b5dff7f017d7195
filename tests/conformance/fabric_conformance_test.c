/* SPDX-License-Identifier: MIT */
/* fabric_conformance_test.c - every fabric against every case: one line each at the end. */
#include <criterion/criterion.h>

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
	Test(suite, name, .timeout = 60) \
	{ \
		run(ops, conformance_##name); \
	}

#define MEM(name) CASE(mem, &fabric_mem, name)
#define URING(name) CASE(uring, tcp_fabrics[0].ops, name)
#define EPOLL(name) CASE(epoll, tcp_fabrics[1].ops, name)

CONFORMANCE_CASES(MEM)
CONFORMANCE_CASES(URING)
CONFORMANCE_CASES(EPOLL)
