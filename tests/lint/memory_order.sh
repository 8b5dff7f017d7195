#!/bin/bash
# SPDX-License-Identifier: MIT
# memory_order.sh SOURCE - memory orders of the library and the edges of docs/memory-model.md:
#   - no atomic access without an explicit order;
#   - each edge of the table is named in the sources at both ends, and no other one is;
#   - each access that is not relaxed names its edge in its function (or in the comment before it).
set -u
cd "$1" || exit 1

ordered='memory_order_(acquire|release|acq_rel|seq_cst)|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)'
bad=0
if grep -nE '\batomic_(load|store|exchange|compare_exchange_(weak|strong)|fetch_[a-z]+)\(' channels/src/*.[ch]; then
	echo "memory_order: an atomic access needs an explicit order (..._explicit)"
	bad=1
fi

ends=$(sed -n 's/^| \([A-Z][0-9]\)-\([A-Z][0-9]\) |.*/\1 \2/p' docs/memory-model.md)
[ -n "$ends" ] || { echo "memory_order: no table of edges in docs/memory-model.md"; bad=1; }
letters=$(tr -d '0-9 \n' <<<"$ends" | fold -w1 | sort -u | tr -d '\n')
named=$(grep -ohE "\b[$letters][0-9]\b" channels/src/*.[ch] | sort -u)
for end in $ends; do
	grep -qx "$end" <<<"$named" || { echo "docs/memory-model.md: no source names $end"; bad=1; }
done
for end in $named; do
	grep -qw "$end" <<<"$ends" || { echo "channels/src: $end is not in the table of docs/memory-model.md"; bad=1; }
done

# Functions begin with `{` and end with `}` in the first column; a comment before one belongs to it.
found=$(awk -v ends="$(echo $ends)" -v ordered="$ordered" '
BEGIN { n = split(ends, list, " "); for (i = 1; i <= n; i++) is_end[list[i]] = 1 }
FNR == 1 { named = 0 }
/^}/ || /^$/ && !body { named = 0; body = 0 }
/^{/ { body = 1 }
/^}/ { body = 0 }
{
	rest = $0
	while (match(rest, /[A-Z][0-9]/)) {
		if (substr(rest, RSTART, 2) in is_end)
			named = 1
		rest = substr(rest, RSTART + 2)
	}
}
$0 ~ ordered && !named { print FILENAME ":" FNR ": names no edge of docs/memory-model.md" }
' channels/src/*.[ch])
[ -z "$found" ] || { echo "$found"; bad=1; }
echo "memory_order: $(grep -hE "$ordered" channels/src/*.[ch] | wc -l) lines, $(echo "$ends" | wc -l) edges"
exit $bad
