/* SPDX-License-Identifier: MIT */
/* hosts.c - see hosts.h. */
#include "wlm/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void launch_hosts_fini(struct launch_hosts *hosts)
{
	for (uint32_t i = 0; i < hosts->count; i++)
		free(hosts->host[i].name);
	free(hosts->host);
	*hosts = (struct launch_hosts){ 0 };
}

/* What ssh or srun could take for an option, or a shell for more than a name, is no name. */
static int is_name(const char *name, size_t bytes)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789.-_@";

	if (!bytes || bytes >= LAUNCH_HOST_BYTES || *name == '-')
		return 0;
	for (size_t i = 0; i < bytes; i++)
		if (!strchr(good, name[i]))
			return 0;
	return 1;
}

int launch_hosts_add(struct launch_hosts *hosts, const char *name, size_t name_bytes,
		     uint32_t slots, int merge)
{
	struct launch_host *larger;
	char *copy;

	if (!is_name(name, name_bytes))
		return -EINVAL;
	for (uint32_t i = merge ? 0 : hosts->count; i < hosts->count; i++)
		if (strlen(hosts->host[i].name) == name_bytes &&
		    memcmp(hosts->host[i].name, name, name_bytes) == 0) {
			hosts->host[i].slots += slots;
			return 0;
		}
	if (hosts->count >= LAUNCH_HOSTS_MAX)
		return -E2BIG;
	if ((hosts->count & (hosts->count - 1)) == 0) {
		larger = realloc(hosts->host, (hosts->count ? hosts->count * 2 : 1) *
						      sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		hosts->host = larger;
	}
	copy = strndup(name, name_bytes);
	if (!copy)
		return -ENOMEM;
	hosts->host[hosts->count++] = (struct launch_host){ .name = copy, .slots = slots };
	return 0;
}

long launch_hosts_find(const struct launch_hosts *hosts, const char *name)
{
	size_t bytes = strcspn(name, ".");

	for (uint32_t i = 0; i < hosts->count; i++)
		if (strcmp(hosts->host[i].name, name) == 0)
			return i;
	for (uint32_t i = 0; i < hosts->count; i++) {
		const char *other = hosts->host[i].name;

		if (strcspn(other, ".") == bytes && strncmp(other, name, bytes) == 0 &&
		    (!name[bytes] || !other[bytes]))
			return i;
	}
	return -1;
}

int launch_hosts_counts(const char *text, uint32_t *ret_counts, uint32_t count)
{
	uint32_t filled = 0;

	while (*text) {
		unsigned long value, times = 1;
		char *end;

		value = strtoul(text, &end, 10);
		if (end == text || *text < '0' || *text > '9' || value > UINT32_MAX)
			return -EINVAL;
		if (strncmp(end, "(x", 2) == 0) {
			text = end + 2;
			times = strtoul(text, &end, 10);
			if (end == text || *text < '0' || *text > '9' || *end++ != ')')
				return -EINVAL;
		}
		if (times > count - filled)
			return -EINVAL;
		while (times--)
			ret_counts[filled++] = (uint32_t)value;
		if (*end == ',')
			end++;
		else if (*end)
			return -EINVAL;
		text = end;
	}
	return filled == count ? 0 : -EINVAL;
}

void launch_hosts_agree(struct launch_hosts *hosts)
{
	uint32_t slots = hosts->count ? hosts->host[0].slots : 0;

	for (uint32_t i = 1; i < hosts->count; i++)
		if (hosts->host[i].slots != slots)
			return;
	if (slots > 1) {
		hosts->tasks_per_node = slots;
		return;
	}
	/* One each is how a list without numbers reads: it limits nothing. */
	for (uint32_t i = 0; i < hosts->count; i++)
		hosts->host[i].slots = 0;
}

/* The hosts of @hosts that @text names, in its order. */
static int select_named(const struct launch_hosts *hosts, const char *text, const char *option,
			uint8_t *chosen, uint32_t *order, uint32_t *ret_count,
			struct base_err *reterr)
{
	struct launch_hosts named = { 0 };
	int rc = launch_hosts_parse(&named, text, 0, reterr);

	for (uint32_t i = 0; rc == 0 && i < named.count; i++) {
		long at = launch_hosts_find(hosts, named.host[i].name);

		if (at < 0)
			rc = base_err(reterr, -EINVAL, "%s: \"%.100s\" is none of the %u nodes "
				      "there are", option, named.host[i].name, hosts->count);
		else if (!chosen[at])
			order[(*ret_count)++] = (uint32_t)at;
		if (at >= 0)
			chosen[at] = 1;
	}
	launch_hosts_fini(&named);
	return rc;
}

static int keep(struct launch_hosts *hosts, const uint32_t *order, uint32_t count,
		const uint8_t *excluded, struct base_err *reterr)
{
	struct launch_hosts kept = { .tasks_per_node = hosts->tasks_per_node };
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct launch_host *host = &hosts->host[order[i]];

		if (excluded[order[i]])
			continue;
		rc = launch_hosts_add(&kept, host->name, strlen(host->name), host->slots, 0);
		if (rc == 0)
			kept.host[kept.count - 1].cpus = host->cpus;
	}
	if (rc == 0 && !kept.count)
		rc = base_err(reterr, -EINVAL, "--nodelist and --exclude leave none of the %u "
			      "nodes there are", hosts->count);
	else if (rc < 0)
		base_err(reterr, rc, "no memory for %u nodes", count);
	if (rc < 0) {
		launch_hosts_fini(&kept);
		return rc;
	}
	launch_hosts_fini(hosts);
	*hosts = kept;
	return 0;
}

int launch_hosts_filter(struct launch_hosts *hosts, const char *nodelist, const char *exclude,
			struct base_err *reterr)
{
	uint8_t *chosen = calloc(2, (size_t)hosts->count + 1), *excluded = chosen + hosts->count;
	uint32_t *order = calloc(2 * ((size_t)hosts->count + 1), sizeof(*order));
	uint32_t count = 0, ignored = 0;
	int rc = chosen && order ? 0 : base_err(reterr, -ENOMEM, "no memory for nodes");

	if (rc == 0 && nodelist)
		rc = select_named(hosts, nodelist, "--nodelist", chosen, order, &count, reterr);
	else if (rc == 0)
		for (; count < hosts->count; count++)
			order[count] = count;
	if (rc == 0 && exclude)
		rc = select_named(hosts, exclude, "--exclude", excluded,
				  order + hosts->count + 1, &ignored, reterr);
	if (rc == 0)
		rc = keep(hosts, order, count, excluded, reterr);
	free(chosen);
	free(order);
	return rc;
}
