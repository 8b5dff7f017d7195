/* SPDX-License-Identifier: MIT */
/* bind_test.c - policies, masks on made-up machines, GPUs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bind/bind.h"
#include "bind/gpus.h"

TestSuite(bind, .timeout = 200);

#define TWO_SOCKETS "pack:2 [numa] core:4 pu:2"	/* 16 threads; 2k and 2k+1 are a core */

/* Masks of @count tasks as text, with blanks between. Return: of launch_bind_masks(). */
static int masks(const char *machine, const cpu_set_t *allowed, const char *policy_text,
		 uint32_t cpus, uint32_t count, int share, char *ret_text)
{
	struct launch_bind_policy policy;
	struct launch_bind_task tasks[32];
	struct launch_topology *topology;
	struct base_err err = { "" };
	cpu_set_t found[32];
	int rc;

	*ret_text = 0;
	cr_assert_eq(launch_bind_parse(policy_text, &policy, &err), 0, "%s", err.text);
	rc = launch_topology_open(machine, allowed, &topology, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	for (uint32_t i = 0; i < count; i++)
		tasks[i] = (struct launch_bind_task){ &policy, cpus, i };
	rc = launch_bind_masks(topology, tasks, count, share, found, &err);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		char one[64];

		launch_cpus_text(&found[i], one, sizeof(one));
		sprintf(ret_text + strlen(ret_text), "%s%s", i ? " " : "", one);
	}
	if (rc < 0)
		strcpy(ret_text, err.text);
	launch_topology_close(topology);
	return rc;
}

static cpu_set_t set_of(int first, int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = first; i <= last; i++)
		CPU_SET((size_t)i, &set);
	return set;
}

Test(bind, policies_and_their_other_names)
{
	static const struct {
		const char *text;
		enum launch_bind_kind kind;
		int verbose;
	} good[] = {
		{ "none", LAUNCH_BIND_NONE, 0 },	  { "core", LAUNCH_BIND_CORE, 0 },
		{ "verbose,cores", LAUNCH_BIND_CORE, 1 }, { "v,socket", LAUNCH_BIND_SOCKET, 1 },
		{ "ldoms", LAUNCH_BIND_NUMA, 0 },	  { "rank", LAUNCH_BIND_RANK, 0 },
		{ "map:0,2", LAUNCH_BIND_MAP, 0 },	  { "mask_cpu:0x3,c", LAUNCH_BIND_MASK, 0 },
	};
	static const char *const bad[] = { "", "verbose", "pear", "map", "map:", "map:0,", "map:x",
					   "map:1024", "mask:", "mask:0", "mask:0x", "mask:3,,4",
					   "core:1", "none,core", "mask:0xg" };
	struct launch_bind_policy policy;
	struct base_err err;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect_eq(launch_bind_parse(good[i].text, &policy, &err), 0, "%s",
			     good[i].text);
		cr_expect_eq(policy.kind, good[i].kind);
		cr_expect_eq(policy.verbose, good[i].verbose);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(launch_bind_parse(bad[i], &policy, &err), -EINVAL, "%s", bad[i]);
}

Test(bind, one_behind_the_other)
{
	char text[512];

	masks(TWO_SOCKETS, NULL, "core", 0, 4, 0, text);
	cr_expect_str_eq(text, "0-1 2-3 4-5 6-7");
	masks(TWO_SOCKETS, NULL, "core", 3, 3, 0, text);
	cr_expect_str_eq(text, "0-3 4-7 8-11");
	masks(TWO_SOCKETS, NULL, "rank", 0, 3, 0, text);
	cr_expect_str_eq(text, "0 1 2");
	masks(TWO_SOCKETS, NULL, "rank", 4, 4, 0, text);
	cr_expect_str_eq(text, "0-3 4-7 8-11 12-15");
	masks(TWO_SOCKETS, NULL, "none", 0, 1, 0, text);
	cr_expect_str_eq(text, "0-15");
}

Test(bind, sockets_are_shared_evenly)
{
	char text[512];

	masks(TWO_SOCKETS, NULL, "socket", 0, 4, 0, text);
	cr_expect_str_eq(text, "0-7 0-7 8-15 8-15");
	masks("pack:4 core:2 pu:1", NULL, "socket", 0, 2, 0, text);
	cr_expect_str_eq(text, "0-1 4-5");
	masks(TWO_SOCKETS, NULL, "numa", 0, 2, 0, text);
	cr_expect_str_eq(text, "0-7 8-15");
	masks("core:2 pu:1", NULL, "socket", 0, 2, 0, text);
	cr_expect_str_eq(text, "0-1 0-1");
}

Test(bind, too_few_processors_are_shared_only_when_asked)
{
	char text[512];

	cr_expect_eq(masks("core:2 pu:1", NULL, "core", 0, 3, 0, text), -ENOSPC);
	cr_expect_not_null(strstr(text, "--overcommit"));
	cr_expect_eq(masks("core:2 pu:1", NULL, "core", 0, 3, 1, text), 0);
	cr_expect_str_eq(text, "0 1 0");
	cr_expect_eq(masks("core:2 pu:1", NULL, "core", 3, 1, 1, text), -ENOSPC);
}

Test(bind, only_what_is_allowed)
{
	cpu_set_t allowed = set_of(5, 10), none = set_of(100, 101);
	struct launch_topology *topology;
	struct base_err err;
	char text[512];

	masks(TWO_SOCKETS, &allowed, "core", 0, 3, 0, text);
	cr_expect_str_eq(text, "5 6-7 8-9");
	masks(TWO_SOCKETS, &allowed, "socket", 0, 2, 0, text);
	cr_expect_str_eq(text, "5-7 8-10");
	masks(TWO_SOCKETS, &allowed, "map:5,10", 0, 3, 0, text);
	cr_expect_str_eq(text, "5 10 5");
	masks(TWO_SOCKETS, &allowed, "mask:0x60,0x780", 0, 2, 0, text);
	cr_expect_str_eq(text, "5-6 7-10");
	cr_expect_eq(masks(TWO_SOCKETS, &allowed, "map:4", 0, 1, 0, text), -EINVAL);
	cr_expect_not_null(strstr(text, "allowed here: 5-10"));
	cr_expect_eq(masks(TWO_SOCKETS, &allowed, "mask:0x70", 0, 1, 0, text), -EINVAL);
	cr_expect_eq(launch_topology_open(TWO_SOCKETS, &none, &topology, &err), -ENOENT);
}

/* A gap in the numbers, as where the second threads have the upper half. */
Test(bind, this_machine_has_what_the_kernel_allows)
{
	struct launch_topology *topology;
	struct launch_bind_policy none = { .kind = LAUNCH_BIND_NONE };
	const struct launch_bind_task task = { &none, 0, 0 };
	cpu_set_t ours, mask;
	struct base_err err;

	cr_assert_eq(sched_getaffinity(0, sizeof(ours), &ours), 0);
	cr_assert_eq(launch_topology_open(NULL, &ours, &topology, &err), 0, "%s", err.text);
	cr_expect_eq(launch_bind_masks(topology, &task, 1, 0, &mask, &err), 0);
	cr_expect(CPU_EQUAL(&mask, &ours));
	launch_topology_close(topology);
}

struct box {
	const char *inherited[2][2];
	char set[512];
};

static const char *get(void *arg, const char *name)
{
	const struct box *box = arg;

	for (int i = 0; i < 2; i++)
		if (box->inherited[i][0] && strcmp(box->inherited[i][0], name) == 0)
			return box->inherited[i][1];
	return NULL;
}

static int set(void *arg, const char *entry)
{
	struct box *box = arg;

	sprintf(box->set + strlen(box->set), "%s ", entry);
	return 0;
}

static int assign(struct box *box, const char *root, uint32_t first, uint32_t count, int share)
{
	const struct launch_gpus_hooks hooks = { box, get, set };
	struct base_err err = { "" };
	int rc;

	*box->set = 0;
	rc = launch_gpus_assign(root, &hooks, first, count, share, &err);
	if (rc < 0)
		strcpy(box->set, err.text);
	return rc;
}

Test(bind, an_inherited_list_of_gpus_is_shortened)
{
	struct box box = { .inherited = { { "CUDA_VISIBLE_DEVICES", "4,GPU-a1,6,7" } } };

	cr_expect_eq(assign(&box, "/nowhere", 0, 2, 0), 0);
	cr_expect_str_eq(box.set, "CUDA_VISIBLE_DEVICES=4,GPU-a1 ");
	cr_expect_eq(assign(&box, "/nowhere", 2, 1, 0), 0);
	cr_expect_str_eq(box.set, "CUDA_VISIBLE_DEVICES=6 ");
	cr_expect_eq(assign(&box, "/nowhere", 4, 1, 0), -ENOSPC);
	cr_expect_not_null(strstr(box.set, "4,GPU-a1,6,7"));
	cr_expect_eq(assign(&box, "/nowhere", 3, 2, 1), 0);
	cr_expect_str_eq(box.set, "CUDA_VISIBLE_DEVICES=7,4 ");
	cr_expect_eq(assign(&box, "/nowhere", 0, 5, 1), -ENOSPC);
	box.inherited[0][1] = "";
	cr_expect_eq(assign(&box, "/nowhere", 0, 1, 0), -ENODEV);
}

/* HIP counts within what ROCR leaves: shortening both would shorten twice. */
Test(bind, of_two_lists_the_inner_one_is_shortened)
{
	struct box box = { .inherited = { { "ROCR_VISIBLE_DEVICES", "2,3" },
					  { "HIP_VISIBLE_DEVICES", "0,1" } } };

	cr_expect_eq(assign(&box, "/nowhere", 1, 1, 0), 0);
	cr_expect_str_eq(box.set, "HIP_VISIBLE_DEVICES=1 ");
	box.inherited[1][0] = NULL;
	cr_expect_eq(assign(&box, "/nowhere", 1, 1, 0), 0);
	cr_expect_str_eq(box.set, "ROCR_VISIBLE_DEVICES=3 ");
}

static void write_file(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

Test(bind, gpus_are_counted_where_no_list_is_inherited)
{
	char root[] = "/tmp/bind_test.XXXXXX", command[64];
	struct box box = { .inherited = { { NULL } } };

	cr_assert_not_null(mkdtemp(root));
	write_file(root, "/dev/nvidia0", "");
	write_file(root, "/dev/nvidia1", "");
	write_file(root, "/dev/nvidiactl", "");
	write_file(root, "/sys/class/kfd/kfd/topology/nodes/0/properties",
		   "cpu_cores_count 8\nsimd_count 0\n");
	write_file(root, "/sys/class/kfd/kfd/topology/nodes/1/properties",
		   "cpu_cores_count 0\nsimd_count 440\n");
	write_file(root, "/sys/class/drm/card0/device/vendor", "0x1234\n");
	cr_expect_eq(assign(&box, root, 0, 1, 0), 0);
	cr_expect_str_eq(box.set, "CUDA_VISIBLE_DEVICES=0 ROCR_VISIBLE_DEVICES=0 ");
	cr_expect_eq(assign(&box, root, 1, 1, 0), -ENOSPC, "AMD has one");
	write_file(root, "/sys/class/drm/card1/device/vendor", "0x8086\n");
	cr_expect_eq(assign(&box, root, 0, 1, 0), 0);
	cr_expect_not_null(strstr(box.set, "ZE_AFFINITY_MASK=0 "));
	cr_expect_eq(assign(&box, "/nowhere", 0, 1, 0), -ENODEV);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_expect_eq(system(command), 0);
}
