/* SPDX-License-Identifier: MIT */
/* ucx_conformance_test.c - the conformance cases over UCX, with tcp for its network. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "fabric_conformance.h"
#include "hsta/ucx/ucx.h"

/* A software network must be named. */
static struct fabric_options named(const struct fabric_options *options)
{
	struct fabric_options own = options ? *options : (struct fabric_options){ 0 };

	own.provider = "tcp";
	return own;
}

static int tcp_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	const struct fabric_options own = named(options);

	return hsta_ucx.probe(&own, why, why_bytes);
}

static int tcp_open(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	const struct fabric_options own = named(options);

	return hsta_ucx.open(&own, events, user, ret_fabric, ret_caps);
}

static void run(void (*body)(const struct fabric_ops *))
{
	static struct fabric_ops ops;
	char why[512] = "";

	ops = hsta_ucx;
	ops.probe = tcp_probe;
	ops.open = tcp_open;
	if (ops.probe(NULL, why, sizeof(why)) < 0) {
		printf("ucx: skipped: %s\n", why);
		fflush(stdout);
		cr_skip_test("%s", why);
	}
	body(&ops);
}

#define UCX(name) \
	Test(ucx, name, .timeout = 200) \
	{ \
		run(conformance_##name); \
	}

CONFORMANCE_CASES(UCX)
