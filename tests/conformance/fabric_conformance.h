/* SPDX-License-Identifier: MIT */
/*
 * fabric_conformance.h - what every fabric must do. fabric_conformance_test.c runs each case
 * below for each fabric: a new fabric is one line there, a new case one line here.
 */
#ifndef TESTS_FABRIC_CONFORMANCE_H
#define TESTS_FABRIC_CONFORMANCE_H

#include "agent/fabric.h"

#define CONFORMANCE_CASES(run) \
	run(address_and_connect) \
	run(frames_of_all_sizes) \
	run(ten_thousand_frames) \
	run(bulk_of_all_sizes) \
	run(bulk_is_dropped) \
	run(bulk_many_at_once) \
	run(frames_pass_bulk) \
	run(slots_run_out_and_return) \
	run(slow_receiver) \
	run(many_peers) \
	run(delete_completes_offer) \
	run(delete_completes_fetch) \
	run(delete_in_an_event) \
	run(close_is_told) \
	run(killed_peer_is_told) \
	run(nobody_there) \
	run(wait_until_deadline) \
	run(wait_for_watched) \
	run(wait_for_frame)

#define CONFORMANCE_DECLARE(name) void conformance_##name(const struct fabric_ops *ops);
CONFORMANCE_CASES(CONFORMANCE_DECLARE)

#endif
