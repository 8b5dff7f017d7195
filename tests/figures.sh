#!/bin/bash
# SPDX-License-Identifier: MIT
# figures.sh [--strict | --record] [BUILD] - three short runs of `dhow bench` of this commit, kept as
# BUILD/figures/COMMIT.{1,2,3}.json, and what bench/compare says of them beside those of bench/baseline/.
#   --strict  exit 1 if a row is clearly worse by more than half, twice (else it is only reported)
#   --record  make them the new baseline
# The rows are those that hold still on a busy machine: a processor's time, and spinning on a core each.
set -u
cd "$(dirname "$0")/.." || exit 1

RUNS=3 LIMIT=50 RUN_S=120
ROWS='oneway copy-spin 8,oneway copy-spin 64,oneway copy-spin 1024,oneway handover-spin 65536,pair_cpu,agent_cpu'
strict=0 record=0 build=build
for arg in "$@"; do
	case $arg in
	--strict) strict=1 ;;
	--record) record=1 ;;
	-h | --help) sed -n '3,7s/^# //p' "$0"; exit 0 ;;
	-*) echo "figures.sh: unknown option '$arg' (wanted --strict or --record)" >&2; exit 2 ;;
	*) build=$arg ;;
	esac
done
commit=$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
folder=$build/figures
mkdir -p "$folder" || exit 1

# list FOLDER NAME: its files, joined by commas
list() { seq -f "$1/$2%g.json" -s , $RUNS; }

# measure: all runs. Return: 1 one of them failed, which was said.
measure() {
	local i log
	log=$(mktemp) || return 1
	for ((i = 1; i <= RUNS; i++)); do
		timeout $RUN_S "$build/bin/dhow" bench --quick --only channels,tcp --filter "$ROWS" \
			--json "$folder/$commit.$i.json" </dev/null >"$log" 2>&1 && continue
		tail -n 5 "$log"
		rm -f "$log"
		return 1
	done
	rm -f "$log"
}

# compare: exit code of bench/compare. Figures of another processor are shown, not judged.
compare() {
	local limit="--limit $LIMIT" cpu='s/.*"cpu": "\(.*\)".*/\1/p'
	if [ "$(sed -n "$cpu" bench/baseline/1.json)" != "$(sed -n "$cpu" "$folder/$commit.1.json")" ]; then
		echo "figures: the baseline is of another processor: nothing is judged"
		limit=
	fi
	"$build/bench/compare" $limit "$(list bench/baseline "")" "$(list "$folder" "$commit.")"
}

if ! measure; then
	echo "figures: not measured"
	exit $strict
fi
if [ $record = 1 ]; then
	for ((i = 1; i <= RUNS; i++)); do
		cp "$folder/$commit.$i.json" "bench/baseline/$i.json" || exit 1
	done
	exit 0
fi
if ! compare; then
	echo "figures: once more"
	if measure && ! compare; then
		echo "figures: clearly worse than bench/baseline/ by more than $LIMIT %, twice"
		exit $strict
	fi
fi
echo "figures: kept as $folder/$commit.{1..$RUNS}.json"
