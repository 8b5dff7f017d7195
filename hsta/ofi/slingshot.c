/* SPDX-License-Identifier: MIT */
/*
 * slingshot.c - see slingshot.h.
 *
 *	SLINGSHOT_VNIS=1021,1022 SLINGSHOT_SVC_IDS=5,6 SLINGSHOT_DEVICES=cxi0,cxi1
 *	SLINGSHOT_TCS=0xa
 *
 * All agents of a job must use one VNI, so it is always the first; services go with the
 * devices. The classes are a mask of what the service allows.
 */
#include "ofi/slingshot.h"

#include <errno.h>
#include <rdma/fabric.h>
#include <stdlib.h>
#include <string.h>

void ofi_slingshot_env(struct ofi_slingshot_env *ret_env)
{
	*ret_env = (struct ofi_slingshot_env){
		.vnis = getenv("SLINGSHOT_VNIS"),
		.services = getenv("SLINGSHOT_SVC_IDS"),
		.devices = getenv("SLINGSHOT_DEVICES"),
		.classes = getenv("SLINGSHOT_TCS"),
	};
}

/* A number at the start of @text, up to @end or the end of the text. */
static int number(const char *text, const char *ends, unsigned long max, unsigned long *ret_value)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || value > max || (*end && !strchr(ends, *end)))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* Which of the comma-separated @list is @name; -1. */
static int position(const char *list, const char *name)
{
	size_t bytes = strlen(name);

	for (int i = 0; list; i++) {
		if (strncmp(list, name, bytes) == 0 && (list[bytes] == ',' || !list[bytes]))
			return i;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return -1;
}

static const char *field(const char *list, int index)
{
	while (list && index-- > 0) {
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return list;
}

int ofi_slingshot_auth(const char *option, const struct ofi_slingshot_env *env,
		       const char *device, struct ofi_slingshot_key *ret_key)
{
	const char *vni = env->vnis, *service = env->services;
	unsigned long vni_number, service_number;
	int index = 0;

	if (option) {
		service = option;
		vni = strchr(option, ':');
		if (!vni)
			return -EINVAL;
		vni++;
	} else if (!vni || !service || !*vni || !*service) {
		return 0;
	} else if (env->devices && *env->devices) {
		index = position(env->devices, device);
		if (index < 0)
			return -ENODEV;
		service = field(service, index);
	}
	if (!service || number(service, option ? ":" : ",", UINT32_MAX, &service_number) ||
	    number(vni, option ? "" : ",:", UINT16_MAX, &vni_number))
		return -EINVAL;
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->service = (uint32_t)service_number;
	ret_key->vni = (uint16_t)vni_number;
	return 1;
}

static const struct {
	const char *name;
	uint32_t tclass;
	unsigned mask; /* in SLINGSHOT_TCS */
} classes[] = {
	{ "low_latency", FI_TC_LOW_LATENCY, 0x2 },
	{ "dedicated_access", FI_TC_DEDICATED_ACCESS, 0x1 },
	{ "bulk_data", FI_TC_BULK_DATA, 0x4 },
	{ "best_effort", FI_TC_BEST_EFFORT, 0x8 },
};
enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

int ofi_slingshot_class(const char *option, const struct ofi_slingshot_env *env, bool bulk,
			uint32_t *ret_class)
{
	/* Dedicated access is a reservation for a few: taken only when asked for. */
	static const uint8_t for_messages[] = { 0, 3, 2 }, for_bulk[] = { 2, 3, 0 };
	const uint8_t *order = bulk ? for_bulk : for_messages;
	unsigned long mask;

	if (option) {
		for (unsigned i = 0; i < CLASSES; i++) {
			if (strcasecmp(option, classes[i].name) == 0) {
				*ret_class = classes[i].tclass;
				return 0;
			}
		}
		return -EINVAL;
	}
	*ret_class = FI_TC_UNSPEC;
	if (!env->classes || !*env->classes)
		return 0;
	if (number(env->classes, "", 0xffff, &mask))
		return -EINVAL;
	for (unsigned i = 0; i < sizeof(for_bulk); i++) {
		if (mask & classes[order[i]].mask) {
			*ret_class = classes[order[i]].tclass;
			return 0;
		}
	}
	return 0;
}
