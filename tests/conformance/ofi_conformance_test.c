/* SPDX-License-Identifier: MIT */
/*
 * ofi_conformance_test.c - libfabric with each provider against every case: one line each at
 * the end. A provider that this libfabric or this machine has not got is skipped, with the
 * reason.
 *
 * The same program runs again under cxi_strict.so, which imposes the rules of cxi and
 * injects faults; see CMakeLists.txt.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabric_conformance.h"
#include "hsta/fabrics.h"

/* Not a message of Criterion's: it would count as a failure. */
static void skip(const char *why)
{
	printf("skipped: %s\n", why);
	cr_skip_test("%s", why);
}

/* What a provider cannot do in this suite, and why. */
static const struct {
	const char *provider, *name, *why;
} known[] = {
	/* Agents are processes of their own: killed_peer_is_told does the same with two. */
	{ "shm", "nobody_there",
	  "shm of 1.17 crashes over a name whose endpoint was closed in the same process" },
	/* It passes on an idle machine. */
	{ "sockets", NULL, "sockets is deprecated and too slow for the deadlines under load; "
			   "DHOW_TEST_SOCKETS=1 runs it" },
};

/* The provider shm leaves its memory behind when a process is killed (which is a case of the
 * suite), and refuses to start in a later process of the same number. */
static void sweep_shm(void)
{
	DIR *folder = opendir("/dev/shm");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		unsigned uid, index;
		int pid, end = 0;

		if (sscanf(entry->d_name, "%d:%u:%u%n", &pid, &uid, &index, &end) != 3 ||
		    entry->d_name[end] || uid != getuid())
			continue;
		/* What has our own number was there before us: nothing is open yet. */
		if (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH))
			continue;
		unlinkat(dirfd(folder), entry->d_name, 0);
	}
	if (folder)
		closedir(folder);
}

static void run(const char *provider, const char *name, const struct fabric_ops *ops,
		void (*body)(const struct fabric_ops *))
{
	char why[256] = "";

	if (getenv("CXI_STRICT_EXPECTED"))
		cr_assert_not_null(dlsym(RTLD_DEFAULT, "cxi_strict_loaded"));
	if (ops->probe(NULL, why, sizeof(why)) < 0)
		skip(why);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].provider, provider) == 0 &&
		    (known[i].name ? strcmp(known[i].name, name) == 0 :
				     !getenv("DHOW_TEST_SOCKETS")))
			skip(known[i].why);
	if (strcmp(provider, "shm") == 0)
		sweep_shm();
	body(ops);
}

/* The fabric with its provider named, whatever the options say. */
#define PROVIDER_OPS(suite, provider_) \
	static int suite##_probe(const struct fabric_options *options, char *why, \
				 size_t why_bytes) \
	{ \
		struct fabric_options own = options ? *options : (struct fabric_options){ 0 }; \
		own.provider = provider_; \
		return hsta_ofi.probe(&own, why, why_bytes); \
	} \
	static int suite##_open(const struct fabric_options *options, \
				const struct fabric_events *events, void *user, \
				struct fabric **ret_fabric, struct fabric_caps *ret_caps) \
	{ \
		struct fabric_options own = *options; \
		own.provider = provider_; \
		return hsta_ofi.open(&own, events, user, ret_fabric, ret_caps); \
	} \
	static const char *const suite##_provider = provider_; \
	static const struct fabric_ops *suite##_ops(void) \
	{ \
		static struct fabric_ops ops; \
		ops = hsta_ofi; \
		ops.probe = suite##_probe; \
		ops.open = suite##_open; \
		return &ops; \
	}

#define CASE(suite, name) \
	Test(suite, name, .timeout = 200) \
	{ \
		run(suite##_provider, #name, suite##_ops(), conformance_##name); \
	}

#define RXM(name) CASE(ofi_rxm, name)
#define NET(name) CASE(ofi_net, name)
#define SHM(name) CASE(ofi_shm, name)
#define TCP(name) CASE(ofi_tcp, name)
#define SOCKETS(name) CASE(ofi_sockets, name)
#define CXI(name) CASE(ofi_cxi, name)

PROVIDER_OPS(ofi_rxm, "tcp;ofi_rxm")
CONFORMANCE_CASES(RXM)
PROVIDER_OPS(ofi_net, "net")
CONFORMANCE_CASES(NET)
PROVIDER_OPS(ofi_shm, "shm")
CONFORMANCE_CASES(SHM)
PROVIDER_OPS(ofi_tcp, "tcp")
CONFORMANCE_CASES(TCP)
PROVIDER_OPS(ofi_sockets, "sockets")
CONFORMANCE_CASES(SOCKETS)
PROVIDER_OPS(ofi_cxi, "cxi")
CONFORMANCE_CASES(CXI)
