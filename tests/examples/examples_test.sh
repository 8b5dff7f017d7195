#!/bin/bash
# SPDX-License-Identifier: MIT
# examples_test.sh BUILD - runs each program of docs/examples as its README says, and checks what
# it prints.
set -u
build=$1
export DHOW_BIN=$build/bin EXAMPLES=$build/docs/examples
here=$(cd "$(dirname "$0")" && pwd)
sources=$here/../../docs/examples
. "$here/../cli/lib.sh"

expect_exit 0 "$EXAMPLES/hello"
expect_text out '^rank 0: ahoy from rank 0$'
expect_exit 0 "$dlaunch" -n 4 -N 3 "$EXAMPLES/hello"
expect_equal 12 "$(grep -c 'ahoy from rank' "$work/out")" "ranks that were greeted"
expect_text out '^rank 0: ahoy from rank 11$'

expect_exit 0 "$dlaunch" -n 4 -N 3 "$EXAMPLES/workqueue"
expect_text out '^2000 numbers from 100000000001: 88 primes$'
expect_equal 2000 "$(awk '/^rank/ { sum += $(NF - 1) } END { print sum }' "$work/out")" \
	"numbers that the workers did"
expect_equal 11 "$(grep -c '^rank' "$work/out")" workers

# The same sum by channels, on one node and on four, and by MPI.
expect_exit 0 "$dlaunch" -n 4 -N 1 "$EXAMPLES/stencil"
sum=$(awk '{ print $2 }' "$work/out")
expect_text out '^sum 538868\.8006526377[0-9]*, .* channels$'
expect_exit 0 "$dlaunch" -n 1 -N 4 "$EXAMPLES/stencil"
expect_equal "$sum" "$(awk '{ print $2 }' "$work/out")" "sum on one node"
expect_exit 2 "$dlaunch" -n 1 -N 3 "$EXAMPLES/stencil"
expect_text err '512 rows are no multiple of 3 ranks'
if [ -x "$EXAMPLES/stencil_mpi" ] && command -v mpirun >/dev/null; then
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
	expect_exit 0 mpirun -n 4 "$EXAMPLES/stencil_mpi"
	expect_equal "$sum" "$(awk '{ print $2 }' "$work/out")" "sum by MPI"
else
	echo "not tested: stencil_mpi (no MPI found)"
fi

expect_exit 0 "$dlaunch" -n 3 -N 2 "$EXAMPLES/paramserver"
expect_text out '^3000 updates by 5 workers: parameters are right within 0\.00'

python=$build/python/interpreter
if [ -e "$build/python/site" ] && PYTHON=$(cat "$python") && "$PYTHON" -c 'import numpy' 2>/dev/null; then
	export PYTHON PYTHONPATH=$build/python/site
	for nodes in "-n 2 -N 1" "-n 1 -N 2"; do
		expect_exit 0 "$dlaunch" $nodes sh "$sources/stream.sh"
		expect_text out '^100 frames, mean slope 1\.000$'
	done
else
	echo "not tested: stream (no wheel, see python_wheel; or no numpy)"
fi
no_leftovers "$mark"
finish
