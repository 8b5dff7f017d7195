#!/bin/bash
# SPDX-License-Identifier: MIT
# remote_large.sh - nodes that send each other more than their pools hold do not block each other.
. "$(dirname "$0")/lib.sh"
for fabric in uring epoll; do
	expect_exit 0 "$dlaunch" --transport tcp --fabric $fabric -n 2 -N 6 \
		"$DHOW_BIN/../tests/remote_large"
	no_leftovers "$mark"
done
finish
