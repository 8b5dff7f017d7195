#!/bin/bash
# SPDX-License-Identifier: MIT
# peers_test.sh FOLDER - a smoke run of bench/peers/run: options, table, JSON, and what is said of
# that which is missing; no figure is judged.
set -u
folder=$1
run=$(dirname "$0")/../../bench/peers/run
export DHOW_BUILD=$folder/..
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
[ -x "$folder/../bin/dlaunch" ] || { echo "skipped: dlaunch is not built"; exit 77; }
limit=120
. "$(dirname "$0")/lib.sh"

expect 2 "$run" --rounds 0
expect 2 "$run" --no-such-option
DHOW_BUILD=$work expect 1 "$run"
grep -q 'ping_raw. is not built' "$work/err" || fail "it is not said that nothing is built"

DRAGON_DIR=$work expect 0 "$run" --quick --only 'Dhow,Dhow tcp,Dragon' --json "$work/rows.json"
cat "$work/out"
for row in raw Dhow 'Dhow tcp'; do
	grep -qE "^$row +[0-9.]+ " "$work/out" || fail "no row '$row'"
done
grep -qE '^Dhow +([0-9.]+ \([0-9.]+\) *){7}$' "$work/out" || fail "not 7 figures with ratios for Dhow"
grep -qE '^Dragon channels +not measured: DRAGON_DIR' "$work/out" || fail "the missing peer is not named"
python3 - "$work/rows.json" <<'END' || fail "the JSON is not as it should be"
import json, sys
report = json.load(open(sys.argv[1]))
assert set(report["machine"]) == {"cpu", "cpus", "kernel", "load", "commit"}
rows = [row for row in report["rows"] if row["name"] == "Dhow"]
assert len(rows) == 8 and all(row["ratios"][0] > 0 and row["values"][0] > 0 for row in rows)
END
[ $bad -eq 0 ] && echo "peers_test: ok"
exit $bad
