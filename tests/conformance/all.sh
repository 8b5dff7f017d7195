#!/bin/bash
# SPDX-License-Identifier: MIT
# all.sh [--long] [BUILD] - every fabric against the conformance suite: one line for each.
#
# BUILD is a folder that is built [build/release]. With --long also the newer UCX of the Python
# package libucx-cu12, which is downloaded (hsta/ucx_wheel.sh). What cannot run here is said to
# be skipped, and why. Exit 1: something is not green; 77: nothing could run.
set -u
long=0
[ "${1:-}" = --long ] && long=1 && shift
case ${1:-} in
-*) echo "all.sh: unknown option '$1'"; echo "try: tests/conformance/all.sh [--long] [BUILD]"; exit 2 ;;
esac
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$source/build}
tests=$build/tests
if [ ! -d "$tests" ]; then
	echo "all.sh: no tests in '$build'"
	echo "try: cmake --preset release && cmake --build --preset release"
	exit 2
fi
build=$(cd "$build" && pwd)	# the build with the wheel has a folder of its own
tests=$build/tests
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0 ran=0

# line WHAT PROGRAM SUITE [SETTING...] - the cases of one suite, with these in the environment
line() {
	local what=$1 program=$tests/$2 suite=$3 log=$work/log rc passed skipped
	shift 3
	if [ ! -x "$program" ]; then
		printf 'skipped  %-34s %s is not built\n' "$what" "${program##*/}"
		return
	fi
	env "$@" timeout 300 "$program" --tap --filter "$suite/*" </dev/null >"$log" 2>&1
	rc=$?
	# what the filter leaves out is in the log, too, and has no reason
	sed -i '/# SKIP test was skipped/Id' "$log"
	skipped=$(grep -ci '^ok.*# skip' "$log")
	passed=$(($(grep -c '^ok' "$log") - skipped))
	if [ $rc -ne 0 ] || grep -q '^not ok' "$log"; then
		printf 'RED      %-34s %d cases passed, exit %d\n' "$what" "$passed" "$rc"
		grep -v '^ok' "$log" | tail -n 30
		bad=1
	elif [ "$passed" = 0 ]; then
		printf 'skipped  %-34s %s\n' "$what" "$(sed -n 's/.*# SKIP *//ip' "$log" | sort -u | head -n 1)"
		return
	else
		printf 'green    %-34s %2d cases' "$what" "$passed"
		[ "$skipped" = 0 ] || printf ', %d skipped: %s' "$skipped" \
			"$(sed -n 's/.*# SKIP *//ip' "$log" | sort -u | head -n 1)"
		echo
	fi
	ran=$((ran + 1))
}

line mem fabric_conformance mem
line uring fabric_conformance uring
line 'uring, all options' fabric_conformance uring_all
line 'uring, no options' fabric_conformance uring_none
line epoll fabric_conformance epoll
line 'ofi tcp;ofi_rxm' ofi_conformance ofi_rxm
line 'ofi net' ofi_conformance ofi_net
line 'ofi shm' ofi_conformance ofi_shm
line 'ofi tcp' ofi_conformance ofi_tcp
line 'ofi cxi' ofi_conformance ofi_cxi
strict=$tests/hsta/cxi_strict.so
if [ -e "$strict" ]; then
	rules=(LD_PRELOAD="$strict" ASAN_OPTIONS=verify_asan_link_order=0 CXI_STRICT_EXPECTED=1)
	line 'ofi, rules of cxi' ofi_conformance ofi_rxm "${rules[@]}"
	line '  and every 7th post refused' ofi_conformance ofi_rxm "${rules[@]}" CXI_STRICT_EAGAIN=7
	line '  and completions delayed' ofi_conformance ofi_rxm "${rules[@]}" CXI_STRICT_DELAY=5
	line '  and raw keys, both of these' ofi_conformance ofi_rxm "${rules[@]}" CXI_STRICT_RAW=1 \
		CXI_STRICT_EAGAIN=5 CXI_STRICT_DELAY=2
	line '  and every 40th completion an error' ofi_faults ofi_faults "${rules[@]}" CXI_STRICT_ERROR=40
	line 'the rules themselves' ofi_rules ofi_rules "${rules[@]}"
else
	printf 'skipped  %-34s %s is not built\n' 'ofi, rules of cxi' "${strict##*/}"
fi
version=$(pkg-config --modversion ucx 2>/dev/null)
line "ucx ${version:-of the system}" ucx_conformance ucx
if [ $long = 1 ]; then
	bash "$source/tests/hsta/ucx_wheel.sh" "$source" "$build/tests/hsta/ucx_wheel" "$tests" \
		>"$work/wheel" 2>&1
	case $? in
	0) sed -n 's/^ok: ucx_conformance, \(.*\): \([0-9]* passed\).*/green    ucx, \1: \2/p' "$work/wheel" ;;
	77) echo "skipped  ucx of libucx-cu12: $(sed -n 's/.*skipped: //p' "$work/wheel" | head -n 1)" ;;
	*) echo "RED      ucx of libucx-cu12"; cat "$work/wheel"; bad=1 ;;
	esac
fi
[ $ran -gt 0 ] || exit 77
exit $bad
