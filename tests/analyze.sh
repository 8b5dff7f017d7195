#!/bin/bash
# SPDX-License-Identifier: MIT
# analyze.sh BUILD [FOLDER...] - gcc -fanalyzer, clang-tidy and clang-format on the sources of the
# library (or of other folders). Exit 1: something that tests/analyze.known does not explain.
# A tool that is not installed is named and left out; 77: none is.
set -u
build=$(cd "$1" && pwd) || exit 1
shift
cd "$(dirname "$0")/.." || exit 1
folders=${*:-channels/src channels/base}
sources=$(find $folders -name '*.c' | sort)
found=$(mktemp) || exit 1
trap 'rm -f "$found" "$found".*' EXIT
bad=0 tools=0

# The flags with which a source is compiled.
flags() {
	python3 - "$build/compile_commands.json" "$PWD/$1" <<-'END'
	import json, shlex, sys
	for entry in json.load(open(sys.argv[1])):
	    if entry["file"] == sys.argv[2]:
	        words = shlex.split(entry["command"])
	        print(" ".join(w for w in words if w.startswith(("-I", "-D", "-std", "-isystem"))))
	        break
	END
}

# keep: "FILE:LINE:... warning: text [check]" to "FILE CHECK LINE"
keep() {
	sed -nE "s#^($PWD/)?([^: ]+):([0-9]+):[0-9]+: warning: .*\[-?([A-Za-z0-9.,_-]+)\]\$#\2 \4 \3#p"
}

if command -v gcc >/dev/null && echo 'int main(void) { return 0; }' | gcc -fanalyzer -x c - -o /dev/null 2>/dev/null; then
	tools=$((tools + 1))
	for file in $sources; do
		gcc -fanalyzer -O1 $(flags "$file") -c "$file" -o /dev/null >"$found.out" 2>&1 ||
			{ echo "$file: gcc -fanalyzer cannot compile it"; grep error: "$found.out"; bad=1; }
		keep <"$found.out" >>"$found"
	done
	echo "analyze: gcc -fanalyzer: $(echo "$sources" | wc -l) files"
else
	echo "not done: gcc -fanalyzer (no gcc 10 or later)"
fi
if command -v clang-tidy >/dev/null; then
	tools=$((tools + 1))
	for file in $sources; do
		clang-tidy -p "$build" --quiet "$file" >"$found.out" 2>/dev/null ||
			{ echo "$file: clang-tidy cannot read it"; grep error: "$found.out"; bad=1; }
		keep <"$found.out" >>"$found"
	done
	echo "analyze: clang-tidy: $(echo "$sources" | wc -l) files"
else
	echo "not done: clang-tidy (not installed)"
fi
if command -v clang-format >/dev/null; then
	tools=$((tools + 1))
	# It cannot put tabs before a comment, nor align as we do: a file may differ here and there.
	for file in $(find $folders -name '*.[ch]'); do
		differs=$(clang-format "$file" | diff -U0 "$file" - | grep -c '^-[^-]')
		[ $((100 * differs)) -le $((30 * $(wc -l <"$file"))) ] ||
			{ echo "$file: clang-format would change $differs lines"; bad=1; }
	done
else
	echo "not done: clang-format (not installed)"
fi
[ $tools -gt 0 ] || { echo "skipped: no analyzer is installed"; exit 77; }

grep -vE '^#|^ *$' tests/analyze.known | sed 's/ *|.*//' | sort -u >"$found.known"
while read -r file check line; do
	grep -qxF "$file $check" "$found.known" && continue
	echo "$file:$line: $check"
	bad=1
done < <(sort -u "$found")
echo "analyze: $(sort -u "$found" | wc -l) findings, $(wc -l <"$found.known") are known"
exit $bad
