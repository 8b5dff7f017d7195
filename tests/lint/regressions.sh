#!/bin/bash
# SPDX-License-Identifier: MIT
# regressions.sh SOURCE - each row of tests/regressions.md leads to a test that there is.
set -u
cd "$1" || exit 1
bad=0 rows=0
while IFS='|' read -r _ commit _ test _; do
	rows=$((rows + 1))
	read -r path name _ <<<"${test//\`/}"
	[[ $commit =~ ^\ [0-9a-f]{7,}(\ #[0-9]+)?\ $ ]] ||
		{ echo "tests/regressions.md: row $rows names no commit:$commit"; bad=1; }
	if [ ! -e "$path" ]; then
		echo "tests/regressions.md: there is no $path"
		bad=1
	elif [ -n "${name:-}" ] && ! grep -qE "^Test\([a-z0-9_]+, $name\b" "$path"; then
		echo "tests/regressions.md: $path has no test $name"
		bad=1
	fi
done < <(grep -E '^\| [0-9a-f#]' tests/regressions.md | grep -v '^| mended')
[ "$rows" -gt 0 ] || { echo "tests/regressions.md: no rows"; bad=1; }
echo "regressions: $rows rows"
exit $bad
