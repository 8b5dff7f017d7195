#!/bin/bash
# SPDX-License-Identifier: MIT
# stdio.sh - output in whole lines, labels, stdin to rank 0, back-pressure.
. "$(dirname "$0")/lib.sh"

expect_exit 0 "$dlaunch" -l -n 4 -N 3 sh -c 'echo one; echo two'
expect_equal 24 "$(grep -Ec '^[ 0-9][0-9]: (one|two)$' "$work/out")" "labelled lines"
expect_text out '^ 0: one$'
expect_text out '^11: two$'
expect_exit 0 "$dlaunch" -l -N 2 sh -c 'echo oops >&2'
expect_text err '^1: oops$'
expect_exit 0 "$dlaunch" -l sh -c 'printf "no end"'
expect_equal "0: no end" "$(cat "$work/out")" "partial last line"
expect_exit 0 "$dlaunch" printf '\n\na'
expect_equal "0a0a61" "$(od -An -tx1 "$work/out" | tr -d ' \n')" "bytes of one rank"

# Lines of ranks are never mixed, however they are written.
expect_exit 0 "$dlaunch" -n 2 -N 3 bash -c '
	for i in {1..200}; do printf "%s" $DHOW_RANK; printf "%s\n" ${DHOW_RANK}x; done'
expect_equal 1200 "$(grep -Ec '^([0-5])\1x$' "$work/out")" "whole lines"

# A line longer than a piece, and binary data, pass unchanged.
head -c 3000000 /dev/urandom >"$work/data"
run "$dlaunch" cat <"$work/data" >"$work/copy" 2>"$work/err"
cmp -s "$work/data" "$work/copy" && pass || fail "binary data changed"
run "$dlaunch" -n 2 -N 2 sh -c 'cat | wc -c' <"$work/data" >"$work/out"
expect_equal "0 0 0 3000000" "$(sort -n "$work/out" | xargs)" "stdin goes to rank 0 only"
expect_equal "kept" "$(echo kept | { run "$dlaunch" -N 2 sh -c 'exit 0' </dev/null; cat; })" "no stdin eaten"

# A reader that is slow is felt by the ranks; nothing is lost.
run "$dlaunch" -n 2 -N 2 seq 1 100000 | { sleep 1; wc -l; } >"$work/out"
expect_equal 400000 "$(cat "$work/out")" "lines through a slow reader"

# A reader that leaves ends the run.
run timeout 30 "$dlaunch" -n 2 yes 2>"$work/err" | head -3 >"$work/out"
expect_equal "141 0" "${PIPESTATUS[*]}" "exit codes of yes | head"
no_leftovers "$mark"
finish
