#!/bin/bash
# SPDX-License-Identifier: MIT
# source.sh - brings up the nodes of $source with $nodes of them, for scripts of this folder. Source
# it behind ../lib.sh; it skips the test where that cannot be done.
here=$(dirname "$(realpath "$0")")
bed_shared="$(realpath "$DHOW_BIN/..") $(realpath "$here/../../..") $work"
case $source in
slurm) . "$here/../../support/beds/mini_slurm.sh" && slurm_up "$nodes" || exit 1 ;;
ssh) . "$here/../../support/beds/mini_ssh.sh" && ssh_up "$nodes" || exit 1 ;;
pbs | pals) . "$here/../../support/beds/pbs_sim.sh" && pbs_up "$nodes" || exit 1 ;;
*) echo "source.sh: \"$source\": there are local, slurm, ssh, pbs and pals" >&2; exit 2 ;;
esac
clean_all() { bed_down; clean_work; }
trap clean_all EXIT
export DHOW_BIN SHELL=/bin/sh

# alloc COMMAND... - where a user would type it, with the nodes
alloc() {
	case $source in
	slurm) slurm_alloc "$nodes" "$@" ;;
	ssh) ssh_alloc env DHOW_HOSTFILE="$bed/hostfile" "$@" ;;
	pbs) pbs_alloc "$nodes" 3 "$@" ;;
	pals) pals_alloc "$nodes" 3 "$@" ;;
	esac
}
seq "$nodes" | sed 's/.*/node& slots=3/' >"$bed/hostfile"

all_nodes() { echo head; seq -f 'node%g' "$nodes"; }
bystander=8888.8888		# seconds that processes sleep which are none of a run's
left() {
	local node
	for node in $(all_nodes); do
		bed_processes "$node" | grep -v "sleep $bystander" | sed "s/^/$node: /"
	done
}
has_left_none() { [ -z "$(left)" ]; }

# nothing_left WHAT [VICTIM] - on all nodes, within 3 s: remote daemons must hear of it first.
# When srun dies, Slurm SIGKILLs the daemons and their keepers: who could have removed files is dead
# then, and the next start on the node does it.
nothing_left() {
	wait_until 3 has_left_none && pass || fail "left after $1:" "$(left)"
	[ "${2:-}.$source" != carrier.slurm ] || alloc "$dlaunch" -n "$nodes" true </dev/null
	for node in $(all_nodes); do
		[ $source = ssh ] || [ $source = slurm ] || [ -z "$(ls -A "$bed/home")" ] ||
			fail "start message left after $1: $(find "$bed/home" -type f)"
		expect_equal "" "$(bed_on "$node" ls -A /dev/shm /tmp 2>/dev/null | grep -i dhow)" "files on $node"
	done
}

# The program that carries the daemons, and the node it runs on with dlaunch.
case $source in
slurm) carrier=srun front=head ;;
ssh) carrier=ssh front=head ;;
pbs) carrier=pbsdsh front=node1 ;;
pals) carrier=mpiexec front=node1 ;;
esac

# in_node NODE NAME [daemon|keeper] - pids, as seen from here
in_node() {
	local p space role
	space=$(readlink "/proc/$(bed_pid "$1")/ns/pid")
	for p in $(pgrep -f "^([^ ]*/)?(python3 [^ ]*/)?$2( |$)"); do
		[ "$(readlink "/proc/$p/ns/pid")" = "$space" ] || continue
		tr '\0' ' ' <"/proc/$p/cmdline" | grep -q -- '--keeper' && role=keeper || role=daemon
		[ "${3:-$role}" = $role ] || continue
		echo "$p"
	done
}
