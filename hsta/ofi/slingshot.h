/* SPDX-License-Identifier: MIT */
/* slingshot.h - what the workload manager tells of a job's network, and what cxi takes. */
#ifndef OFI_SLINGSHOT_H
#define OFI_SLINGSHOT_H

#include <stdbool.h>
#include <stdint.h>

/* As cxi has it (fi_cxi_ext.h, which not every libfabric installs). */
struct ofi_slingshot_key {
	uint32_t service;
	uint16_t vni;
};
_Static_assert(sizeof(struct ofi_slingshot_key) == 8, "the layout of cxi");

/* Of SLINGSHOT_VNIS, _SVC_IDS, _DEVICES, _TCS; each may be NULL. */
struct ofi_slingshot_env {
	const char *vnis, *services, *devices, *classes;
};

void ofi_slingshot_env(struct ofi_slingshot_env *ret_env);
/* The key for @device: of @option ("SERVICE:VNI") if not NULL, else of @env: the first VNI and
 * the service at the device's place. 1 = found; 0 = nothing is said; -EINVAL = nonsense;
 * -ENODEV = the job has not got this device. */
int ofi_slingshot_auth(const char *option, const struct ofi_slingshot_env *env,
		       const char *device, struct ofi_slingshot_key *ret_key);
/* Traffic class (FI_TC_) for messages or for bulk data. @option: "low_latency",
 * "dedicated_access", "bulk_data", "best_effort" or NULL = the best that @env allows; FI_TC_UNSPEC
 * if nothing is said. -EINVAL: no such class. */
int ofi_slingshot_class(const char *option, const struct ofi_slingshot_env *env, bool bulk,
			uint32_t *ret_class);

#endif
