/* SPDX-License-Identifier: MIT */
/*
 * poison_test.c - a send buffer is nobody's once its frame is complete: whoever touches it
 * then, also the network's library, ends the test. Built with AddressSanitizer only.
 */
#include <criterion/criterion.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#include "fabric_side.h"
#include "hsta/fabrics.h"

enum { FRAMES = 200, BYTES = 4000 };

static const char *provider;

static int open_named(const struct fabric_options *options, const struct fabric_events *events,
		      void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric_options own = *options;

	own.provider = provider;
	return (strcmp(provider, "tcp") == 0 ? &hsta_ucx : &hsta_ofi)
		->open(&own, events, user, ret_fabric, ret_caps);
}

static bool is_nobodys(const uint8_t *slot, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (!__asan_address_is_poisoned(slot + i))
			return false;
	return true;
}

static void check(const struct fabric_ops *fabric, const char *name)
{
	struct fabric_ops ops = *fabric;
	struct pair pair;
	const uint8_t *slot;

	provider = name;
	ops.open = open_named;
	pair_open(&pair, &ops);
	pair.b.frames = 0;
	slot = ops.slot(pair.a.fabric);
	cr_assert_not_null(slot);
	cr_assert_null(__asan_region_is_poisoned((void *)(uintptr_t)slot, pair.a.caps.frame_max),
		       "a slot is its caller's");
	side_fill((uint8_t *)(uintptr_t)slot, BYTES, 0);
	cr_assert_eq(ops.frame(pair.a.peer, (void *)(uintptr_t)slot, BYTES), FABRIC_OK);
	PAIR_UNTIL(&pair, pair.b.frames == 1 && is_nobodys(slot, pair.a.caps.frame_max));
	/* Each is used again and again, and sees its own bytes only. */
	for (unsigned i = 1; i < FRAMES; i++)
		pair_send(&pair, &pair.a, 1 + i * 79 % BYTES, i);
	PAIR_UNTIL(&pair, pair.b.frames == FRAMES);
	cr_assert_eq(pair.b.frames_bad, 0);
	pair_close(&pair);
}

TestSuite(poison, .timeout = 200);

#ifdef DHOW_HAVE_OFI
Test(poison, slots_of_ofi_are_nobodys_after_their_completion)
{
	check(&hsta_ofi, "tcp;ofi_rxm");
}
#endif

#ifdef DHOW_HAVE_UCX
Test(poison, slots_of_ucx_are_nobodys_after_their_completion)
{
	check(&hsta_ucx, "tcp");
}
#endif
