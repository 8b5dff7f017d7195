#!/bin/bash
# SPDX-License-Identifier: MIT
# compare_runs_test.sh FOLDER - verdicts of bench/compare on files whose figures are known.
set -u
compare=$1/compare
limit=20
. "$(dirname "$0")/lib.sh"

# file NAME RATIO LOW HIGH RATIO LOW HIGH: two rows
file() {
	cat >"$work/$1.json" <<-END
	{"machine": {"cpu": "test"}, "commit": "$1", "rows": [
	 {"bench": "b", "name": "first", "config": "c", "size": 8, "ratio": $2, "ratio_low": $3, "ratio_high": $4},
	 {"bench": "b", "name": "second", "config": "c", "size": 8, "ratio": $5, "ratio_low": $6, "ratio_high": $7}]}
	END
}

# list NAME: its three runs
list() { echo "$work/$1-1.json,$work/$1-2.json,$work/$1-3.json"; }

file old-1 1.0 0.9 1.1 2.0 1.9 2.1
file old-2 1.1 1.0 1.2 2.1 2.0 2.2
file old-3 1.0 0.9 1.1 2.0 1.9 2.1
file new-1 1.5 1.4 1.6 1.0 0.9 1.1
file new-2 1.5 1.3 1.6 1.1 1.0 1.2
file new-3 1.6 1.5 1.7 1.0 0.9 1.1
file near-1 1.2 1.1 1.3 2.0 1.9 2.1
file near-2 1.2 1.1 1.3 2.0 1.9 2.1
file near-3 1.2 1.1 1.3 2.0 1.9 2.1

expect 0 "$compare" "$(list old)" "$(list new)"
grep -qE '^b first c 8 +1\.000 +0\.900-1\.200 +1\.500 +1\.300-1\.700 +\+50\.0% worse$' "$work/out" ||
	fail "the first row is not worse: $(cat "$work/out")"
grep -qE '^b second c 8 .* -50\.0% better$' "$work/out" || fail "the second row is not better"
expect 1 "$compare" --limit 10 "$(list old)" "$(list new)"
grep -q 'worse FAILED$' "$work/out" || fail "the row that fails is not marked"
expect 0 "$compare" --limit 60 "$(list old)" "$(list new)"
# Intervals that touch are the same, whatever the middle says.
expect 0 "$compare" --limit 1 "$(list old)" "$(list near)"
grep -qE '^b first c 8 .* \+20\.0% same$' "$work/out" || fail "intervals that touch are not the same"
# One run of each proves nothing.
expect 0 "$compare" --limit 1 "$work/old-1.json" "$work/new-1.json"
grep -qE '^b first .* worse\?$' "$work/out" || fail "one run is not marked with '?'"

# A row that is gone cannot be held to a limit.
sed '/"second"/d; s/},$/}]}/' "$work/near-1.json" >"$work/less.json"
expect 0 "$compare" "$work/old-1.json" "$work/less.json"
grep -qE '^b second c 8 .* not there after$' "$work/out" || fail "the row that is gone is not named"
expect 1 "$compare" --limit 60 "$work/old-1.json" "$work/less.json"
grep -q '1 rows cannot be held to --limit' "$work/err" || fail "rows that are gone are not counted"

expect 2 "$compare" "$work/old-1.json"
expect 2 "$compare" "$work/old-1.json" "$work/none.json"
grep -q 'none.json' "$work/err" || fail "the missing file is not named"
echo '{"rows": 3}' >"$work/bad.json"
expect 2 "$compare" "$work/old-1.json" "$work/bad.json"
echo '{"rows": []}' >"$work/empty.json"
expect 2 "$compare" "$work/old-1.json" "$work/empty.json"
expect 2 "$compare" --limit x "$work/old-1.json" "$work/new-1.json"
[ $bad -eq 0 ] && echo "compare_runs_test: ok"
exit $bad
