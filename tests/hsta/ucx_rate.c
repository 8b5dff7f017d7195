/* SPDX-License-Identifier: MIT */
/*
 * ucx_rate.c - what the fabric `ucx` costs over the bare UCX API, between two processes.
 *
 *	ucx_rate [ROUNDS [NAME]]	prints a table, or the rows whose name begins so;
 *					each figure is the best of its rounds
 *
 * The bare side is what one would write by hand: the same endpoints, active messages with a
 * window, nothing told to anybody. Both spin, and the rounds of both alternate, so that they
 * meet the same noise; the best round is the one with the least of it.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "hsta/ucx/ucx.h"

enum { ROUNDS_MAX = 31, WINDOW = 128, BULK_WINDOW = 8, BULK_BYTES = 1 << 20, LIMIT_S = 60 };

enum kind { RATE, LATENCY, BULK };

struct work {
	const char *name;
	enum kind kind;
	size_t bytes;
	unsigned count;
};

static const struct work works[] = {
	{ "rate 64 B", RATE, 64, 200000 },	 { "rate 512 B", RATE, 512, 100000 },
	{ "rate 2 KiB", RATE, 2048, 60000 },	 { "rate 8 KiB", RATE, 8192, 40000 },
	{ "rate 32 KiB", RATE, 32768, 10000 },	 { "latency 64 B", LATENCY, 64, 10000 },
	{ "latency 8 KiB", LATENCY, 8192, 5000 }, { "bulk 1 MiB", BULK, BULK_BYTES, 600 },
};

/* One of the two processes, with one of the two ways. */
struct end {
	bool first;
	const struct work *work;
	uint8_t *memory;
	unsigned came, pending;
	bool failed;
	/* fabric */
	struct fabric *fabric;
	struct fabric_peer *peer;
	struct fabric_memory *registered;
	struct fabric_op ops[BULK_WINDOW];
	bool busy[BULK_WINDOW];
	/* bare */
	ucp_context_h context;
	ucp_worker_h worker;
	ucp_listener_h listener;
	ucp_conn_request_h call;
	ucp_ep_h ep;
	ucp_mem_h memh;
};

struct way {
	const char *name;
	void (*open)(struct end *end);
	void (*address)(struct end *end, union ucx_address *ret_address);
	void (*connect)(struct end *end, const union ucx_address *address);
	bool (*linked)(const struct end *end);
	void (*turn)(struct end *end);
	bool (*send)(struct end *end, size_t bytes);
	bool (*bulk)(struct end *end);
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "ucx_rate: %s\n", what);
	_exit(1);
}

/* The fabric. */

static void on_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	(void)peer;
	(void)data;
	(void)bytes;
	((struct end *)user)->came++;
}

static void on_fetched(struct fabric_op *op, enum fabric_status status)
{
	struct end *end = (struct end *)(uintptr_t)op->private_[15];

	end->came++;
	end->failed |= status != FABRIC_OK;
	free(op);
}

static void on_offer(void *user, struct fabric_peer *peer, const void *header,
		     size_t header_bytes, struct fabric_offer *offer, size_t bytes)
{
	struct end *end = user;
	struct fabric_op *op = calloc(1, sizeof(*op));
	unsigned index;

	(void)peer;
	(void)bytes;
	check(op && header_bytes == sizeof(index), "an odd offer");
	memcpy(&index, header, sizeof(index));
	op->done = on_fetched;
	op->private_[15] = (uintptr_t)end;
	check(hsta_ucx.fetch(offer, end->registered, (size_t)index * BULK_BYTES, op) == FABRIC_OK,
	      "fetch");
}

static void on_new(void *user, struct fabric_peer *peer)
{
	((struct end *)user)->peer = peer;
}

static void on_down(void *user, struct fabric_peer *peer, enum fabric_loss loss, const char *why)
{
	(void)loss;
	struct end *end = user;

	(void)why;
	hsta_ucx.peer_del(peer);
	end->peer = NULL;
	end->failed = true;
}

static void fabric_open(struct end *end)
{
	const struct fabric_events events = {
		.frame = on_frame, .offer = on_offer, .peer_new = on_new, .peer_down = on_down
	};
	struct fabric_caps caps;

	check(hsta_ucx.open(NULL, &events, end, &end->fabric, &caps) == 0, "open");
	check(hsta_ucx.memory_add(end->fabric, end->memory, (size_t)BULK_WINDOW * BULK_BYTES,
				  &end->registered) == 0, "memory_add");
}

static void fabric_address(struct end *end, union ucx_address *ret_address)
{
	*ret_address = end->fabric->own;
}

static void fabric_connect(struct end *end, const union ucx_address *address)
{
	uint8_t blob[UCX_ADDRESS_MAX];
	size_t bytes = sizeof(blob);

	check(ucx_address_encode(address, blob, &bytes) == 0, "address");
	check(hsta_ucx.peer_add(end->fabric, blob, bytes, NULL, &end->peer) == FABRIC_OK,
	      "peer_add");
}

static bool fabric_linked(const struct end *end)
{
	return end->peer;
}

static void fabric_turn(struct end *end)
{
	check(hsta_ucx.progress(end->fabric, 64) >= 0, "progress");
}

static bool fabric_send(struct end *end, size_t bytes)
{
	void *slot = hsta_ucx.slot(end->fabric);
	enum fabric_status status;

	if (!slot)
		return false;
	status = hsta_ucx.frame(end->peer, slot, bytes);
	if (status == FABRIC_AGAIN)
		ucx_slot_put(base_list_entry(slot, struct ucx_slot, data));
	end->failed |= status < 0;
	return status == FABRIC_OK;
}

static void on_taken(struct fabric_op *op, enum fabric_status status)
{
	struct end *end = (struct end *)(uintptr_t)op->private_[15];

	end->busy[op - end->ops] = false;
	end->pending--;
	end->failed |= status != FABRIC_OK;
}

static bool fabric_bulk(struct end *end)
{
	for (unsigned i = 0; i < BULK_WINDOW; i++) {
		if (end->busy[i])
			continue;
		end->ops[i].done = on_taken;
		end->ops[i].private_[15] = (uintptr_t)end;
		end->busy[i] = true;
		end->pending++;
		check(hsta_ucx.bulk(end->peer, &i, sizeof(i), end->registered,
				    (size_t)i * BULK_BYTES, BULK_BYTES, &end->ops[i]) == FABRIC_OK,
		      "bulk");
		return true;
	}
	return false;
}

/* The bare API. */

static void bare_error(void *user, ucp_ep_h ep, ucs_status_t status)
{
	(void)ep;
	(void)status;
	((struct end *)user)->failed = true;
}

static void bare_received(void *request, ucs_status_t status, size_t bytes, void *user)
{
	struct end *end = user;

	(void)bytes;
	ucp_request_free(request);
	end->came++;
	end->failed |= status != UCS_OK;
}

static ucs_status_t bare_message(void *user, const void *header, size_t header_bytes, void *data,
				 size_t bytes, const ucp_am_recv_param_t *param)
{
	struct end *end = user;
	ucp_request_param_t receive = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_MEMH,
		.cb.recv_am = bare_received,
		.user_data = end,
		.memh = end->memh,
	};
	unsigned index;

	if (!(param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV)) {
		end->came++;
		return UCS_OK;
	}
	check(header_bytes == sizeof(index), "an odd header");
	memcpy(&index, header, sizeof(index));
	check(UCS_PTR_IS_PTR(ucp_am_recv_data_nbx(end->worker, data,
						  end->memory + (size_t)index * BULK_BYTES, bytes,
						  &receive)), "receive");
	return UCS_INPROGRESS;
}

static void bare_call(ucp_conn_request_h call, void *user)
{
	((struct end *)user)->call = call;
}

static void bare_open(struct end *end)
{
	const ucp_worker_params_t worker = { .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
					     .thread_mode = UCS_THREAD_MODE_SINGLE };
	const ucp_am_handler_param_t handler = {
		.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
			      UCP_AM_HANDLER_PARAM_FIELD_ARG,
		.id = 0,
		.cb = bare_message,
		.arg = end,
	};
	const ucp_mem_map_params_t memory = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
		.address = end->memory,
		.length = (size_t)BULK_WINDOW * BULK_BYTES,
	};
	union ucx_address address;
	char why[160];

	check(ucx_context_create(NULL, &end->context, why, sizeof(why)) == 0, "context");
	check(ucp_worker_create(end->context, &worker, &end->worker) == UCS_OK, "worker");
	check(ucp_worker_set_am_recv_handler(end->worker, &handler) == UCS_OK, "handler");
	check(ucp_mem_map(end->context, &memory, &end->memh) == UCS_OK, "map");
	check(ucx_address_parse(NULL, &address) == 0, "address");
	if (!end->first) {
		const ucp_listener_params_t listen = {
			.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR |
				      UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
			.sockaddr = { &address.any, ucx_address_bytes(&address) },
			.conn_handler = { bare_call, end },
		};

		check(ucp_listener_create(end->worker, &listen, &end->listener) == UCS_OK,
		      "listener");
	}
}

static void bare_address(struct end *end, union ucx_address *ret_address)
{
	ucp_listener_attr_t attr = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };

	check(ucp_listener_query(end->listener, &attr) == UCS_OK, "query");
	memcpy(ret_address, &attr.sockaddr, sizeof(*ret_address));
}

static void bare_ep(struct end *end, ucp_ep_params_t params)
{
	params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
	params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
	params.err_handler.cb = bare_error;
	params.err_handler.arg = end;
	check(ucp_ep_create(end->worker, &params, &end->ep) == UCS_OK, "endpoint");
}

static void bare_connect(struct end *end, const union ucx_address *address)
{
	const ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
		.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
		.sockaddr = { &address->any, ucx_address_bytes(address) },
	};

	bare_ep(end, params);
}

static bool bare_linked(const struct end *end)
{
	return end->ep;
}

static void bare_turn(struct end *end)
{
	ucp_worker_progress(end->worker);
	if (end->call) {
		const ucp_ep_params_t params = { .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST,
						 .conn_request = end->call };

		end->call = NULL;
		bare_ep(end, params);
	}
}

static void bare_sent(void *request, ucs_status_t status, void *user)
{
	struct end *end = user;

	ucp_request_free(request);
	end->pending--;
	end->failed |= status != UCS_OK;
}

static bool bare_post(struct end *end, unsigned window, unsigned flags, size_t bytes)
{
	static unsigned next, headers[BULK_WINDOW];
	const ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMH,
		.flags = flags,
		.cb.send = bare_sent,
		.user_data = end,
		.memh = end->memh,
	};
	unsigned index = next % BULK_WINDOW;
	ucs_status_ptr_t request;

	if (end->pending >= window)
		return false;
	next++;
	headers[index] = index;
	end->pending++;
	request = ucp_am_send_nbx(end->ep, 0, &headers[index],
				  flags & UCP_AM_SEND_FLAG_RNDV ? sizeof(index) : 0,
				  end->memory + (size_t)index * BULK_BYTES, bytes, &param);
	if (!UCS_PTR_IS_PTR(request))
		end->pending--;
	end->failed |= UCS_PTR_IS_ERR(request);
	return true;
}

static bool bare_send(struct end *end, size_t bytes)
{
	return bare_post(end, WINDOW, UCP_AM_SEND_FLAG_EAGER, bytes);
}

static bool bare_bulk(struct end *end)
{
	return bare_post(end, BULK_WINDOW, UCP_AM_SEND_FLAG_RNDV, BULK_BYTES);
}

static const struct way ways[] = {
	{ "bare", bare_open, bare_address, bare_connect, bare_linked, bare_turn, bare_send,
	  bare_bulk },
	{ "fabric", fabric_open, fabric_address, fabric_connect, fabric_linked, fabric_turn,
	  fabric_send, fabric_bulk },
};

/* What both do. */

static void until(const struct way *way, struct end *end, unsigned came)
{
	while (end->came < came && !end->failed)
		way->turn(end);
}

static void send_one(const struct way *way, struct end *end, size_t bytes)
{
	while (!way->send(end, bytes) && !end->failed)
		way->turn(end);
}

/* Return: microseconds of one. */
static double lead(const struct way *way, struct end *end)
{
	const struct work *work = end->work;
	uint64_t begin = base_now_ns();

	if (work->kind == LATENCY) {
		for (unsigned i = 0; i < work->count && !end->failed; i++) {
			send_one(way, end, work->bytes);
			until(way, end, i + 1);
		}
	} else {
		for (unsigned i = 0; i < work->count && !end->failed; i++) {
			while (!(work->kind == BULK ? way->bulk(end) :
						      way->send(end, work->bytes)) && !end->failed)
				way->turn(end);
			if (i % 16 == 15)
				way->turn(end);
		}
		until(way, end, 1);
	}
	return (double)(base_now_ns() - begin) / 1e3 / work->count /
	       (work->kind == LATENCY ? 2 : 1);
}

static void follow(const struct way *way, struct end *end)
{
	const struct work *work = end->work;

	if (work->kind == LATENCY) {
		for (unsigned i = 0; i < work->count && !end->failed; i++) {
			until(way, end, i + 1);
			send_one(way, end, work->bytes);
		}
	} else {
		until(way, end, work->count);
		send_one(way, end, 1);
	}
}

static void run_end(const struct way *way, const struct work *work, bool first, int socket)
{
	struct end *end = calloc(1, sizeof(*end));
	union ucx_address address;
	double us = 0;
	char byte;

	alarm(LIMIT_S);
	check(end, "memory");
	end->first = first;
	end->work = work;
	end->memory = aligned_alloc(4096, (size_t)BULK_WINDOW * BULK_BYTES);
	check(end->memory, "memory");
	memset(end->memory, first, (size_t)BULK_WINDOW * BULK_BYTES);
	way->open(end);
	if (first) {
		check(read(socket, &address, sizeof(address)) == sizeof(address), "read");
		way->connect(end, &address);
	} else {
		way->address(end, &address);
		check(write(socket, &address, sizeof(address)) == sizeof(address), "write");
	}
	while (!way->linked(end) && !end->failed)
		way->turn(end);
	if (first) {
		us = lead(way, end);
		check(!end->failed, "the other end is gone");
		check(write(socket, &us, sizeof(us)) == sizeof(us), "write");
	} else {
		struct pollfd over = { .fd = socket, .events = POLLIN };

		follow(way, end);
		while (poll(&over, 1, 0) == 0)
			way->turn(end);
		check(read(socket, &us, sizeof(us)) == sizeof(us), "read");
		printf("%.3f\n", us);
		fflush(stdout);
		byte = 0;
		check(write(socket, &byte, 1) == 1, "write");
	}
	if (first)
		check(read(socket, &byte, 1) == 1, "read");
	_exit(0);
}

/* Both ends are children, since UCX does not like to be forked. */
static double measure(const struct way *way, const struct work *work)
{
	int sockets[2], out[2];
	char text[64] = "";
	pid_t ends[2];

	fflush(stdout);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0 && pipe(out) == 0, "sockets");
	for (int i = 0; i < 2; i++) {
		ends[i] = fork();
		check(ends[i] >= 0, "fork");
		if (ends[i] == 0) {
			close(sockets[!i]);
			dup2(out[1], STDOUT_FILENO);
			run_end(way, work, i == 0, sockets[i]);
		}
	}
	close(out[1]);
	close(sockets[0]);
	close(sockets[1]);
	check(read(out[0], text, sizeof(text) - 1) > 0, "no result");
	close(out[0]);
	for (int i = 0; i < 2; i++)
		waitpid(ends[i], NULL, 0);
	return strtod(text, NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: ucx_rate [ROUNDS, 1 to %d [NAME]]\n", ROUNDS_MAX);
		return 2;
	}
	printf("UCX %s, best of %u rounds\n", ucp_get_version_string(), rounds);
	printf("%-14s %12s %12s %8s\n", "", "bare us", "fabric us", "ratio");
	for (unsigned w = 0; w < sizeof(works) / sizeof(works[0]); w++) {
		double us[2][ROUNDS_MAX];

		if (argc > 2 && strncmp(works[w].name, argv[2], strlen(argv[2])) != 0)
			continue;
		for (unsigned round = 0; round < rounds; round++)
			for (int i = 0; i < 2; i++)
				us[i][round] = measure(&ways[i], &works[w]);
		for (int i = 0; i < 2; i++)
			qsort(us[i], rounds, sizeof(double), compare);
		printf("%-14s %12.2f %12.2f %8.2f\n", works[w].name, us[0][0], us[1][0],
		       us[0][0] / us[1][0]);
		fflush(stdout);
	}
	return 0;
}
