/* SPDX-License-Identifier: MIT */
/*
 * find.c - which provider, which NIC.
 *
 * All registration modes are offered and what comes back is obeyed: a provider that must
 * have one (cxi: ENDPOINT, ALLOCATED, PROV_KEY) answers only to hints that have it. Only
 * RDMA providers are taken unasked: where there is none, the TCP agent is the better one.
 */
#include <errno.h>
#include <netdb.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ofi/nic.h"
#include "ofi/ofi.h"
#include "ofi/slingshot.h"

static const char loopback[] = "127.0.0.1";

uint32_t ofi_version(void)
{
	/* What we were built with, or less: a newer library still speaks the older version. */
	const uint32_t known = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);
	const uint32_t tried = FI_VERSION(2, 0);
	uint32_t version = fi_version();

	if (FI_VERSION_GE(version, known))
		version = known;
	return FI_VERSION_GE(version, tried) ? tried : version;
}

static struct fi_info *make_hints(const struct ofi_provider *row)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return NULL;
	hints->fabric_attr->prov_name = strdup(row->name);
	hints->caps = FI_MSG | FI_RMA | FI_SEND | FI_RECV | FI_READ | FI_REMOTE_READ |
		      FI_MULTI_RECV;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode = FI_MR_ENDPOINT | FI_MR_ALLOCATED | FI_MR_PROV_KEY |
				      FI_MR_VIRT_ADDR | FI_MR_LOCAL | FI_MR_RAW;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->control_progress = row->auto_progress ? FI_PROGRESS_AUTO :
								    FI_PROGRESS_MANUAL;
	hints->domain_attr->data_progress = hints->domain_attr->control_progress;
	hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
	hints->domain_attr->av_type = FI_AV_TABLE;
	/* No order: the core numbers its frames, and unordered packets are cheaper. */
	hints->tx_attr->iov_limit = 1;
	hints->rx_attr->iov_limit = 1;
	hints->tx_attr->size = row->tx_size;
	hints->rx_attr->size = row->rx_size;
	return hints;
}

/* fi_getinfo() takes any address, and fi_endpoint() then fails. 0 or negative errno. */
static int bindable(const char *address)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int rc = 0, fd;

	if (getaddrinfo(address, NULL, &hints, &found))
		return -EINVAL;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return rc;
}

/* All that @row has here. 0 or negative errno. */
static int ask(const struct ofi_provider *row, const struct fabric_options *options,
	       struct fi_info **ret_list)
{
	const char *bind = options ? options->bind : NULL;
	const char *node = row->node == OFI_NODE_NONE ? NULL :
			   bind			      ? bind :
			   row->node == OFI_NODE_LOOPBACK ? loopback :
							    NULL;
	struct fi_info *hints = make_hints(row);
	int rc;

	if (!hints)
		return -ENOMEM;
	rc = fi_getinfo(ofi_version(), node, NULL, node ? FI_SOURCE : 0, hints, ret_list);
	fi_freeinfo(hints);
	return rc;
}

/* Unlink and free what is not this row's or not the wanted device. */
static struct fi_info *filter(struct fi_info *list, const struct ofi_provider *row,
			      const char *device)
{
	struct fi_info **at = &list;

	while (*at) {
		struct fi_info *info = *at;
		const char *domain = info->domain_attr->name ? info->domain_attr->name : "";

		if (strcmp(info->fabric_attr->prov_name, row->name) == 0 &&
		    (!device || strcmp(device, ofi_nic_name(info)) == 0 ||
		     strcmp(device, domain) == 0)) {
			at = &info->next;
			continue;
		}
		*at = info->next;
		info->next = NULL;
		fi_freeinfo(info);
	}
	return list;
}

/* Take @chosen out of @list, free the others. */
static struct fi_info *only(struct fi_info *list, struct fi_info *chosen)
{
	struct fi_info **at = &list;

	while (*at != chosen)
		at = &(*at)->next;
	*at = chosen->next;
	chosen->next = NULL;
	fi_freeinfo(list);
	return chosen;
}

/* VNI, service and traffic class. 0 or negative errno. */
static int slingshot(const struct fabric_options *options, struct fi_info *info, char *why,
		     size_t why_bytes)
{
	const char *auth = options ? options->auth : NULL;
	const char *traffic = options ? options->traffic : NULL;
	struct ofi_slingshot_env env;
	struct ofi_slingshot_key key;
	uint32_t tclass;
	int rc;

	ofi_slingshot_env(&env);
	rc = ofi_slingshot_auth(auth, &env, ofi_nic_name(info), &key);
	if (rc < 0) {
		snprintf(why, why_bytes, rc == -ENODEV ? "%s is not in SLINGSHOT_DEVICES" :
			 "%s: cannot understand SLINGSHOT_VNIS and SLINGSHOT_SVC_IDS",
			 ofi_nic_name(info));
		return rc;
	}
	if (rc > 0) {
		info->domain_attr->auth_key = malloc(sizeof(key));
		if (!info->domain_attr->auth_key)
			return -ENOMEM;
		memcpy(info->domain_attr->auth_key, &key, sizeof(key));
		info->domain_attr->auth_key_size = sizeof(key);
	}
	rc = ofi_slingshot_class(traffic, &env, false, &tclass);
	if (rc < 0) {
		snprintf(why, why_bytes, "no traffic class '%s'",
			 traffic ? traffic : env.classes);
		return rc;
	}
	if (tclass != FI_TC_UNSPEC)
		info->tx_attr->tclass = tclass;
	return 0;
}

/* One row. 0; -ENODATA: it has nothing here; other: it has, and it cannot be used. */
static int try_row(const struct ofi_provider *row, const struct fabric_options *options,
		   struct fi_info **ret_info, char *why, size_t why_bytes)
{
	const char *device = options ? options->device : NULL;
	const char *bind = options && row->node != OFI_NODE_NONE ? options->bind : NULL;
	struct fi_info *list = NULL, *info;
	int rc = bind ? bindable(bind) : 0;

	if (rc) {
		snprintf(why, why_bytes, "%s: cannot listen at '%s': %s", row->name, bind,
			 rc == -EINVAL ? "not a numeric address" : strerror(-rc));
		return rc;
	}
	rc = ask(row, options, &list);
	if (rc == 0) {
		list = filter(list, row, device);
		info = ofi_nic_choose("/sys", ofi_nic_here(), list);
		rc = info ? 0 : -ENODATA;
	}
	if (rc) {
		snprintf(why, why_bytes, "%s: %s%s%s", row->name,
			 rc == -ENODATA ? "nothing is found" : fi_strerror(-rc),
			 device ? " for device " : "", device ? device : "");
		return rc;
	}
	info = only(list, info);
	if (info->nic && info->nic->link_attr && info->nic->link_attr->state == FI_LINK_DOWN) {
		snprintf(why, why_bytes, "%s: the link of %s is down", row->name,
			 ofi_nic_name(info));
		rc = -ENETDOWN;
	} else if (row->slingshot) {
		rc = slingshot(options, info, why, why_bytes);
	}
	if (rc) {
		fi_freeinfo(info);
		return rc;
	}
	snprintf(why, why_bytes, "%s (%s) on %s", row->name, row->note, ofi_nic_name(info));
	*ret_info = info;
	return 0;
}

static void names(bool rdma, char *text, size_t bytes)
{
	size_t used = 0;

	*text = '\0';
	for (const struct ofi_provider *row = ofi_providers; row->name && used < bytes; row++)
		if (!rdma || row->rdma)
			used += (size_t)snprintf(text + used, bytes - used, "%s%s",
						 used ? ", " : "", row->name);
}

int ofi_find(const struct fabric_options *options, const struct ofi_provider **ret_provider,
	     struct fi_info **ret_info, char *why, size_t why_bytes)
{
	const char *name = options ? options->provider : NULL;
	const struct ofi_provider *row;
	char text[160];
	int rc;

	if (name) {
		row = ofi_provider_find(name);
		if (!row) {
			names(false, text, sizeof(text));
			snprintf(why, why_bytes, "no provider '%s': %s", name, text);
			return -EINVAL;
		}
		rc = try_row(row, options, ret_info, why, why_bytes);
		if (rc == 0)
			*ret_provider = row;
		return rc;
	}
	for (row = ofi_providers; row->name; row++) {
		if (!row->rdma)
			continue;
		rc = try_row(row, options, ret_info, why, why_bytes);
		if (rc == 0) {
			*ret_provider = row;
			return 0;
		}
		if (rc != -ENODATA && rc != -ENOSYS)
			return rc; /* there is one, and the reason is worth more than the next */
	}
	names(true, text, sizeof(text));
	snprintf(why, why_bytes, "no RDMA device (%s); use the transport tcp, or name a "
		 "provider: --provider 'tcp;ofi_rxm'", text);
	return -ENODEV;
}
