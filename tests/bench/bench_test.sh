#!/bin/bash
# SPDX-License-Identifier: MIT
# bench_test.sh FOLDER - the benchmarks' options and the form of their JSON; no figure is judged.
set -u
folder=$1
limit=90
. "$(dirname "$0")/lib.sh"

expect 0 "$folder/channels" --list
grep -q '^channels oneway copy-spin 8$' "$work/out" || fail "--list does not show the rows"
expect 0 "$folder/transport" --list --transport hsta --fabric ofi
for row in 'oneway ofi 1048576' 'rate 1flow ofi 8' 'rate 12flows ofi 64' 'stream ofi 65536' \
	'incast 12to1 ofi 65536' 'wake ofi 8' 'agent_cpu ofi 64' 'flow_cpu 1flow ofi 64'; do
	grep -qx "transport $row" "$work/out" || fail "transport --list has no '$row'"
done
if [ -x "$folder/../bin/dlaunch" ]; then
	expect 2 "$folder/transport" --transport pigeon
	grep -q '"pigeon": unknown transport' "$work/err" || fail "the transport is not named"
	expect 0 "$folder/transport" --transport tcp --fabric epoll --quick \
		--filter 'rate 12flows,agent_cpu,wake' --json "$work/transport.json"
	[ "$(grep -cE '"config": "(12flows )?loopback-epoll-mac"' "$work/transport.json")" = 4 ] ||
		fail "transport.json: not the 4 rows of epoll"
	grep -qE '"(raw|median)": 0(\.0*)?,$' "$work/transport.json" && fail "transport.json: a figure is 0"
fi
if [ -x "$folder/launch" ]; then
	expect 0 "$folder/launch" --quick --filter 'launch 4nodes-true 12,cold 4nodes-true 12' --json "$work/launch.json"
	[ "$(grep -cE '"name": "(launch|cold)"' "$work/launch.json")" -ge 2 ] || fail "launch.json: rows"
fi
for program in channels transport exchange; do
	expect 2 "$folder/$program" --no-such-option
	expect 2 "$folder/$program" surplus
done
expect 2 "$folder/exchange" --messages 0
expect 2 "$folder/exchange" --messages 7x
expect 1 "$folder/channels" --quick --filter pair_cpu --json "$work/no/such/folder"
grep -q "cannot write" "$work/err" || fail "a file that cannot be written is not named"

keys='bench name config size median p99 min max unit raw ratio'
expect 0 "$folder/channels" --quick --filter "oneway copy-spin 64" --json "$work/rows.json"
expect 0 "$folder/exchange" --quick --json "$work/exchange.json"
for file in rows exchange; do
	for key in machine commit rows cpu kernel governor $keys; do
		grep -q "\"$key\": " "$work/$file.json" || fail "$file.json: no \"$key\""
	done
done
# Rows of rounds have an interval, too.
keys="${keys/p99 /p99 p999 } ratio_low ratio_high"
got=$(grep -oE '^   "[a-z0-9_]+"' "$work/rows.json" | tr -d ' "' | tr '\n' ' ')
[ "$got" = "$keys calls " ] || fail "a row has '$got' instead of '$keys calls'"
grep -qE '"(damaged|lost|out_of_order)": [1-9]' "$work/exchange.json" && fail "exchange lost something"
[ $bad -eq 0 ] && echo "bench_test: ok"
exit $bad
