/* SPDX-License-Identifier: MIT */
/* providers.h - what differs between the providers of libfabric: one row each. */
#ifndef OFI_PROVIDERS_H
#define OFI_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fi_getinfo()'s node is. */
enum ofi_node {
	OFI_NODE_NONE,	   /* nothing: the provider knows its own address */
	OFI_NODE_LOOPBACK, /* --bind, else 127.0.0.1 */
	OFI_NODE_BIND,	   /* --bind, else the provider's choice */
};

struct ofi_provider {
	const char *name;
	bool rdma;	  /* good enough to be chosen without being named */
	bool slingshot;	  /* takes VNI, service and traffic class */
	enum ofi_node node;
	bool has_fd;	  /* its queue can be slept on, and tells the truth */
	bool auto_progress; /* asked for; all others are driven by progress() */
	uint32_t sleep_max_us; /* however sure it is that nothing comes */
	size_t frame_max; /* a frame is not split or announced below it */
	size_t recv_bytes;
	unsigned recv_count;
	size_t piece_bytes; /* of one read */
	unsigned pieces;    /* under way */
	size_t cq_size;
	unsigned tx_size, rx_size;
	const char *note;   /* for people */
};

/* In order of preference; ends with a NULL name. */
extern const struct ofi_provider ofi_providers[];

/* By name, NULL if there is no such row. */
const struct ofi_provider *ofi_provider_find(const char *name);

#endif
