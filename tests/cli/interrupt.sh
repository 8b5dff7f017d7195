#!/bin/bash
# SPDX-License-Identifier: MIT
# interrupt.sh - the first ^C reports and is not passed on; the second, or SIGTERM, ends the run.
. "$(dirname "$0")/lib.sh"

# start SECONDS - the ranks say `up` and sleep
start() {
	: >"$work/out"
	new_mark
	(run_exec "$dlaunch" -n 2 -N 2 sh -c "trap 'echo hit' INT; echo up; sleep $1 & wait; echo slept" \
		</dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	wait_until 20 has_lines "$work/out" 4 || fail "not up"
}

start 1.5
kill -INT $pid
wait $pid
expect_equal 0 $? "exit code after one ^C"
expect_text err 'node 1: 2 running, 0 ended'
expect_equal 4 "$(grep -c slept "$work/out")" "ranks went on"
grep -q hit "$work/out" && fail "^C was passed on"
no_leftovers "$mark"

start 60
kill -INT $pid
sleep 0.3
kill -INT $pid
wait $pid
expect_equal 130 $? "exit code after two ^C"
expect_text err 'interrupted twice'
no_leftovers "$mark"

start 60
kill -TERM $pid
wait $pid
expect_equal 143 $? "exit code after SIGTERM"
no_leftovers "$mark"

start 60
kill -HUP $pid
wait $pid
expect_equal 129 $? "exit code after SIGHUP"
no_leftovers "$mark"
# nohup: what was ignored before us stays ignored.
: >"$work/out"
new_mark
(DHOW_TEST_MARK="$mark" exec env --ignore-signal=HUP "$dlaunch" sh -c 'echo up; sleep 1; echo slept' \
	</dev/null >"$work/out" 2>"$work/err") &
pid=$!
wait_until 20 has_lines "$work/out" 1 || fail "not up"
kill -HUP $pid
wait $pid
expect_equal 0 $? "exit code after an ignored SIGHUP"
expect_text out slept
no_leftovers "$mark"
finish
