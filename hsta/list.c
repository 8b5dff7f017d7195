/* SPDX-License-Identifier: MIT */
/*
 * list.c - see list.h. The libraries below print warnings of their own to stdout: while they
 * work, that is stderr.
 */
#include "hsta/list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef DHOW_HAVE_JSON
#include <jansson.h>

#ifndef DHOW_VERSION
#define DHOW_VERSION "0.1.0"
#endif

static const struct {
	const char *fabric;
	int (*add)(const struct fabric_options *options, json_t *row);
} libraries[] = {
#ifdef DHOW_HAVE_OFI
	{ "ofi", hsta_list_ofi },
#endif
#ifdef DHOW_HAVE_UCX
	{ "ucx", hsta_list_ucx },
#endif
	{ NULL, NULL },
};

static json_t *describe(const struct hsta_fabric *fabric, const struct fabric_options *options)
{
	struct fabric_options tried = *options;
	char why[512] = "";
	int usable = hsta_fabric_probe(fabric, &tried, why, sizeof(why)) == 0;
	json_t *row = json_pack("{s:s, s:b, s:s}", "name", fabric->name, "usable", usable, "why",
				why);

	for (int i = 0; row && libraries[i].fabric; i++)
		if (strcmp(libraries[i].fabric, fabric->name) == 0)
			libraries[i].add(options, row);
	return row;
}

int hsta_list_json(const struct fabric_options *options)
{
	json_t *fabrics = json_array(), *report;
	int out = dup(STDOUT_FILENO), rc;

	if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 1;
	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++)
		json_array_append_new(fabrics, describe(fabric, options));
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	report = json_pack("{s:s, s:s, s:o}", "agent", "dhow-hsta", "version", DHOW_VERSION,
			   "fabrics", fabrics);
	rc = report ? json_dumpf(report, stdout, JSON_INDENT(1)) : -1;
	putchar('\n');
	json_decref(report);
	return rc < 0 ? 1 : 0;
}
#else
int hsta_list_json(const struct fabric_options *options)
{
	(void)options;
	fprintf(stderr, "dhow-hsta: --json: built without jansson\n");
	return 1;
}
#endif
