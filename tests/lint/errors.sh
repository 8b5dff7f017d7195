#!/bin/bash
# SPDX-License-Identifier: MIT
# errors.sh SOURCE - the table of codes in docs/errors.md is that of channels/src/error.c: same
# codes, same scopes; each has a cause and a cure.
set -u
cd "$1" || exit 1

code=$(sed -n 's/^\t{ \(E[A-Z]*\), DHOW_SCOPE_\([A-Z]*\), .*/\1 \2/p' channels/src/error.c | tr 'A-Z' 'a-z' | sort)
text=$(sed -n 's/^| `-\(E[A-Z]*\)` | \([a-z]*\) |.*/\1 \2/p' docs/errors.md | tr 'A-Z' 'a-z' | sort)
bad=0
if [ "$code" != "$text" ]; then
	echo "docs/errors.md (>) and channels/src/error.c (<) differ:"
	diff <(echo "$code") <(echo "$text")
	bad=1
fi
# code | scope | cause | cure
awk -F'|' '/^\| `-E/ && ($4 ~ /^ *$/ || $5 ~ /^ *$/) {
	print "docs/errors.md:" FNR ": no cause or no cure"; bad = 1 } END { exit bad }' docs/errors.md || bad=1
# Whatever a header promises to return is in the table.
for name in $(grep -oh '[^A-Za-z_]-E[A-Z]\{2,\}' channels/include/dhow/*.h | grep -o 'E[A-Z]*' | sort -u); do
	grep -q "^| \`-$name\`" docs/errors.md || { echo "docs/errors.md: -$name of the headers is missing"; bad=1; }
done
echo "errors: $(echo "$code" | wc -l) codes checked"
exit $bad
