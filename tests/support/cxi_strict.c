/* SPDX-License-Identifier: MIT */
/*
 * cxi_strict.c - a preload that puts the rules of the provider cxi on top of a software one.
 *
 * No software provider of libfabric enforces what Slingshot's does, so a mistake would be
 * found on the machine where nobody can look for it. libfabric's calls are inline and go
 * through tables of functions that hang off its objects; only fi_getinfo() and fi_fabric()
 * are symbols. Both are replaced here, and of each object that is opened through them the
 * tables are copied and changed. Calls that libfabric's layered providers make themselves
 * (told by their return address) pass untouched.
 *
 * Rules: the mr_mode bits must be offered and manual progress asked for; a key is known only
 * after bind to an enabled endpoint and enable, and has bit 63 set; reads name offsets; one
 * iovec; inject up to 192 bytes; a small MIN_MULTI_RECV; nothing is received before enable;
 * an endpoint outlives its registrations; no fi_cq_signal(). And of any provider: a buffer
 * that is posted must not change before its completion (this one aborts).
 *
 * Faults, from the environment: CXI_STRICT_EAGAIN=k refuses every k-th post;
 * CXI_STRICT_DELAY=n holds a completion for n reads of its queue; CXI_STRICT_ERROR=k turns
 * the k-th completion of a send or read into EIO, once; CXI_STRICT_RAW=1 has raw keys.
 */
#include "cxi_strict.h"

#include <dlfcn.h>
#include <rdma/fi_errno.h>
#include <string.h>

#define NEEDED (FI_MR_ENDPOINT | FI_MR_ALLOCATED | FI_MR_PROV_KEY)
#define EXPORT __attribute__((visibility("default")))

enum { RAW_BYTES = 16 };

unsigned long strict_refuse_every, strict_delay_reads, strict_error_at;
bool strict_raw_keys;

static struct fi_info *originals;
static uint64_t next_key = UINT64_C(0x800000000000beef);

/* For tests that want to know whether it is loaded. */
extern int cxi_strict_loaded;
EXPORT int cxi_strict_loaded = 1;

static unsigned long setting(const char *name)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : 0;
}

__attribute__((constructor)) static void read_settings(void)
{
	strict_refuse_every = setting("CXI_STRICT_EAGAIN");
	strict_delay_reads = setting("CXI_STRICT_DELAY");
	strict_error_at = setting("CXI_STRICT_ERROR");
	strict_raw_keys = setting("CXI_STRICT_RAW");
}

bool strict_from_libfabric(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, "libfabric");
}

/* Registrations: made for real when they are enabled, with a key of ours. */

static int mr_close(struct fid *fid)
{
	struct strict_mr *mr = MINE(fid, strict_mr, mr.fid);
	int rc = mr->real ? fi_close(&mr->real->fid) : 0;

	if (mr->ep)
		mr->ep->regions--;
	free(mr);
	return rc;
}

static int mr_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	struct strict_mr *mr = MINE(fid, strict_mr, mr.fid);
	struct strict_ep *ep;

	(void)flags;
	if (to->fclass != FI_CLASS_EP || mr->ep) {
		broken("a region is bound twice, or not to an endpoint");
		return -FI_EINVAL;
	}
	ep = MINE(to->ops, strict_ep, fid);
	if (!ep->enabled) {
		broken("a region is bound before the endpoint is enabled");
		return -FI_EINVAL;
	}
	mr->ep = ep;
	ep->regions++;
	return 0;
}

static int mr_raw(struct strict_mr *mr, struct fi_mr_raw_attr *attr)
{
	uint64_t key[2] = { mr->real->key, ~mr->real->key };

	if (!strict_raw_keys || !mr->enabled)
		return -FI_EINVAL;
	if (*attr->key_size < RAW_BYTES) {
		*attr->key_size = RAW_BYTES;
		return -FI_ETOOSMALL;
	}
	memcpy(attr->raw_key, key, RAW_BYTES);
	*attr->key_size = RAW_BYTES;
	*attr->base_addr = (uint64_t)(uintptr_t)mr->iov.iov_base;
	return 0;
}

static int mr_control(struct fid *fid, int command, void *argument)
{
	struct strict_mr *mr = MINE(fid, strict_mr, mr.fid);
	struct fi_mr_attr attr = { .mr_iov = &mr->iov, .iov_count = 1, .access = mr->access };
	int rc;

	if (command == FI_GET_RAW_MR)
		return mr_raw(mr, argument);
	if (command != FI_ENABLE || !mr->ep || mr->enabled) {
		broken("a region is enabled twice or without an endpoint");
		return -FI_EINVAL;
	}
	attr.requested_key = next_key;
	next_key += 0x10001;
	rc = mr->domain->real_mr->regattr(&mr->fid_domain->fid, &attr, 0, &mr->real);
	if (rc)
		return rc;
	mr->enabled = true;
	mr->mr.mem_desc = fi_mr_desc(mr->real);
	if (!strict_raw_keys)
		mr->mr.key = mr->real->key;
	return 0;
}

static struct fi_ops mr_ops = {
	.size = sizeof(struct fi_ops),
	.close = mr_close,
	.bind = mr_bind,
	.control = mr_control,
};

static int mr_regattr(struct fid *fid, const struct fi_mr_attr *attr, uint64_t flags,
		      struct fid_mr **ret_mr)
{
	struct fid_domain *domain = (struct fid_domain *)(void *)fid;
	struct strict_mr *mr;

	if (strict_from_libfabric(__builtin_return_address(0)))
		return MINE(domain->mr, strict_domain, mr)->real_mr->regattr(fid, attr, flags,
									     ret_mr);
	if (attr->iov_count != 1) {
		broken("a region of %zu parts", attr->iov_count);
		return -FI_EINVAL;
	}
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return -FI_ENOMEM;
	mr->mr.fid.fclass = FI_CLASS_MR;
	mr->mr.fid.ops = &mr_ops;
	mr->mr.key = FI_KEY_NOTAVAIL;
	mr->fid_domain = domain;
	mr->domain = MINE(domain->mr, strict_domain, mr);
	mr->iov = *attr->mr_iov;
	mr->access = attr->access;
	*ret_mr = &mr->mr;
	return 0;
}

static int mr_reg(struct fid *fid, const void *data, size_t bytes, uint64_t access,
		  uint64_t offset, uint64_t key, uint64_t flags, struct fid_mr **ret_mr,
		  void *context)
{
	struct fid_domain *domain = (struct fid_domain *)(void *)fid;
	struct iovec iov = { (void *)(uintptr_t)data, bytes };
	struct fi_mr_attr attr = { .mr_iov = &iov, .iov_count = 1, .access = access };

	if (strict_from_libfabric(__builtin_return_address(0)))
		return MINE(domain->mr, strict_domain, mr)->real_mr->reg(
			fid, data, bytes, access, offset, key, flags, ret_mr, context);
	return mr_regattr(fid, &attr, flags, ret_mr);
}

/* Objects. */

static int fabric_trywait(struct fid_fabric *fabric, struct fid **fids, int count)
{
	/* What is held back will make no descriptor readable. */
	if (strict_cq_holds())
		return -FI_EAGAIN;
	return MINE(fabric->ops, strict_fabric, ops)->real->trywait(fabric, fids, count);
}

static int domain_av_open(struct fid_domain *domain, struct fi_av_attr *attr,
			  struct fid_av **ret_av, void *context)
{
	if (!strict_from_libfabric(__builtin_return_address(0)) &&
	    (attr->rx_ctx_bits || attr->name || attr->flags & (FI_EVENT | FI_READ))) {
		broken("an address vector with options");
		return -FI_EINVAL;
	}
	return MINE(domain->ops, strict_domain, ops)->real->av_open(domain, attr, ret_av, context);
}

/* @info as the provider below gave it: ours says what cxi would. */
static struct fi_info *restore(const struct fi_info *info)
{
	struct fi_info *copy = fi_dupinfo(info);

	for (struct fi_info *at = originals; copy && at; at = at->next) {
		if (strcmp(at->fabric_attr->prov_name, info->fabric_attr->prov_name) != 0)
			continue;
		copy->domain_attr->mr_mode = at->domain_attr->mr_mode;
		copy->domain_attr->mr_key_size = at->domain_attr->mr_key_size;
		copy->domain_attr->mr_iov_limit = at->domain_attr->mr_iov_limit;
		copy->tx_attr->inject_size = at->tx_attr->inject_size;
		copy->tx_attr->iov_limit = at->tx_attr->iov_limit;
		copy->tx_attr->rma_iov_limit = at->tx_attr->rma_iov_limit;
		copy->rx_attr->iov_limit = at->rx_attr->iov_limit;
		copy->ep_attr->max_msg_size = at->ep_attr->max_msg_size;
		break;
	}
	return copy;
}

static int domain_endpoint(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ret_ep,
			   void *context)
{
	struct strict_domain *from = MINE(domain->ops, strict_domain, ops);
	struct fi_info *real_info;
	int rc;

	if (strict_from_libfabric(__builtin_return_address(0)))
		return from->real->endpoint(domain, info, ret_ep, context);
	real_info = restore(info);
	if (!real_info)
		abort();
	rc = from->real->endpoint(domain, real_info, ret_ep, context);
	fi_freeinfo(real_info);
	if (rc == 0)
		strict_ep_wrap(*ret_ep);
	return rc;
}

static int domain_cq_open(struct fid_domain *domain, struct fi_cq_attr *attr,
			  struct fid_cq **ret_cq, void *context)
{
	struct strict_domain *from = MINE(domain->ops, strict_domain, ops);
	int rc = from->real->cq_open(domain, attr, ret_cq, context);

	if (rc == 0 && !strict_from_libfabric(__builtin_return_address(0)))
		strict_cq_wrap(*ret_cq, attr);
	return rc;
}

static int domain_control(struct fid *fid, int command, void *argument)
{
	struct fi_mr_map_raw *map = argument;
	uint64_t key[2];

	if (strict_raw_keys && command == FI_MAP_RAW_MR) {
		memcpy(key, map->raw_key, RAW_BYTES);
		if (map->key_size != RAW_BYTES || key[0] != ~key[1])
			return -FI_EINVAL;
		*map->key = key[0] ^ RAW_MASK;
		return 0;
	}
	if (strict_raw_keys && command == FI_UNMAP_KEY)
		return 0;
	return MINE(fid->ops, strict_domain, fid)->real_fid->control(fid, command, argument);
}

static int domain_close(struct fid *fid)
{
	struct fid_domain *domain = (struct fid_domain *)(void *)fid;
	struct strict_domain *own = MINE(fid->ops, strict_domain, fid);

	fid->ops = own->real_fid;
	domain->ops = own->real;
	domain->mr = own->real_mr;
	free(own);
	return fi_close(fid);
}

static int fabric_domain(struct fid_fabric *fabric, struct fi_info *info,
			 struct fid_domain **ret_domain, void *context)
{
	struct fi_info *real_info = restore(info);
	struct strict_domain *own = calloc(1, sizeof(*own));
	struct fid_domain *domain;
	int rc;

	if (!own || !real_info)
		abort();
	rc = MINE(fabric->ops, strict_fabric, ops)->real->domain(fabric, real_info, &domain,
								 context);
	fi_freeinfo(real_info);
	if (rc) {
		free(own);
		return rc;
	}
	own->real = domain->ops;
	own->real_mr = domain->mr;
	own->real_fid = domain->fid.ops;
	own->ops = *domain->ops;
	own->mr = *domain->mr;
	own->fid = *domain->fid.ops;
	own->ops.endpoint = domain_endpoint;
	own->ops.cq_open = domain_cq_open;
	own->ops.av_open = domain_av_open;
	own->mr.reg = mr_reg;
	own->mr.regattr = mr_regattr;
	own->fid.control = domain_control;
	own->fid.close = domain_close;
	domain->ops = &own->ops;
	domain->mr = &own->mr;
	domain->fid.ops = &own->fid;
	*ret_domain = domain;
	return 0;
}

typedef int getinfo_function(uint32_t, const char *, const char *, uint64_t,
			     const struct fi_info *, struct fi_info **);
typedef int fabric_function(struct fi_fabric_attr *, struct fid_fabric **, void *);

static bool hints_match(const struct fi_info *hints)
{
	if (hints->caps & FI_RMA && (hints->domain_attr->mr_mode & NEEDED) != NEEDED) {
		broken("mr_mode %#x lacks ENDPOINT, ALLOCATED or PROV_KEY",
		       (unsigned)hints->domain_attr->mr_mode);
		return false;
	}
	if (hints->ep_attr->type != FI_EP_RDM && hints->ep_attr->type != FI_EP_UNSPEC)
		return false;
	if (hints->domain_attr->data_progress == FI_PROGRESS_AUTO ||
	    hints->domain_attr->control_progress == FI_PROGRESS_AUTO) {
		broken("automatic progress is asked for");
		return false;
	}
	if (hints->tx_attr->iov_limit > 1 || hints->tx_attr->inject_size > INJECT_MAX) {
		broken("an iov_limit or an inject_size that is too large");
		return false;
	}
	return true;
}

EXPORT int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags,
		      const struct fi_info *hints, struct fi_info **ret_info)
{
	getinfo_function *real = (getinfo_function *)dlsym(RTLD_NEXT, "fi_getinfo");
	struct fi_info *asked, *info;
	int rc;

	if (!hints || strict_from_libfabric(__builtin_return_address(0)))
		return real(version, node, service, flags, hints, ret_info);
	if (!hints_match(hints))
		return -FI_ENODATA;
	asked = fi_dupinfo(hints);
	asked->domain_attr->mr_mode = 0; /* below us: offsets, and keys of our choice */
	rc = real(version, node, service, flags, asked, ret_info);
	fi_freeinfo(asked);
	if (rc)
		return rc;
	if (originals)
		fi_freeinfo(originals);
	originals = fi_dupinfo(*ret_info);
	for (info = *ret_info; info; info = info->next) {
		info->domain_attr->mr_mode = NEEDED | (strict_raw_keys ? FI_MR_RAW : 0);
		info->domain_attr->mr_key_size = strict_raw_keys ? RAW_BYTES : 8;
		info->domain_attr->mr_iov_limit = 1;
		info->tx_attr->iov_limit = info->rx_attr->iov_limit = 1;
		info->tx_attr->rma_iov_limit = 1;
		if (info->tx_attr->inject_size > INJECT_MAX)
			info->tx_attr->inject_size = INJECT_MAX;
		info->ep_attr->max_msg_size = UINT32_MAX;
	}
	return 0;
}

EXPORT int fi_fabric(struct fi_fabric_attr *attr, struct fid_fabric **ret_fabric, void *context)
{
	fabric_function *real = (fabric_function *)dlsym(RTLD_NEXT, "fi_fabric");
	static struct strict_fabric *known;
	struct strict_fabric *own;
	int rc = real(attr, ret_fabric, context);

	if (rc || strict_from_libfabric(__builtin_return_address(0)))
		return rc;
	/* Providers give one object to all who ask: it may have our table already. */
	if (known && (*ret_fabric)->ops == &known->ops)
		return 0;
	own = calloc(1, sizeof(*own));
	if (!own)
		abort();
	own->real = (*ret_fabric)->ops;
	own->ops = *own->real;
	own->ops.domain = fabric_domain;
	own->ops.trywait = fabric_trywait;
	(*ret_fabric)->ops = &own->ops;
	known = own;
	return 0;
}
