#!/bin/bash
# SPDX-License-Identifier: MIT
# remote_objects.sh - wait-sets, semaphores and barriers over three nodes, over both fabrics.
. "$(dirname "$0")/lib.sh"
for fabric in uring epoll; do
	expect_exit 0 "$dlaunch" --fabric $fabric -n 3 -N 1 "$DHOW_BIN/../tests/remote_objects"
	no_leftovers "$mark"
done
finish
