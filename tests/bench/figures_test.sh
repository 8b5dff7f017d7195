#!/bin/bash
# SPDX-License-Identifier: MIT
# figures_test.sh FOLDER - tests/figures.sh with a `dhow bench` that prints known figures: what it keeps, what it
# says, and when --strict fails.
set -u
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
figures=$(cd "$(dirname "$0")/.." && pwd)/figures.sh
baseline=$(dirname "$figures")/../bench/baseline
compare=$1/compare
limit=60
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/bin" "$work/bench"
ln -s "$(realpath "$compare")" "$work/bench/compare"
# The stand-in writes the baseline with its ratios times FACTOR, and fails without one.
cat >"$work/bin/dhow" <<'END'
#!/bin/bash
while [ $# -gt 0 ]; do
	[ "$1" = --json ] && file=$2
	shift
done
number=${file%.json}
[ "$FACTOR" != none ] || { echo "no figures today"; exit 1; }
python3 - "$BASELINE/${number##*.}.json" "$file" "$FACTOR" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
for row in report["rows"]:
    for key in ("ratio", "ratio_low", "ratio_high"):
        row[key] = row[key] * float(sys.argv[3]) + (1e6 if float(sys.argv[3]) > 100 else 0)
report["machine"]["cpu"] += "" if float(sys.argv[3]) != 1000 else " II"
json.dump(report, open(sys.argv[2], "w"), indent=1)
PYTHON
END
chmod +x "$work/bin/dhow"
export BASELINE=$baseline

FACTOR=1 expect 0 bash "$figures" --strict "$work"
[ "$(ls "$work"/figures/*.json | wc -l)" = 3 ] || fail "not three files of this commit are kept"
grep -q '^figures: kept as ' "$work/out" || fail "it is not said where they are"
FACTOR=999 expect 0 bash "$figures" "$work"
grep -q 'worse FAILED$' "$work/out" || fail "worse rows are not marked"
grep -q 'clearly worse .* twice$' "$work/out" || fail "it is not said that it is worse"
FACTOR=999 expect 1 bash "$figures" --strict "$work"
FACTOR=1000 expect 0 bash "$figures" --strict "$work"
grep -q 'of another processor: nothing is judged' "$work/out" || fail "another processor is judged"
FACTOR=none expect 0 bash "$figures" "$work"
grep -q '^no figures today$' "$work/out" || fail "it is not said why nothing was measured"
FACTOR=none expect 1 bash "$figures" --strict "$work"
expect 2 bash "$figures" --stricter
[ $bad -eq 0 ] && echo "figures_test: ok"
exit $bad
