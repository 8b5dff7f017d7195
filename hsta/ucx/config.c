/* SPDX-License-Identifier: MIT */
/*
 * config.c - what the options mean to UCX, and whether it can run here.
 *
 * UCX reads UCX_* of the environment, and who has set one of them is right: only what is not
 * set there is chosen here, in this context's configuration and nowhere else.
 */
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsta/ucx/ucx.h"

enum { NAMES_MAX = 256 };

static bool same_host(const struct sockaddr *a, const union ucx_address *b)
{
	if (!a || a->sa_family != b->any.sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       b->v4.sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		      &b->v6.sin6_addr, sizeof(b->v6.sin6_addr)) == 0;
}

static bool is_loopback(const union ucx_address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}

/* The interface with this address; all of 127.0.0.0/8 is on the one that has 127.0.0.1. */
static int interface_of(const union ucx_address *address, char *ret_name)
{
	struct ifaddrs *all, *one;
	int rc = -EADDRNOTAVAIL;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (one = all; one && rc; one = one->ifa_next) {
		if (!same_host(one->ifa_addr, address) &&
		    !(is_loopback(address) && one->ifa_flags & IFF_LOOPBACK))
			continue;
		snprintf(ret_name, IF_NAMESIZE, "%s", one->ifa_name);
		rc = 0;
	}
	freeifaddrs(all);
	return rc;
}

/* "NAME:1," for each entry of a folder of sysfs. */
static void list_devices(const char *path, char *names, size_t bytes)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	size_t used = 0;

	*names = '\0';
	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		int n;

		if (entry->d_name[0] == '.')
			continue;
		n = snprintf(names + used, bytes - used, "%s:1,", entry->d_name);
		if (n < 0 || (size_t)n >= bytes - used)
			break;
		used += (size_t)n;
	}
	names[used] = '\0';
	closedir(folder);
}

/*
 * The devices that go with the address to listen at: the RDMA device of its interface and
 * the interface itself; that alone if the machine has no RDMA device. Else UCX chooses.
 */
static int devices_of(const union ucx_address *address, char *names, size_t bytes)
{
	char name[IF_NAMESIZE], path[64 + IF_NAMESIZE];
	size_t used;
	int rc = interface_of(address, name);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/infiniband", name);
	list_devices(path, names, bytes - sizeof(name));
	if (!*names && !is_loopback(address)) {
		list_devices("/sys/class/infiniband", names, bytes - sizeof(name));
		if (*names) {
			*names = '\0';
			return 0;
		}
	}
	used = strlen(names);
	snprintf(names + used, bytes - used, "%s", name);
	return 0;
}

/* Whether a list like "mlx5_0:1,ib0" names this device. */
static bool is_named(const char *device, const char *list)
{
	size_t bytes = strlen(device);

	for (const char *at = list; (at = strstr(at, device)); at += bytes)
		if ((at == list || at[-1] == ',') && (at[bytes] == ',' || at[bytes] == '\0'))
			return true;
	return false;
}

enum network { NONE, SOFTWARE, RDMA };

/* What a transport is by how its name begins; the others stay inside this machine. */
static enum network kind_of(const char *transport)
{
	static const char *const rdma[] = { "rc_", "ud_", "dc_", "gga_", "srd", "ugni_" };

	for (size_t i = 0; i < sizeof(rdma) / sizeof(rdma[0]); i++)
		if (strncmp(transport, rdma[i], strlen(rdma[i])) == 0)
			return RDMA;
	return strncmp(transport, "tcp/", 4) == 0 ? SOFTWARE : NONE;
}

/*
 * What UCX found, as " tcp/lo" for each transport and device: UCP tells it only as text for
 * people. Return: the best network among @devices, or of all if that is NULL; UCX itself is
 * content with shared memory, which reaches no other node.
 */
static enum network find_network(ucp_context_h context, const char *devices, char *text,
				 size_t bytes)
{
	char *print = NULL, *line, *rest;
	size_t print_bytes, used = 0;
	FILE *stream = open_memstream(&print, &print_bytes);
	enum network best = NONE;

	*text = '\0';
	if (!stream)
		return NONE;
	ucp_context_print_info(context, stream);
	fclose(stream);
	for (line = strtok_r(print, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *name = strstr(line, " -- "), *device;
		int n;

		if (!strstr(line, "resource") || !name || !(device = strchr(name, '/')))
			continue;
		name += strlen(" -- ");
		if ((!devices || is_named(device + 1, devices)) && kind_of(name) > best)
			best = kind_of(name);
		n = snprintf(text + used, bytes - used, " %s", name);
		if (n > 0 && (size_t)n < bytes - used)
			used += (size_t)n;
		else
			text[used] = '\0';
	}
	free(print);
	return best;
}

/* What the context shall use; "" = UCX chooses. The environment has the last word. */
struct choice {
	char devices[NAMES_MAX];
	const char *transports;
	bool told; /* by somebody, not found by us */
};

static int choose(const struct fabric_options *options, struct choice *ret_choice, char *why,
		  size_t why_bytes)
{
	const char *bind = options && options->bind ? options->bind : "127.0.0.1";
	const char *devices = getenv("UCX_NET_DEVICES"), *transports = getenv("UCX_TLS");
	struct choice choice = { .transports = transports };
	union ucx_address address;
	int rc = ucx_address_parse(bind, &address);

	if (!devices && options)
		devices = options->device;
	if (!transports && options)
		choice.transports = options->provider;
	choice.told = devices || choice.transports;
	if (!rc && !devices)
		rc = devices_of(&address, choice.devices, sizeof(choice.devices));
	if (rc) {
		snprintf(why, why_bytes, "cannot listen at '%s': %s", bind, strerror(-rc));
		return rc;
	}
	if (devices && strcmp(devices, "all") != 0)
		snprintf(choice.devices, sizeof(choice.devices), "%s", devices);
	*ret_choice = choice;
	return 0;
}

static ucs_status_t set(ucp_config_t *config, const char *name, const char *value)
{
	char variable[64];

	snprintf(variable, sizeof(variable), "UCX_%s", name);
	return getenv(variable) ? UCS_OK : ucp_config_modify(config, name, value);
}

/*
 * What versions of UCX must be told, from one minor version to before another. 1.13 knows
 * options of a transport without the transport's name. All are about tcp; bulk data of RDMA
 * devices is read by the device, whatever stands here.
 *
 * PUT: tcp emulates a write to remote memory, and acknowledges it. If the connection manager
 * says first that the other side has closed, the late acknowledgement is an assertion that
 * ends this process (13 of 30 runs of ucx/delete_in_a_completion, none without).
 *
 * ZCOPY: when the other process dies, a fragment that waits for its socket completes a
 * second time, again an assertion (4 of 8 runs of ucx_killed, none without). The protocols
 * that are the default since 1.16 do not have that.
 *
 * SEG_SIZE: pieces of 64 KiB instead of 8: 17 calls of send for 1 MiB, not 131. No more than
 * what every receiver takes unless told otherwise.
 */
static const struct {
	unsigned since, before; /* of version 1 */
	const char *name, *value;
	const char *variable; /* of a user who knows better */
} quirks[] = {
	{ 0, 14, "PUT_ENABLE", "n", "UCX_TCP_PUT_ENABLE" },
	{ 0, 16, "ZCOPY_THRESH", "inf", "UCX_ZCOPY_THRESH" },
	{ 0, 14, "TX_SEG_SIZE", "64K", "UCX_TCP_TX_SEG_SIZE" },
	{ 14, 100, "TCP_PUT_ENABLE", "n", "UCX_TCP_PUT_ENABLE" },
	{ 14, 100, "TCP_TX_SEG_SIZE", "64K", "UCX_TCP_TX_SEG_SIZE" },
};

static ucs_status_t set_quirks(ucp_config_t *config)
{
	unsigned major, minor, release;
	ucs_status_t status = UCS_OK;

	ucp_get_version(&major, &minor, &release);
	for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]) && status == UCS_OK; i++)
		if (minor >= quirks[i].since && minor < quirks[i].before &&
		    !getenv(quirks[i].variable))
			status = ucp_config_modify(config, quirks[i].name, quirks[i].value);
	return status;
}

static ucs_status_t configure(ucp_config_t *config, const struct choice *choice)
{
	ucs_status_t status = set_quirks(config);

	if (status == UCS_OK && *choice->devices)
		status = set(config, "NET_DEVICES", choice->devices);
	if (status == UCS_OK && choice->transports)
		status = set(config, "TLS", choice->transports);
	return status;
}

static ucs_status_t create(const struct choice *choice, ucp_context_h *ret_context)
{
	const ucp_params_t params = {
		.field_mask = UCP_PARAM_FIELD_FEATURES,
		.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP,
	};
	ucp_config_t *config;
	ucs_status_t status = ucp_config_read(NULL, NULL, &config);

	if (status != UCS_OK)
		return status;
	status = configure(config, choice);
	if (status == UCS_OK)
		status = ucp_init(&params, config, ret_context);
	ucp_config_release(config);
	return status;
}

/* On success @found is what UCX found. With @unless_told a software network counts only if
 * somebody has named transports or devices. */
static int context_create(const struct fabric_options *options, bool unless_told,
			  ucp_context_h *ret_context, char *found, size_t found_bytes, char *why,
			  size_t why_bytes)
{
	const char *version = ucp_get_version_string();
	unsigned major, minor, release;
	struct choice choice;
	ucp_context_h context;
	enum network network;
	ucs_status_t status;
	int rc;

	ucp_get_version(&major, &minor, &release);
	if (major != 1 || minor < 13) {
		snprintf(why, why_bytes, "UCX %s is not 1.13 or a later one of 1", version);
		return -ENOTSUP;
	}
	rc = choose(options, &choice, why, why_bytes);
	if (rc)
		return rc;
	status = create(&choice, &context);
	if (status != UCS_OK) {
		snprintf(why, why_bytes, "UCX %s cannot use transports '%s' on devices '%s': %s",
			 version, choice.transports ? choice.transports : "all",
			 *choice.devices ? choice.devices : "all", ucs_status_string(status));
		return ucx_errno(status);
	}
	network = find_network(context, *choice.devices ? choice.devices : NULL, found,
			       found_bytes);
	if (network == RDMA || (network == SOFTWARE && (choice.told || !unless_told))) {
		*ret_context = context;
		return 0;
	}
	ucp_cleanup(context);
	if (network == NONE)
		snprintf(why, why_bytes, "UCX %s has no network '%s', only:%s", version,
			 *choice.devices ? choice.devices : "all", found);
	else
		snprintf(why, why_bytes, "UCX %s has no RDMA device (%s), only:%s; use the "
			 "transport tcp, or name UCX's: --provider tcp", version,
			 *choice.devices ? choice.devices : "all", found);
	return -ENODEV;
}

int ucx_context_create(const struct fabric_options *options, ucp_context_h *ret_context,
		       char *why, size_t why_bytes)
{
	char found[NAMES_MAX];

	return context_create(options, false, ret_context, found, sizeof(found), why, why_bytes);
}

int ucx_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	char found[NAMES_MAX];
	ucp_context_h context;
	int rc = context_create(options, true, &context, found, sizeof(found), why, why_bytes);

	if (rc)
		return rc;
	ucp_cleanup(context);
	snprintf(why, why_bytes, "UCX %s:%s", ucp_get_version_string(), found);
	return 0;
}
