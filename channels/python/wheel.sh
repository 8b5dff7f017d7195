#!/bin/bash
# SPDX-License-Identifier: MIT
# wheel.sh BUILD - builds the wheel against what BUILD would install, without the network:
# BUILD/python/dhow-*.whl, and unpacked for use by tests in BUILD/python/site.
# PYTHON chooses the interpreter. Exit 77: none has what is needed (the reason is printed).
set -eu
source=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
out=$build/python
mkdir -p "$out"

# find_python: the first interpreter that can build the wheel
find_python() {
	local python
	for python in ${PYTHON:-python3 /usr/bin/python3}; do
		"$python" -c 'import cffi, setuptools, wheel, pip' 2>/dev/null && { echo "$python"; return 0; }
	done
	return 1
}
if ! python=$(find_python); then
	echo "skipped: no python3 with cffi, setuptools, wheel and pip (python3-cffi python3-dev python3-pip python3-wheel)"
	exit 77
fi
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -e "$header" ] || { echo "skipped: no $header (python3-dev)"; exit 77; }

rm -rf "$out/prefix" "$out/source" "$out/site" "$out"/*.whl
cmake --install "$build" --prefix "$out/prefix" >/dev/null
pc=$(dirname "$(find "$out/prefix" -name dhow.pc)")
# pip writes beside the sources: they stay as they are.
mkdir "$out/source"
cp -r "$source"/{dhow,build_dhow.py,setup.py,pyproject.toml,README.md} "$out/source"
log=$out/wheel.log
if ! PKG_CONFIG_PATH=$pc "$python" -m pip wheel --quiet --no-index --no-deps --no-build-isolation \
	--disable-pip-version-check -w "$out" "$out/source" >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	exit 1
fi
"$python" -m pip install --quiet --no-index --no-deps --no-compile --disable-pip-version-check \
	--root-user-action=ignore --target "$out/site" "$out"/dhow-*.whl >>"$log" 2>&1
echo "$python" >"$out/interpreter"
echo "$(ls "$out"/dhow-*.whl): for $("$python" --version) and later"
