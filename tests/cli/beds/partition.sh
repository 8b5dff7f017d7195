#!/bin/bash
# SPDX-License-Identifier: MIT
# partition.sh SOURCE - the network of a node is cut while a job runs, and while it starts: dlaunch
# says which node is gone, ends the ranks of the others and itself; the node that is cut off ends
# its own ranks, though what carried its daemon hears of nothing.
here=$(dirname "$(realpath "$0")")
source=$1 nodes=3
. "$here/../lib.sh"
. "$here/source.sh"

# The node's own end of the cable: its kernel and the others' only see that nothing comes.
cut() { bed_on head ip link set "v$1" "$2"; }

start() {
	: >"$work/out"
	rm -f "$work/code"
	(alloc "$dlaunch" -n $nodes -N 2 sh -c "setsid sleep $sleepy & env -i setsid sleep $sleepy & echo up; wait" \
		</dev/null >"$work/out" 2>"$work/err"
		echo $? >"$work/code") &
}

left_on() { bed_processes "$1" | grep -E "dhow|sleep $sleepy"; }
has_none_on() { [ -z "$(left_on "$1")" ]; }
others_have_none() { has_none_on node1 && has_none_on node2 && has_none_on head; }

# The limits are those of a machine that others use: 10 s are what both sides wait.
ended_without() {	# NODE WHEN
	wait_until 60 test -s "$work/code" || fail "$2: dlaunch goes on"
	expect_equal 125 "$(cat "$work/code")" "exit code, $2"
	wait_until 10 others_have_none && pass || fail "$2: left on other nodes: $(left)"
	wait_until 60 has_none_on "$1" && pass || fail "$2: left on $1: $(left_on "$1")"
	cut 3 up
	wait
}

start
wait_until 30 has_lines "$work/out" $((2 * nodes)) || fail "not up"
cut 3 down
ended_without node3 "cut while it runs"
expect_text err 'node 2 .*(is gone|ended)|node 2: .*cannot reach'
echo "said: $(grep '^dlaunch: ' "$work/err" | tail -1)"

# As soon as its daemon is there.
start
is_starting() { [ -n "$(in_node node3 dhowd)" ] || [ -e "$work/code" ]; }
wait_until 30 is_starting || fail "no daemon"
cut 3 down
ended_without node3 "cut while it starts"
echo "said: $(grep '^dlaunch: ' "$work/err" | tail -1)"

# Whole again: the next job runs.
alloc "$dlaunch" -n $nodes true </dev/null >"$work/out" 2>"$work/err"
expect_equal 0 $? "exit code when it has healed"
nothing_left "all of it"
finish
