#!/bin/bash
# SPDX-License-Identifier: MIT
# pals.sh - the application file for Cray MPICH is, byte for byte, the one that Slurm's own plugin
# writes for the same tasks on the same nodes; the variables that go with it are there.
here=$(dirname "$(realpath "$0")")
. "$here/../cli/lib.sh"
bed_shared="$(realpath "$DHOW_BIN/..") $(realpath "$here/../..") $work"
. "$here/../support/beds/mini_slurm.sh" && slurm_up 2 || exit 1
clean_all() { bed_down; clean_work; }
trap clean_all EXIT
export SHELL=/bin/sh

cat >"$work/tell" <<'END'
#!/bin/sh
cat "$PALS_APINFO" >"$1.$PALS_RANKID"
echo "$PALS_RANKID $PALS_NODEID $SLURM_PROCID $SLURM_LOCALID $SLURM_NODEID $SLURM_NTASKS" \
	"$SLURM_STEP_TASKS_PER_NODE $SLURM_GTIDS $SLURMD_NODENAME"
END
chmod +x "$work/tell"
bed_on head salloc -Q -N 2 --ntasks-per-node=3 timeout -k 1 60 srun -N 2 --ntasks-per-node=3 --overlap --mpi=cray_shasta \
	"$work/tell" "$work/slurm" </dev/null >"$work/slurm.out" 2>"$work/err" || fail "srun"
bed_on head salloc -Q -N 2 --ntasks-per-node=3 timeout -k 1 60 "$dlaunch" -n 2 -N 3 "$work/tell" "$work/ours" \
	</dev/null >"$work/ours.out" 2>"$work/err" || fail "dlaunch"
for rank in 0 1 2 3 4 5; do
	cmp "$work/slurm.$rank" "$work/ours.$rank" >"$work/cmp" 2>&1 && pass ||
		fail "file of rank $rank: $(cat "$work/cmp")"
done
expect_equal "$(sort -n "$work/slurm.out")" "$(sort -n "$work/ours.out")" "variables"
finish
