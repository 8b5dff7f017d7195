/* SPDX-License-Identifier: MIT */
/* gpus.c - see gpus.h. */
#include "bind/gpus.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_BYTES = 4096 };

/* A file that stands for one GPU: if it holds @word, or any if NULL. */
struct kind {
	const char *variable;
	const char *files, *word;
	/* A variable that makes its own list within the one of @variable: where it is inherited,
	 * it is the one to shorten. */
	const char *inner;
};

static const struct kind kinds[] = {
	{ "CUDA_VISIBLE_DEVICES", "/dev/nvidia[0-9]*", NULL, NULL },
	{ "ROCR_VISIBLE_DEVICES", "/sys/class/kfd/kfd/topology/nodes/*/properties",
	  "\nsimd_count 0\n", "HIP_VISIBLE_DEVICES" },
	{ "ZE_AFFINITY_MASK", "/sys/class/drm/card[0-9]*/device/vendor", "0x8086", NULL },
};

static int file_counts(const char *path, const struct kind *kind)
{
	char text[2048] = "\n";
	FILE *file = fopen(path, "re");
	int holds;

	if (!file)
		return 0;
	text[1 + fread(text + 1, 1, sizeof(text) - 2, file)] = 0;
	fclose(file);
	holds = strstr(text, kind->word) != NULL;
	/* A processor has no SIMD units in the list of AMD's driver. */
	return *kind->word == '\n' ? !holds && strstr(text, "simd_count") : holds;
}

static uint32_t count_devices(const char *root, const struct kind *kind)
{
	char pattern[512];
	uint32_t count = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s%s", root, kind->files);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		count += !kind->word || file_counts(found.gl_pathv[i], kind);
	globfree(&found);
	return count;
}

static uint32_t count_items(const char *list)
{
	uint32_t count = *list != 0;

	for (; *list; list++)
		count += *list == ',';
	return count;
}

/* Append item @index of the list, or the number itself where there is none. */
static size_t append(char *entry, size_t used, const char *list, uint32_t index)
{
	int bytes;

	if (!list)
		return used + (size_t)snprintf(entry + used, ENTRY_BYTES - used, "%u", index);
	for (; index; index--)
		list += strcspn(list, ",") + 1;
	bytes = (int)strcspn(list, ",");
	return used + (size_t)snprintf(entry + used, ENTRY_BYTES - used, "%.*s", bytes, list);
}

static int assign_kind(const struct launch_gpus_hooks *hooks, const char *variable,
		       const char *list, uint32_t there, uint32_t first, uint32_t count, int share,
		       struct base_err *reterr)
{
	char entry[ENTRY_BYTES];
	size_t used = (size_t)snprintf(entry, sizeof(entry), "%s=", variable);

	if (count > there || (!share && first + count > there))
		return base_err(reterr, -ENOSPC, "GPUs %u to %u are wanted, and there %s %u "
				"(%s%s%.60s): fewer tasks or --gpus-per-task%s", first,
				first + count - 1,
				there == 1 ? "is" : "are", there, variable, list ? "=" : "",
				list ? list : "", share ? "" : ", or --overcommit to share them");
	for (uint32_t i = 0; i < count && used < sizeof(entry) - 1; i++) {
		if (i)
			entry[used++] = ',';
		used = append(entry, used, list, (first + i) % there);
	}
	if (used >= sizeof(entry))
		return base_err(reterr, -E2BIG, "%s would be longer than %d bytes", variable,
				ENTRY_BYTES);
	return hooks->set(hooks->arg, entry);
}

int launch_gpus_assign(const char *root, const struct launch_gpus_hooks *hooks, uint32_t first,
		       uint32_t count, int share, struct base_err *reterr)
{
	int rc = 0, kinds_here = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *kind = &kinds[i];
		const char *variable = kind->inner, *list;
		uint32_t there;

		list = variable ? hooks->get(hooks->arg, variable) : NULL;
		if (!list) {
			variable = kind->variable;
			list = hooks->get(hooks->arg, variable);
		}
		there = list ? count_items(list) : count_devices(root, kind);
		/* An empty list takes all GPUs of a kind away; the node may have others. */
		if (!there)
			continue;
		kinds_here++;
		rc = assign_kind(hooks, variable, list, there, first, count, share, reterr);
	}
	if (rc == 0 && !kinds_here)
		rc = base_err(reterr, -ENODEV, "--gpus-per-task: no GPU is found here, and neither "
			      "CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES nor ZE_AFFINITY_MASK "
			      "names one");
	return rc;
}
