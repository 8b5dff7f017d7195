#!/bin/bash
# SPDX-License-Identifier: MIT
# package_test.sh SOURCE BUILD - makes the .tar.gz and the .deb; unpacked anywhere, the first one runs
# and is compiled against; the second one says what it needs.
set -u
source=$1 build=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

fail() {
	echo "package_test: $*" >&2
	exit 1
}

generators=TGZ
command -v dpkg-shlibdeps >/dev/null && generators="DEB;TGZ" || echo "not tested: .deb (no dpkg-dev)"
# Below the build folder: cpack takes what is built, and the next test finds the package.
rm -rf "$build/packages"
cpack --config "$build/CPackConfig.cmake" -G "$generators" -B "$build/packages" >"$work/log" 2>&1 ||
	{ cat "$work/log"; fail "cpack failed"; }

tar -xzf "$build"/packages/dhow-*.tar.gz -C "$work" || fail "the .tar.gz cannot be unpacked"
tree=$(echo "$work"/dhow-*/)
tree=${tree%/}
export PATH=$tree/bin:$PATH
LD_LIBRARY_PATH=$(dirname "$(find "$tree" -name libdhow.so)")
PKG_CONFIG_PATH=$LD_LIBRARY_PATH/pkgconfig
export LD_LIBRARY_PATH PKG_CONFIG_PATH
for file in "$tree"/bin/* "$LD_LIBRARY_PATH"/*.so; do
	if ldd "$file" | grep 'not found'; then fail "$file lacks a library"; fi
	if readelf -d "$file" | grep -E 'R(UN)?PATH' | grep -F "$build"; then fail "$file points to the build tree"; fi
done
cc "$source/docs/examples/hello.c" $(pkg-config --cflags --libs dhow) -o "$work/hello" ||
	fail "hello.c cannot be compiled against the unpacked tree"
if [ -x "$tree/bin/dlaunch" ]; then
	count=$(timeout 60 "$tree/bin/dlaunch" -n 2 -N 2 "$work/hello" </dev/null | grep -c ahoy)
	[ "$count" = 4 ] || fail "hello under the unpacked dlaunch: $count of 4 ranks"
fi

if [ -x "$tree/libexec/dhow/bench/suite" ]; then
	# the benchmarks of the package find its programs: the part that needs dlaunch and the agents
	timeout 100 "$tree/bin/dhow" bench --quick --only channels,tcp,launch --json "$work/bench.json" \
		--filter 'oneway copy-spin 8,oneway loopback,launch 4nodes-true 1' </dev/null >"$work/log" 2>&1 ||
		{ cat "$work/log"; fail "dhow bench of the unpacked tree failed"; }
	for part in channels tcp launch; do
		grep -q "\"part\": \"$part\"" "$work/bench.json" || fail "dhow bench measured nothing of $part"
	done
fi

if [ "$generators" != TGZ ]; then
	deb=$(ls "$build"/packages/*.deb) || fail "no .deb"
	dpkg-deb --contents "$deb" >"$work/contents"
	for file in bin/dlaunch bin/dhowd libdhow.so.0 include/dhow/dhow.h pkgconfig/dhow.pc; do
		grep -q "/usr/.*$file" "$work/contents" || fail "no $file in the .deb"
	done
	grep -vE ' \./(usr/.*)?$|/usr/' "$work/contents" && fail "files outside of /usr"
	dpkg-deb --field "$deb" Depends | grep -q 'libc6' || fail "the .deb names no dependencies"
	dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./postinst | grep -q ldconfig || fail "ldconfig is not called"
	echo "package_test: $(basename "$deb"), needs $(dpkg-deb --field "$deb" Depends)"
fi
echo "package_test: ok"
