#!/bin/bash
# SPDX-License-Identifier: MIT
# exit_codes.sh - the highest code; 128 + signal; a signal ends the run, a code only with -K.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" -n 2 -N 2 true
expect_exit 3 "$dlaunch" -n 2 -N 2 sh -c 'exit $DHOW_RANK'
expect_exit 255 "$dlaunch" sh -c 'exit 255'
expect_exit 137 "$dlaunch" -n 2 -N 2 sh -c 'test $DHOW_RANK = 2 && kill -9 $$; exec sleep 60'
expect_text err 'rank 2 \(node 1, pid [0-9]+\) was killed by signal 9'
expect_exit 134 "$dlaunch" -N 2 sh -c 'test $DHOW_RANK = 1 && { ulimit -c 0; kill -ABRT $$; }; exec sleep 60'
expect_exit 7 "$dlaunch" -N 2 sh -c 'test $DHOW_RANK = 0 && exit 7; sleep 0.5; echo finished'
expect_text out finished
expect_exit 7 "$dlaunch" -K -N 2 sh -c 'test $DHOW_RANK = 0 && exit 7; exec sleep 60'
expect_text err 'rank 0 .* exit code 7'
# Asked to end by SIGTERM first; what ignores it is killed.
expect_exit 9 "$dlaunch" -K -N 2 bash -c 'test $DHOW_RANK = 0 && { sleep 0.3; exit 9; }
	trap "echo asked; exit 0" TERM; sleep 60 & wait'
expect_text out asked
expect_exit 9 "$dlaunch" -K -N 2 bash -c 'test $DHOW_RANK = 0 && { sleep 0.3; exit 9; }
	trap "" TERM; sleep 60 & wait; sleep 60'
no_leftovers "$mark"
finish
