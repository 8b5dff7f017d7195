/* SPDX-License-Identifier: MIT */
/*
 * attached.h - what tests of the library share: attach, and assert with the library's text.
 */
#ifndef TESTS_ATTACHED_H
#define TESTS_ATTACHED_H

#include <criterion/criterion.h>
#include <dhow/dhow.h>

#define assert_ok(call)                                                                     \
	do {                                                                                \
		int rc_ = (call);                                                           \
		cr_assert(rc_ >= 0, "%s: %s (%s)", #call, dhow_strerror(rc_), dhow_error_text()); \
	} while (0)

#define assert_rc(call, expected)                                                           \
	do {                                                                                \
		int rc_ = (call);                                                           \
		cr_assert_eq(rc_, (expected), "%s: %d (%s), not %d", #call, rc_,            \
			     dhow_error_text(), (expected));                                \
	} while (0)

/* A deadline that a healthy test never reaches. */
#define SOON dhow_in_ms(60000)

/* Fixtures of a suite: each Criterion test is a process and so a node of its own. */
static inline void attach(void)
{
	assert_ok(dhow_init());
}

static inline void detach(void)
{
	dhow_fini();
}

#endif
