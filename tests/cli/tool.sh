#!/bin/bash
# SPDX-License-Identifier: MIT
# tool.sh - dhow info and dhow clean.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dhow" info
expect_text out '^memfd +yes'
expect_text out '^io_uring +(yes|no)'
expect_text out '^epoll +yes  tcp'
expect_text out '^would take +(tcp|hsta)'
[ ! -x "$DHOW_BIN/dhow-hsta" ] || expect_text out '^ofi +(yes|no) +hsta'
expect_exit 0 env DHOW_TRANSPORT=pigeon "$dhow" info
expect_text out '^would take +nothing: DHOW_TRANSPORT "pigeon"'
expect_exit 0 "$dhow" info --json
expect_text out '"futex_waitv": (true|false)'
expect_text out '"transport": "(tcp|hsta)"'
expect_exit 2 "$dhow" info --xml
expect_exit 2 "$dhow" clean --force

# Two that belong to a run whose dlaunch is dead, one whose owner lives, one without an owner.
tag=DHOW_RUN_TAG=00112233445566778899aabbccddeeff
(run_exec env $tag DHOW_RUN_OWNER=4194000:1 setsid sleep 8889) & dead1=$!
(run_exec env DHOW_DAEMON_TAG=${tag#*=} DHOW_RUN_OWNER=$$:1 sleep 8889) & dead2=$!
start=$(sed 's/^.*) //' /proc/$$/stat | cut -d' ' -f20)
(run_exec env $tag DHOW_RUN_OWNER=$$:$start sleep 8889) & alive=$!
(run_exec env $tag sleep 8889) & free=$!
wait_until 5 test "$(cat /proc/$free/comm)" = sleep
sleep 0.2
expect_exit 0 "$dhow" clean --dry-run
expect_text out "would end pid $dead1 \\(sleep\\) of run 00112233"
kill -0 $dead1 && pass || fail "--dry-run ended it"
expect_exit 0 "$dhow" clean
expect_text out '[2-9] processes ended|1[0-9] processes ended'
wait $dead1 $dead2 2>/dev/null
kill -0 $alive && kill -0 $free && pass || fail "clean ended one whose owner lives"
kill -9 $alive $free
wait 2>/dev/null
finish
