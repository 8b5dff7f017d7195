#!/bin/bash
# SPDX-License-Identifier: MIT
# remote.sh - every call on a channel of another node, over both fabrics.
. "$(dirname "$0")/lib.sh"
for fabric in uring epoll; do
	expect_exit 0 "$dlaunch" --fabric $fabric -n 2 -N 1 "$DHOW_BIN/../tests/remote_calls"
	no_leftovers "$mark"
done
finish
