#!/bin/bash
# SPDX-License-Identifier: MIT
# log.sh - what the programs of a run tell of themselves: as much as is wanted, as text or JSON.
. "$(dirname "$0")/lib.sh"

exchange=$DHOW_BIN/../bench/exchange

expect_exit 2 env DHOW_LOG=inof "$dlaunch" true
expect_equal "dlaunch: DHOW_LOG: 'inof' is not LEVEL or COMPONENT=LEVEL, with a LEVEL of error, warn, info or debug" \
	"$(cat "$work/err")"
expect_exit 2 env DHOW_LOG_FORMAT=xml "$DHOW_BIN/dhow" info
expect_text err "DHOW_LOG_FORMAT is 'xml': text or json"

# components LEVELS - those that speak during a run of two nodes with links between them
components() {
	expect_exit 0 env DHOW_LOG="$1" DHOW_LOG_FORMAT=json "$dlaunch" -n 2 -N 1 "$exchange" --messages 20
	python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert all(line["message"] and line["pid"] > 1 and line["host"] for line in lines)
print(*sorted({line["component"] + "=" + line["level"] for line in lines}))' "$work/err"
}
expect_equal "" "$(components warn)" "nothing to warn of"
expect_equal "agent=info" "$(components warn,agent=info)"
expect_equal "" "$(components agent=info,warn)" "the last counts"
no_leftovers "$mark"
finish
