/* SPDX-License-Identifier: MIT */
/*
 * reader.c - the endpoint that pulls bulk data, piece by piece, in the order of the fetches.
 *
 * A read cannot be cancelled. When one must end now, because its peer goes and the buffer
 * is to be the caller's again, the endpoint is closed with all its reads; those of other
 * peers begin again on a new one, which does no harm: what they read lies there until we
 * answer. This costs milliseconds when a peer dies, and nothing otherwise.
 */
#include <assert.h>
#include <rdma/fi_rma.h>

#include "base/log.h"
#include "ofi/ofi.h"
#include "ofi/slingshot.h"

enum {
	HOUSEKEEPING_TURNS = 64, /* connections of a provider end even when nothing is read */
	DRAIN_TURNS = 8,
};

static struct fabric_offer *offer_of(struct base_list *node)
{
	return base_list_entry(node, struct fabric_offer, node);
}

static void pieces_init(struct ofi_reader *reader, unsigned count)
{
	reader->free = NULL;
	reader->in_flight = 0;
	for (unsigned i = 0; i < count && i < OFI_PIECES_MAX; i++) {
		struct ofi_piece *piece = &reader->pieces[i];

		piece->context.what = OFI_PIECE;
		piece->offer = NULL;
		piece->next = reader->free;
		reader->free = piece;
	}
}

void ofi_reader_init(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;

	reader->fd = -1;
	base_list_init(&reader->active);
	pieces_init(reader, fabric->provider->pieces);
}

static int reader_open(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;
	struct fi_info *info = fi_dupinfo(fabric->info);
	int rc;

	if (!info)
		return -FI_ENOMEM;
	if (fabric->reader_class != FI_TC_UNSPEC)
		info->tx_attr->tclass = fabric->reader_class;
	rc = ofi_endpoint_open(fabric, info, 4 * OFI_PIECES_MAX, &reader->ep, &reader->cq,
			       &reader->av, &reader->fd);
	fi_freeinfo(info);
	if (rc == 0 && ++reader->generation == 0)
		reader->generation = 1;
	return rc;
}

void ofi_reader_close(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;
	int rc;

	if (!reader->ep)
		return;
	rc = fi_close(&reader->ep->fid);
	if (rc) {
		/* Then its reads may still write, and the promise cannot be kept. */
		base_log_error("%s: the reading endpoint cannot be closed: %s",
			       fabric->provider->name, fi_strerror(-rc));
		fabric->fatal = true;
		return;
	}
	fi_close(&reader->cq->fid);
	fi_close(&reader->av->fid);
	reader->ep = NULL;
	reader->cq = NULL;
	reader->av = NULL;
	reader->fd = -1;
}

/* Let requests leave that are posted but not sent: closing over one crashes rxm of 1.17. */
static void drain(struct fabric *fabric)
{
	struct fi_cq_data_entry entries[16];
	struct ofi_context *context;
	uint64_t flags;

	for (int i = 0; i < DRAIN_TURNS; i++)
		if (fi_cq_read(fabric->reader.cq, entries, 16) == -FI_EAVAIL)
			ofi_cq_error(fabric->reader.cq, &context, &flags);
}

static void reset(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;

	base_log_debug("%s: %u reads are ended with their endpoint", fabric->provider->name,
		       reader->in_flight);
	drain(fabric);
	ofi_reader_close(fabric);
	pieces_init(reader, fabric->provider->pieces);
	/* Whoever looks at completions of the old queue sees by this that they are void. */
	reader->generation++;
	base_list_for(node, &reader->active) {
		struct fabric_offer *offer = offer_of(node);

		offer->posted = offer->got = 0;
		offer->in_flight = 0;
	}
}

static void unmap(struct fabric_offer *offer)
{
	if (!offer->mapped)
		return;
	for (unsigned i = 0; i < offer->range_count; i++)
		fi_mr_unmap_key(offer->peer->fabric->domain, offer->keys[i]);
	offer->mapped = false;
}

/* The keys of all ranges as fi_read() takes them. 0 or negative errno. */
static int map(struct fabric_offer *offer)
{
	struct fabric *fabric = offer->peer->fabric;
	const bool raw = fabric->info->domain_attr->mr_mode & FI_MR_RAW;

	for (unsigned i = 0; i < offer->range_count; i++) {
		struct ofi_range *range = &offer->ranges[i];
		int rc;

		if (!raw) {
			offer->keys[i] = ofi_get64(range->key);
			continue;
		}
		rc = fi_mr_map_raw(fabric->domain, range->base, range->key, offer->key_bytes,
				   &offer->keys[i], 0);
		if (rc) {
			while (i-- > 0)
				fi_mr_unmap_key(fabric->domain, offer->keys[i]);
			return rc;
		}
	}
	offer->mapped = raw;
	return 0;
}

void ofi_reader_start(struct fabric_offer *offer)
{
	int rc;

	offer->posted = offer->got = 0;
	offer->in_flight = 0;
	rc = map(offer);
	if (rc)
		ofi_fail_error(offer->peer, "map a key", -rc);
	base_list_add_tail(&offer->peer->fabric->reader.active, &offer->node);
}

void ofi_reader_stop(struct fabric_offer *offer)
{
	struct fabric *fabric = offer->peer->fabric;
	const bool busy = offer->in_flight > 0;

	base_list_del(&offer->node);
	if (busy)
		reset(fabric);
	offer->in_flight = 0;
	unmap(offer);
}

/* The peer's address for this endpoint. 0 or negative errno. */
static int resolve(struct ofi_reader *reader, struct ofi_address *address)
{
	int rc;

	if (address->reader_generation == reader->generation)
		return 0;
	rc = fi_av_insert(reader->av, address->blob, 1, &address->reader_address, 0, NULL);
	if (rc != 1)
		return rc < 0 ? rc : -FI_EADDRNOTAVAIL;
	address->reader_generation = reader->generation;
	return 0;
}

/* Post the next piece of @offer. 0; -FI_EAGAIN; other: it is refused for good. */
static ssize_t post(struct fabric *fabric, struct fabric_offer *offer)
{
	struct ofi_reader *reader = &fabric->reader;
	struct fabric_memory *memory = offer->memory;
	struct ofi_piece *piece = reader->free;
	uint64_t at = offer->posted, bytes = fabric->provider->piece_bytes;
	size_t to = offer->offset + offer->posted;
	size_t index = to / OFI_REGION_BYTES;
	unsigned range = 0;
	void *desc = NULL;
	ssize_t rc;

	while (at >= offer->ranges[range].bytes)
		at -= offer->ranges[range++].bytes;
	/* A read stays inside of one registration on either side. */
	if (bytes > offer->ranges[range].bytes - at)
		bytes = offer->ranges[range].bytes - at;
	if (bytes > (index + 1) * OFI_REGION_BYTES - to)
		bytes = (index + 1) * OFI_REGION_BYTES - to;
	rc = resolve(reader, offer->peer->address);
	if (rc)
		return rc;
	if (fabric->info->domain_attr->mr_mode & FI_MR_LOCAL)
		desc = fi_mr_desc(memory->regions[index]);
	rc = fi_read(reader->ep, memory->base + to, bytes, desc,
		     offer->peer->address->reader_address, offer->ranges[range].address + at,
		     offer->keys[range], &piece->context.context);
	if (rc)
		return rc;
	reader->free = piece->next;
	reader->in_flight++;
	piece->offer = offer;
	piece->bytes = (uint32_t)bytes;
	offer->in_flight++;
	offer->posted += bytes;
	return 0;
}

static void post_all(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;

	base_list_for(node, &reader->active) {
		struct fabric_offer *offer = offer_of(node);
		ssize_t rc = 0;

		if (offer->peer->state >= OFI_DOWN)
			continue; /* it is about to be stopped */
		while (rc == 0 && reader->free && offer->posted < offer->bytes)
			rc = post(fabric, offer);
		/* One that cannot be reached yet does not hold back the others. */
		if (rc && rc != -FI_EAGAIN)
			ofi_fail_error(offer->peer, "read", (int)-rc);
	}
}

static struct fabric_offer *piece_done(struct ofi_reader *reader, struct ofi_piece *piece)
{
	struct fabric_offer *offer = piece->offer;

	assert(offer && offer->in_flight > 0);
	offer->in_flight--;
	reader->in_flight--;
	piece->offer = NULL;
	piece->next = reader->free;
	reader->free = piece;
	return offer;
}

static void failed(struct fabric *fabric)
{
	struct ofi_context *context;
	struct fabric_offer *offer;
	uint64_t flags;
	int error = ofi_cq_error(fabric->reader.cq, &context, &flags);

	if (!error || !context)
		return;
	offer = piece_done(&fabric->reader, (struct ofi_piece *)(void *)context);
	/* Its bytes will never be there, whatever the reason. */
	if (ofi_scope(error) == OFI_FINE)
		ofi_fail(offer->peer, "read: %s", fi_strerror(error));
	else
		ofi_fail_error(offer->peer, "read", error);
}

/* True: there may be more. */
static bool complete(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;
	const uint32_t generation = reader->generation;
	struct fi_cq_data_entry entries[16];
	ssize_t count = fi_cq_read(reader->cq, entries, 16);

	if (count == -FI_EAVAIL) {
		failed(fabric);
		return true;
	}
	if (count < 0 && count != -FI_EAGAIN) {
		base_log_error("%s: completions cannot be read: %s", fabric->provider->name,
			       fi_strerror((int)-count));
		fabric->fatal = true;
	}
	for (ssize_t i = 0; i < count; i++) {
		struct ofi_piece *piece = entries[i].op_context;
		const uint32_t bytes = piece->bytes;
		struct fabric_offer *offer = piece_done(reader, piece);

		offer->got += bytes;
		if (offer->got < offer->bytes)
			continue;
		base_list_del(&offer->node);
		unmap(offer);
		ofi_fetched(offer);
		/* It may have deleted a peer, and with it the queue we read. */
		if (reader->generation != generation)
			return false;
	}
	return count == 16;
}

void ofi_reader_progress(struct fabric *fabric)
{
	struct ofi_reader *reader = &fabric->reader;
	int rc;

	if (base_list_empty(&reader->active) && reader->in_flight == 0) {
		if (reader->ep && fabric->turns % HOUSEKEEPING_TURNS == 0)
			complete(fabric);
		return;
	}
	if (!reader->ep) {
		rc = reader_open(fabric);
		if (rc) {
			base_log_error("%s: no endpoint to read with: %s", fabric->provider->name,
				       fi_strerror(-rc));
			fabric->fatal = true;
			return;
		}
	}
	post_all(fabric);
	for (int i = 0; i < 8 && reader->ep && complete(fabric); i++)
		;
	if (reader->ep)
		post_all(fabric);
}
