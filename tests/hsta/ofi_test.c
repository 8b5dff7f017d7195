/* SPDX-License-Identifier: MIT */
/* ofi_test.c - the parts of the fabric `ofi` that need no network. */
#include <criterion/criterion.h>
#include <errno.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsta/fabrics.h"
#include "ofi/nic.h"
#include "ofi/ofi.h"
#include "ofi/slingshot.h"

TestSuite(ofi, .timeout = 200);

Test(ofi, offer_survives_the_wire)
{
	struct ofi_wire_offer offer = { .id = 0x12345678, .header_bytes = 5, .range_count = 2,
					.key_bytes = 16, .bytes = 300 }, got;
	uint8_t wire[OFI_NOTE_MAX];
	size_t bytes;

	offer.header = (const uint8_t *)"hello";
	offer.ranges[0] = (struct ofi_range){ .address = 1, .base = 2, .bytes = 100 };
	offer.ranges[1] = (struct ofi_range){ .address = 3, .base = 4, .bytes = 200 };
	memset(offer.ranges[1].key, 0xab, 16);
	bytes = ofi_wire_offer_encode(&offer, wire);
	cr_assert_eq(ofi_wire_offer_decode(wire, bytes, &got), 0);
	cr_assert_eq(got.id, offer.id);
	cr_assert_eq(got.bytes, 300);
	cr_assert_eq(got.ranges[1].address, 3);
	cr_assert_eq(memcmp(got.ranges[1].key, offer.ranges[1].key, 16), 0);
	cr_assert_eq(memcmp(got.header, "hello", 5), 0);
	for (size_t cut = 0; cut < bytes; cut++)
		cr_assert_eq(ofi_wire_offer_decode(wire, cut, &got), -EPROTO);
}

Test(ofi, offer_that_lies_is_refused)
{
	struct ofi_wire_offer offer = { .range_count = 1, .key_bytes = 8, .bytes = 100 }, got;
	uint8_t wire[OFI_NOTE_MAX];
	size_t bytes;

	offer.ranges[0].bytes = 100;
	bytes = ofi_wire_offer_encode(&offer, wire);
	cr_assert_eq(ofi_wire_offer_decode(wire, bytes, &got), 0);
	ofi_put64(wire + 8, 99); /* ranges have more */
	cr_assert_eq(ofi_wire_offer_decode(wire, bytes, &got), -EPROTO);
	ofi_put64(wire + 8, 101); /* or less */
	cr_assert_eq(ofi_wire_offer_decode(wire, bytes, &got), -EPROTO);
	ofi_put64(wire + 8, 0);
	cr_assert_eq(ofi_wire_offer_decode(wire, bytes, &got), -EPROTO);
	ofi_put64(wire + 8, 100);
	wire[6] = OFI_RANGES + 1;
	cr_assert_eq(ofi_wire_offer_decode(wire, sizeof(wire), &got), -EPROTO);
}

Test(ofi, errors_break_what_they_should)
{
	cr_assert_eq(ofi_scope(FI_ECANCELED), OFI_FINE);
	cr_assert_eq(ofi_scope(FI_EIO), OFI_PEER);
	cr_assert_eq(ofi_scope(FI_ECONNRESET), OFI_PEER);
	cr_assert_eq(ofi_scope(FI_ETRUNC), OFI_PROTOCOL);
	cr_assert_eq(ofi_scope(FI_ENODEV), OFI_FATAL);
	cr_assert_eq(ofi_scope(9999), OFI_PEER, "what is not known is not fatal");
}

Test(ofi, rows_keep_the_limits)
{
	for (const struct ofi_provider *row = ofi_providers; row->name; row++) {
		cr_assert_geq(row->frame_max, 4608, "%s: the core asks for it", row->name);
		cr_assert_leq(row->recv_count, OFI_RECVS_MAX);
		cr_assert_leq(row->pieces, OFI_PIECES_MAX);
		cr_assert_geq(row->frame_max, OFI_NOTE_MAX);
		cr_assert_lt(row->frame_max + OFI_WIRE_BYTES, 16384, "%s: below rendezvous",
			     row->name);
		cr_assert_lt(row->piece_bytes, OFI_REGION_BYTES);
		cr_assert_eq(ofi_provider_find(row->name), row);
	}
	cr_assert_null(ofi_provider_find("foo"));
}

static const struct ofi_slingshot_env job = {
	.vnis = "1021,1022", .services = "5,6", .devices = "cxi0,cxi1", .classes = "0xa"
};

Test(ofi, slingshot_key_of_the_environment)
{
	struct ofi_slingshot_env env = job;
	struct ofi_slingshot_key key;

	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi0", &key), 1);
	cr_assert(key.service == 5 && key.vni == 1021);
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi1", &key), 1);
	cr_assert(key.service == 6 && key.vni == 1021, "one VNI for all agents: the first");
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi2", &key), -ENODEV);
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi", &key), -ENODEV);
	env.vnis = "x";
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi0", &key), -EINVAL);
	env.vnis = "65536";
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi0", &key), -EINVAL);
	env.vnis = NULL;
	cr_assert_eq(ofi_slingshot_auth(NULL, &env, "cxi0", &key), 0);
}

Test(ofi, slingshot_key_of_the_option)
{
	struct ofi_slingshot_key key;

	cr_assert_eq(ofi_slingshot_auth("7:4000", &job, "cxi9", &key), 1);
	cr_assert(key.service == 7 && key.vni == 4000);
	cr_assert_eq(ofi_slingshot_auth("7", &job, "cxi0", &key), -EINVAL);
	cr_assert_eq(ofi_slingshot_auth("7:", &job, "cxi0", &key), -EINVAL);
	cr_assert_eq(ofi_slingshot_auth("7:1,2", &job, "cxi0", &key), -EINVAL);
}

Test(ofi, slingshot_traffic_classes)
{
	struct ofi_slingshot_env env = job;
	uint32_t tclass;

	cr_assert_eq(ofi_slingshot_class(NULL, &env, false, &tclass), 0);
	cr_assert_eq(tclass, FI_TC_LOW_LATENCY);
	cr_assert_eq(ofi_slingshot_class(NULL, &env, true, &tclass), 0);
	cr_assert_eq(tclass, FI_TC_BEST_EFFORT, "bulk data is not allowed by 0xa");
	env.classes = "0xf";
	cr_assert_eq(ofi_slingshot_class(NULL, &env, true, &tclass), 0);
	cr_assert_eq(tclass, FI_TC_BULK_DATA);
	cr_assert_eq(ofi_slingshot_class("DEDICATED_ACCESS", &env, true, &tclass), 0);
	cr_assert_eq(tclass, FI_TC_DEDICATED_ACCESS);
	cr_assert_eq(ofi_slingshot_class("fast", &env, true, &tclass), -EINVAL);
	env.classes = NULL;
	cr_assert_eq(ofi_slingshot_class(NULL, &env, true, &tclass), 0);
	cr_assert_eq(tclass, FI_TC_UNSPEC);
}

static void put(const char *root, const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *slash = whole + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

/* A NIC on PCI bus @bus, in a list. */
static struct fi_info *nic(uint8_t bus, enum fi_link_state state, struct fi_info *next)
{
	struct fi_info *info = fi_allocinfo();

	info->nic = calloc(1, sizeof(*info->nic));
	info->nic->bus_attr = calloc(1, sizeof(*info->nic->bus_attr));
	info->nic->bus_attr->bus_type = FI_BUS_PCI;
	info->nic->bus_attr->attr.pci.bus_id = bus;
	info->nic->link_attr = calloc(1, sizeof(*info->nic->link_attr));
	info->nic->link_attr->state = state;
	info->next = next;
	return info;
}

Test(ofi, nearest_nic_with_a_link_is_chosen)
{
	char root[] = "/tmp/dhow-nic-XXXXXX", command[64];
	struct fi_info *a, *b, *c;

	cr_assert_not_null(mkdtemp(root));
	put(root, "bus/pci/devices/0000:01:00.0/numa_node", "0\n");
	put(root, "bus/pci/devices/0000:c1:00.0/numa_node", "3\n");
	put(root, "devices/system/node/node3/distance", "32 32 12 10\n");
	put(root, "devices/system/node/node0/distance", "10 12 32 32\n");
	c = nic(0x02, FI_LINK_UP, NULL); /* of an unknown place */
	b = nic(0xc1, FI_LINK_UP, c);
	a = nic(0x01, FI_LINK_UP, b);
	cr_assert_eq(ofi_nic_distance(root, 3, 0), 32);
	cr_assert_eq(ofi_nic_distance(root, 3, 4), OFI_NIC_UNKNOWN);
	cr_assert_eq(ofi_nic_distance(root, -1, 0), OFI_NIC_UNKNOWN);
	cr_assert_eq(ofi_nic_choose(root, 3, a), b);
	cr_assert_eq(ofi_nic_choose(root, 0, a), a);
	cr_assert_eq(ofi_nic_choose(root, -1, a), a, "the first, if nothing is known");
	b->nic->link_attr->state = FI_LINK_DOWN;
	cr_assert_eq(ofi_nic_choose(root, 3, a), a);
	a->nic->link_attr->state = c->nic->link_attr->state = FI_LINK_DOWN;
	cr_assert_eq(ofi_nic_choose(root, 3, a), b);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

Test(ofi, no_rdma_device_names_the_cure)
{
	struct fabric_options options = { 0 };
	char why[256] = "";
	int rc = hsta_ofi.probe(&options, why, sizeof(why));

	if (rc == 0)
		cr_skip_test("there is one: %s", why);
	cr_assert_not_null(strstr(why, "--provider"), "%s", why);
	options.provider = "foo";
	cr_assert_eq(hsta_ofi.probe(&options, why, sizeof(why)), -EINVAL);
	cr_assert_not_null(strstr(why, "tcp;ofi_rxm"), "%s", why);
	options.provider = "tcp;ofi_rxm";
	options.bind = "localhost";
	cr_assert_eq(hsta_ofi.probe(&options, why, sizeof(why)), -EINVAL, "%s", why);
	options.bind = "192.0.2.1"; /* of no machine */
	cr_assert_eq(hsta_ofi.probe(&options, why, sizeof(why)), -EADDRNOTAVAIL, "%s", why);
	options.bind = NULL;
	options.device = "nonesuch0";
	cr_assert_lt(hsta_ofi.probe(&options, why, sizeof(why)), 0);
	cr_assert_not_null(strstr(why, "nonesuch0"), "%s", why);
}
