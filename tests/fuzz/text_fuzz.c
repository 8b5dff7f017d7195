/* SPDX-License-Identifier: MIT */
/*
 * text_fuzz.c - what people and workload managers write: lists of hosts, files of hosts and of
 * programs, masks and maps of processors, names of files, addresses.
 *
 * The first byte says which of them the rest is. Whatever it is, what is accepted keeps the limits
 * that its header names, and what is refused says why.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dhow/address.h>

#include "base/log.h"
#include "bind/policy.h"
#include "cli/multi_prog.h"
#include "cli/pattern.h"
#include "mutate.h"
#include "proto/mpi.h"
#include "wlm/hosts.h"

enum { RANKS = 64, PROGRAMS = 8 };

/* Of FUZZ_BYTES_MAX bytes at most, with a zero behind. @path holds the same. */
typedef void parse(const char *text, const char *path);

static void check_hosts(struct launch_hosts *hosts, int rc, const struct base_err *err)
{
	FUZZ_CHECK(rc <= 0 && (rc == 0 || err->text[0]));
	FUZZ_CHECK(hosts->count <= LAUNCH_HOSTS_MAX);
	for (uint32_t i = 0; i < hosts->count; i++)
		FUZZ_CHECK(hosts->host[i].name[0] &&
			   strlen(hosts->host[i].name) < LAUNCH_HOST_BYTES);
	if (hosts->count)
		FUZZ_CHECK(launch_hosts_find(hosts, hosts->host[hosts->count - 1].name) >= 0);
	launch_hosts_agree(hosts);
	launch_hosts_fini(hosts);
}

static void parse_list(const char *text, const char *path)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };
	int rc = launch_hosts_parse(&hosts, text, 1, &err);

	(void)path;
	check_hosts(&hosts, rc, &err);
}

static void parse_hostfile(const char *text, const char *path)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };
	int rc = launch_hosts_read(&hosts, path, &err);

	(void)text;
	check_hosts(&hosts, rc, &err);
}

static void parse_filter(const char *text, const char *path)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };
	int rc;

	(void)path;
	FUZZ_CHECK(launch_hosts_parse(&hosts, "a[1-9],b", 0, &err) == 0);
	rc = launch_hosts_filter(&hosts, text, NULL, &err);
	if (rc == 0)
		rc = launch_hosts_filter(&hosts, NULL, text, &err);
	check_hosts(&hosts, rc, &err);
}

static void parse_counts(const char *text, const char *path)
{
	uint32_t counts[RANKS];
	int rc = launch_hosts_counts(text, counts, RANKS);

	(void)path;
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
}

static void parse_bind(const char *text, const char *path)
{
	struct launch_bind_policy policy = { 0 };
	struct base_err err = { "" };
	char item[40];
	int rc = launch_bind_parse(text, &policy, &err);

	(void)path;
	FUZZ_CHECK(rc == 0 || err.text[0]);
	for (uint32_t i = 0; rc == 0 && policy.list && i < RANKS; i++) {
		launch_bind_item(&policy, i, item, sizeof(item));
		FUZZ_CHECK(strlen(item) < sizeof(item));
	}
}

static void parse_programs(const char *text, const char *path)
{
	struct launch_multi_prog programs = { 0 };
	struct base_err err = { "" };
	int rc = launch_multi_prog_read(path, RANKS, PROGRAMS, &programs, &err);

	(void)text;
	FUZZ_CHECK(rc == 0 || err.text[0]);
	for (uint32_t i = 0; rc == 0 && i < RANKS; i++)
		FUZZ_CHECK(programs.of_rank[i] < programs.count &&
			   programs.argv[programs.of_rank[i]][0]);
	if (rc == 0)
		FUZZ_CHECK(programs.count <= PROGRAMS);
	launch_multi_prog_fini(&programs);
}

static void parse_pattern(const char *text, const char *path)
{
	const struct launch_pattern_values values = { 7, 3, "host", "tag" };
	struct base_err err = { "" };
	char name[64];
	int scope = launch_pattern_scope("--output", text, &err);
	int rc = launch_pattern_expand(text, &values, name, sizeof(name));

	(void)path;
	FUZZ_CHECK(scope >= 0 || err.text[0]);
	FUZZ_CHECK(rc < 0 || strlen(name) < sizeof(name));
}

static void parse_address(const char *text, const char *path)
{
	struct dhow_address address, again;
	char printed[DHOW_ADDRESS_BYTES];

	(void)path;
	if (dhow_address_parse(text, &address) < 0)
		return;
	dhow_address_print(&address, printed);
	FUZZ_CHECK(dhow_address_parse(printed, &again) == 0);
	FUZZ_CHECK(memcmp(&address, &again, sizeof(address)) == 0);
}

static void parse_mpi(const char *text, const char *path)
{
	int rc = launch_mpi_parse(text);

	(void)path;
	FUZZ_CHECK(rc >= 0 || rc == -EINVAL);
}

static const struct {
	parse *parse;
	const char *seeds[4];
} parsers[] = {
	{ parse_list, { "a[1-3,07-9],b09.site:4,c", "n[1-2]m[0-1]-ib:2", "[a]", "x:4294967295" } },
	{ parse_hostfile, { "# nodes\na 3\nb:2\na slots=1 # again\n\n", "n[1-4]\n", "a slots=0" } },
	{ parse_filter, { "b,a[2-4]", "a9.site", "a1,a1" } },
	{ parse_counts, { "64", "3(x60),1(x4)", "1(x64)", "2(x0),64(x64)" } },
	{ parse_bind, { "verbose,mask:0x3,0xff00,0x10", "map:0,2,1023", "mask_cpu:1,2", "core" } },
	{ parse_programs, { "0-9 app a%t \"two words\" '%o'\n* b\\ c\n",
			    "0,4-7,63 ./x\n1-3,8-62 y # z\n", "* a\n", "0-63 a\n0 b\n" } },
	{ parse_pattern, { "out/%j-%4t.%n.%h", "%%-%r", "%99t", "%" } },
	{ parse_address, { "dhow:7:1:0:3:9", "dhow:ffffffff:0:1:2:3" } },
	{ parse_mpi, { "auto", "pmix,pmi1", "pmi1-port", "none" } },
};
enum { PARSERS = sizeof(parsers) / sizeof(*parsers) };

static int file = -1;
static char file_path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	base_log_set_level(BASE_LOG_ERROR);
	file = memfd_create("fuzz", MFD_CLOEXEC);
	FUZZ_CHECK(file >= 0);
	snprintf(file_path, sizeof(file_path), "/proc/self/fd/%d", file);
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	const struct dhow_address address = { 7, 1, 0, 3, 9 };

	for (unsigned i = 0; i < PARSERS; i++)
		for (unsigned k = 0; k < 4 && parsers[i].seeds[k]; k++) {
			if (index--)
				continue;
			at[0] = (uint8_t)i;
			strcpy((char *)at + 1, parsers[i].seeds[k]);
			if (parsers[i].parse == parse_address && k == 0)	/* a good one */
				dhow_address_print(&address, (char *)at + 1);
			return 1 + strlen((char *)at + 1);
		}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text;

	if (bytes < 1 || bytes > FUZZ_BYTES_MAX)
		return 0;
	FUZZ_CHECK(ftruncate(file, 0) == 0);
	FUZZ_CHECK(pwrite(file, data + 1, bytes - 1, 0) == (ssize_t)bytes - 1);
	/* Of its exact size, so that a sanitizer sees a byte too far. */
	text = malloc(bytes);
	FUZZ_CHECK(text);
	memcpy(text, data + 1, bytes - 1);
	text[bytes - 1] = '\0';
	parsers[data[0] % PARSERS].parse(text, file_path);
	free(text);
	return 0;
}
