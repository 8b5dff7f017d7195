#!/bin/bash
# SPDX-License-Identifier: MIT
# documented.sh - each option of dlaunch is in its man page and in the completions, and they know
# no other; each command of dhow is in dhow.1 and completed.
. "$(dirname "$0")/lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
man=$source/docs/man
completion=$source/launcher/completion

"$dlaunch" --help | grep -oE '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u >"$work/options"
expect_equal yes "$([ "$(wc -l <"$work/options")" -gt 40 ] && echo yes)" "options of --help are found"
same() {	# same WHAT, with the options it has on stdin
	sort -u >"$work/there"
	expect_equal "" "$(comm -3 "$work/options" "$work/there" | xargs)" "only in --help or only in $1"
}
{
	# argp's own are in no man page
	printf -- '--%s\n' help usage version
	sed 's/\\-/-/g' "$man/dlaunch.1" | grep -E '^\.(BR?|IR?) ' | grep -oE -- '--[a-z][a-z-]+'
} | same dlaunch.1
bash -n "$completion/dlaunch.bash" && pass
sed -n '/local options/,/"$/p' "$completion/dlaunch.bash" | grep -oE -- '--[a-z][a-z-]+' | same dlaunch.bash
grep -oE -- '--[a-z][a-z-]+' "$completion/_dlaunch" | same _dlaunch
sed -nE 's/^complete .* -l ([a-z-]+).*/--\1/p' "$completion/dlaunch.fish" | same dlaunch.fish

complete_words() {
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dlaunch; echo "${COMPREPLY[*]}"' \
		bash "$completion/dlaunch.bash" "$@"
}
expect_equal "--cpus-per-task --cpu-bind" "$(complete_words dlaunch -n 4 --cpu)" "names of options"
expect_equal "cyclic" "$(complete_words dlaunch -m c)" "their values"
expect_equal "encrypt" "$(complete_words dlaunch --security = e)" "also behind ="
expect_equal "" "$(complete_words dlaunch -n 4 true --cpu)" "not behind the program"

"$dhow" --help | sed -nE 's/^  ([a-z]+) .*/\1/p' | sort >"$work/commands"
sed -nE 's/^\.B ([a-z]+)$/\1/p' "$man/dhow.1" | sort -u | comm -23 "$work/commands" - >"$work/missing"
expect_equal "" "$(xargs <"$work/missing")" "commands that are not in dhow.1"
for command in $(cat "$work/commands"); do
	grep -qw -- "$command" "$completion/dhow.bash" || fail "dhow $command is not completed"
done
if command -v man >/dev/null; then
	for page in dlaunch.1 dhow.1 dhowd.8 dhow.7; do
		expect_equal "" "$(man --warnings -l "$man/$page" 2>&1 >/dev/null)" "$page"
	done
fi
finish
