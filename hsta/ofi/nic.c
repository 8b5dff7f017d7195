/* SPDX-License-Identifier: MIT */
/* nic.c - see nic.h. Several NICs mean several agents: each takes the one near to it. */
#include "ofi/nic.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>

int ofi_nic_here(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) == 0 ? (int)node : -1;
}

int ofi_nic_node(const char *sys, const struct fi_pci_attr *pci)
{
	char path[256];
	int node = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%04x:%02x:%02x.%x/numa_node", sys,
		 pci->domain_id, pci->bus_id, pci->device_id, pci->function_id);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

int ofi_nic_distance(const char *sys, int from, int to)
{
	int distance = OFI_NIC_UNKNOWN;
	char path[256];
	FILE *file;

	if (from < 0 || to < 0)
		return OFI_NIC_UNKNOWN;
	snprintf(path, sizeof(path), "%s/devices/system/node/node%d/distance", sys, from);
	file = fopen(path, "re");
	if (!file)
		return OFI_NIC_UNKNOWN;
	/* One number for each node, in their order. */
	for (int i = 0; i <= to; i++) {
		if (fscanf(file, "%d", &distance) != 1) {
			distance = OFI_NIC_UNKNOWN;
			break;
		}
	}
	fclose(file);
	return distance;
}

const char *ofi_nic_name(const struct fi_info *info)
{
	if (info->nic && info->nic->device_attr && info->nic->device_attr->name)
		return info->nic->device_attr->name;
	return info->domain_attr->name ? info->domain_attr->name : "";
}

static int cost(const char *sys, int here, const struct fi_info *info)
{
	int distance = OFI_NIC_UNKNOWN;

	if (!info->nic)
		return distance;
	if (info->nic->bus_attr && info->nic->bus_attr->bus_type == FI_BUS_PCI)
		distance = ofi_nic_distance(sys, here,
					    ofi_nic_node(sys, &info->nic->bus_attr->attr.pci));
	/* A NIC whose link is down is the last choice, but one: its name is then in the error. */
	if (info->nic->link_attr && info->nic->link_attr->state == FI_LINK_DOWN)
		distance += 2 * OFI_NIC_UNKNOWN;
	return distance;
}

struct fi_info *ofi_nic_choose(const char *sys, int here, struct fi_info *list)
{
	struct fi_info *best = NULL;
	int best_cost = INT_MAX;

	for (struct fi_info *info = list; info; info = info->next) {
		int this_cost = cost(sys, here, info);

		if (this_cost < best_cost) {
			best = info;
			best_cost = this_cost;
		}
	}
	return best;
}
