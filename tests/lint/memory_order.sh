#!/bin/bash
# SPDX-License-Identifier: MIT
# memory_order.sh SOURCE - memory orders of the library and the edges of docs/memory-model.md:
#   - no atomic access without an explicit order;
#   - each edge of the table is named in the sources at both ends, and no other one is;
#   - each access that is not relaxed names its edge in its function (or in the comment before it).
# Accesses older than this rule are counted below, per file. The number may only fall.
set -u
cd "$1" || exit 1

unnamed="barrier.c 2
bell.c 2
channel.c 10
gateway.c 11
heap.c 1
liveness.c 5
recover.c 8
recv.c 2
remote.c 13
ring.c 9
stats.c 1
wait.c 1
waitset.c 1"

bad=0
if grep -nE '\batomic_(load|store|exchange|compare_exchange_(weak|strong)|fetch_[a-z]+)\(' channels/src/*.[ch]; then
	echo "memory_order: an atomic access needs an explicit order (..._explicit)"
	bad=1
fi

ends=$(sed -n 's/^| \([A-Z][0-9]\)-\([A-Z][0-9]\) |.*/\1 \2/p' docs/memory-model.md)
[ -n "$ends" ] || { echo "memory_order: no table of edges in docs/memory-model.md"; bad=1; }
named=$(grep -ohE '\b[ABHPRSW][0-9]\b' channels/src/*.[ch] | sort -u)
for end in $ends; do
	grep -qx "$end" <<<"$named" || { echo "docs/memory-model.md: no source names $end"; bad=1; }
done
for end in $named; do
	grep -qw "$end" <<<"$ends" || { echo "channels/src: $end is not in the table of docs/memory-model.md"; bad=1; }
done

# Functions begin with `{` and end with `}` in the first column; a comment before one belongs to it.
found=$(awk -v ends="$(echo $ends)" '
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
/memory_order_(acquire|release|acq_rel|seq_cst)/ && !named {
	file = FILENAME
	sub(/.*\//, "", file)
	count[file]++
	where[file] = where[file] " " FNR
}
END { for (file in count) print file, count[file], where[file] }' channels/src/*.[ch] | sort)
while read -r file count lines; do
	allowed=$(awk -v file="$file" '$1 == file { print $2 }' <<<"$unnamed")
	[ "$count" -le "${allowed:-0}" ] && continue
	echo "channels/src/$file: $count accesses name no edge of docs/memory-model.md, ${allowed:-0} are known; lines: $lines"
	bad=1
done <<<"$found"
total=$(awk '{ sum += $2 } END { print sum + 0 }' <<<"$found")
echo "memory_order: $(grep -cE 'memory_order_(acquire|release|acq_rel|seq_cst)' channels/src/*.[ch] | awk -F: '{ sum += $2 } END { print sum }') lines, $(echo "$ends" | wc -l) edges, $total accesses without a name"
exit $bad
