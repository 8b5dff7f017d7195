#!/bin/bash
# SPDX-License-Identifier: MIT
# steps.sh SOURCE NODES - the command server on nodes of slurm or ssh: steps, MPI across nodes, a
# client on another node, a stop; and nothing is left on any node.
here=$(dirname "$(realpath "$0")")
source=$1 nodes=$2
. "$here/../../cli/lib.sh"
. "$here/../../cli/beds/source.sh"
export DHOW_KEY_PATH=$work/keys HOME=$work
export OMPI_MCA_mpi_yield_when_idle=1	# fewer cores than ranks
export DHOW_TEST_THERE=$work/there
: >"$work/there"
client=("$dhow" run --server "$work/server")

# a program, unlike bed_on
cat >"$work/on" <<END
#!/bin/bash
exec nsenter -t "\$(cat "$bed/\$1.pid")" -n -m -u -i -p --wd=/ -- "\${@:2}"
END
chmod 755 "$work/on"

"$dhow" keygen >/dev/null || fail "keygen"
(alloc "$dhow" serve --dir "$work/server" --address "$bed_net.254" </dev/null >"$work/log" 2>&1
	echo $? >"$work/code") &
wait_until 60 test -s "$work/server/dragon_config.log" || fail "no server: $(cat "$work/log")"

# All nodes, each its own host; files of the shared folder.
expect_exit 0 "$work/on" head "${client[@]}" -n "$nodes" -N 3 sh -c 'hostname; echo bad >&2'
expect_equal "$(seq -f '3 node%g' "$nodes")" "$(sort "$work/out" | uniq -c | sed 's/^ *//')" "hosts"
expect_equal "$((3 * nodes))" "$(grep -cx bad "$work/err")" "lines of stderr"
expect_exit 3 "$work/on" head "${client[@]}" -n "$nodes" sh -c 'exit $((DHOW_RANK * 3))'

# A client on a node, over the network with a key of its own, sees the same steps.
expect_exit 0 "$work/on" node1 "${client[@]}" --name there hostname
expect_exit 0 "$work/on" head "$dhow" ps -a --server "$work/server"
expect_text out ' there( |$)'

# MPI: the launcher's services are there for steps, too.
if command -v mpicc.openmpi >/dev/null; then
	mpicc.openmpi -o "$work/mpi_check" "$here/../../mpi/check.c" || fail "mpicc"
	expect_exit 0 "$work/on" head "${client[@]}" -n "$nodes" -N 2 "$work/mpi_check" sum
	expect_text out "^good: $((2 * nodes)) ranks, $nodes nodes, 2 here"
else
	echo "without MPI: there is no mpicc.openmpi here (package libopenmpi-dev)"
fi

# A stop reaches what left its session on another node.
step=$(bed_on head "${client[@]}" -d -n "$nodes" sh -c 'setsid sleep 9999 & echo up >>$DHOW_TEST_THERE; wait' \
	2>"$work/err")
wait_until 30 has_lines "$work/there" "$nodes" || fail "step $step is not up"
expect_exit 0 "$work/on" head "$dhow" stop --server "$work/server" "$step"
has_ended() { bed_on head "$dhow" ps -a --server "$work/server" | grep -q "^$step *Cancelled"; }
wait_until 30 has_ended || fail "step $step is not stopped"

expect_exit 0 "$work/on" head "$dhow" shutdown --server "$work/server"
wait
expect_equal 0 "$(cat "$work/code")" "exit code of the server"
nothing_left "the server's end"
finish
