#!/bin/bash
# SPDX-License-Identifier: MIT
# binding_test.sh BUILD - binding_test.py with the wheel of BUILD.
set -u
[ -e "$1/python/site" ] || { echo "skipped: the wheel is not built (see python_wheel)"; exit 77; }
PYTHONPATH=$1/python/site exec "$(cat "$1/python/interpreter")" -X faulthandler \
	"$(dirname "$0")/binding_test.py"
