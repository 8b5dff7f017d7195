/* SPDX-License-Identifier: MIT */
/*
 * ofi_rules_test.c - tests/support/cxi_strict.c does refuse what cxi refuses: each test breaks
 * one rule on purpose. Without this, a conformance run under it would prove nothing.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536 };

static struct {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_ep *ep;
	struct fid_cq *cq;
	struct fid_av *av;
	fi_addr_t self;
} own;
static uint8_t buffer[BUFFER_BYTES];

static const int all_modes = FI_MR_ENDPOINT | FI_MR_ALLOCATED | FI_MR_PROV_KEY;

static struct fi_info *hints_make(void)
{
	struct fi_info *hints = fi_allocinfo();

	hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm");
	hints->caps = FI_MSG | FI_RMA | FI_MULTI_RECV;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode = all_modes;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
	hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
	return hints;
}

static int ask(struct fi_info *hints)
{
	int rc = fi_getinfo(FI_VERSION(1, 17), "127.0.0.1", NULL, FI_SOURCE, hints, &own.info);

	fi_freeinfo(hints);
	return rc;
}

/* All but the enabled endpoint. */
static void setup(void)
{
	struct fi_cq_attr cq = { .format = FI_CQ_FORMAT_DATA };
	struct fi_av_attr av = { .type = FI_AV_TABLE };

	if (!dlsym(RTLD_DEFAULT, "cxi_strict_loaded"))
		cr_skip_test("not preloaded");
	cr_assert_eq(ask(hints_make()), 0);
	cr_assert_eq(fi_fabric(own.info->fabric_attr, &own.fabric, NULL), 0);
	cr_assert_eq(fi_domain(own.fabric, own.info, &own.domain, NULL), 0);
	cr_assert_eq(fi_cq_open(own.domain, &cq, &own.cq, NULL), 0);
	cr_assert_eq(fi_av_open(own.domain, &av, &own.av, NULL), 0);
	cr_assert_eq(fi_endpoint(own.domain, own.info, &own.ep, NULL), 0);
	cr_assert_eq(fi_ep_bind(own.ep, &own.cq->fid, FI_TRANSMIT | FI_RECV), 0);
	cr_assert_eq(fi_ep_bind(own.ep, &own.av->fid, 0), 0);
}

static void enable(void)
{
	uint8_t name[64];
	size_t bytes = sizeof(name);

	cr_assert_eq(fi_enable(own.ep), 0);
	cr_assert_eq(fi_getname(&own.ep->fid, name, &bytes), 0);
	cr_assert_eq(fi_av_insert(own.av, name, 1, &own.self, 0, NULL), 1);
}

static struct fid_mr *region(void)
{
	struct fid_mr *mr;

	cr_assert_eq(fi_mr_reg(own.domain, buffer, sizeof(buffer), FI_READ | FI_REMOTE_READ, 0, 5,
			       0, &mr, NULL), 0);
	return mr;
}

TestSuite(ofi_rules, .timeout = 200, .init = setup);

Test(ofi_rules, mr_mode_must_be_offered)
{
	struct fi_info *hints = hints_make();

	hints->domain_attr->mr_mode = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	cr_assert_eq(ask(hints), -FI_ENODATA);
	hints = hints_make();
	hints->domain_attr->mr_mode = 0;
	cr_assert_eq(ask(hints), -FI_ENODATA);
}

Test(ofi_rules, automatic_progress_does_not_match)
{
	struct fi_info *hints = hints_make();

	hints->domain_attr->data_progress = FI_PROGRESS_AUTO;
	cr_assert_eq(ask(hints), -FI_ENODATA);
}

Test(ofi_rules, iov_and_inject_are_limited)
{
	struct fi_info *hints = hints_make();

	hints->tx_attr->iov_limit = 2;
	cr_assert_eq(ask(hints), -FI_ENODATA);
	hints = hints_make();
	hints->tx_attr->inject_size = 256;
	cr_assert_eq(ask(hints), -FI_ENODATA);
	cr_assert_leq(own.info->tx_attr->inject_size, 192);
	cr_assert_eq(own.info->tx_attr->iov_limit, 1);
}

Test(ofi_rules, key_is_known_after_enable)
{
	struct fid_mr *mr = region();

	cr_assert_eq(fi_mr_key(mr), FI_KEY_NOTAVAIL);
	cr_assert_eq(fi_mr_bind(mr, &own.ep->fid, 0), -FI_EINVAL, "the endpoint is not enabled");
	cr_assert_eq(fi_mr_enable(mr), -FI_EINVAL, "not bound");
	enable();
	cr_assert_eq(fi_mr_bind(mr, &own.ep->fid, 0), 0);
	cr_assert_eq(fi_mr_bind(mr, &own.ep->fid, 0), -FI_EINVAL, "bound twice");
	cr_assert_eq(fi_mr_enable(mr), 0);
	cr_assert_neq(fi_mr_key(mr), FI_KEY_NOTAVAIL);
	cr_assert(fi_mr_key(mr) >> 63);
	cr_assert_eq(fi_close(&own.ep->fid), -FI_EBUSY, "regions are closed first");
	cr_assert_eq(fi_close(&mr->fid), 0);
	cr_assert_eq(fi_close(&own.ep->fid), 0);
}

Test(ofi_rules, min_multi_recv_is_limited)
{
	size_t bytes = 1 << 24;

	enable();
	cr_assert_eq(fi_setopt(&own.ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &bytes,
			       sizeof(bytes)), -FI_EINVAL);
}

Test(ofi_rules, nothing_is_received_before_enable)
{
	struct fi_context2 context;
	struct iovec iov = { buffer, sizeof(buffer) };
	struct fi_msg message = { .msg_iov = &iov, .iov_count = 1, .context = &context };

	cr_assert_eq(fi_recvmsg(own.ep, &message, FI_MULTI_RECV), -FI_EOPBADSTATE);
}

Test(ofi_rules, one_part_and_short_injects)
{
	struct iovec iov[2] = { { buffer, 8 }, { buffer + 64, 8 } };
	struct fi_context2 context;

	enable();
	cr_assert_eq(fi_sendv(own.ep, iov, NULL, 2, own.self, &context), -FI_EINVAL);
	cr_assert_eq(fi_inject(own.ep, buffer, 193, own.self), -FI_EMSGSIZE);
}

Test(ofi_rules, reads_name_offsets_and_given_keys)
{
	struct fi_context2 context;
	struct fid_mr *mr;

	enable();
	mr = region();
	cr_assert_eq(fi_mr_bind(mr, &own.ep->fid, 0), 0);
	cr_assert_eq(fi_mr_enable(mr), 0);
	cr_assert_eq(fi_read(own.ep, buffer, 8, NULL, own.self, (uint64_t)(uintptr_t)buffer,
			     fi_mr_key(mr), &context), -FI_EINVAL);
	cr_assert_eq(fi_read(own.ep, buffer, 8, NULL, own.self, 0, 5, &context),
		     -FI_EKEYREJECTED);
	cr_assert_eq(fi_close(&mr->fid), 0);
}

Test(ofi_rules, address_vectors_have_no_options)
{
	struct fi_av_attr attr = { .type = FI_AV_TABLE, .rx_ctx_bits = 2 };
	struct fid_av *av;

	cr_assert_eq(fi_av_open(own.domain, &attr, &av, NULL), -FI_EINVAL);
}

Test(ofi_rules, queues_cannot_be_signalled)
{
	cr_assert_eq(fi_cq_signal(own.cq), -FI_ENOSYS);
}

static void change_what_is_posted(void)
{
	static uint8_t target[BUFFER_BYTES];
	struct fi_context2 sent, received;
	struct fi_cq_data_entry entry;
	ssize_t rc;

	enable();
	cr_assert_eq(fi_recv(own.ep, target, sizeof(target), NULL, FI_ADDR_UNSPEC, &received), 0);
	do {
		fi_cq_read(own.cq, &entry, 0);
		rc = fi_send(own.ep, buffer, 1000, NULL, own.self, &sent);
	} while (rc == -FI_EAGAIN);
	cr_assert_eq(rc, 0);
	buffer[200] ^= 1;
	for (;;)
		fi_cq_read(own.cq, &entry, 1);
}

Test(ofi_rules, a_posted_buffer_must_not_change)
{
	int status = 0;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		change_what_is_posted();
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x",
		  (unsigned)status);
}
