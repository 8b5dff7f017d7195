/* SPDX-License-Identifier: MIT */
/*
 * providers.c - the table of providers. A quirk of one is a column here, never an `if` in
 * the data path.
 *
 * frame_max stays below the size at which a provider announces a message instead of
 * sending it (cxi: 16 KiB + 2 KiB, of which only 256 may be under way; rxm: 16 KiB).
 * net reports its queue readable for ever, shm, sockets and efa have no descriptor at all.
 * rxm of 1.17 crashes when an endpoint is closed over many reads (measured: with 16 once in
 * 20 times, with 4 never in 1000), so the sockets have few and long ones; of 2.4 the like is
 * reported as libfabric's issue 11828: closing a connection flushes a queue of others. More
 * reads would not help here: 4 instead of 2 were as fast, the processors are the limit.
 * sockets sends what was posted only while somebody reads its queue, unless it has a thread.
 * The manual of cxi warns of a race around its descriptor, so nobody sleeps long on it.
 */
#include "ofi/providers.h"

#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

const struct ofi_provider ofi_providers[] = {
	{ .name = "cxi", .rdma = true, .slingshot = true, .node = OFI_NODE_NONE,
	  .has_fd = true, .sleep_max_us = 10000, .frame_max = 16000,
	  .recv_bytes = MIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 32,
	  .cq_size = 131072, .tx_size = 1024, .rx_size = 512, .note = "Slingshot" },
	{ .name = "verbs;ofi_rxm", .rdma = true, .node = OFI_NODE_BIND,
	  .has_fd = true, .sleep_max_us = 100000, .frame_max = 16000,
	  .recv_bytes = MIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 32,
	  .cq_size = 16384, .tx_size = 512, .rx_size = 512, .note = "InfiniBand, RoCE" },
	{ .name = "efa", .rdma = true, .node = OFI_NODE_NONE,
	  .has_fd = false, .sleep_max_us = 500, .frame_max = 8000,
	  .recv_bytes = MIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 32,
	  .cq_size = 16384, .tx_size = 512, .rx_size = 512, .note = "AWS" },
	{ .name = "tcp;ofi_rxm", .node = OFI_NODE_LOOPBACK,
	  .has_fd = true, .sleep_max_us = 1000000, .frame_max = 16000,
	  .recv_bytes = 512 * KIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 2,
	  .cq_size = 4096, .tx_size = 512, .rx_size = 512, .note = "sockets" },
	{ .name = "tcp", .node = OFI_NODE_LOOPBACK,
	  .has_fd = true, .sleep_max_us = 1000000, .frame_max = 16000,
	  .recv_bytes = 512 * KIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 2,
	  .cq_size = 4096, .tx_size = 512, .rx_size = 512, .note = "sockets, since 1.18" },
	{ .name = "net", .node = OFI_NODE_LOOPBACK,
	  .has_fd = false, .sleep_max_us = 500, .frame_max = 16000,
	  .recv_bytes = 512 * KIB, .recv_count = 8, .piece_bytes = MIB, .pieces = 2,
	  .cq_size = 4096, .tx_size = 512, .rx_size = 512, .note = "sockets, until 1.17" },
	{ .name = "shm", .node = OFI_NODE_NONE,
	  .has_fd = false, .sleep_max_us = 500, .frame_max = 16000,
	  .recv_bytes = 2 * MIB, .recv_count = 16, .piece_bytes = MIB, .pieces = 16,
	  .cq_size = 4096, .tx_size = 256, .rx_size = 1024, .note = "one machine only" },
	{ .name = "sockets", .node = OFI_NODE_LOOPBACK, .auto_progress = true,
	  .has_fd = false, .sleep_max_us = 500, .frame_max = 16000,
	  .recv_bytes = 512 * KIB, .recv_count = 8, .piece_bytes = 256 * KIB, .pieces = 16,
	  .cq_size = 4096, .tx_size = 256, .rx_size = 256, .note = "deprecated" },
	{ .name = NULL },
};

const struct ofi_provider *ofi_provider_find(const char *name)
{
	for (const struct ofi_provider *row = ofi_providers; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}
