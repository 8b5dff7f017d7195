#!/bin/bash
# SPDX-License-Identifier: MIT
# restart.sh - --restart: a rank that failed is started again, as often as was said.
. "$(dirname "$0")/lib.sh"
# rank 1 fails until its third life
lives='f=$0/$DHOW_RANK; echo x >>$f; echo "$DHOW_RANK lives"; [ $DHOW_RANK = 0 ] || [ $(wc -l <$f) -ge 3 ]'

mkdir "$work/a" "$work/b" "$work/c" "$work/d"
expect_exit 0 "$dlaunch" -n 2 --restart 2 --json "$work/report" -o "$work/o%t" sh -c "$lives" "$work/a"
expect_equal "1 3" "$(wc -l <"$work/a/0") $(wc -l <"$work/a/1")" "lives of the ranks"
expect_equal "1 lives,1 lives,1 lives" "$(paste -sd, "$work/o1")" "output of all lives"
expect_text err 'rank 1 .* exit code 1, starting it again \(2 of 2\)'
expect_equal "0 2" "$(python3 -c '
import json, sys
print(*[r["restarts"] for r in json.load(open(sys.argv[1]))["ranks"]])' "$work/report")" "report"
expect_exit 1 "$dlaunch" -n 2 --restart 1 sh -c "$lives" "$work/b"
expect_equal 2 "$(wc -l <"$work/b/1")" "no more than that"
expect_exit 0 "$dlaunch" -q -N 2 --restart 5 sh -c 'echo x >>$0/$DHOW_RANK; [ $(wc -l <$0/$DHOW_RANK) -ge 3 ] || kill -9 $$' "$work/c"
expect_equal "3 3 " "$(wc -l <"$work/c/0") $(wc -l <"$work/c/1") $(cat "$work/err")" "after signals; -q"
# All ranks but the one that is started again have ended: the run is not over.
expect_exit 0 "$dlaunch" -n 2 -N 2 --restart 9 sh -c '
	[ $DHOW_RANK = 0 ] || exit 0; echo x >>$0/0; sleep 0.1; [ $(wc -l <$0/0) = 4 ]' "$work/d"
expect_equal 4 "$(wc -l <"$work/d/0")" "the last one alone"
# What a life left behind holds its pipe: the next life has one of its own, the old one no reader.
mkdir "$work/e"
expect_exit 0 "$dlaunch" --restart 1 sh -c '
	[ ! -e $0/left ] || { for i in $(seq 200); do [ ! -e $0/told ] || break; sleep 0.1; done
			      [ -e $0/told ] && echo told; exit; }
	: >$0/left
	( trap "" PIPE; while echo old 2>/dev/null; do sleep 0.05; done; : >$0/told ) &
	echo "first life"; exit 1' "$work/e"
expect_equal 1 "$(grep -c "^first life$" "$work/out")" "last words of the first life"
expect_equal told "$(grep -v "^old$" "$work/out" | tail -1)" "the old pipe is closed"
no_leftovers "$mark"
finish
