#!/bin/bash
# SPDX-License-Identifier: MIT
# standard.sh - what dlaunch was given to write to is full, closed, or goes away; and a command line
# and an environment as large as they come.
. "$(dirname "$0")/lib.sh"
talk='while :; do echo talk; done'

# expect_end CODE WHAT - of a command line for sh, which redirects; then nothing is left
expect_end() {
	local code
	new_mark
	run timeout -k 1 60 sh -c "$3" >"$work/out" 2>"$work/err" </dev/null
	code=$?
	expect_equal "$1" $code "exit code, $2"
	no_leftovers "$mark"
}
export dlaunch dhow talk work

expect_end 125 "full stdout" '"$dlaunch" -n 2 sh -c "$talk" >/dev/full'
expect_equal "dlaunch: cannot write to stdout: No space left on device, ending the run" "$(tail -1 "$work/err")" "last line"
expect_end 125 "full stderr" '"$dlaunch" -n 2 sh -c "exec >&2; $talk" 2>/dev/full'
expect_end 125 "full file" '"$dlaunch" -n 2 -o /dev/full sh -c "$talk"'
expect_text err '^dlaunch: cannot write to /dev/full: No space left on device, ending the run$'
expect_end 125 "full report" '"$dlaunch" --json /dev/full true'
expect_text err '^dlaunch: --json: cannot write "/dev/full": No space left on device$'
expect_end 125 "full stdout of --help" '"$dlaunch" --help >/dev/full'
expect_text err '^dlaunch: cannot write to stdout: '
expect_end 125 "full stdout of --version" '"$dlaunch" --version >/dev/full'
expect_end 1 "full stdout of info" '"$dhow" info >/dev/full'
expect_text err '^dhow: cannot write to stdout: '

# A real file system of 64 KiB, in a mount namespace.
if unshare -rm mount -t tmpfs none "$work" 2>/dev/null; then
	mkdir "$work/small"
	export full='mount -t tmpfs -o size=64k none "$work/small" && "$dlaunch" -n 2 -o "$work/small/out"'
	expect_end 125 "full disk" 'unshare -rm sh -c "$full sh -c \"\$talk\""'
	expect_text err "cannot write to $work/small/out: No space left on device, ending the run"
else
	echo "not on a full disk: no mount namespace can be made here"
fi

expect_end 125 "file at its limit" 'truncate -s 102399990 "$work/limited"
	exec bash -c "ulimit -f 100000; $dlaunch -n 2 sh -c \"\$talk\" >>$work/limited"'
expect_text err '^dlaunch: cannot write to stdout: File too large, ending the run$'
expect_end 125 "a limit below the pool" 'exec bash -c "ulimit -f 1000; $dlaunch -n 2 true"'
expect_text err 'a pool needs [0-9]+ MiB of shared memory: File too large'
expect_end 125 "few open files" 'ulimit -n 64; "$dlaunch" -n 2 true'
expect_equal "dlaunch: 64 open files are too few, 600 are needed (ulimit -n 1024)" "$(cat "$work/err")" "few open files"

# Closed ones are as /dev/null; no other file of ours takes their place.
said='echo out; echo err >&2; cat; exit 4'
export said
expect_end 4 "closed stdin" '"$dlaunch" -n 2 sh -c "$said" <&-'
expect_equal "out out" "$(xargs <"$work/out")" "output, closed stdin"
expect_end 4 "closed stdout" '"$dlaunch" -n 2 sh -c "$said" >&-'
expect_equal "err err" "$(xargs <"$work/err")" "errors, closed stdout"
expect_end 4 "closed stderr" '"$dlaunch" -n 2 sh -c "$said" 2>&-'
expect_equal "out out" "$(xargs <"$work/out")" "output, closed stderr"
expect_end 4 "all three closed" '"$dlaunch" -n 2 sh -c "$said" <&- >&- 2>&-'
expect_end 0 "dhow with all three closed" '"$dhow" info <&- >&- 2>&-'

# The terminal is closed in the middle.
cat >"$work/close.py" <<'END_PY'
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN if "NOHUP" in os.environ else signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while text.count(os.environb.get(b"TELLS", b"up")) < 4:
    text += os.read(terminal, 4096)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END_PY
expect_end 129 "terminal closed" 'python3 "$work/close.py" "$dlaunch" -n 2 -N 2 sh -c "echo up; setsid sleep 600 & wait"'
expect_end 129 "terminal closed in the middle of output" \
	'python3 "$work/close.py" "$dlaunch" -n 2 -N 2 sh -c "echo up; while :; do echo more; done"'
expect_end 0 "terminal closed under nohup" \
	'NOHUP=1 TELLS="is pid" python3 "$work/close.py" "$dlaunch" -v -n 2 -N 2 -o "$work/nohup" sh -c "sleep 0.5; echo end"'
expect_equal "end end end end" "$(xargs <"$work/nohup")" "output under nohup"

expect_exit 0 "$dlaunch" -n 2 sh -c 'echo $#' name $(seq 10000)
expect_equal "10000 10000" "$(xargs <"$work/out")" "arguments"
value=$(head -c 105000 /dev/zero | tr '\0' x)
for i in $(seq 10); do export "LARGE_$i=$value"; done
expect_exit 0 "$dlaunch" -n 2 sh -c 'env | grep ^LARGE_ | wc -c'
expect_equal "1050091 1050091" "$(xargs <"$work/out")" "bytes of environment"
finish
