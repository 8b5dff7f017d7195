#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - builds and runs all tests; the last lines are the totals. Exit 0: all passed.
#   --quick  only the release build and its tests
#   --long   also the tests that take minutes
#   --strict figures that are clearly worse than bench/baseline/ fail, too (tests/figures.sh)
set -u
cd "$(dirname "$0")/.." || exit 1

mode=default strict=""
for arg in "$@"; do
	case $arg in
	--quick) mode=quick ;;
	--long) mode=long ;;
	--strict) strict=--strict ;;
	-h | --help) sed -n '3,6s/^# //p' "$0"; exit 0 ;;
	*) echo "run.sh: unknown option '$arg' (wanted --quick, --long or --strict)" >&2; exit 2 ;;
	esac
done

summary=""
failed=0

# note STAGE RESULT SECONDS TEXT
note() {
	summary+=$(printf '%-22s %-6s %5s s  %s' "$1" "$2" "$3" "$4")$'\n'
	[ "$2" = ok ] || failed=1
}

# build PRESET: configure and compile
build() {
	local start=$SECONDS log result=ok
	echo "== build $1"
	log=$(mktemp) || exit 1
	if ! { cmake --preset "$1" && cmake --build --preset "$1"; } >"$log" 2>&1; then
		result=FAILED
		grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)|^-- ' "$log" | tail -n 40
	fi
	note "build $1" $result $((SECONDS - start)) "$(grep -c 'Building C' "$log") files compiled"
	rm -f "$log"
	[ $result = ok ]
}

# totals LOG: tests inside the Criterion programs that ctest ran
totals() {
	sed 's/\x1b\[[0-9;]*m//g' "$1" 2>/dev/null | awk '
		/Synthesis: Tested:/ {
			for (i = 1; i < NF; i++) {
				if ($i == "Tested:") tested += $(i + 1)
				if ($i == "Passing:") passed += $(i + 1)
				if ($i == "Failing:") failing += $(i + 1)
				if ($i == "Crashing:") crashing += $(i + 1)
			}
		}
		END {
			printf "; unit tests: %d run, %d passed, %d failed, %d crashed",
				tested, passed, failing, crashing
		}'
}

# run PRESET DIRECTORY NAME CTEST-ARGUMENTS...
run() {
	local preset=$1 directory=$2 name=$3 start=$SECONDS log result=ok line
	shift 3
	echo "== $name"
	log=$(mktemp) || exit 1
	# Many tests wait more than they work; those that look at the whole machine run alone.
	ctest --test-dir "$directory" -j "$((2 * $(nproc)))" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log"
	[ "${PIPESTATUS[0]}" -eq 0 ] || result=FAILED
	line=$(grep -E 'tests passed|No tests were found' "$log" | tail -n 1)
	line+=$(totals "$directory/Testing/Temporary/LastTest.log")
	note "$name" $result $((SECONDS - start)) "$line"
	rm -f "$log"
}

# figures: a JSON of this commit in build/figures/, beside the baseline
figures() {
	local start=$SECONDS log result=ok
	echo "== figures"
	log=$(mktemp) || exit 1
	bash tests/figures.sh $strict build 2>&1 | tee "$log"
	[ "${PIPESTATUS[0]}" -eq 0 ] || result=FAILED
	note figures $result $((SECONDS - start)) "$(tail -n 1 "$log")"
	rm -f "$log"
}

finish() {
	printf '\n%s' "$summary"
	[ $failed -eq 0 ] && echo "run.sh: all passed in $SECONDS s" || echo "run.sh: FAILED"
	exit $failed
}

extra=""
[ $mode = long ] && extra=--long
bash tests/support/install.sh $extra || { note install FAILED 0 "see above"; finish; }

if build ci; then
	run ci build "test release" -LE long
	[ $mode = long ] && run ci build "test long" -L long
	figures
fi
if [ $mode != quick ]; then
	build ci-clang
	build asan && run asan build-asan "test asan+ubsan" -L "unit|cli" -LE long
	build tsan && run tsan build-tsan "test tsan" -L threads -LE long
fi
if [ $mode = long ]; then
	build arm64 && run arm64 build-arm64 "test arm64 (qemu)" -L unit
fi
finish
