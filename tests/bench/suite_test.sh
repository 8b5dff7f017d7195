#!/bin/bash
# SPDX-License-Identifier: MIT
# suite_test.sh FOLDER - `dhow bench`: its options, tables, JSON, plots, and an end in the middle; no
# figure is judged.
set -u
folder=$1
dhow=$folder/../bin/dhow
[ -x "$dhow" ] && [ -x "$folder/suite" ] || { echo "skipped: dhow or bench/suite is not built"; exit 77; }
unset DHOW_TRANSPORT DHOW_FABRIC DHOW_PROVIDER DHOW_NIC SMARTSIM_DRAGON_TRANSPORT
limit=240
. "$(dirname "$0")/lib.sh"

expect 0 "$dhow" bench --list
for part in channels tcp hsta launch server peers; do
	grep -q "^$part " "$work/out" || fail "--list has no $part"
done
expect 2 "$dhow" bench --only pigeon
grep -q "'pigeon': no such part" "$work/err" || fail "the part is not named"
expect 2 "$dhow" bench surplus

expect 0 "$dhow" bench --quick --only channels,launch \
	--filter 'oneway copy-spin 8,oneway copy-spin 1024,p1c-adaptive,launch 4nodes-true 12' \
	--json "$work/all.json" --plots "$work/plots" --markdown "$work/all.md"
grep -qE '^name +config +size +p50 +p99 +p99.9 +unit +raw +ratio +95 % of it' "$work/out" || fail "no head of a table"
grep -qE '^channels +[5-9] +[0-9.]+$' "$work/out" || fail "no line of channels: $(tail -n 6 "$work/out")"
grep -qE '^launch +[1-9] +[0-9.]+$' "$work/out" || fail "no line of launch: $(tail -n 6 "$work/out")"
grep -q progress: "$work/err" && fail "words between the programs are shown"
for key in machine commit begun load parts rows cpu kernel governor pinning p999 ratio_low; do
	grep -q "\"$key\": " "$work/all.json" || fail "no \"$key\" in the JSON"
done
grep -qE '^\| oneway copy-spin \| 8 (\| [0-9.]+ ){3}\| ns (\| [0-9.]+ ){2}\| [0-9.]+ to [0-9.]+ \|$' "$work/all.md" ||
	fail "no row in Markdown: $(cat "$work/all.md")"
if command -v gnuplot >/dev/null; then
	for plot in latency producers launch; do
		grep -q '</svg>' "$work/plots/$plot.svg" || fail "no whole $plot.svg"
		[ "$(head -c 4 "$work/plots/$plot.png" | tail -c 3)" = PNG ] || fail "no $plot.png"
	done
	[ ! -e "$work/plots/plots.gp" ] || fail "the script is left behind"
else
	echo "not tested: plots (no gnuplot)"
	grep -q 'gnuplot is not installed' "$work/err" || fail "nothing is said of gnuplot"
fi
expect 0 "$folder/compare" "$work/all.json" "$work/all.json"
grep -qE '^channels oneway copy-spin 8 .* same$' "$work/out" || fail "compare does not read the JSON"
expect 1 "$dhow" bench --quick --only channels --filter pair_cpu --json "$work/no/folder.json"
grep -q 'cannot write' "$work/err" || fail "a file that cannot be written is not named"

# An end from outside ends the benchmark, too, and says what was not measured.
"$dhow" bench --only channels </dev/null >"$work/out" 2>"$work/err" & suite=$!
for ((i = 0; i < 600; i++)); do
	child=$(pgrep -P $suite) && break
	sleep 0.1
done
[ -n "$child" ] || fail "the benchmark does not start"
kill -TERM $suite
wait $suite
[ $? = 130 ] || fail "an interrupted run does not end with 130"
grep -q '^channels .*not measured: interrupted' "$work/out" || fail "it is not said what was interrupted"
[ -z "$child" ] || ! kill -0 "$child" 2>/dev/null || fail "the benchmark is still there"
[ $bad -eq 0 ] && echo "suite_test: ok"
exit $bad
