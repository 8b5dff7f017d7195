#!/bin/bash
# SPDX-License-Identifier: MIT
# compare_test.sh FOLDER - a smoke run of compare: two transports, one table, one JSON, one plot;
# no figure is judged.
set -u
folder=$1
compare=$(dirname "$0")/../../bench/compare
export DHOW_BUILD=$folder/..
if [ ! -x "$DHOW_BUILD/bin/dlaunch" ] || [ ! -x "$folder/compare" ]; then
	echo "skipped: dlaunch or bench/compare is not built"
	exit 77
fi
unset DHOW_TRANSPORT DHOW_FABRIC DHOW_PROVIDER DHOW_NIC SMARTSIM_DRAGON_TRANSPORT
limit=330
. "$(dirname "$0")/lib.sh"

expect 2 bash "$compare" --no-such-option
expect 2 bash "$compare" --transports pigeon
grep -q '"pigeon"' "$work/err" || fail "the transport is not named"
expect 1 bash "$compare" --transports tcp:pigeon --quick
grep -q 'unknown fabric' "$work/err" || fail "the fabric is not named"

# the pair to compare: hsta where its agent can run on something, else two fabrics of tcp
pair=hsta,tcp
if ! "$DHOW_BUILD/bin/dhow-hsta" --check --provider 'tcp;ofi_rxm' >/dev/null 2>&1; then
	echo "not tested: hsta (its agent is not built, or has no 'tcp;ofi_rxm')"
	pair=tcp:uring,tcp:epoll
fi
expect 0 bash "$compare" --quick --transports $pair --json "$work/rows.json" --plot "$work/plot.svg"
sed -n '1,20p' "$work/out"
for kind in latency rate 12-to-12 stream copied incast cpu; do
	grep -qE "^$kind +[0-9]+ [A-Za-z/]+ +\|( +[0-9.]+){3} \|( +[0-9.]+){3} \| +[0-9.]+$" "$work/out" ||
		fail "no row of $kind"
done
for name in ${pair/,/ }; do
	[ "$(grep -c "\"transport\": \"$name\"" "$work/rows.json")" = 15 ] || fail "not 15 rows of $name"
done
if command -v gnuplot >/dev/null; then
	grep -q '</svg>' "$work/plot.svg" || fail "no whole SVG"
else
	echo "not tested: the plot (no gnuplot)"
	grep -q 'gnuplot is not installed' "$work/err" || fail "nothing is said of gnuplot"
fi
[ $bad -eq 0 ] && echo "compare_test: ok"
exit $bad
