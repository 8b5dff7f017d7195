/* SPDX-License-Identifier: MIT */
/* pals.c - see pals.h. */
#include "pmi/pals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	APINFO_VERSION = 1,
	PORT_FIRST = 20000,	/* below those that the kernel gives to whoever connects */
	PORT_COUNT = 12000,
};

/* Where one table of the file is. */
struct table {
	size_t row_bytes, offset;
	int32_t count;
};

struct header {
	int32_t version;	/* first */
	size_t bytes;
	struct table profiles, commands, pes, nodes, nics;
};

struct profile {		/* none is written: Slingshot's are in SLINGSHOT_* */
	char token[40];
	int32_t vni, vlan, traffic_classes;
};

struct command {
	int32_t pes, pes_per_node, cpus_per_pe;
};

struct pe {
	int32_t local, command, node;
};

struct node {
	int32_t nid;
	char host[64];
};

struct nic {			/* none is written */
	int32_t node, address_type;
	char address[40];
};

struct launch_pals {
	const struct launch_pmi_layout *layout;
	char path[PATH_MAX];
	char *fixed[5];		/* entries that all tasks share */
};

static size_t place_table(struct table *table, size_t row_bytes, uint32_t count, size_t offset)
{
	*table = (struct table){ row_bytes, offset, (int32_t)count };
	return offset + row_bytes * count;
}

/* The number in names like nid001234; others have none. */
static int32_t nid_of(const char *host)
{
	int nid;

	return sscanf(host, "nid%d", &nid) == 1 && nid >= 0 ? nid : -1;
}

static void fill_nodes(const struct launch_pmi_layout *layout, struct node *nodes)
{
	for (uint32_t i = 0; i < layout->node_count; i++) {
		nodes[i].nid = nid_of(layout->nodes[i].host);
		snprintf(nodes[i].host, sizeof(nodes[i].host), "%s", layout->nodes[i].host);
	}
}

static void fill_pes(const struct launch_pmi_layout *layout, struct pe *pes)
{
	for (uint32_t i = 0; i < layout->size; i++)
		pes[i] = (struct pe){ (int32_t)layout->ranks[i].local,
				      (int32_t)layout->ranks[i].app,
				      (int32_t)layout->ranks[i].node };
}

/* @on_node: zeroed, a number for each node. */
static void fill_commands(const struct launch_pmi_layout *layout, uint32_t cpus,
			  struct command *commands, int32_t *on_node)
{
	for (uint32_t app = 0; app < layout->app_count; app++) {
		struct command *command = &commands[app];

		memset(on_node, 0, layout->node_count * sizeof(*on_node));
		command->cpus_per_pe = cpus ? (int32_t)cpus : 1;
		for (uint32_t i = 0; i < layout->size; i++) {
			if (layout->ranks[i].app != app)
				continue;
			command->pes++;
			if (++on_node[layout->ranks[i].node] > command->pes_per_node)
				command->pes_per_node = on_node[layout->ranks[i].node];
		}
	}
}

int launch_pals_image(const struct launch_pmi_layout *layout, uint32_t cpus, void **ret_image,
		      size_t *ret_bytes)
{
	struct header header = { .version = APINFO_VERSION };
	size_t at = sizeof(header);
	int32_t *on_node = calloc(layout->node_count, sizeof(*on_node));
	uint8_t *image;

	at = place_table(&header.profiles, sizeof(struct profile), 0, at);
	at = place_table(&header.commands, sizeof(struct command), layout->app_count, at);
	at = place_table(&header.pes, sizeof(struct pe), layout->size, at);
	at = place_table(&header.nodes, sizeof(struct node), layout->node_count, at);
	header.bytes = place_table(&header.nics, sizeof(struct nic), 0, at);
	image = calloc(1, header.bytes);
	if (!image || !on_node) {
		free(image);
		free(on_node);
		return -ENOMEM;
	}
	memcpy(image, &header, sizeof(header));
	/* All rows are made of int32_t and bytes, and all tables begin at a multiple of 4. */
	fill_commands(layout, cpus, (void *)(image + header.commands.offset), on_node);
	fill_pes(layout, (void *)(image + header.pes.offset));
	fill_nodes(layout, (void *)(image + header.nodes.offset));
	free(on_node);
	*ret_image = image;
	*ret_bytes = header.bytes;
	return 0;
}

static int write_file(const char *path, const void *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), rc = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, data, bytes);
	if (n != (ssize_t)bytes)
		rc = n < 0 ? -errno : -ENOSPC;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc < 0)
		unlink(path);
	return rc;
}

/* A port on which the ranks of all nodes listen: they must agree on it without asking. */
static unsigned port_of(const char *apid)
{
	uint32_t hash = 0;

	crypto_generichash((uint8_t *)&hash, sizeof(hash), (const uint8_t *)apid, strlen(apid),
			   NULL, 0);
	return PORT_FIRST + hash % PORT_COUNT;
}

static int fix(struct launch_pals *pals, const struct launch_pals_spec *spec)
{
	char **entry = pals->fixed;
	int bad = 0;

	bad |= asprintf(&entry[0], "PALS_APID=%s", spec->apid) < 0;
	bad |= asprintf(&entry[1], "PALS_APINFO=%s", pals->path) < 0;
	bad |= asprintf(&entry[2], "PALS_SPOOL_DIR=%s", spec->directory) < 0;
	bad |= asprintf(&entry[3], "PMI_CONTROL_PORT=%u", port_of(spec->apid)) < 0;
	bad |= asprintf(&entry[4], "PMI_SHARED_SECRET=%llu",
			(unsigned long long)spec->secret) < 0;
	return bad ? -ENOMEM : 0;
}

int launch_pals_open(const struct launch_pals_spec *spec, struct launch_pals **ret_pals,
		     struct base_err *reterr)
{
	struct launch_pals *pals = calloc(1, sizeof(*pals));
	void *image = NULL;
	size_t bytes;
	int rc = -ENOMEM;

	if (pals) {
		pals->layout = spec->layout;
		rc = snprintf(pals->path, sizeof(pals->path), "%s/apinfo", spec->directory) <
				     (int)sizeof(pals->path) ?
			     launch_pals_image(spec->layout, spec->cpus, &image, &bytes) :
			     -ENAMETOOLONG;
	}
	if (rc == 0)
		rc = fix(pals, spec);
	if (rc == 0)
		rc = write_file(pals->path, image, bytes);
	free(image);
	if (rc < 0) {
		base_err(reterr, rc, "cannot write \"%.100s\" for Cray MPICH: %s",
			 pals ? pals->path : "apinfo", strerror(-rc));
		if (pals)
			*pals->path = 0;
		launch_pals_close(pals);
		return rc;
	}
	*ret_pals = pals;
	return 0;
}

void launch_pals_close(struct launch_pals *pals)
{
	if (!pals)
		return;
	if (*pals->path)
		unlink(pals->path);
	for (size_t i = 0; i < sizeof(pals->fixed) / sizeof(*pals->fixed); i++)
		free(pals->fixed[i]);
	free(pals);
}

int launch_pals_task(const struct launch_pals *pals, uint32_t local,
		     int (*add)(void *arg, const char *entry), void *arg)
{
	const struct {
		const char *name;
		uint32_t value;
	} own[] = {
		{ "PALS_RANKID", launch_pmi_layout_rank(pals->layout, local) },
		{ "PALS_LOCAL_RANKID", local },
		{ "PALS_NODEID", (uint32_t)pals->layout->here },
	};
	char entry[64];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(pals->fixed) / sizeof(*pals->fixed); i++)
		rc = add(arg, pals->fixed[i]);
	for (size_t i = 0; rc == 0 && i < sizeof(own) / sizeof(*own); i++) {
		snprintf(entry, sizeof(entry), "%s=%u", own[i].name, own[i].value);
		rc = add(arg, entry);
	}
	return rc;
}
