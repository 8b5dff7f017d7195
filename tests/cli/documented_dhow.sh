#!/bin/bash
# SPDX-License-Identifier: MIT
# documented_dhow.sh - each option of each command of dhow is in its man page and in the completions,
# and those of bash and fish know no other; the completion of bash gives what it should.
. "$(dirname "$0")/lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
completion=$source/launcher/completion
man=$source/docs/man/dhow.1

long() { grep -oE -- '--[a-z][a-z-]+' | grep -vxE -- '--(help|usage|version)' | sort -u; }
bash -n "$completion/dhow.bash" && pass
. "$completion/dhow.bash"
sed -e 's/\\-/-/g' "$man" | grep -E '^\.(BR?|IR?) ' | long >"$work/man"
for command in $("$dhow" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	if ! "$dhow" "$command" --help >"$work/help" 2>&1; then
		grep -q 'bench: the benchmarks are not here' "$work/help" || fail "dhow $command --help"
		continue
	fi
	# of argp's own form: at the beginning of a line
	grep -oE '^ +(-., )?--[a-z][a-z-]+' "$work/help" | long >"$work/options"
	expect_equal "" "$(comm -23 "$work/options" "$work/man" | xargs)" "dhow $command: not in dhow.1"
	_dhow_options "$command" | long >"$work/there"
	expect_equal "" "$(comm -3 "$work/options" "$work/there" | xargs)" "dhow $command: only in --help or dhow.bash"
	grep -E "__dhow_at[a-z ]* $command[ ']" "$completion/dhow.fish" |
		sed -nE 's/.* -l ([a-z-]+).*/--\1/p' | long >"$work/there"
	expect_equal "" "$(comm -3 "$work/options" "$work/there" | xargs)" "dhow $command: only in --help or dhow.fish"
	grep -q "^complete .* -a $command " "$completion/dhow.fish" || fail "dhow.fish: no $command"
	sed -n "/^$command) /,/;;\$/p" "$completion/_dhow" >"$work/part"
	grep -q 'server' "$work/part" && sed -n '/^local -a server/,/^)/p' "$completion/_dhow" >>"$work/part"
	[ -s "$work/part" ] && grep -q "'$command\[" "$completion/_dhow" || fail "_dhow: no $command"
	long <"$work/part" >"$work/there"
	expect_equal "" "$(comm -23 "$work/options" "$work/there" | xargs)" "dhow $command: not in _dhow"
done
expect_equal yes "$([ "$(wc -l <"$work/man")" -gt 30 ] && echo yes)" "options are found"

complete_words() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_dhow
	echo "${COMPREPLY[*]}"
}
expect_equal "serve stop shutdown smartsim" "$(complete_words "$dhow" s)" "commands"
expect_equal "--detach" "$(complete_words "$dhow" run -n 2 --de)" "names of options"
expect_equal "backfill" "$(complete_words "$dhow" serve --schedule b)" "their values"
expect_equal "pack" "$(complete_words "$dhow" serve --schedule = p)" "also behind ="
expect_equal "" "$(complete_words "$dhow" run true --de)" "not behind the program"
expect_equal "" "$(complete_words "$dhow" smartsim -- true --pr)" "not behind the script"

# Ids of steps, from the server that the line names.
export DHOW_KEY_PATH=$work/keys HOME=$work
"$dhow" serve --dir "$work/server" </dev/null 2>"$work/err" &
server=$!
wait_until 60 test -s "$work/server/dragon_config.log" || fail "no server"
step=$("$dhow" run --server "$work/server" -d sleep 1000)
expect_equal "$step" "$(complete_words "$dhow" stop --server "$work/server" "")" "steps"
expect_equal "$step" "$(complete_words "$dhow" logs --server = "$work/server" "${step%-0}")" "steps, behind ="
expect_exit 0 "$dhow" shutdown --server "$work/server"
wait "$server"
finish
