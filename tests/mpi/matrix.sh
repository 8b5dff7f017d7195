# SPDX-License-Identifier: MIT
# matrix.sh - what each MPI library must do under dlaunch. Source it after cli/lib.sh.
#
# $program is the command of check.c or check.py. Nothing here knows where nodes come from: $launch
# is dlaunch with what chooses them.

# runs NODES TASKS - it works, and sees its nodes
runs() {
	expect_exit 0 $launch -n "$1" -N "$2" $program sum
	expect_text out "^good: $(($1 * $2)) ranks, $1 nodes, $2 here$"
}

# ends WHAT CODE TEXT NODES TASKS ARGUMENTS... - the run ends at once, by the rule
ends() {
	local what=$1 code=$2 text=$3 nodes=$4 tasks=$5
	shift 5
	expect_exit "$code" timeout -k 1 40 $launch -n "$nodes" -N "$tasks" $program "$what" "$@"
	[ -z "$text" ] || expect_text err "$text"
	no_leftovers "$mark"
}

# bad_ends NODES TASKS - rank 1 ends the run in each way
bad_ends() {
	ends abort 42 'dlaunch: rank 1 called MPI_Abort with code 42' "$1" "$2" 1 42
	ends kill 137 'dlaunch: rank 1 was killed by signal 9' "$1" "$2" 1
	ends exit 7 'dlaunch: rank 1 ended with exit code 7 between' "$1" "$2" 1 7
	ends exit 1 'dlaunch: rank 1 ended with exit code 0 between' "$1" "$2" 1 0
	ends late 5 '' "$1" "$2" 1 5
}

# odd_ways - a rank that asks for processes hears no, and goes on; one that dies in MPI is not
# started again, because the others have its old address.
odd_ways() {
	expect_exit 0 timeout -k 1 50 $launch -n 2 -N 1 $program spawn
	expect_text out '^refused: .*SPAWN|^internal_Comm_spawn'
	launch="$launch --restart 3" ends kill 137 \
		'dlaunch: rank 1 was killed by signal 9 .*between MPI_Init and MPI_Finalize' 2 1 1
}

# own_tmp - directories of other runs on this machine are not ours to count
own_tmp() {
	TMPDIR=$work/tmp
	export TMPDIR
	mkdir "$TMPDIR"
}

# no_files - what MPI libraries keep in directories is gone, too
no_files() {
	local found
	expect_equal "" "$(ls "$TMPDIR")" "directories left"
	found=$(find /dev/shm -maxdepth 1 \( -name 'vader_segment.*' -o -name 'sm_segment.*' \) \
		-newer "$work" 2>/dev/null)
	expect_equal "" "$found" "shared memory left"
}
