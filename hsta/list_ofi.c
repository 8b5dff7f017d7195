/* SPDX-License-Identifier: MIT */
/* list_ofi.c - every provider of the table, with the devices that libfabric has for it. */
#include <errno.h>
#include <jansson.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <string.h>

#include "hsta/list.h"
#include "ofi/nic.h"
#include "ofi/ofi.h"

static void add_once(json_t *devices, const char *name)
{
	size_t i;
	json_t *device;

	json_array_foreach(devices, i, device)
		if (strcmp(json_string_value(device), name) == 0)
			return;
	json_array_append_new(devices, json_string(name));
}

/* All that libfabric has under this name, whether the agent can use it or not. */
static json_t *list_devices(const struct ofi_provider *row)
{
	struct fi_info *hints = fi_allocinfo(), *list = NULL;
	json_t *devices = json_array();

	if (!hints)
		return devices;
	hints->fabric_attr->prov_name = strdup(row->name);
	hints->ep_attr->type = FI_EP_RDM;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->domain_attr->mr_mode = FI_MR_ENDPOINT | FI_MR_ALLOCATED | FI_MR_PROV_KEY |
				      FI_MR_VIRT_ADDR | FI_MR_LOCAL;
	if (fi_getinfo(ofi_version(), NULL, NULL, 0, hints, &list) != 0)
		list = NULL;
	fi_freeinfo(hints);
	for (struct fi_info *info = list; info; info = info->next)
		if (strcmp(info->fabric_attr->prov_name, row->name) == 0)
			add_once(devices, ofi_nic_name(info));
	fi_freeinfo(list);
	return devices;
}

int hsta_list_ofi(const struct fabric_options *options, json_t *row)
{
	uint32_t version = fi_version();
	json_t *providers = json_array();
	char text[32];

	snprintf(text, sizeof(text), "%u.%u", FI_MAJOR(version), FI_MINOR(version));
	json_object_set_new(row, "version", json_string(text));
	for (const struct ofi_provider *provider = ofi_providers; provider->name; provider++) {
		struct fabric_options tried = *options;
		char why[256] = "";
		int usable;

		tried.provider = provider->name;
		usable = hsta_ofi.probe(&tried, why, sizeof(why)) == 0;
		json_array_append_new(providers,
				      json_pack("{s:s, s:s, s:b, s:b, s:s, s:o}", "name",
						provider->name, "note", provider->note, "rdma",
						provider->rdma, "usable", usable, "why", why,
						"devices", list_devices(provider)));
	}
	return json_object_set_new(row, "providers", providers) ? -ENOMEM : 0;
}
