/* SPDX-License-Identifier: MIT */
/* raw_ucx.c - the bare API of UCX: active messages, eager when small, else rendezvous. */
#include "raw_net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "hsta/fabrics.h"
#include "hsta/ucx/ucx.h"

enum { WINDOW = 128, LARGE_WINDOW = 4, MEET_S = 20, SLEEP_MS = 10 };

struct ucx_net {
	struct raw_net net;	/* first */
	ucp_context_h context;
	ucp_worker_h worker;
	ucp_listener_h listener;
	ucp_conn_request_h call;
	ucp_ep_h ep;
	ucp_mem_h memh;
	unsigned char *out, *in;
	unsigned posts, takes;	/* in turn, through RAW_NET_LARGE buffers */
	int fd;
	ucs_status_t failed;
};

static int check(ucs_status_t status, const char *what)
{
	if (status == UCS_OK)
		return 0;
	fprintf(stderr, "raw_ucx: %s: %s\n", what, ucs_status_string(status));
	return ucx_errno(status);
}

static void on_error(void *user, ucp_ep_h ep, ucs_status_t status)
{
	(void)ep;
	((struct ucx_net *)user)->failed = status;
}

static void on_call(ucp_conn_request_h call, void *user)
{
	((struct ucx_net *)user)->call = call;
}

static void on_sent(void *request, ucs_status_t status, void *user)
{
	struct ucx_net *net = user;

	ucp_request_free(request);
	net->net.under_way--;
	if (status != UCS_OK)
		net->failed = status;
}

/* A large message is in the buffer whose turn it is: they are as good as in order here. */
static void came(struct ucx_net *net, size_t bytes)
{
	if (net->net.own)
		memcpy(net->net.own + RAW_NET_BYTES_MAX,
		       net->in + net->net.came % RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX, bytes);
	net->net.came++;
}

static void on_received(void *request, ucs_status_t status, size_t bytes, void *user)
{
	struct ucx_net *net = user;

	ucp_request_free(request);
	came(net, bytes);
	if (status != UCS_OK)
		net->failed = status;
}

static ucs_status_t on_message(void *user, const void *header, size_t header_bytes, void *data,
			       size_t bytes, const ucp_am_recv_param_t *param)
{
	struct ucx_net *net = user;
	const ucp_request_param_t receive = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_MEMH,
		.cb.recv_am = on_received,
		.user_data = net,
		.memh = net->memh,
	};
	unsigned char *in = net->in;
	ucs_status_ptr_t request;

	(void)header;
	(void)header_bytes;
	if (net->net.own)
		in += net->takes++ % RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX;
	if (!(param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV)) {
		/* Who receives wants it in memory of his own. */
		memcpy(net->in, data, bytes);
		net->net.came++;
		return UCS_OK;
	}
	request = ucp_am_recv_data_nbx(net->worker, data, in, bytes, &receive);
	if (UCS_PTR_IS_ERR(request))
		net->failed = UCS_PTR_STATUS(request);
	else if (!UCS_PTR_IS_PTR(request))
		came(net, bytes);
	return UCS_INPROGRESS;
}

static int connect_ep(struct ucx_net *net, ucp_ep_params_t params)
{
	params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
	params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
	params.err_handler.cb = on_error;
	params.err_handler.arg = net;
	return check(ucp_ep_create(net->worker, &params, &net->ep), "endpoint");
}

/* Side 0 listens and tells where. */
static int listen_at(struct ucx_net *net, const char *bind, int fd)
{
	union ucx_address address;
	int rc = ucx_address_parse(bind, &address);
	const ucp_listener_params_t params = {
		.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR |
			      UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
		.sockaddr = { &address.any, rc ? 0 : ucx_address_bytes(&address) },
		.conn_handler = { on_call, net },
	};
	ucp_listener_attr_t attr = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };

	rc = rc ? rc : check(ucp_listener_create(net->worker, &params, &net->listener),
			     "listener");
	rc = rc ? rc : check(ucp_listener_query(net->listener, &attr), "listener");
	if (rc)
		return rc;
	memcpy(&address, &attr.sockaddr, sizeof(address));
	return raw_net_tell(fd, &address, sizeof(address));
}

static int meet(struct ucx_net *net, const struct raw_net_options *options, const char *bind)
{
	uint64_t deadline_ns = base_now_ns() + MEET_S * 1000 * BASE_MS;
	union ucx_address address;
	ucp_ep_params_t params = { .field_mask = UCP_EP_PARAM_FIELD_FLAGS |
						 UCP_EP_PARAM_FIELD_SOCK_ADDR,
				   .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
				   .sockaddr.addr = &address.any };
	int rc;

	if (!options->side)
		rc = listen_at(net, bind, options->fd);
	else
		rc = raw_net_hear(options->fd, &address, sizeof(address));
	if (!rc && options->side) {
		params.sockaddr.addrlen = ucx_address_bytes(&address);
		rc = connect_ep(net, params);
		rc = rc ? rc : net->net.ops->post(&net->net, 8);
	}
	/* The first message of each says that both are there. */
	while (!rc && net->net.came < 1) {
		ucp_worker_progress(net->worker);
		if (net->call && !net->ep) {
			params = (ucp_ep_params_t){ .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST,
						    .conn_request = net->call };
			rc = connect_ep(net, params);
			rc = rc ? rc : net->net.ops->post(&net->net, 8);
		}
		if (net->failed != UCS_OK)
			rc = check(net->failed, "connection");
		if (base_now_ns() > deadline_ns)
			rc = -ETIMEDOUT;
	}
	return rc ? rc : raw_net_part(&net->net);
}

static int open_worker(struct ucx_net *net, const struct fabric_options *wanted)
{
	const ucp_worker_params_t worker = { .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
					     .thread_mode = UCS_THREAD_MODE_SINGLE };
	const ucp_am_handler_param_t handler = {
		.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
			      UCP_AM_HANDLER_PARAM_FIELD_ARG,
		.cb = on_message,
		.arg = net,
	};
	const ucp_mem_map_params_t memory = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
		.address = net->out,
		.length = 2 * RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX,
	};
	char why[256] = "";
	int rc = ucx_context_create(wanted, &net->context, why, sizeof(why));

	if (rc) {
		fprintf(stderr, "raw_ucx: %s\n", why);
		return rc;
	}
	rc = check(ucp_worker_create(net->context, &worker, &net->worker), "worker");
	rc = rc ? rc : check(ucp_worker_set_am_recv_handler(net->worker, &handler), "handler");
	rc = rc ? rc : check(ucp_mem_map(net->context, &memory, &net->memh), "memory");
	return rc ? rc : check(ucp_worker_get_efd(net->worker, &net->fd), "descriptor");
}

static void ucx_close_net(struct raw_net *base)
{
	struct ucx_net *net = (struct ucx_net *)base;
	const ucp_request_param_t force = { .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS,
					    .flags = UCP_EP_CLOSE_FLAG_FORCE };
	uint64_t deadline_ns = base_now_ns() + 2000 * BASE_MS;

	if (net->ep) {
		ucs_status_ptr_t request = ucp_ep_close_nbx(net->ep, &force);

		while (UCS_PTR_IS_PTR(request) && base_now_ns() < deadline_ns &&
		       ucp_request_check_status(request) == UCS_INPROGRESS)
			ucp_worker_progress(net->worker);
		if (UCS_PTR_IS_PTR(request))
			ucp_request_free(request);
	}
	if (net->listener)
		ucp_listener_destroy(net->listener);
	if (net->memh)
		ucp_mem_unmap(net->context, net->memh);
	if (net->worker)
		ucp_worker_destroy(net->worker);
	if (net->context)
		ucp_cleanup(net->context);
	free(net->out);
	free(net);
}

static int ucx_open_net(const struct raw_net_options *options, struct raw_net **ret_net)
{
	struct fabric_options wanted = { .bind = options->bind, .provider = options->provider,
					 .device = options->nic };
	struct ucx_net *net = calloc(1, sizeof(*net));
	char why[256];
	int rc;

	if (!net)
		return -ENOMEM;
	net->net.ops = &raw_ucx;
	net->net.fd = options->fd;
	net->out = aligned_alloc(4096, 2 * RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX);
	if (!net->out) {
		free(net);
		return -ENOMEM;
	}
	memset(net->out, 1, 2 * RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX);
	net->in = net->out + RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX;
	/* It corrects what is wanted to how UCX calls it. */
	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++)
		if (!strcmp(fabric->name, "ucx"))
			hsta_fabric_probe(fabric, &wanted, why, sizeof(why));
	rc = open_worker(net, &wanted);
	rc = rc ? rc : meet(net, options, wanted.bind);
	if (rc)
		ucx_close_net(&net->net);
	else
		*ret_net = &net->net;
	return rc;
}

static int ucx_post(struct raw_net *base, size_t bytes)
{
	struct ucx_net *net = (struct ucx_net *)base;
	bool small = bytes <= RAW_NET_SMALL_MAX;
	const ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMH,
		.flags = small ? UCP_AM_SEND_FLAG_EAGER : UCP_AM_SEND_FLAG_RNDV,
		.cb.send = on_sent,
		.user_data = net,
		.memh = net->memh,
	};
	unsigned char *out = net->out;
	ucs_status_ptr_t request;

	if (net->failed != UCS_OK)
		return ucx_errno(net->failed);
	if (base->under_way >= (small ? WINDOW : LARGE_WINDOW))
		return -EAGAIN;
	if (base->own) {
		out += net->posts++ % RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX;
		memcpy(out, base->own, bytes);
	}
	base->under_way++;
	request = ucp_am_send_nbx(net->ep, 0, NULL, 0, out, bytes, &param);
	if (!UCS_PTR_IS_PTR(request))
		base->under_way--;
	return UCS_PTR_IS_ERR(request) ? ucx_errno(UCS_PTR_STATUS(request)) : 0;
}

static int ucx_turn_net(struct raw_net *base)
{
	struct ucx_net *net = (struct ucx_net *)base;
	unsigned count = ucp_worker_progress(net->worker);

	return net->failed != UCS_OK ? ucx_errno(net->failed) : (int)count;
}

static bool ucx_sleep(struct raw_net *base)
{
	struct ucx_net *net = (struct ucx_net *)base;
	struct pollfd wait = { .fd = net->fd, .events = POLLIN };

	if (ucp_worker_arm(net->worker) == UCS_OK)
		poll(&wait, 1, SLEEP_MS);
	return true;
}

const struct raw_net_ops raw_ucx = {
	.name = "ucx",
	.open = ucx_open_net,
	.post = ucx_post,
	.turn = ucx_turn_net,
	.sleep = ucx_sleep,
	.close = ucx_close_net,
};
