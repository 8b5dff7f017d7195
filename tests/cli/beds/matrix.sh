#!/bin/bash
# SPDX-License-Identifier: MIT
# matrix.sh SOURCE NODES - the same checks on nodes of each source: local, slurm, ssh, pbs, pals.
# The nodes of all but `local` are namespaces of this machine, with real Slurm and sshd.
# Then: whatever carries the daemons is killed, and nothing is left on any node.
here=$(dirname "$(realpath "$0")")
source=$1 nodes=$2
. "$here/../lib.sh"
script="bash $here/checks.sh $nodes"

if [ "$source" = local ]; then
	exec $script
fi
bed_shared="$(realpath "$DHOW_BIN/..") $(realpath "$here/../../..") $work"
case $source in
slurm) . "$here/../../support/beds/mini_slurm.sh" && slurm_up "$nodes" || exit 1 ;;
ssh) . "$here/../../support/beds/mini_ssh.sh" && ssh_up "$nodes" || exit 1 ;;
pbs | pals) . "$here/../../support/beds/pbs_sim.sh" && pbs_up "$nodes" || exit 1 ;;
*) echo "matrix.sh: \"$source\": there are local, slurm, ssh, pbs and pals" >&2; exit 2 ;;
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
left() { for node in $(all_nodes); do bed_processes "$node" | sed "s/^/$node: /"; done; }
has_left_none() { [ -z "$(left)" ]; }

# nothing_left WHAT - on all nodes, within 3 s: remote daemons must hear of it first
nothing_left() {
	wait_until 3 has_left_none && pass || fail "left after $1:" "$(left)"
	for node in $(all_nodes); do
		expect_equal "" "$(bed_on "$node" ls -A /dev/shm /tmp 2>/dev/null | grep -i dhow)" "files on $node"
	done
}

alloc $script || fail "checks"
nothing_left "the checks"

# A start that cannot succeed names its cause, and leaves nothing either.
alloc "$dlaunch" --bind-address 127.0.0.1 --start-timeout 5 true >"$work/out" 2>"$work/err" </dev/null
expect_equal 125 $? "exit code with an address that nodes do not reach"
expect_text err 'tcp://127.0.0.1:[0-9]+ cannot be reached from here \(see --bind-address'
nothing_left "an address that nodes do not reach"
alloc "$dlaunch" --remote-dhowd /nowhere/dhowd true >"$work/out" 2>"$work/err" </dev/null
expect_equal 125 $? "exit code without dhowd"
expect_text err '/nowhere/dhowd'
nothing_left "no dhowd"
if [ $source = ssh ]; then
	alloc "$dlaunch" --hosts node1,node9 true >"$work/out" 2>"$work/err" </dev/null
	expect_equal 125 $? "exit code with a host that is not there"
	expect_text err 'ssh to node 1 \(node9\) ended with exit code 255: ssh: .*node9'
	nothing_left "a host that is not there"
fi

start() {
	new_mark
	digits=$(echo "$mark" | tr -d .)
	: >"$work/out"
	(DHOW_TEST_MARK="$mark" alloc "$dlaunch" -n "$nodes" -N 3 sh -c "setsid sleep $sleepy.$digits & echo up; wait" \
		</dev/null >"$work/out" 2>"$work/err"; echo $? >"$work/code") &
	wait_until 30 has_lines "$work/out" "$((nodes * 3))" || fail "not up"
}

ended() {	# WHAT CODE TEXT
	wait
	expect_equal "$2" "$(cat "$work/code")" "exit code after $1"
	[ -z "$3" ] || expect_text err "$3"
	nothing_left "$1"
}

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

start
kill -9 $(in_node "node$nodes" dhowd daemon)
ended "SIGKILL of a daemon" 125 "node $((nodes - 1))"
start
kill -9 $(in_node "node$nodes" dhowd keeper)
ended "SIGKILL of its keeper" 125 ''
start
kill -9 $(in_node "node$nodes" dhow-tcp)
ended "SIGKILL of an agent" 125 'agent .* was killed by signal 9'

case $source in
slurm) carrier=srun front=head ;;
ssh) carrier=ssh front=head ;;
pbs) carrier=pbsdsh front=node1 ;;
pals) carrier=mpiexec front=node1 ;;
esac
start
kill -9 "$(in_node $front "$carrier" | head -1)"	# srun has a helper, which is younger
ended "SIGKILL of $carrier" 125 ''
finish
