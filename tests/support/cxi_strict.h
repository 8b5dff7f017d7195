/* SPDX-License-Identifier: MIT */
/* cxi_strict.h - between the files of the preload; what it is for is in cxi_strict.c. */
#ifndef TESTS_CXI_STRICT_H
#define TESTS_CXI_STRICT_H

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MINE(pointer, type, member) \
	((struct type *)(void *)((char *)(uintptr_t)(pointer)-offsetof(struct type, member)))
#define broken(...) (fprintf(stderr, "cxi_strict: " __VA_ARGS__), fputc('\n', stderr))

enum {
	INJECT_MAX = 192,
	HELD_MAX = 8192, /* completions of a queue that are held back */
};
#define RAW_MASK UINT64_C(0x5aa5) /* between a key that was mapped and the provider's */

struct strict_fabric {
	struct fi_ops_fabric ops;
	struct fi_ops_fabric *real;
};

struct strict_domain {
	struct fi_ops_domain ops;
	struct fi_ops_mr mr;
	struct fi_ops fid;
	struct fi_ops_domain *real;
	struct fi_ops_mr *real_mr;
	struct fi_ops *real_fid;
};

struct strict_ep {
	struct fi_ops fid;
	struct fi_ops_msg msg;
	struct fi_ops_rma rma;
	struct fi_ops_ep ops;
	struct fi_ops *real_fid;
	struct fi_ops_msg *real_msg;
	struct fi_ops_rma *real_rma;
	struct fi_ops_ep *real_ops;
	bool enabled;
	unsigned regions;
};

struct held {
	struct fi_cq_data_entry entry;
	unsigned long due; /* the read that may tell it */
};

struct strict_cq {
	struct fi_ops_cq ops;
	struct fi_ops fid;
	struct fi_ops_cq *real;
	struct fi_ops *real_fid;
	struct strict_cq *next;
	unsigned long reads;
	unsigned head, count; /* of held[] */
	struct held held[HELD_MAX];
	bool failed;
	struct fi_cq_err_entry error;
};

struct strict_mr {
	struct fid_mr mr;
	struct fid_mr *real;
	struct strict_domain *domain;
	struct fid_domain *fid_domain;
	struct iovec iov;
	uint64_t access;
	struct strict_ep *ep;
	bool enabled;
};

/* Of the environment. */
extern unsigned long strict_refuse_every, strict_delay_reads, strict_error_at;
extern bool strict_raw_keys;

/* Is this a call that libfabric makes itself? @address: of the return. */
bool strict_from_libfabric(const void *address);

/* cxi_strict_data.c: put our tables on what the provider below made. */
void strict_ep_wrap(struct fid_ep *ep);
void strict_cq_wrap(struct fid_cq *cq, const struct fi_cq_attr *attr);
/* Some completions are held back: nobody may sleep. */
bool strict_cq_holds(void);

#endif
