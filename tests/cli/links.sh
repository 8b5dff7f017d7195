#!/bin/bash
# SPDX-License-Identifier: MIT
# links.sh - dhow ps --links, the trace of messages, and options of io_uring that are wrong.
. "$(dirname "$0")/lib.sh"
calls=$DHOW_BIN/../tests/remote_calls

expect_exit 2 "$dhow" ps --links --xml
expect_text err 'xml'

# Two nodes that have spoken and are still there.
run_exec "$dlaunch" --transport tcp -n 2 -N 1 sh -c '"$0" && echo spoken && sleep 30' "$calls" \
	>"$work/run" 2>"$work/run_err" &
launcher=$!
two_spoke() { [ "$(grep -c spoken "$work/run")" = 2 ]; }
wait_until 30 two_spoke && pass || fail "the run does not speak: $(cat "$work/run" "$work/run_err")"
expect_exit 0 "$dhow" ps --links
for pid in $(find_marked dhow-tcp --fabric; find_marked dhow-tcp --bind); do echo "$pid"; done |
	sort -u >"$work/pids"
expect_equal 2 "$(wc -l <"$work/pids")" "agents of the run"
for pid in $(cat "$work/pids"); do
	expect_text out "^agent $pid: job [0-9a-f]+, node [01] of 2, (uring|epoll), security mac"
	grep -A1 "^agent $pid:" "$work/out" | tail -n 1 | grep -Eq \
		'^  [0-9]+ channels open, 0 messages wait, .* 0\.0 MB of a pool of [1-9][0-9.]+ MB wait' &&
		pass || fail "agent $pid does not tell of channels: $(cat "$work/out")"
	grep -A3 "^agent $pid:" "$work/out" | tail -n 1 |
		grep -Eq '^ +[01] up +[0-9]+ +[0-9]+ +[1-9][0-9]* +[1-9][0-9]* .* [0-9]+/64 ' && pass ||
		fail "agent $pid has no link with frames: $(cat "$work/out")"
done
expect_exit 0 "$dhow" ps --links --json
for key in messages_sent frames_sent retransmits credits rtt_min_ns bytes_received calls open waiting outbound; do
	expect_text out "\"$key\": [0-9]+"
done
# One that is stopped says nothing, and keeps nobody else from being told of.
first=$(head -n 1 "$work/pids")
kill -STOP "$first"
expect_exit 0 "$dhow" ps --links
kill -CONT "$first"
expect_text out "^agent $first: it does not answer"
expect_text out "^agent $(tail -n 1 "$work/pids"): job"
# Another user is told nothing, whatever it asks.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$work"
	expect_exit 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$dhow" ps --links
	expect_text out '^no agent of this user'
fi
kill -INT $launcher
sleep 0.3
kill -INT $launcher 2>/dev/null
wait $launcher
no_leftovers "$mark"

# A line for each message, of both sides; none without being asked.
expect_exit 0 env DHOW_TRACE=messages "$dlaunch" --transport tcp -n 2 -N 1 "$calls"
for what in 'sent to' 'deposited from' 'answered to' 'fetched from'; do
	expect_text err "trace: [0-9]+ us node [01] $what [01] stream [0-9]+ message [0-9]+ bytes [0-9]+"
done
expect_exit 0 "$dlaunch" --transport tcp -n 2 -N 1 "$calls"
grep -q trace: "$work/err" && fail "traced without being asked" || pass
expect_exit 0 env DHOW_TRACE=packets "$dlaunch" --transport tcp -n 2 -N 1 "$calls"
expect_text err 'DHOW_TRACE "packets" is not known; there is messages'

expect_exit 2 "$DHOW_BIN/dhow-tcp" --uring zc=maybe
expect_text err "'zc=maybe' is no option of uring.* multishot"
expect_exit 0 env DHOW_URING=zc=on,files=on,fixed=on "$dlaunch" --transport tcp -n 2 -N 1 "$calls"
no_leftovers "$mark"
finish
