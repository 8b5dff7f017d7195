#!/bin/bash
# SPDX-License-Identifier: MIT
# coverage.sh [CTEST-ARGUMENTS...] - which lines the tests reach: builds with --coverage in
# build-coverage, runs the tests (default: unit tests and programs), prints a line for each file and
# writes build-coverage/coverage/index.html. 77: gcovr is not installed.
set -u
cd "$(dirname "$0")/.." || exit 1
command -v gcovr >/dev/null || { echo "skipped: gcovr is not installed"; exit 77; }
[ $# -gt 0 ] || set -- -L 'unit|cli' -LE long

mkdir -p build-coverage
{ cmake --preset coverage && cmake --build --preset coverage; } >build-coverage/build.log 2>&1 ||
	{ tail -n 20 build-coverage/build.log; exit 1; }
find build-coverage -name '*.gcda' -delete
ctest --test-dir build-coverage -j "$(nproc)" "$@" >build-coverage/tests.log 2>&1
grep 'tests passed' build-coverage/tests.log
mkdir -p build-coverage/coverage
gcovr --root . --object-directory build-coverage --filter 'channels/|tcp/|hsta/|launcher/' \
	--exclude 'build-coverage/' --gcov-ignore-parse-errors \
	--html-details build-coverage/coverage/index.html --txt build-coverage/coverage/report.txt \
	>build-coverage/coverage/gcovr.log 2>&1 || { tail -n 5 build-coverage/coverage/gcovr.log; exit 1; }
sed -n '/^---/,$p' build-coverage/coverage/report.txt
echo "coverage: build-coverage/coverage/index.html"
