/* SPDX-License-Identifier: MIT */
/* identity.c - see identity.h. */
#include "node/identity.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/address.h"

/* Index of the node within what the workload manager started: right if it kept our order. */
static const char *const numbers[] = { "PALS_NODEID", "SLURM_NODEID" };

/* Return: 0; -EINVAL no number below @count. */
static int parse_number(const char *text, uint32_t count, uint32_t *ret_number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9' || value >= count)
		return -EINVAL;
	*ret_number = (uint32_t)value;
	return 0;
}

static int find_number(struct launch_boot *boot, struct base_err *reterr)
{
	const char *slurm = getenv("SLURMD_NODENAME");	/* can differ from the host's name */
	char host[HOST_NAME_MAX + 1] = "";
	long found = -1;

	gethostname(host, sizeof(host) - 1);
	if (slurm)
		found = launch_boot_find(boot, slurm);
	if (found < 0)
		found = launch_boot_find(boot, host);
	if (found >= 0) {
		boot->node = (uint32_t)found;
		return 0;
	}
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *text = getenv(numbers[i]);

		if (text && parse_number(text, boot->nodes, &boot->node) == 0)
			return 0;
	}
	return base_err(reterr, -ENOENT, "host \"%.64s\" is none of the %u nodes of this job", host,
			boot->nodes);
}

static int find_address(struct launch_boot *boot, struct base_err *reterr)
{
	char address[LAUNCH_ADDRESS_BYTES];
	int rc = 0;

	switch (boot->bind_rule) {
	case LAUNCH_BIND_LOCAL:
		snprintf(address, sizeof(address), "127.0.0.%u", boot->node % UINT8_MAX + 1);
		break;
	case LAUNCH_BIND_ROUTE:
		if (launch_address_of_endpoint(boot->endpoint, address) < 0)
			return base_err(reterr, -EINVAL, "endpoint \"%.100s\" of dlaunch is none",
					boot->endpoint);
		rc = launch_address_toward(address, address, reterr);
		break;
	case LAUNCH_BIND_DEVICE:
		rc = launch_address_of_device(boot->device, address, reterr);
		break;
	}
	if (rc == 0)
		snprintf(boot->bind, sizeof(boot->bind), "%s", address);
	return rc;
}

/* What the agent shall find, where nothing else brings it here. */
static void take_environment(const struct launch_boot *boot)
{
	for (uint32_t at = 0; at < boot->environment_bytes;) {
		char *entry = boot->environment + at;

		at += (uint32_t)strlen(entry) + 1;
		if (strchr(entry, '='))
			putenv(entry);	/* lives as long as the boot, which outlives our children */
	}
}

int launch_identity_find(struct launch_boot *boot, const char *told, struct base_err *reterr)
{
	int rc;

	if (!told)
		rc = find_number(boot, reterr);
	else if ((rc = parse_number(told, boot->nodes, &boot->node)) < 0)
		base_err(reterr, rc, "--node \"%.32s\": a number below %u is needed", told,
			 boot->nodes);
	if (rc < 0)
		return rc;
	take_environment(boot);
	launch_keys_derive(boot->secret, boot->node, &boot->keys);
	return find_address(boot, reterr);
}
