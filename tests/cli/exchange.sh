#!/bin/bash
# SPDX-License-Identifier: MIT
# exchange.sh - the main job: 4 nodes x 3 tasks, all to all, each byte checked; over both
# fabrics; with 500 senders killed inside their sends; and with each part of the run killed
# while messages move, after which nothing is left.
. "$(dirname "$0")/lib.sh"
exchange=$DHOW_BIN/../bench/exchange
if [ ! -x "$exchange" ]; then
	echo "skipped: $exchange is not built (DHOW_BENCH=OFF)"
	exit 77
fi

# table_is_clean - twelve rows, nothing damaged, lost or out of order
table_is_clean() {
	expect_equal 12 "$(grep -cE '^(on|off)-node .* 0 +0 +0$' "$work/out")" "clean rows"
}

# An agent's socket has its pid for a name and ends with it; other runs have agents, too.
sockets() { grep '@dhow' /proc/net/unix | grep -vc '@dhow-agent-'; }
sockets_before=$(sockets)

for fabric in uring epoll; do
	expect_exit 0 "$dlaunch" --fabric $fabric -n 4 -N 3 "$exchange" --quick
	table_is_clean
done

expect_exit 0 "$dlaunch" -n 4 -N 3 "$exchange" --messages 200 --kills 500
table_is_clean
expect_text out '^kills: 504 senders killed, .* damaged 0, lost 0, out of order 0$'
grep '^kills:' "$work/out"
no_leftovers "$mark"

start() {
	new_mark
	(run_exec "$dlaunch" -n 4 -N 3 "$exchange" --messages 1000000 </dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	wait_until 20 all_run || fail "not up"
	sleep 0.3		# messages move
}
all_run() { [ "$(find_marked exchange . | wc -l)" = 12 ]; }

ended() {	# WHAT WANTED-CODE TEXT
	wait $pid 2>/dev/null
	expect_equal "$2" $? "exit code after $1"
	no_leftovers "$mark"
	expect_equal "$sockets_before" "$(sockets)" "abstract sockets after $1"
	[ -z "$3" ] || expect_text err "$3"
}

start; kill -INT $pid; sleep 0.2; kill -INT $pid
ended "two ^C" 130 'interrupted twice'
start; kill -9 $pid
ended "SIGKILL of dlaunch" 137 ''
start; kill -9 "$(find_marked dhowd --node=2)"
ended "SIGKILL of a daemon" 125 'daemon of node 2 was killed by signal 9'
start; kill -9 "$(find_marked dhow-tcp . | tail -1)"
ended "SIGKILL of an agent" 125 'agent .* was killed by signal 9'
start; kill -9 "$(find_marked exchange . | sed -n 5p)"
ended "SIGKILL of a rank" 137 'was killed by signal 9'
finish
