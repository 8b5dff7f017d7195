#!/bin/bash
# SPDX-License-Identifier: MIT
# hsta.sh - the choice of transport, fabric, provider and NIC, its errors, and the main job over
# libfabric and over UCX, with an agent of each killed while messages move.
. "$(dirname "$0")/lib.sh"
exchange=$DHOW_BIN/../bench/exchange
hsta=$DHOW_BIN/dhow-hsta
if [ ! -x "$exchange" ] || [ ! -x "$hsta" ]; then
	echo "skipped: $exchange or $hsta is not built"
	exit 77
fi
unset DHOW_TRANSPORT DHOW_FABRIC DHOW_PROVIDER DHOW_NIC SMARTSIM_DRAGON_TRANSPORT

# wrong CODE PATTERN ARGUMENT... - one clear message, with the offending value and the cure
wrong() {
	local code=$1 pattern=$2
	shift 2
	expect_exit "$code" "$@" true
	expect_text err "$pattern"
	expect_text err '^try: |there are '
	expect_equal 0 "$(grep -vcE '^(dlaunch|try): ' "$work/err")" "other lines of $*"
}

# where the kernel has no RDMA device; elsewhere it would be taken
if [ -e /sys/class/cxi ] || [ -n "$(ls /sys/class/infiniband 2>/dev/null)" ]; then
	echo "not tested: what is said where there is no RDMA device (this machine has one)"
else
	for nodes in 1 2; do
		wrong 125 '^dlaunch: --transport "hsta": no RDMA device here$' "$dlaunch" -n $nodes --transport hsta
		expect_text err "^try: --transport tcp, or --provider 'tcp;ofi_rxm' "
	done
	wrong 125 '^dlaunch: DHOW_TRANSPORT "hsta": no RDMA' env DHOW_TRANSPORT=hsta "$dlaunch" -n 2
	wrong 125 '^dlaunch: SMARTSIM_DRAGON_TRANSPORT "hsta": no RDMA' \
		env SMARTSIM_DRAGON_TRANSPORT=hsta "$dlaunch" -n 2
	wrong 125 '^dlaunch: --fabric "ucx": no RDMA' "$dlaunch" -n 2 --fabric ucx
	wrong 125 '^dlaunch: --nic "cxi0": no RDMA' "$dlaunch" -n 2 --nic cxi0
	expect_exit 0 "$dlaunch" -v -n 2 true
	expect_text err '^dlaunch: transport tcp: no RDMA device here$'
fi
wrong 2 '"pigeon": unknown transport' "$dlaunch" --transport pigeon
wrong 2 'SMARTSIM_DRAGON_TRANSPORT "pigeon"' env SMARTSIM_DRAGON_TRANSPORT=pigeon "$dlaunch"
wrong 2 '--fabric "pigeon": unknown fabric' "$dlaunch" --fabric pigeon
wrong 2 'DHOW_FABRIC "pigeon": unknown fabric' env DHOW_FABRIC=pigeon "$dlaunch"
wrong 2 '--fabric "uring": this is for transport tcp' "$dlaunch" --fabric uring --transport hsta
wrong 2 '--provider "cxi": this is for transport hsta' "$dlaunch" --provider cxi --transport tcp
wrong 2 '--nic "cxi0": this is for transport hsta' "$dlaunch" --nic cxi0 --fabric epoll
wrong 125 "no provider 'pigeon': cxi, " "$dlaunch" -n 2 --provider pigeon --fabric ofi

# An option beats a variable, even one that belongs to the other transport.
expect_exit 0 env DHOW_TRANSPORT=hsta DHOW_FABRIC=ucx DHOW_PROVIDER=cxi DHOW_NIC=cxi0 \
	"$dlaunch" -v -n 2 --transport tcp true
expect_text err '^dlaunch: transport tcp: --transport is tcp$'
expect_exit 0 env DHOW_TRANSPORT=tcp SMARTSIM_DRAGON_TRANSPORT=hsta "$dlaunch" -v -n 2 true
expect_text err '^dlaunch: transport tcp: DHOW_TRANSPORT is tcp$'

table_is_clean() {
	expect_equal 12 "$(grep -cE '^(on|off)-node .* 0 +0 +0$' "$work/out")" "clean rows"
}

all_run() { [ "$(find_marked exchange . | wc -l)" = 12 ]; }

# job FABRIC OPTION... - the main job; then again, and one of its agents is killed
job() {
	local fabric=$1 agent why sockets
	shift
	if ! why=$("$hsta" --check --fabric "$fabric" --provider 'tcp;ofi_rxm' 2>/dev/null); then
		echo "not tested: $why"
		return
	fi
	expect_exit 0 "$dlaunch" -n 4 -N 3 --start-timeout 40 "$@" "$exchange" --messages 20
	table_is_clean
	no_leftovers "$mark"
	sockets=$(grep -c '@dhow' /proc/net/unix)
	new_mark
	(run_exec env SLINGSHOT_VNIS=1021,1022 "$dlaunch" -n 4 -N 3 --start-timeout 40 "$@" \
		"$exchange" --messages 1000000 </dev/null >"$work/out" 2>"$work/err") &
	pid=$!
	wait_until 50 all_run || fail "not up"
	sleep 0.3		# messages move
	agent=$(find_marked dhow-hsta "$fabric" | tail -1)
	tr '\0' '\n' <"/proc/$agent/environ" | grep -qx 'SLINGSHOT_VNIS=1021,1022' && pass ||
		fail "SLINGSHOT_VNIS does not reach the agent"
	kill -9 "$agent"
	wait $pid 2>/dev/null
	expect_equal 125 $? "exit code after SIGKILL of an agent"
	expect_text err 'agent .* was killed by signal 9'
	no_leftovers "$mark"
	expect_equal "$sockets" "$(grep -c '@dhow' /proc/net/unix)" "abstract sockets"
}

job ofi --transport hsta --provider 'tcp;ofi_rxm'
job ucx --transport hsta --provider 'tcp;ofi_rxm' --fabric ucx
# by the environment alone
if "$hsta" --check --provider 'tcp;ofi_rxm' >/dev/null 2>&1; then
	expect_exit 0 env DHOW_PROVIDER='tcp;ofi_rxm' DHOW_FABRIC=ofi "$dlaunch" -v -n 2 true
	expect_text err '^dlaunch: transport hsta, fabric ofi: DHOW_FABRIC is ofi; tcp;ofi_rxm .* on '
	wrong 125 'nothing is found for device wlan7' "$dlaunch" -n 2 --provider 'tcp;ofi_rxm' \
		--fabric ofi --nic wlan7
	wrong 125 'nothing is found for device wlan8' env DHOW_NIC=wlan8 "$dlaunch" -n 2 \
		--provider 'tcp;ofi_rxm' --fabric ofi
fi
finish
