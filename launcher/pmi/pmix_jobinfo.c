/* SPDX-License-Identifier: MIT */
/*
 * pmix_jobinfo.c - see pmix_jobinfo.h.
 *
 * One array of infos holds everything: first those that name an array (of the job, of each node,
 * app and rank), behind them the members of these arrays. Values are borrowed, so that a job of
 * many ranks is not copied twice.
 */
#include "pmi/pmix_jobinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_KEYS = 14, NODE_KEYS = 7, APP_KEYS = 3, RANK_KEYS = 9, MAPS = 2 };

struct filler {
	const struct launch_pmi_layout *layout;
	struct launch_pmix_jobinfo *jobinfo;
	pmix_info_t *top, *member;	/* the next ones */
	pmix_data_array_t *array;	/* that is being filled */
};

static void open_array(struct filler *filler, const char *key)
{
	filler->array = filler->array ? filler->array + 1 : filler->jobinfo->arrays;
	*filler->array = (pmix_data_array_t){ PMIX_INFO, 0, filler->member };
	snprintf(filler->top->key, sizeof(filler->top->key), "%s", key);
	filler->top->value.type = PMIX_DATA_ARRAY;
	filler->top->value.data.darray = filler->array;
	filler->top++;
}

static pmix_value_t *add(struct filler *filler, const char *key, pmix_data_type_t type)
{
	pmix_info_t *info = filler->member++;

	filler->array->size++;
	snprintf(info->key, sizeof(info->key), "%s", key);
	info->value.type = type;
	return &info->value;
}

static void add_u32(struct filler *filler, const char *key, uint32_t number)
{
	add(filler, key, PMIX_UINT32)->data.uint32 = number;
}

static void add_u16(struct filler *filler, const char *key, uint32_t number)
{
	add(filler, key, PMIX_UINT16)->data.uint16 = (uint16_t)number;
}

static void add_rank(struct filler *filler, const char *key, uint32_t rank)
{
	add(filler, key, PMIX_PROC_RANK)->data.rank = rank;
}

static void add_text(struct filler *filler, const char *key, const char *text)
{
	add(filler, key, PMIX_STRING)->data.string = (char *)(uintptr_t)text;
}

static void add_job(struct filler *filler, const char *name, const char *directory)
{
	const struct launch_pmi_layout *layout = filler->layout;
	const pmix_info_t *maps = filler->jobinfo->maps.array;

	open_array(filler, PMIX_JOB_INFO_ARRAY);
	add_u32(filler, PMIX_UNIV_SIZE, layout->size);
	add_u32(filler, PMIX_JOB_SIZE, layout->size);
	add_u32(filler, PMIX_MAX_PROCS, layout->size);
	add_u32(filler, PMIX_JOB_NUM_APPS, layout->app_count);
	add_u32(filler, PMIX_NUM_NODES, layout->node_count);
	add_text(filler, PMIX_JOBID, name);
	/* Session files of ranks go here and are removed with it, whatever kills a rank. */
	add_text(filler, PMIX_TMPDIR, directory);
	add_text(filler, PMIX_NSDIR, directory);
	add(filler, PMIX_TDIR_RMCLEAN, PMIX_BOOL)->data.flag = true;
	for (size_t i = 0; i < MAPS; i++) {
		*filler->member++ = maps[i];
		filler->array->size++;
	}
}

static void add_node(struct filler *filler, uint32_t index)
{
	const struct launch_pmi_node *node = &filler->layout->nodes[index];

	open_array(filler, PMIX_NODE_INFO_ARRAY);
	add_u32(filler, PMIX_NODEID, index);
	add_text(filler, PMIX_HOSTNAME, node->host);
	add_text(filler, PMIX_LOCAL_PEERS, filler->jobinfo->peers[index]);
	add_u32(filler, PMIX_LOCAL_SIZE, node->count);
	add_u32(filler, PMIX_NODE_SIZE, node->count);
	add_rank(filler, PMIX_LOCALLDR, filler->layout->by_node[node->first]);
}

static void add_app(struct filler *filler, uint32_t app)
{
	uint32_t leader = 0;

	while (filler->layout->ranks[leader].app != app)
		leader++;
	open_array(filler, PMIX_APP_INFO_ARRAY);
	add_u32(filler, PMIX_APPNUM, app);
	add_u32(filler, PMIX_APP_SIZE, launch_pmi_layout_app_size(filler->layout, app));
	add_rank(filler, PMIX_APPLDR, leader);
}

static void add_proc(struct filler *filler, uint32_t number)
{
	const struct launch_pmi_rank *rank = &filler->layout->ranks[number];

	open_array(filler, PMIX_PROC_DATA);
	add_rank(filler, PMIX_RANK, number);	/* first */
	add_rank(filler, PMIX_GLOBAL_RANK, number);
	add_rank(filler, PMIX_APP_RANK, rank->app_rank);
	add_u32(filler, PMIX_APPNUM, rank->app);
	add_u16(filler, PMIX_LOCAL_RANK, rank->local);
	add_u16(filler, PMIX_NODE_RANK, rank->local);
	add_u32(filler, PMIX_NODEID, rank->node);
	add_text(filler, PMIX_HOSTNAME, filler->layout->nodes[rank->node].host);
}

/* libpmix packs the two maps in a way of its own. */
static int make_maps(const struct launch_pmix_library *library,
		     const struct launch_pmi_layout *layout, pmix_data_array_t *ret_maps)
{
	char *hosts = launch_pmi_layout_hosts(layout), *procs = launch_pmi_layout_procs(layout);
	char *node_map = NULL, *proc_map = NULL;
	void *list = library->Info_list_start();
	int rc = -ENOMEM;

	if (hosts && procs && list)
		rc = library->generate_regex(hosts, &node_map) ||
		     library->generate_ppn(procs, &proc_map) ||
		     library->Info_list_add(list, PMIX_NODE_MAP, node_map, PMIX_REGEX) ||
		     library->Info_list_add(list, PMIX_PROC_MAP, proc_map, PMIX_REGEX) ||
		     library->Info_list_convert(list, ret_maps) || ret_maps->size != MAPS ?
			     -EIO : 0;
	if (list)
		library->Info_list_release(list);
	free(hosts);
	free(procs);
	free(node_map);
	free(proc_map);
	return rc;
}

static int allocate(const struct launch_pmi_layout *layout, struct launch_pmix_jobinfo *jobinfo)
{
	size_t members = JOB_KEYS + (size_t)layout->node_count * NODE_KEYS +
			 (size_t)layout->app_count * APP_KEYS + (size_t)layout->size * RANK_KEYS;

	jobinfo->count = 1 + (size_t)layout->node_count + layout->app_count + layout->size;
	jobinfo->node_count = layout->node_count;
	jobinfo->infos = calloc(jobinfo->count + members, sizeof(*jobinfo->infos));
	jobinfo->arrays = calloc(jobinfo->count, sizeof(*jobinfo->arrays));
	jobinfo->peers = calloc(layout->node_count, sizeof(*jobinfo->peers));
	if (!jobinfo->infos || !jobinfo->arrays || !jobinfo->peers)
		return -ENOMEM;
	for (uint32_t i = 0; i < layout->node_count; i++) {
		jobinfo->peers[i] = launch_pmi_layout_peers(layout, i);
		if (!jobinfo->peers[i])
			return -ENOMEM;
	}
	return 0;
}

int launch_pmix_jobinfo_fill(const struct launch_pmix_library *library,
			     const struct launch_pmi_layout *layout, const char *name,
			     const char *directory, struct launch_pmix_jobinfo *ret_jobinfo)
{
	struct filler filler = { .layout = layout, .jobinfo = ret_jobinfo };
	int rc;

	*ret_jobinfo = (struct launch_pmix_jobinfo){ 0 };
	rc = allocate(layout, ret_jobinfo);
	if (rc == 0)
		rc = make_maps(library, layout, &ret_jobinfo->maps);
	if (rc < 0) {
		launch_pmix_jobinfo_fini(ret_jobinfo);
		return rc;
	}
	filler.top = ret_jobinfo->infos;
	filler.member = ret_jobinfo->infos + ret_jobinfo->count;
	add_job(&filler, name, directory);
	for (uint32_t i = 0; i < layout->node_count; i++)
		add_node(&filler, i);
	for (uint32_t i = 0; i < layout->app_count; i++)
		add_app(&filler, i);
	for (uint32_t i = 0; i < layout->size; i++)
		add_proc(&filler, i);
	return 0;
}

void launch_pmix_jobinfo_fini(struct launch_pmix_jobinfo *jobinfo)
{
	pmix_info_t *maps = jobinfo->maps.array;

	/* Made by libpmix with malloc(): the packed bytes are all that hangs on them. */
	for (size_t i = 0; maps && i < jobinfo->maps.size; i++)
		free(maps[i].value.data.bo.bytes);
	free(maps);
	for (uint32_t i = 0; jobinfo->peers && i < jobinfo->node_count; i++)
		free(jobinfo->peers[i]);
	free(jobinfo->peers);
	free(jobinfo->arrays);
	free(jobinfo->infos);
	*jobinfo = (struct launch_pmix_jobinfo){ 0 };
}
