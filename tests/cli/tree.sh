#!/bin/bash
# SPDX-License-Identifier: MIT
# tree.sh - daemons that speak by way of others: runs are the same, and nothing is left when one
# in the middle dies.
. "$(dirname "$0")/lib.sh"

for fanout in 1 2; do
	export DHOW_TREE_FANOUT=$fanout
	expect_exit 3 "$dlaunch" -n 5 -N 2 sh -c 'echo $DHOW_RANK; exit $((DHOW_RANK == 9 ? 3 : 0))'
	expect_equal "0 1 2 3 4 5 6 7 8 9" "$(sort -n "$work/out" | xargs)" "output of all"
	expect_exit 0 sh -c "seq 20000 | $dlaunch -n 4 sh -c '[ \$DHOW_RANK != 0 ] || cat' | wc -l"
	expect_equal 20000 "$(cat "$work/out")" "stdin and stdout through the tree"
	no_leftovers "$mark"
done

# Of 7 nodes with fan-out 2, nodes 2 and 3 are below node 0, and 6 is below node 2.
new_mark
export DHOW_TREE_FANOUT=2
(run_exec "$dlaunch" -n 7 sh -c 'echo up; exec sleep 600' </dev/null >"$work/out" 2>"$work/err") &
pid=$!
wait_until 20 has_lines "$work/out" 7 || fail "not up"
kill -9 "$(find_marked dhowd --node=0)"
wait $pid
expect_equal 125 $? "exit code after SIGKILL of a daemon in the middle"
expect_text err 'daemon of node 0 was killed by signal 9'
no_leftovers "$mark"

new_mark
(run_exec "$dlaunch" -n 7 sh -c 'echo up; exec sleep 600' </dev/null >"$work/out" 2>"$work/err") &
pid=$!
wait_until 20 has_lines "$work/out" 7 || fail "not up"
kill -TERM $pid
wait $pid
expect_equal 143 $? "exit code after SIGTERM"
no_leftovers "$mark"
finish
