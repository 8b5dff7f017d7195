/* SPDX-License-Identifier: MIT */
/*
 * recv.c - from the socket to events. Frames are told from where they lie in a receive
 * buffer. Bulk data that was in the buffer already is copied to its place; the rest of it
 * is received there. A message that breaks the rules ends the connection at once.
 *
 * A peer has a buffer of its own only while the beginning of a message waits for the rest, or
 * while it is received to directly: a thousand quiet peers take none.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/peer.h"

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool recv_begin(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	if (peer->recv)
		return true;
	if (fabric->free_recvs) {
		peer->recv = fabric->free_recvs;
		memcpy(&fabric->free_recvs, peer->recv, sizeof(void *));
		fabric->free_recv_count--;
		return true;
	}
	peer->recv = malloc(TCP_RECV_BYTES);
	if (!peer->recv)
		tcp_fail(peer, "no memory to receive from it");
	return peer->recv != NULL;
}

void tcp_recv_end(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	if (!peer->recv)
		return;
	if (fabric->free_recv_count < TCP_RECVS_KEPT) {
		memcpy(peer->recv, &fabric->free_recvs, sizeof(void *));
		fabric->free_recvs = peer->recv;
		fabric->free_recv_count++;
	} else {
		free(peer->recv);
	}
	peer->recv = NULL;
}

void tcp_recvs_free(struct fabric *fabric)
{
	while (fabric->free_recvs) {
		void *buffer = fabric->free_recvs;

		memcpy(&fabric->free_recvs, buffer, sizeof(void *));
		free(buffer);
	}
}

static void dispatch(struct fabric_peer *peer, const struct tcp_wire *wire, const uint8_t *payload)
{
	struct fabric *fabric = peer->fabric;

	switch (wire->kind) {
	case TCP_FRAME:
		fabric->told++;
		fabric->events.frame(fabric->user, peer, payload, wire->bytes);
		break;
	case TCP_OFFER:
		tcp_bulk_offered(peer, wire->id, payload, wire->bytes);
		break;
	case TCP_PULL:
	case TCP_DROP:
		tcp_bulk_answered(peer, wire->id, wire->kind == TCP_PULL);
		break;
	case TCP_DATA:
		tcp_bulk_data_begins(peer, wire->id, wire->bytes);
		break;
	}
}

/* Take whole messages, and any part of bulk data. Return: bytes taken. */
static size_t parse(struct fabric_peer *peer, const uint8_t *data, size_t bytes)
{
	size_t at = 0;

	peer->recv_need = 0;
	while (peer->state == TCP_UP && at < bytes) {
		struct tcp_wire wire;
		size_t need;

		if (peer->data_left) {
			size_t part = min_size(peer->data_left, bytes - at);

			memcpy(peer->data->into + peer->data->got, data + at, part);
			tcp_bulk_data_came(peer, part);
			at += part;
			continue;
		}
		if (bytes - at < TCP_WIRE_BYTES)
			break;
		if (!tcp_wire_decode(data + at, &wire)) {
			tcp_fail(peer, "sent what is no message of this protocol");
			break;
		}
		need = TCP_WIRE_BYTES + (wire.kind == TCP_DATA ? 0 : (size_t)wire.bytes);
		if (bytes - at < need) {
			peer->recv_need = need;
			break;
		}
		if (!peer->heard)
			tcp_heard(peer);
		dispatch(peer, &wire, data + at + TCP_WIRE_BYTES);
		at += need;
	}
	return at;
}

/* Bytes until the message that begins recv[] is whole, or its header is. */
static size_t missing(const struct fabric_peer *peer)
{
	return (peer->recv_need ? peer->recv_need : TCP_WIRE_BYTES) - peer->recv_used;
}

int tcp_recv_where(struct fabric_peer *peer, struct iovec iov[2])
{
	size_t room = TCP_RECV_BYTES - peer->recv_used;
	int count = 0;

	if (!recv_begin(peer))
		return 0;
	if (peer->data_left) {
		assert(peer->recv_used == 0);
		iov[count].iov_base = peer->data->into + peer->data->got;
		iov[count++].iov_len = peer->data_left;
	}
	if (peer->fetching) {
		size_t due = missing(peer);

		room = due > TCP_RECV_BULK_BYTES ? due : TCP_RECV_BULK_BYTES;
	}
	iov[count].iov_base = peer->recv + peer->recv_used;
	iov[count++].iov_len = min_size(room, TCP_RECV_BYTES - peer->recv_used);
	return count;
}

void tcp_recv_arrived(struct fabric_peer *peer, size_t bytes)
{
	size_t direct = min_size(bytes, peer->data_left);
	size_t taken;

	if (direct)
		tcp_bulk_data_came(peer, direct);
	if (bytes == direct)
		return;
	peer->recv_used += bytes - direct;
	taken = parse(peer, peer->recv, peer->recv_used);
	peer->recv_used -= taken;
	if (taken && peer->recv_used)
		memmove(peer->recv, peer->recv + taken, peer->recv_used);
}

void tcp_recv_chunk(struct fabric_peer *peer, const uint8_t *data, size_t bytes)
{
	while (bytes > 0 && peer->state == TCP_UP) {
		size_t taken;

		if (peer->recv_used == 0) {
			taken = parse(peer, data, bytes);
			data += taken;
			bytes -= taken;
			if (bytes == 0 || peer->state != TCP_UP || !recv_begin(peer))
				break;
			/* What is left is less than a message, so it fits. */
			memcpy(peer->recv, data, bytes);
			peer->recv_used = bytes;
			return;
		}
		taken = min_size(missing(peer), bytes);
		memcpy(peer->recv + peer->recv_used, data, taken);
		peer->recv_used += taken;
		data += taken;
		bytes -= taken;
		if (parse(peer, peer->recv, peer->recv_used) > 0)
			peer->recv_used = 0;
	}
	if (peer->recv_used == 0)
		tcp_recv_end(peer);
}
