#!/bin/bash
# SPDX-License-Identifier: MIT
# api_test.sh BUILD - the API reference is made without a warning and has every call in it.
set -u
build=$1
command -v doxygen >/dev/null || { echo "skipped: doxygen is not installed"; exit 77; }
cmake --build "$build" --target docs || { echo "api_test: see the warnings above"; exit 1; }
bad=0
calls=$(sed -n '/global:/,/local:/p' "$(dirname "$0")/../../channels/src/dhow.map" | grep -o 'dhow_[a-z_]*')
for call in $calls; do
	grep -rqE "memname.*[ *>]$call(</a>)? </td>" "$build/docs/api" || { echo "api_test: $call is missing"; bad=1; }
done
echo "api_test: $(echo "$calls" | wc -l) calls in $build/docs/api/index.html"
exit $bad
