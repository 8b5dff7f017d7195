/* SPDX-License-Identifier: MIT */
/*
 * status.c - what a status of UCX means to us. The only place that knows.
 *
 * What is not in the table breaks the peer it came from, and nothing else: an endpoint that
 * failed in a way nobody foresaw is not tried again.
 */
#include <errno.h>

#include "hsta/ucx/ucx.h"

static const struct {
	ucs_status_t ucs;
	enum fabric_status fabric;
	int error;
} table[] = {
	{ UCS_OK, FABRIC_OK, 0 },
	{ UCS_INPROGRESS, FABRIC_OK, 0 },
	{ UCS_ERR_NO_RESOURCE, FABRIC_AGAIN, EAGAIN },
	{ UCS_ERR_NO_PROGRESS, FABRIC_AGAIN, EAGAIN },
	{ UCS_ERR_BUSY, FABRIC_AGAIN, EADDRINUSE },
	{ UCS_ERR_NO_MEMORY, FABRIC_AGAIN, ENOMEM },
	{ UCS_ERR_UNREACHABLE, FABRIC_PEER, EHOSTUNREACH },
	{ UCS_ERR_NOT_CONNECTED, FABRIC_PEER, ENOTCONN },
	{ UCS_ERR_CONNECTION_RESET, FABRIC_PEER, ECONNRESET },
	{ UCS_ERR_REJECTED, FABRIC_PEER, ECONNREFUSED },
	{ UCS_ERR_ENDPOINT_TIMEOUT, FABRIC_PEER, ETIMEDOUT },
	{ UCS_ERR_TIMED_OUT, FABRIC_PEER, ETIMEDOUT },
	{ UCS_ERR_CANCELED, FABRIC_PEER, ECANCELED },
	{ UCS_ERR_IO_ERROR, FABRIC_PEER, EIO },
	{ UCS_ERR_MESSAGE_TRUNCATED, FABRIC_PEER, EPROTO },
	{ UCS_ERR_INVALID_ADDR, FABRIC_PEER, EADDRNOTAVAIL },
	{ UCS_ERR_INVALID_PARAM, FABRIC_PEER, EINVAL },
	{ UCS_ERR_NO_DEVICE, FABRIC_PEER, ENODEV },
	{ UCS_ERR_NO_ELEM, FABRIC_PEER, ENOENT },
	{ UCS_ERR_EXCEEDS_LIMIT, FABRIC_PEER, ENOSPC },
	{ UCS_ERR_UNSUPPORTED, FABRIC_PEER, ENOTSUP },
	{ UCS_ERR_NOT_IMPLEMENTED, FABRIC_PEER, ENOSYS },
};

enum fabric_status ucx_status(ucs_status_t status)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].ucs == status)
			return table[i].fabric;
	return FABRIC_PEER;
}

enum fabric_loss ucx_loss(ucs_status_t status)
{
	/* The kernel over there answered the call with a reset. A living agent says REJECTED, too,
	 * when too many call at once, but not twice in a row. */
	return status == UCS_ERR_REJECTED || status == UCS_ERR_NOT_CONNECTED ? FABRIC_REFUSED :
									       FABRIC_LOST;
}

int ucx_errno(ucs_status_t status)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].ucs == status)
			return -table[i].error;
	return -EIO;
}
