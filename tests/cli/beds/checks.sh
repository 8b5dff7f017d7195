#!/bin/bash
# SPDX-License-Identifier: MIT
# checks.sh NODES - what must be the same wherever nodes come from. matrix.sh runs this very
# script on each source; it knows nothing of them, and asks for NODES nodes x 3 tasks.
# For table.sh it prints a line `part NAME: PASSED passed, FAILED failed` after each part.
. "$(dirname "$0")/../lib.sh"
nodes=$1
tasks=$((nodes * 3))
job="$dlaunch -n $nodes -N 3"
exchange=$DHOW_BIN/../bench/exchange

part_checks=0 part_failures=0
part_ends() {	# NAME
	echo "part $1: $((checks - part_checks)) passed, $((failures - part_failures)) failed"
	part_checks=$checks part_failures=$failures
}

# The channels, all to all, each byte checked.
if [ -x "$exchange" ]; then
	expect_exit 0 $job "$exchange" --quick
	expect_equal 12 "$(grep -cE '^(on|off)-node .* 0 +0 +0$' "$work/out")" "clean rows of exchange"
	expect_text out "^exchange: $tasks ranks on $nodes nodes"
fi
part_ends exchange

# MPI: a sum, a ring, a broadcast; MPI_Abort. The program is where all nodes find it.
if [ -n "${MPI_CHECK:-}" ]; then
	export OMPI_MCA_mpi_yield_when_idle=1
	expect_exit 0 $job "$MPI_CHECK" sum
	expect_text out "^good: $tasks ranks, $nodes nodes, 3 here"
	expect_exit 9 $job "$MPI_CHECK" abort 1 9
fi
part_ends MPI

# Exit codes
expect_exit 0 $job true
expect_exit $((tasks - 1)) $job sh -c 'exit $DHOW_RANK'
expect_exit 137 $job sh -c '[ $DHOW_RANK = 4 ] && kill -9 $$; sleep 60'
expect_text err 'rank 4 \(node 1, pid [0-9]+\) was killed by signal 9'
expect_exit 7 $job -K sh -c '[ $DHOW_RANK = 5 ] && exit 7; sleep 60'
expect_exit 127 $job "$work/nosuch"
expect_exit 124 $job --timeout 1 sleep 60
part_ends "exit codes"

# Stdio: labels, order of a rank's lines, stdin to rank 0 only, both streams
expect_exit 0 $job -l sh -c 'echo a; echo b; echo c >&2'
expect_equal "$tasks" "$(grep -cE '^ *[0-9]+: a$' "$work/out")" "labelled lines"
expect_equal "$tasks" "$(grep -cE '^ *[0-9]+: c$' "$work/err")" "labelled lines of stderr"
expect_equal "0: a 0: b" "$(grep -E '^ *0: ' "$work/out" | sed 's/^ *//' | paste -sd' ')" "order"
seq 20000 >"$work/in"
run timeout -k 1 60 $job sh -c 'wc -l' <"$work/in" >"$work/out" 2>"$work/err"
expect_equal "0,20000" "$(sort -nu "$work/out" | paste -sd,)" "lines of stdin"
expect_equal "$((tasks - 1))" "$(grep -cx 0 "$work/out")" "ranks without stdin"
expect_exit 0 $job sh -c 'head -c 30000 /dev/zero | tr "\0" x; echo'
expect_equal "$tasks" "$(awk 'length == 30000' "$work/out" | wc -l)" "long lines"
part_ends stdio

# Environment and placement: the user's variables arrive, those of the daemon's own step do not.
FROM_USER=here expect_exit 0 $job sh -c 'echo $DHOW_RANK $DHOW_NODE $DHOW_LOCAL_RANK $FROM_USER'
expect_equal "$((tasks - 1)) $((nodes - 1)) 2 here" "$(sort -n "$work/out" | tail -1)" "last rank"
expect_exit 0 $job --wdir / pwd
expect_equal / "$(sort -u "$work/out")" "directory"
part_ends environment

# Signals
start() {
	: >"$work/out"
	new_mark
	(run_exec $job sh -c 'trap "echo hit" INT; echo up; sleep 60 & wait; echo slept' \
		</dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	wait_until 30 has_lines "$work/out" "$tasks" || fail "not up"
}

start
kill -INT $pid
sleep 0.2
kill -INT $pid
wait $pid
expect_equal 130 $? "exit code after two ^C"
expect_text err "node $((nodes - 1)): 3 running, 0 ended"
grep -q hit "$work/out" && fail "^C was passed on"
no_leftovers "$mark"

start
kill -TERM $pid
wait $pid
expect_equal 143 $? "exit code after SIGTERM"
no_leftovers "$mark"

start
kill -9 $pid
{ wait $pid; } 2>/dev/null
no_leftovers "$mark"
part_ends signals
finish
