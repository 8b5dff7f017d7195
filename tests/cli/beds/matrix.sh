#!/bin/bash
# SPDX-License-Identifier: MIT
# matrix.sh SOURCE NODES - the same checks on nodes of each source: local, slurm, ssh, pbs, pals.
# The nodes of all but `local` are namespaces of this machine, with real Slurm and sshd.
# Then: whatever carries the daemons is killed, and nothing is left on any node.
here=$(dirname "$(realpath "$0")")
source=$1 nodes=$2
. "$here/../lib.sh"
script="bash $here/checks.sh $nodes"

# MPICH of Debian hangs at times in MPI_Finalize across nodes, under Slurm, too: Open MPI.
if command -v mpicc.openmpi >/dev/null; then
	mpicc.openmpi -o "$work/mpi_check" "$here/../../mpi/check.c" || exit 1
	export MPI_CHECK=$work/mpi_check
else
	echo "without MPI: there is no mpicc.openmpi here (package libopenmpi-dev)"
fi

if [ "$source" = local ]; then
	$script
	exit		# not exec: what is in $work must go
fi
. "$here/source.sh"

alloc $script || fail "checks"
nothing_left "the checks"

# What a step has on each node reaches the tasks there; what describes the daemons' step does not.
if [ $source = slurm ]; then
	alloc env SLINGSHOT_DEVICES=of-front "$dlaunch" -n "$nodes" -N 2 \
		sh -c 'echo $SLINGSHOT_DEVICES $SLURM_PROCID $SLURM_LOCALID $SLURM_NTASKS' \
		>"$work/out" 2>"$work/err" </dev/null
	for i in $(seq "$nodes"); do
		for j in 0 1; do
			echo "cxi-of-node$i $((2 * (i - 1) + j)) $j $((2 * nodes))"
		done
	done | sort >"$work/wanted"
	expect_equal "$(cat "$work/wanted")" "$(sort "$work/out")" "variables of Slurm"
fi

# From a batch script, too, which begins on the first node; so many tasks as it asked for.
if [ $source = slurm ]; then
	bed_on head sbatch -Q -N "$nodes" --ntasks-per-node=3 -o "$work/batch" \
		--wrap "$dlaunch -l sh -c 'echo from a batch'" >"$work/out" 2>"$work/err" </dev/null
	expect_equal 0 $? "exit code of sbatch"
	has_no_jobs() { [ -z "$(bed_on head squeue -h)" ]; }
	wait_until 60 has_no_jobs || fail "the batch job does not end"
	expect_equal "$((nodes * 3))" "$(grep -cE '^ *[0-9]+: from a batch$' "$work/batch")" \
		"lines of a batch job: $(head -c 300 "$work/batch")"
	nothing_left "a batch job"
fi

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

ended() {	# WHAT CODE TEXT [VICTIM]
	wait
	expect_equal "$2" "$(cat "$work/code")" "exit code after $1"
	[ -z "$3" ] || expect_text err "$3"
	nothing_left "$1" "${4:-}"
}

start
expect_equal "0 processes ended" "$(bed_on "node$nodes" "$dhow" clean)" "dhow clean on a node of a run that lives"
kill -9 $(in_node "node$nodes" dhowd daemon)
ended "SIGKILL of a daemon" 125 "node $((nodes - 1))"
start
kill -9 $(in_node "node$nodes" dhowd keeper)
ended "SIGKILL of its keeper" 125 ''
start
kill -9 $(in_node "node$nodes" dhow-tcp)
ended "SIGKILL of an agent" 125 'agent .* was killed by signal 9'

start
kill -9 "$(in_node $front "$carrier" | head -1)"	# srun has a helper, which is younger
ended "SIGKILL of $carrier" 125 '' carrier
finish
