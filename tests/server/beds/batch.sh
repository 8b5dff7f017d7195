#!/bin/bash
# SPDX-License-Identifier: MIT
# batch.sh BUILD - SmartSim's batch mode on real Slurm: its client submits a job by sbatch, in which
# its other client starts our server, gives it the steps and waits until it falls silent.
here=$(dirname "$(realpath "$0")")
build=$1 source=slurm nodes=2
DHOW_BIN=$build/bin
. "$here/../../cli/lib.sh"
log=$(bash "$here/../smartsim/smartsim.sh" "$build" --venv)
case $? in
0) ;;
77) echo "$log"; exit 77 ;;
*) echo "no virtual environment: $log"; exit 1 ;;
esac
if command -v mpicc.openmpi >/dev/null; then
	mpicc.openmpi -o "$work/mpi_check" "$here/../../mpi/check.c" || exit 1
	export MPI_CHECK=$work/mpi_check OMPI_MCA_mpi_yield_when_idle=1
fi
. "$here/../../cli/beds/source.sh"

# SmartSim wants such an interface on the node where the job begins.
for i in 1 2; do
	bed_on "node$i" sh -ec "ip link set eth0 down; ip link set eth0 name hsn0; ip link set hsn0 up"
done
# Slurm keeps no accounts here: this tells what SmartSim reads of them.
cat >"$work/sacct" <<'END'
#!/bin/sh
for id in "$@"; do :; done
scontrol -o show job "$id" |
	sed -nE "s/.* JobState=([A-Z]+) .* ExitCode=([0-9:]+) .*/$id|\1|\2|/p"
END
chmod 755 "$work/sacct"
export DHOW_BUILD=$build DHOW_TEST_WORK=$work SMARTSIM_DRAGON_TIMEOUT=3000
bed_on head env PATH="$work:$PATH" "$build/smartsim-venv/bin/python" -B "$here/../smartsim/cases.py" \
	batch </dev/null >"$work/out" 2>&1
expect_equal 0 $? "exit code: $(tail -40 "$work/out")"
expect_text out '^ok +batch'
nothing_left "the batch job"
finish
