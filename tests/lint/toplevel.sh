#!/bin/bash
# SPDX-License-Identifier: MIT
# toplevel.sh SOURCE - the top level holds only what docs/architecture.md draws, and dot-files.
set -u
cd "$1" || exit 1

allowed="CMakeLists.txt CMakePresets.json README.md LICENSE channels tcp hsta launcher tests bench docs"
if ! entries=$(git ls-files --cached --others --exclude-standard 2>/dev/null); then
	entries=$(ls | grep -v '^build')
fi
bad=0
for entry in $(echo "$entries" | cut -d/ -f1 | sort -u); do
	case " $allowed " in
	*" $entry "*) continue ;;
	esac
	case $entry in
	.*) continue ;;
	esac
	echo "toplevel: '$entry' does not belong here (docs/architecture.md, Layout)"
	bad=1
done
exit $bad
