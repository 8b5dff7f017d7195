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

# Two that belong to a run whose dlaunch is dead, one whose owner lives, one without an owner; of an
# owner elsewhere: one without a daemon here, and one with it.
expect_exit 0 "$dlaunch" sh -c 'echo ${DHOW_RUN_OWNER%%:*}'
here=$(cat "$work/out")
tag=DHOW_RUN_TAG=00112233445566778899aabbccddeeff
other=ffeeddccbbaa99887766554433221100
cp "$(command -v sleep)" "$work/dhowd"
(run_exec env $tag DHOW_RUN_OWNER=$here:4194000:1 setsid sleep 8889) & dead1=$!
(run_exec env DHOW_DAEMON_TAG=${tag#*=} DHOW_RUN_OWNER=$here:$$:1 sleep 8889) & dead2=$!
start=$(sed 's/^.*) //' /proc/$$/stat | cut -d' ' -f20)
(run_exec env $tag DHOW_RUN_OWNER=$here:$$:$start sleep 8889) & alive=$!
(run_exec env $tag DHOW_RUN_OWNER=4194000:1 sleep 8889) & damaged=$!
(run_exec env $tag.1 DHOW_RUN_OWNER=01234567.1:4194000:1 sleep 8889) & far1=$!
(run_exec env DHOW_RUN_TAG=$other.1 DHOW_RUN_OWNER=01234567.1:4194000:1 sleep 8889) & far2=$!
(run_exec env DHOW_DAEMON_TAG=$other "$work/dhowd" 8889) & daemon=$!
(run_exec env $tag sleep 8889) & free=$!
# The arguments come last in an exec, with the environment.
is_running() { [ "$(cat /proc/$1/comm)" = $2 ] && tr '\0' ' ' </proc/$1/cmdline | grep -q 8889; }
for pid in $dead1 $dead2 $alive $damaged $far1 $far2; do
	wait_until 10 is_running $pid sleep || fail "not started"
done
wait_until 10 is_running $daemon dhowd || fail "not started"
wait_until 10 is_running $free sleep || fail "not started"
expect_exit 0 "$dhow" clean --dry-run
expect_text out "would end pid $dead1 \\(sleep\\) of run 00112233"
kill -0 $dead1 && pass || fail "--dry-run ended it"
expect_exit 0 "$dhow" clean
expect_text out '[3-9] processes ended|[1-9][0-9] processes ended'
expect_text out "ending pid $far1 \\(sleep\\) of run 00112233, whose dlaunch \\(pid 4194000 elsewhere\\)"
wait $dead1 $dead2 $far1 2>/dev/null
kill -0 $alive && kill -0 $free && kill -0 $damaged && pass || fail "clean ended one whose owner lives"
kill -0 $far2 && kill -0 $daemon && pass || fail "clean ended one whose daemon lives"
kill -9 $alive $free $damaged $far2 $daemon
wait 2>/dev/null
finish
