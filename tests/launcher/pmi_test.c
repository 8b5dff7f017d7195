/* SPDX-License-Identifier: MIT */
/* pmi_test.c - what MPI libraries are told: places, variables, Cray's application file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmi/environment.h"
#include "pmi/kvs.h"
#include "pmi/layout.h"
#include "pmi/pals.h"

TestSuite(pmi, .timeout = 200);

/* @numbers: the node of each rank. */
static struct launch_pmi_layout *make(uint32_t size, const uint32_t *numbers, uint32_t here)
{
	struct launch_pmi_layout *layout = launch_pmi_layout_new(size);

	for (uint32_t i = 0; i < size; i++)
		cr_assert_eq(launch_pmi_layout_add(layout, 1, numbers[i], i == size - 1), 0);
	cr_assert_lt(launch_pmi_layout_add(layout, 1, 0, 0), 0);
	cr_assert_eq(launch_pmi_layout_seal(layout, here, NULL, NULL), 0);
	return layout;
}

static void expect_text(char *found, const char *wanted)
{
	cr_expect_str_eq(found, wanted);
	free(found);
}

Test(pmi, places_of_a_block)
{
	struct launch_pmi_layout *layout =
		make(6, (uint32_t[]){ 5, 5, 5, 9, 9, 9 }, 9);

	cr_expect_eq(layout->node_count, 2);
	cr_expect_eq(layout->here, 1);
	cr_expect_eq(launch_pmi_layout_local_size(layout), 3);
	cr_expect_eq(launch_pmi_layout_rank(layout, 2), 5);
	cr_expect_eq(layout->ranks[4].local, 1);
	cr_expect_eq(layout->ranks[4].app_rank, 4);
	cr_expect_eq(launch_pmi_layout_app_size(layout, 1), 1);
	expect_text(launch_pmi_layout_mapping(layout), "(vector,(0,2,3))");
	expect_text(launch_pmi_layout_counts(layout), "3(x2)");
	expect_text(launch_pmi_layout_peers(layout, 1), "3,4,5");
	expect_text(launch_pmi_layout_procs(layout), "0,1,2;3,4,5");
	expect_text(launch_pmi_layout_hosts(layout), "node5,node9");
	launch_pmi_layout_free(layout);
}

Test(pmi, places_of_other_orders)
{
	struct launch_pmi_layout *cyclic = make(6, (uint32_t[]){ 0, 1, 2, 0, 1, 2 }, 2);
	struct launch_pmi_layout *uneven = make(6, (uint32_t[]){ 0, 0, 1, 1, 2, 0 }, 7);

	expect_text(launch_pmi_layout_mapping(cyclic), "(vector,(0,3,1))");
	expect_text(launch_pmi_layout_peers(cyclic, 2), "2,5");
	expect_text(launch_pmi_layout_mapping(uneven), "(vector,(0,2,2),(2,1,1),(0,1,1))");
	expect_text(launch_pmi_layout_counts(uneven), "3,2,1");
	cr_expect_eq(uneven->here, LAUNCH_PMI_NOWHERE);
	cr_expect_eq(launch_pmi_layout_local_size(uneven), 0);
	launch_pmi_layout_free(cyclic);
	launch_pmi_layout_free(uneven);
}

Test(pmi, foreign_variables_are_dropped)
{
	static const char *const dropped[] = {
		"PMI_RANK=1", "PMIX_RANK=1", "PALS_APID=1", "OMPI_COMM_WORLD_SIZE=4",
		"OMPI_MCA_ess=env", "HYDI_CONTROL_FD=5", "MPI_LOCALRANKID=0", "PMI_KVSNAME=x",
	};
	static const char *const kept[] = {
		"PMIX_MCA_gds=hash", "OMPI_MCA_btl=tcp,self", "I_MPI_DEBUG=5", "FI_CXI_X=1",
		"PMI_MMAP_SYNC_WAIT_TIME=9", "SLINGSHOT_VNIS=4", "PMI_RANKS=1", "HOME=/root",
		"SLURM_JOB_ID=1", "", "MPICH_X=1",
	};
	static const char *const of_slurm[] = { "SLURM_PROCID=0", "SLURM_NTASKS=1",
						"SLURM_CPU_BIND=none", "SLURM_GTIDS=0" };

	for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++)
		cr_expect(launch_environment_is_foreign(dropped[i], 0), "%s", dropped[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		cr_expect_not(launch_environment_is_foreign(kept[i], ~0u), "%s", kept[i]);
	for (size_t i = 0; i < sizeof(of_slurm) / sizeof(*of_slurm); i++) {
		cr_expect_not(launch_environment_is_foreign(of_slurm[i], 0));
		cr_expect(launch_environment_is_foreign(of_slurm[i], LAUNCH_ENVIRONMENT_SLURM));
	}
	cr_expect(launch_environment_is_of_node("SLINGSHOT_SVC_IDS=11,12"));
	cr_expect(launch_environment_is_of_node("SLURM_STEP_ID=3"));
	cr_expect_not(launch_environment_is_of_node("SLURM_JOB_ID=3"));
	cr_expect_not(launch_environment_is_of_node("FI_CXI_DEFAULT_TX_SIZE=3"));
}

struct found {
	char text[64][128];
	int count;
};

static int add(void *arg, const char *entry)
{
	struct found *found = arg;

	cr_assert_lt(found->count, 64);
	snprintf(found->text[found->count++], sizeof(*found->text), "%s", entry);
	return 0;
}

static int has(const struct found *found, const char *entry)
{
	int count = 0;

	for (int i = 0; i < found->count; i++)
		count += strcmp(found->text[i], entry) == 0;
	return count == 1;
}

Test(pmi, variables_of_a_task)
{
	struct launch_pmi_layout *layout = make(5, (uint32_t[]){ 2, 2, 7, 7, 7 }, 7);
	struct launch_environment *all =
		launch_environment_new(layout, "/run/x", LAUNCH_ENVIRONMENT_MPI |
				       LAUNCH_ENVIRONMENT_PMI1 | LAUNCH_ENVIRONMENT_PMIX |
				       LAUNCH_ENVIRONMENT_SLURM);
	struct launch_environment *none = launch_environment_new(layout, "/run/x", 0);
	struct found found = { .count = 0 }, nothing = { .count = 0 };

	cr_assert_eq(launch_environment_task(all, 2, add, &found), 0);
	cr_expect(has(&found, "PMI_RANK=4"));
	cr_expect(has(&found, "PMI_SIZE=5"));
	cr_expect(has(&found, "PMI_APPNUM=1"));
	cr_expect(has(&found, "MPI_LOCALRANKID=2"));
	cr_expect(has(&found, "MPI_LOCALNRANKS=3"));
	cr_expect(has(&found, "MPIR_CVAR_PMI_VERSION=1"));
	cr_expect(has(&found, "OMPI_COMM_WORLD_LOCAL_RANK=2"));
	cr_expect(has(&found, "SLURM_PROCID=4"));
	cr_expect(has(&found, "SLURM_NODEID=1"));
	cr_expect(has(&found, "SLURM_STEP_TASKS_PER_NODE=2,3"));
	cr_expect(has(&found, "SLURM_GTIDS=2,3,4"));
	/* each name once, and one that a task must not inherit or that nobody else sets */
	for (int i = 0; i < found.count; i++)
		for (int j = 0; j < i; j++)
			cr_expect_neq(strncmp(found.text[i], found.text[j],
					      strcspn(found.text[i], "=") + 1), 0);
	cr_assert_eq(launch_environment_task(none, 2, add, &nothing), 0);
	cr_expect_eq(nothing.count, 0);
	launch_environment_free(all);
	launch_environment_free(none);
	launch_pmi_layout_free(layout);
}

	/* each name once */
static const int words_of_slurm[] = {
	1, 0, 0x134, 0, 0x34, 0, 0x88, 0, 0, 0, 12, 0, 0x88, 0, 1, 0, 12, 0, 0x94, 0, 2, 0,
	0x44, 0, 0xac, 0, 2, 0, 0x30, 0, 0x134, 0, 0, 0,
};

Test(pmi, application_file_of_cray)
{
	struct launch_pmi_layout *layout = launch_pmi_layout_new(2);
	const char *host;
	void *image;
	size_t bytes;
	int words[34];

	launch_pmi_layout_add(layout, 1, 0, 0);
	launch_pmi_layout_add(layout, 1, 1, 0);
	cr_assert_eq(launch_pmi_layout_seal(layout, 0, NULL, NULL), 0);
	cr_assert_eq(launch_pals_image(layout, 0, &image, &bytes), 0);
	cr_assert_eq(bytes, 0x88 + 12 + 2 * 12 + 2 * 0x44);
	memcpy(words, image, sizeof(words));
	for (size_t i = 0; i < 34; i++)
		cr_expect_eq(words[i], words_of_slurm[i], "word %zu: %x", i, words[i]);
	host = (const char *)image + words[24] + 0x44;
	cr_expect_eq(memcmp(host, "\xff\xff\xff\xffnode1", 10), 0);
	free(image);
	launch_pmi_layout_free(layout);
}

Test(pmi, keys_and_values)
{
	struct launch_kvs kvs = { 0 };
	char key[LAUNCH_KVS_KEY_BYTES + 1];

	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		cr_assert_eq(launch_kvs_put(&kvs, key, key + 3), 0);
	}
	cr_expect_eq(kvs.count, 1000);
	cr_expect_str_eq(launch_kvs_get(&kvs, "key17"), "17");
	cr_assert_eq(launch_kvs_put(&kvs, "key17", "a=b c"), 0);
	cr_expect_eq(kvs.count, 1000);
	cr_expect_str_eq(launch_kvs_get(&kvs, "key17"), "a=b c");
	cr_expect_null(launch_kvs_get(&kvs, "key"));
	cr_expect_eq(launch_kvs_delete(&kvs, "key17"), 0);
	cr_expect_lt(launch_kvs_delete(&kvs, "key17"), 0);
	memset(key, 'k', LAUNCH_KVS_KEY_BYTES);
	key[LAUNCH_KVS_KEY_BYTES] = 0;
	cr_expect_lt(launch_kvs_put(&kvs, key, ""), 0);
	launch_kvs_fini(&kvs);
	cr_expect_eq(kvs.count, 0);
}
