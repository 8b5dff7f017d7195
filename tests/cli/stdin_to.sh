#!/bin/bash
# SPDX-License-Identifier: MIT
# stdin_to.sh - --stdin: nobody, one rank, all.
. "$(dirname "$0")/lib.sh"
count='printf "%s:%s " $DHOW_RANK $(wc -c)'

counts() { echo hello | run "$dlaunch" -n 2 -N 2 "$@" sh -c "$count" 2>"$work/err" | xargs -n1 | sort | xargs; }
expect_equal "0:6 1:0 2:0 3:0" "$(counts)" "rank 0"
expect_equal "0:0 1:0 2:0 3:6" "$(counts --stdin 3)" "rank 3"
expect_equal "0:6 1:6 2:6 3:6" "$(counts --stdin all)" "all"
expect_equal "0:0 1:0 2:0 3:0" "$(counts -i none)" "none"
expect_equal kept "$(echo kept | { run "$dlaunch" -i none true; cat; })" "none of it is eaten"

head -c 2000000 /dev/urandom >"$work/data"
sum=$(cksum <"$work/data")
run timeout 60 "$dlaunch" -n 2 -N 2 -i all cksum <"$work/data" >"$work/out" 2>"$work/err"
expect_equal "$sum|$sum|$sum|$sum" "$(paste -sd'|' "$work/out")" "all get all of it"
# One that does not read holds nobody up for ever: it ends, and the others go on.
run timeout 60 "$dlaunch" -N 3 -i all sh -c '[ $DHOW_RANK = 1 ] || wc -c' <"$work/data" \
	>"$work/out" 2>"$work/err"
expect_equal "2000000 2000000" "$(xargs <"$work/out")" "although one has left"
no_leftovers "$mark"
finish
