#!/bin/bash
# SPDX-License-Identifier: MIT
# style.sh SOURCE - the rules of docs/README.md (Style) that a machine can see.
set -u
cd "$1" || exit 1

code=$(find channels tcp hsta launcher bench tests docs -name '*.[ch]' 2>/dev/null | sort)
text=$(find channels tcp hsta launcher bench tests docs .ci \( -name '*.sh' -o -name '*.cmake' \
	-o -name CMakeLists.txt -o -path .ci/run \) 2>/dev/null | sort)
python=$(find channels tests docs bench -name '*.py' -o -path bench/peers/run | sort)
bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT

for file in $code $text $python; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
		echo "$file:1: no SPDX line" >>"$bad"
done
for file in $code $python; do
	expand "$file" | awk -v file="$file" 'length($0) > 100 {
		print file ":" FNR ": " length($0) " columns (at most 100)" }' >>"$bad"
done
for file in $code; do
	[ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: MIT */' ] ||
		echo "$file:1: the first line is not the SPDX comment" >>"$bad"
done

# Functions begin with `{` and end with `}` in the first column.
awk '
function report(what) { print FILENAME ":" FNR ": " what }
FNR == 1 { start = 0 }
/^ +[^ *]/ { report("indented by blanks, not tabs") }
/[ \t]+$/ { report("blanks at the end of the line") }
/TODO/ && !/TODO\(#[0-9]+\)/ { report("bare TODO (write TODO(#123): ...)") }
{
	line = $0
	gsub(/\/\*.*\*\//, "", line)
	sub(/\/\*.*/, "", line)
	if (line ~ /(^|[^a-z_])volatile([^a-z_]|$)/ && line !~ /^ \*/ && line !~ /asm/)
		report("volatile (use C11 atomics)")
}
/^{/ { start = FNR }
/^}/ && start {
	if (FNR - start - 1 > 120)
		report("function of " FNR - start - 1 " lines (at most 120)")
	start = 0
}
FNR == 801 { report("file longer than 800 lines") }
' $code >>"$bad"

cat "$bad"
echo "style: $(echo "$code" | wc -l) files checked, $(wc -l <"$bad") findings"
[ ! -s "$bad" ]
