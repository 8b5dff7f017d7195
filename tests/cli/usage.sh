#!/bin/bash
# SPDX-License-Identifier: MIT
# usage.sh - bad input: a clear message, the right exit code, nothing left behind.
. "$(dirname "$0")/lib.sh"

expect_exit 2 "$dlaunch"
expect_text err 'no program'
expect_exit 127 "$dlaunch" no-such-program-anywhere
expect_text err 'program "no-such-program-anywhere" not found'
expect_exit 127 "$dlaunch" ./no-such-file
expect_text err 'not found'
expect_exit 127 "$dlaunch" ""
echo text >"$work/plain"
expect_exit 126 "$dlaunch" "$work/plain"
expect_text err 'cannot be executed'
expect_exit 126 "$dlaunch" /
printf '\001\002\003\004' >"$work/nonsense" && chmod +x "$work/nonsense"
expect_exit 126 "$dlaunch" -N 2 "$work/nonsense"
expect_text err 'node 0: '
for bad in 0 -1 abc 1x '' 99999999999999999999 1.5 ' 1' +1 0x1; do
	expect_exit 2 "$dlaunch" -n "$bad" true
	expect_text err '--nodes'
	expect_exit 2 "$dlaunch" -N "$bad" true
	expect_text err '--tasks-per-node'
done
expect_exit 2 "$dlaunch" -n 4 -N 2 --ntasks 7 true
expect_text err '7 does not agree'
expect_exit 2 "$dlaunch" -n 4 --ntasks 3 true
expect_text err 'leaves some of 4 nodes empty: --nodes 3'
expect_exit 2 "$dlaunch" -n 4 -N 3 --np 13 true
expect_exit 2 "$dlaunch" -n 65 true
expect_text err 'there are 64'
expect_exit 2 "$dlaunch" --transport pigeon true
expect_text err 'pigeon'
expect_exit 2 env DHOW_TRANSPORT=pigeon "$dlaunch" true
expect_text err 'DHOW_TRANSPORT "pigeon"'
if [ ! -x "$DHOW_BIN/dhow-hsta" ]; then
	expect_exit 125 "$dlaunch" --transport hsta true
	expect_text err '--transport tcp'
fi
expect_exit 2 "$dlaunch" --wdir "$work/nowhere" true
expect_text err 'nowhere'
expect_exit 2 "$dlaunch" --wdir "$work/plain" true
expect_text err 'Not a directory'
if [ "$(id -u)" != 0 ]; then
	mkdir "$work/closed" && chmod 0 "$work/closed"
	expect_exit 2 "$dlaunch" --wdir "$work/closed" true
	expect_text err 'Permission denied'
fi
expect_exit 125 "$dlaunch" --pool 900T true
expect_text err '--pool'
# Local nodes share one memory: each pool would fit, all together do not.
half=$(awk '/^MemAvailable:/ { print int($2 / 2048) }' /proc/meminfo)M
expect_exit 125 "$dlaunch" -n 3 --pool "$half" true
expect_text err '3 nodes with [0-9]+ MiB each on this machine'
for bad in 0 64X M '' 64MB 99999999T -1; do
	expect_exit 2 "$dlaunch" --pool "$bad" true
	expect_text err '--pool'
done
expect_exit 2 "$dlaunch" --env '' true
expect_exit 2 "$dlaunch" --unset-env A=1 true
expect_exit 2 "$dlaunch" --env =x true
expect_exit 2 "$dlaunch" --timeout 0 true
expect_exit 2 "$dlaunch" --no-such-option true
expect_exit 2 "$dlaunch" --cpu-bind pear true
expect_text err 'pear.*there are none, core, socket'
expect_exit 2 "$dlaunch" --stdin 1 true
expect_text err 'stdin 1: the ranks are 0 to 0'
expect_exit 2 "$dlaunch" --stdin some true
expect_exit 2 "$dlaunch" --output 'x.%q' true
expect_text err 'not %q'
expect_exit 125 "$dlaunch" --output "$work/nowhere/x" true
expect_text err 'nowhere/x.*No such file'
expect_exit 125 "$dlaunch" --output "$work/nowhere/%t" true
expect_text err 'nowhere/0.*No such file'
expect_exit 2 "$dlaunch" --distribution round true
expect_exit 2 "$dlaunch" -K2 true
expect_exit 2 "$dlaunch" true : -l true
expect_text err 'label.*before the first program'
expect_exit 2 "$dlaunch" : true
expect_text err 'no program is given before :'
expect_exit 2 "$dlaunch" true :
expect_text err 'no program is given'
expect_exit 2 "$dlaunch" -n 4 --relative 1 -N 1 --hosts a true
expect_exit 2 "$dlaunch" --multi-prog "$work/nowhere" true
expect_exit 2 "$dlaunch" --multi-prog "$work/nowhere"
expect_text err 'multi-prog.*No such file'
expect_exit 2 env DLAUNCH_STRICT=1 "$dlaunch" -n 2 true
expect_text err 'DLAUNCH_STRICT is set, so only --nodes'
expect_exit 0 env DLAUNCH_STRICT=1 "$dlaunch" --nodes 1 --tasks-per-node 2 true
expect_exit 125 "$dlaunch" --json /nonexistent/report.json true
expect_text err '--json'
no_leftovers "$mark"
finish
