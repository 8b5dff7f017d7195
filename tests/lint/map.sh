#!/bin/bash
# SPDX-License-Identifier: MIT
# map.sh SOURCE - docs/map.md tells the truth: each path in it exists, each public header and
# each source of the parts is in it.
set -u
cd "$1" || exit 1

bad=0 count=0
# Paths are what stands between backquotes; a pattern like src/x.{c,h} or x_*.c counts as well.
paths=$(grep -o '`[^` ]*`' docs/map.md | tr -d '`' | grep / | sort -u)
listed=""
for path in $paths; do
	count=$((count + 1))
	files=$(eval "ls -d $path" 2>&1) || { echo "docs/map.md: '$path' does not exist"; bad=1; }
	listed+=$files$'\n'
done
for file in $(find channels tcp hsta launcher bench -name '*.[ch]' | sort); do
	# A folder in the map stands for all in it.
	grep -qxF -e "$file" -e "$(dirname "$file")" -e "$(dirname "$file")/" <<<"$listed" ||
		{ echo "docs/map.md: '$file' is missing"; bad=1; }
done
echo "map: $count paths checked"
exit $bad
