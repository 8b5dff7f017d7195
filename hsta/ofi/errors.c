/* SPDX-License-Identifier: MIT */
/*
 * errors.c - what an error of libfabric breaks: nothing, one peer, or the fabric.
 *
 * Nothing is ever tried again but EAGAIN. EIO in particular is what cxi says of a process
 * that died, of an endpoint that was closed and of a bad key: it stays so.
 */
#include <rdma/fi_errno.h>

#include "ofi/ofi.h"

static const struct {
	int error;
	enum ofi_scope scope;
} scopes[] = {
	{ FI_ECANCELED, OFI_FINE },	 /* by our own close */
	{ FI_EIO, OFI_PEER },
	{ FI_EHOSTUNREACH, OFI_PEER },
	{ FI_EHOSTDOWN, OFI_PEER },
	{ FI_ENETUNREACH, OFI_PEER },
	{ FI_ENOTCONN, OFI_PEER },	 /* cxi: our VNI is not configured there */
	{ FI_ECONNREFUSED, OFI_PEER },
	{ FI_ECONNRESET, OFI_PEER },
	{ FI_ECONNABORTED, OFI_PEER },
	{ FI_ESHUTDOWN, OFI_PEER },
	{ FI_ETIMEDOUT, OFI_PEER },
	{ FI_ENOENT, OFI_PEER },	 /* shm: nobody has this name */
	{ FI_ETRUNC, OFI_PROTOCOL },
	{ FI_EMSGSIZE, OFI_PROTOCOL },
	{ FI_EACCES, OFI_PROTOCOL },
	{ FI_EPERM, OFI_PROTOCOL },
	{ FI_EINVAL, OFI_PROTOCOL },
	{ FI_EKEYREJECTED, OFI_PROTOCOL },
	{ FI_ENOKEY, OFI_PROTOCOL },
	{ FI_EADDRNOTAVAIL, OFI_PROTOCOL },
	{ FI_ENOMEM, OFI_FATAL },
	{ FI_ENODEV, OFI_FATAL },
	{ FI_ENETDOWN, OFI_FATAL },
	{ FI_ENOSYS, OFI_FATAL },
	{ FI_EOPBADSTATE, OFI_FATAL },
	{ FI_EOVERRUN, OFI_FATAL },	 /* completions were lost */
	{ FI_EDOMAIN, OFI_FATAL },
};

enum ofi_scope ofi_scope(int error)
{
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (scopes[i].error == error)
			return scopes[i].scope;
	return OFI_PEER;
}
