#!/bin/bash
# SPDX-License-Identifier: MIT
# ucx_wheel.sh SOURCE WORK TESTS - the tests of the fabric `ucx` with a newer UCX than the
# system's: the one in the Python package libucx-cu12 (it needs no CUDA to run).
#
# First the programs of TESTS, built with the system's headers, run on the newer library: what
# we ship must do so. Then the same sources are built with the newer headers. Everything goes
# to WORK. Exit 77, with the reason, where the package cannot be had.
set -u

source=$1 work=$2 tests=$3
package=libucx-cu12
programs="ucx_conformance hsta_ucx hsta_ucx_hostile hsta_ucx_killed"

skip() {
	echo "ucx_wheel.sh: skipped: $*"
	exit 77
}

mkdir -p "$work" || exit 1
python=$(command -v python3) || skip "no python3"
"$python" -m pip --version >/dev/null 2>&1 || skip "no pip"
if ! ls "$work"/*.whl >/dev/null 2>&1; then
	timeout 120 "$python" -m pip download -q --no-deps --disable-pip-version-check \
		--dest "$work" "$package" </dev/null >"$work/pip.log" 2>&1 ||
		skip "cannot download $package: $(tail -n 1 "$work/pip.log")"
fi
wheel=$(ls "$work"/*.whl | head -n 1)
rm -rf "$work/unpacked"
"$python" -m zipfile -e "$wheel" "$work/unpacked" || exit 1
prefix=$work/unpacked/libucx
[ -e "$prefix/lib/libucp.so.0" ] || skip "$package has no libucp.so.0 for this machine"

# What UCX has in its environment would have the last word.
for variable in ${!UCX_@}; do
	unset "$variable"
done

bad=0
# run DIRECTORY WHAT
run() {
	local program log
	for program in $programs; do
		log=$work/$program.log
		if LD_LIBRARY_PATH=$prefix/lib timeout 200 "$1/$program" --tap </dev/null >"$log" 2>&1; then
			echo "ok: $program, $2: $(grep -c '^ok' "$log") passed," \
				"$(grep -ci '^ok.*# skip' "$log") of them skipped"
			grep -i '# skip' "$log"
		else
			echo "not ok: $program, $2"
			grep -v '^ok' "$log" | head -n 40
			bad=1
		fi
	done
}

version=$(LD_LIBRARY_PATH=$prefix/lib ldd "$tests/ucx_conformance" | grep libucp)
case $version in
*"$prefix"*) ;;
*) echo "ucx_wheel.sh: the newer library is not used: $version"; exit 1 ;;
esac
release=$(cat "$prefix"/UCX_WHEEL_VERSION.txt 2>/dev/null || basename "$wheel" | cut -d- -f2)
run "$tests" "built with the system's headers, run with $release"

# The package's own .pc file has the paths of the machine it was made on.
mkdir -p "$work/pkgconfig"
cat >"$work/pkgconfig/ucx.pc" <<PC
Name: ucx
Description: UCX of the package $package
Version: $(basename "$wheel" | cut -d- -f2)
Libs: -L$prefix/lib -lucp -luct -lucs -lucm
Cflags: -isystem $prefix/include
PC
if ! { PKG_CONFIG_PATH=$work/pkgconfig cmake -G Ninja -S "$source" -B "$work/build" \
	-DDHOW_WERROR=ON -DDHOW_LAUNCHER=OFF -DDHOW_BENCH=OFF -DDHOW_TCP=OFF &&
	ninja -C "$work/build" -j2 test_ucx_conformance test_hsta_ucx test_hsta_ucx_hostile \
		test_hsta_ucx_killed; } \
	</dev/null >"$work/build.log" 2>&1; then
	tail -n 30 "$work/build.log"
	exit 1
fi
run "$work/build/tests" "built and run with $release"
exit $bad
