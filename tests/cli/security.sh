#!/bin/bash
# SPDX-License-Identifier: MIT
# security.sh - levels of links: each carries an all-to-all exchange whose every byte is
# checked; how it is chosen, and what is said of a wrong one.
. "$(dirname "$0")/lib.sh"
exchange=$DHOW_BIN/../bench/exchange

# agents_say LEVEL - both ends of the link have it
agents_say() {
	expect_equal 2 "$(grep -c "connected, security $1 with " "$work/err")" "links with $1"
}

if [ -x "$exchange" ]; then
	for fabric in uring epoll; do
		for level in mac integrity encrypt; do
			expect_exit 0 env DHOW_LOG=info "$dlaunch" -n 2 -N 2 --fabric $fabric \
				--security $level "$exchange" --messages 100
			expect_equal 0 "$(grep -E '^(on|off)-node ' "$work/out" |
				grep -vcE ' 0 +0 +0$')" "rows with damage, loss or disorder"
			[ "$(grep -cE '^off-node .* 0 +0 +0$' "$work/out")" -gt 3 ] ||
				fail "no rows: $(head -c 300 "$work/out")"
			agents_say $level
			expect_text err 'node 1: 1 connections, .* 0 damaged; acknowledged in'
			no_leftovers "$mark"
		done
	done
	expect_exit 0 env DHOW_LOG=info DHOW_SECURITY=integrity "$dlaunch" -n 2 -N 1 "$exchange" \
		--messages 20
	agents_say integrity
	expect_exit 0 env DHOW_LOG=info DHOW_SECURITY=integrity "$dlaunch" --security encrypt \
		-n 2 -N 1 "$exchange" --messages 20
	agents_say encrypt
	expect_exit 0 env DHOW_LOG=info DHOW_SECURITY= "$dlaunch" -n 2 -N 1 "$exchange" --messages 20
	agents_say mac
else
	echo "$exchange is not built: no exchange at each level"
fi

expect_exit 125 "$dlaunch" -n 2 --security none true
expect_text err '^dlaunch: --security "none": there are mac, integrity and encrypt$'
expect_equal 1 "$(wc -l <"$work/err")" "lines"
expect_exit 125 env DHOW_SECURITY=MAC "$dlaunch" -n 2 true
expect_text err '^dlaunch: DHOW_SECURITY "MAC": there are mac, integrity and encrypt$'
expect_equal 1 "$(wc -l <"$work/err")" "lines"
expect_exit 0 env DHOW_SECURITY=MAC "$dlaunch" --security mac true
finish
