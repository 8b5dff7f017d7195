/* SPDX-License-Identifier: MIT */
/*
 * ucx_hostile_test.c - who speaks UCX to us need not be a fabric of ours: what none would
 * say is not told, is bounded, and others do not suffer. What is no UCX at all is not here:
 * UCX itself does not stand that (hsta/ucx/README.md).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_side.h"
#include "hsta/ucx/ucx.h"

TestSuite(ucx_hostile, .timeout = 200);

enum { BIG = 1 << 20, MANY = 100 };

/* A bare UCX endpoint to the fabric of a side. */
struct stranger {
	ucp_context_h context;
	ucp_worker_h worker;
	ucp_ep_h ep;
	unsigned pending, errors;
	uint8_t *data;
};

/* Software: it must be named. */
static const struct fabric_options over_tcp = { .provider = "tcp" };

static void need_ucx(void)
{
	char why[512] = "";

	if (hsta_ucx.probe(&over_tcp, why, sizeof(why)) == 0)
		return;
	printf("ucx: skipped: %s\n", why);
	fflush(stdout);
	cr_skip_test("%s", why);
}

static void on_error(void *user, ucp_ep_h ep, ucs_status_t status)
{
	(void)ep;
	(void)status;
	((struct stranger *)user)->errors++;
}

static void stranger_open(struct stranger *stranger, const struct side *to)
{
	const ucp_worker_params_t worker = { .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
					     .thread_mode = UCS_THREAD_MODE_SINGLE };
	const union ucx_address *address = &to->fabric->own;
	const ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR |
			      UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER,
		.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
		.sockaddr = { &address->any, ucx_address_bytes(address) },
		.err_mode = UCP_ERR_HANDLING_MODE_PEER,
		.err_handler = { on_error, stranger },
	};
	char why[512];

	memset(stranger, 0, sizeof(*stranger));
	cr_assert_eq(ucx_context_create(NULL, &stranger->context, why, sizeof(why)), 0);
	cr_assert_eq(ucp_worker_create(stranger->context, &worker, &stranger->worker), UCS_OK);
	cr_assert_eq(ucp_ep_create(stranger->worker, &params, &stranger->ep), UCS_OK);
	stranger->data = calloc(1, BIG);
	cr_assert_not_null(stranger->data);
}

static void on_sent(void *request, ucs_status_t status, void *user)
{
	(void)status;
	ucp_request_free(request);
	((struct stranger *)user)->pending--;
}

static void say(struct stranger *stranger, unsigned id, unsigned flags, size_t header_bytes,
		size_t bytes)
{
	const ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS,
		.flags = flags,
		.cb.send = on_sent,
		.user_data = stranger,
	};
	ucs_status_ptr_t request;

	stranger->pending++;
	request = ucp_am_send_nbx(stranger->ep, id, stranger->data, header_bytes, stranger->data,
				  bytes, &param);
	cr_assert(!UCS_PTR_IS_ERR(request));
	if (!request)
		stranger->pending--;
}

static void pump(struct stranger *stranger, struct pair *pair)
{
	if (stranger->worker)
		ucp_worker_progress(stranger->worker);
	pair_pump(pair);
}

static void stranger_close(struct stranger *stranger)
{
	const ucp_request_param_t param = { .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS,
					    .flags = UCP_EP_CLOSE_FLAG_FORCE };
	ucs_status_ptr_t request = ucp_ep_close_nbx(stranger->ep, &param);

	while (UCS_PTR_IS_PTR(request) && ucp_request_check_status(request) == UCS_INPROGRESS)
		ucp_worker_progress(stranger->worker);
	if (UCS_PTR_IS_PTR(request))
		ucp_request_free(request);
	/* UCX may still be failing what was under way. */
	for (uint64_t until = base_now_ns() + 2000 * BASE_MS;
	     stranger->pending && base_now_ns() < until;)
		ucp_worker_progress(stranger->worker);
	ucp_worker_destroy(stranger->worker);
	ucp_cleanup(stranger->context);
	free(stranger->data);
}

static void still_well(struct pair *pair)
{
	unsigned before = pair->b.frames;

	pair_send(pair, &pair->a, 1000, 1);
	PAIR_UNTIL(pair, pair->b.frames == before + 1);
}

/* To wait for: the last word of the stranger is a proper frame. */
static void until_heard(struct stranger *stranger, struct pair *pair, unsigned frames)
{
	uint64_t until = base_now_ns() + 8000 * BASE_MS;

	say(stranger, UCX_AM_FRAME, UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY, 0, 3);
	while (pair->b.frames < frames) {
		cr_assert(base_now_ns() < until, "%u of %u", pair->b.frames, frames);
		pump(stranger, pair);
	}
}

Test(ucx_hostile, nonsense_is_not_told)
{
	enum { EAGER = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY,
	       RNDV = UCP_AM_SEND_FLAG_RNDV | UCP_AM_SEND_FLAG_REPLY };
	struct stranger stranger;
	struct pair pair;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	stranger_open(&stranger, &pair.b);
	say(&stranger, UCX_AM_FRAME, EAGER, 0, UCX_FRAME_MAX + 1);
	say(&stranger, UCX_AM_FRAME, EAGER, 0, BIG);
	say(&stranger, UCX_AM_FRAME, EAGER, 0, 0);
	say(&stranger, UCX_AM_FRAME, EAGER, 8, 100);
	say(&stranger, UCX_AM_FRAME, RNDV, 0, 1000);
	say(&stranger, UCX_AM_FRAME, UCP_AM_SEND_FLAG_EAGER, 0, 100); /* whose? */
	say(&stranger, UCX_AM_OFFER, EAGER, 8, 100);
	say(&stranger, UCX_AM_OFFER, RNDV, UCX_OFFER_MAX + 1, BIG);
	say(&stranger, UCX_AM_OFFER, UCP_AM_SEND_FLAG_RNDV, 8, BIG);
	say(&stranger, 2, EAGER, 0, 100);
	say(&stranger, 77, EAGER, 0, 100);
	until_heard(&stranger, &pair, 1);
	PAIR_UNTIL(&pair, (ucp_worker_progress(stranger.worker), stranger.pending == 0));
	cr_expect_eq(pair.b.frames, 1);
	cr_expect_eq(pair.b.offer_count, 0);
	cr_expect_eq(stranger.errors, 0);
	still_well(&pair);
	stranger_close(&stranger);
	PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	still_well(&pair);
	pair_close(&pair);
}

Test(ucx_hostile, offers_are_bounded)
{
	struct stranger stranger;
	struct pair pair;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	stranger_open(&stranger, &pair.b);
	for (int i = 0; i < MANY; i++)
		say(&stranger, UCX_AM_OFFER, UCP_AM_SEND_FLAG_RNDV | UCP_AM_SEND_FLAG_REPLY, 8,
		    BIG);
	until_heard(&stranger, &pair, 1);
	cr_expect_leq(pair.b.offer_count, UCX_PEER_BULKS);
	/* It goes without waiting for an answer. */
	stranger_close(&stranger);
	PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	still_well(&pair);
	pair_close(&pair);
}
