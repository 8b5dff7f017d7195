/* SPDX-License-Identifier: MIT */
/*
 * peer.c - the life of a peer, and what is told of it.
 *
 *	caller	peer_add() -> CALLING --WELCOME--> UP
 *	callee	INTRO -> UP (peer_new), owes a WELCOME
 *	both	-> DOWN (error, BYE, silence) -> DELETED -> freed when nothing is posted
 *
 * There are no connections in this fabric, so nobody tells that a peer died: providers report
 * it for what is under way, some (rxm) then refuse what is sent, shm says nothing. So who said
 * nothing for half a second says a word, and four seconds of silence are the end; less than
 * two, if nothing can be posted either.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "ofi/ofi.h"

/* A newcomer may take the place of one that has been silent for so long. */
static const uint64_t patience_ns = 1000 * BASE_MS;

static struct fabric_peer *peer_of(struct base_list *node)
{
	return base_list_entry(node, struct fabric_peer, node);
}

int ofi_peers_init(struct fabric *fabric)
{
	base_list_init(&fabric->peers);
	base_list_init(&fabric->graves);
	base_list_init(&fabric->ready);
	base_list_init(&fabric->down);
	base_list_init(&fabric->addresses);
	fabric->table = calloc(OFI_PEERS_MAX, sizeof(*fabric->table));
	fabric->looked_ns = fabric->now_ns = base_now_ns();
	return fabric->table ? 0 : -ENOMEM;
}

static struct ofi_address *address_get(struct fabric *fabric, const uint8_t *blob, size_t bytes)
{
	struct ofi_address *address;
	int rc;

	base_list_for(node, &fabric->addresses) {
		address = base_list_entry(node, struct ofi_address, node);
		if (address->bytes == bytes && memcmp(address->blob, blob, bytes) == 0) {
			address->refs++;
			return address;
		}
	}
	address = calloc(1, sizeof(*address));
	if (!address)
		return NULL;
	memcpy(address->blob, blob, bytes);
	address->bytes = bytes;
	address->refs = 1;
	rc = fi_av_insert(fabric->av, address->blob, 1, &address->address, 0, NULL);
	if (rc != 1) {
		base_log_debug("the provider does not take an address: %s",
			       rc < 0 ? fi_strerror(-rc) : "not inserted");
		free(address);
		return NULL;
	}
	base_list_add_tail(&fabric->addresses, &address->node);
	return address;
}

static void address_put(struct fabric *fabric, struct ofi_address *address)
{
	int rc;

	if (--address->refs > 0)
		return;
	rc = fi_av_remove(fabric->av, &address->address, 1, 0);
	if (rc)
		base_log_debug("an address cannot be removed: %s", fi_strerror(-rc));
	base_list_del(&address->node);
	free(address);
}

/* A random number whose low bits are a free index; 0 if there is none. */
static uint64_t token_make(struct fabric *fabric)
{
	uint64_t token;

	if (getrandom(&token, sizeof(token), 0) != sizeof(token))
		return 0;
	for (unsigned i = 0; i < OFI_PEERS_MAX; i++) {
		unsigned index = fabric->table_next++ % OFI_PEERS_MAX;

		if (!fabric->table[index]) {
			token = (token | OFI_PEERS_MAX) & ~(uint64_t)(OFI_PEERS_MAX - 1);
			return token | index;
		}
	}
	return 0;
}

static struct fabric_peer *peer_create(struct fabric *fabric, const uint8_t *address, size_t bytes)
{
	struct fabric_peer *peer;

	if (fabric->peer_count >= OFI_PEERS_MAX)
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->token = token_make(fabric);
	peer->address = peer->token ? address_get(fabric, address, bytes) : NULL;
	if (!peer->address) {
		free(peer);
		return NULL;
	}
	peer->fabric = fabric;
	fabric->table[peer->token % OFI_PEERS_MAX] = peer;
	fabric->peer_count++;
	base_list_init(&peer->todo);
	base_list_init(&peer->fallen);
	base_list_init(&peer->queue);
	base_list_init(&peer->answers);
	for (unsigned i = 0; i < OFI_BULK_SLOTS; i++) {
		base_list_init(&peer->incoming[i].node);
		peer->incoming[i].peer = peer;
	}
	base_list_add_tail(&fabric->peers, &peer->node);
	/* Not now_ns, which is as old as the last turn. */
	peer->since_ns = peer->said_ns = peer->heard_ns = base_now_ns();
	return peer;
}

enum fabric_status ofi_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer)
{
	const uint8_t *data = blob;
	struct fabric_peer *peer;

	if (bytes <= 4 || bytes > sizeof(fabric->address) || memcmp(data, fabric->address, 4) != 0)
		return FABRIC_PEER; /* of another provider, or no address */
	peer = peer_create(fabric, data + 4, bytes - 4);
	if (!peer)
		return FABRIC_AGAIN;
	peer->user = peer_user;
	peer->state = OFI_CALLING;
	ofi_owe(peer, OFI_OWE_INTRO);
	*ret_peer = peer;
	return FABRIC_OK;
}

/* Room for one more that has sent no frame? A long silent one gives way. */
static bool silent_room(struct fabric *fabric)
{
	if (fabric->silent < OFI_SILENT_MAX)
		return true;
	base_list_for(node, &fabric->peers) {
		struct fabric_peer *peer = peer_of(node);

		if (!peer->caller || peer->heard || peer->state != OFI_UP ||
		    fabric->now_ns - peer->since_ns < patience_ns)
			continue;
		ofi_fail(peer, "said nothing while others waited");
		return true;
	}
	return false;
}

void ofi_peer_called(struct fabric *fabric, uint64_t their_token, const uint8_t *address,
		     size_t bytes)
{
	struct fabric_peer *peer;

	if (!silent_room(fabric)) {
		base_log_debug("too many callers that say nothing, one is refused");
		return;
	}
	peer = peer_create(fabric, address, bytes);
	if (!peer)
		return;
	peer->state = OFI_UP;
	peer->caller = true;
	peer->met = true;
	peer->their_token = their_token;
	fabric->silent++;
	ofi_owe(peer, OFI_OWE_WELCOME);
	fabric->told++;
	fabric->events.peer_new(fabric->user, peer);
}

struct fabric_peer *ofi_peer_find(const struct fabric *fabric, uint64_t token)
{
	struct fabric_peer *peer = fabric->table[token % OFI_PEERS_MAX];

	return peer && peer->token == token && peer->state < OFI_DOWN ? peer : NULL;
}

static void grown(struct fabric_peer *peer)
{
	if (peer->caller && !peer->heard)
		peer->fabric->silent--;
	peer->heard = true;
}

void ofi_peer_heard(struct fabric_peer *peer, bool frame)
{
	peer->heard_ns = peer->fabric->now_ns;
	if (frame)
		grown(peer);
}

void ofi_fail(struct fabric_peer *peer, const char *format, ...)
{
	va_list args;

	if (peer->state >= OFI_DOWN)
		return;
	va_start(args, format);
	vsnprintf(peer->why, sizeof(peer->why), format, args);
	va_end(args);
	grown(peer);
	peer->state = OFI_DOWN;
	peer->owed = 0;
	base_list_add_tail(&peer->fabric->down, &peer->fallen);
}

void ofi_fail_error(struct fabric_peer *peer, const char *doing, int error)
{
	enum ofi_scope scope = ofi_scope(error);

	if (scope == OFI_FINE)
		return;
	if (scope == OFI_FATAL) {
		if (!peer->fabric->fatal)
			base_log_error("%s: %s: %s", peer->fabric->provider->name, doing,
				       fi_strerror(error));
		peer->fabric->fatal = true;
	}
	if (peer->state == OFI_CALLING && (error == FI_ECONNREFUSED || error == FI_ENOENT))
		peer->loss = FABRIC_REFUSED;	/* most providers do not say it */
	ofi_fail(peer, "%s%s: %s", scope == OFI_PROTOCOL ? "protocol error, " : "", doing,
		 fi_strerror(error));
}

/* End its operations. What is posted keeps its buffers until libfabric is done with them. */
static void peer_shut(struct fabric_peer *peer)
{
	if (peer->shut)
		return;
	peer->shut = true;
	ofi_send_discard(peer);
	ofi_bulk_abort(peer);
}

void ofi_peer_del(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;
	const bool was_up = peer->state < OFI_DOWN;

	assert(peer->state != OFI_DELETED);
	if (was_up)
		grown(peer);
	base_list_del(&peer->fallen);
	peer->state = OFI_DELETED;
	peer->owed = 0;
	base_list_del(&peer->node);
	base_list_add_tail(&fabric->graves, &peer->node);
	peer_shut(peer);
	fabric->slots_lost += peer->slots; /* those that are posted */
	peer->since_ns = base_now_ns();
	/* Who said it himself has closed his endpoint; shm crashes over a send to such a one. */
	if (was_up && peer->met && !ofi_farewell_waits(peer))
		ofi_owe(peer, OFI_OWE_BYE);
	ofi_flush(fabric);
}

void *ofi_peer_user(struct fabric_peer *peer, void *set_or_null)
{
	if (set_or_null)
		peer->user = set_or_null;
	return peer->user;
}

static void look(struct fabric_peer *peer, uint64_t now)
{
	const int young_s = (int)(OFI_YOUNG_NS / 1000000000);

	if (peer->state == OFI_CALLING && now - peer->since_ns > OFI_YOUNG_NS) {
		ofi_fail(peer, "no answer in %d s", young_s);
	} else if (peer->state == OFI_UP && peer->caller && !peer->heard &&
		   now - peer->since_ns > OFI_YOUNG_NS) {
		ofi_fail(peer, "said nothing for %d s", young_s);
	} else if (peer->state == OFI_UP && now - peer->heard_ns > OFI_SILENT_NS) {
		ofi_fail(peer, "not heard of for %d s", (int)(OFI_SILENT_NS / 1000000000));
	} else if (peer->state == OFI_UP && peer->stuck_ns &&
		   now - peer->stuck_ns > OFI_STUCK_NS && now - peer->heard_ns > OFI_DEAF_NS) {
		ofi_fail(peer, "takes nothing and says nothing");
	} else if (peer->state == OFI_UP && now - peer->said_ns >= OFI_ALIVE_NS) {
		ofi_owe(peer, OFI_OWE_ALIVE);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void ofi_peers_look(struct fabric *fabric)
{
	const uint64_t now = fabric->now_ns;
	uint64_t gap;

	if (now < fabric->look_ns)
		return;
	/* Nobody was silent while we did not listen. */
	gap = now - fabric->looked_ns;
	if (gap < 3 * OFI_LOOK_NS)
		gap = 0;
	fabric->looked_ns = now;
	fabric->look_ns = now + OFI_LOOK_NS;
	base_list_for(node, &fabric->peers) {
		struct fabric_peer *peer = peer_of(node);

		peer->heard_ns = earlier(peer->heard_ns + gap, now);
		peer->since_ns = earlier(peer->since_ns + gap, now);
		peer->said_ns = earlier(peer->said_ns, now);
		if (peer->stuck_ns)
			peer->stuck_ns = earlier(peer->stuck_ns + gap, now);
		look(peer, now);
	}
}

void ofi_peers_tell(struct fabric *fabric, int budget)
{
	/* Its own share: a flood of frames must not hold back losses. */
	const int limit = budget < INT_MAX - fabric->told ? fabric->told + budget : INT_MAX;

	while (!base_list_empty(&fabric->down) && fabric->told < limit) {
		struct fabric_peer *peer =
			base_list_entry(fabric->down.next, struct fabric_peer, fallen);

		base_list_del(&peer->fallen);
		fabric->told++;
		peer_shut(peer);
		if (peer->state == OFI_DOWN)
			fabric->events.peer_down(fabric->user, peer, peer->loss, peer->why);
	}
}

static void peer_free(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	base_list_del(&peer->todo);
	base_list_del(&peer->node);
	fabric->table[peer->token % OFI_PEERS_MAX] = NULL;
	fabric->peer_count--;
	address_put(fabric, peer->address);
	free(peer);
}

void ofi_peers_reap(struct fabric *fabric)
{
	base_list_for(node, &fabric->graves) {
		struct fabric_peer *peer = peer_of(node);

		/* A farewell that is not taken for so long reaches nobody. */
		if (peer->owed && fabric->now_ns > peer->since_ns + OFI_YOUNG_NS)
			peer->owed = 0;
		if (!peer->owed && !peer->in_flight)
			peer_free(peer);
	}
}

void ofi_peers_free(struct fabric *fabric)
{
	assert(base_list_empty(&fabric->peers));
	/* The endpoint is closed: nothing is posted any more. */
	base_list_for(node, &fabric->graves)
		peer_free(peer_of(node));
	free(fabric->table);
	fabric->table = NULL;
}
