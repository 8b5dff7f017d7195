#!/bin/bash
# SPDX-License-Identifier: MIT
# docs_test.sh SOURCE BUILD - see docs_test.py.
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
exec python3 "$(dirname "$0")/docs_test.py" "$1" "$2" "$2/docs-test"
