#!/bin/bash
# SPDX-License-Identifier: MIT
# install_test.sh SOURCE BUILD - installs into an empty folder and uses what is there, as a
# user does: pkg-config from C and C++, the CMake package, and nothing but dhow_ symbols.
set -eu
source=$1 build=$2
here=$source/tests/install
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

fail() {
	echo "install_test: $*" >&2
	exit 1
}

cmake --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name dhow.pc)
library=$(find "$prefix" -name libdhow.so)
[ -n "$pc" ] || fail "no dhow.pc was installed"
[ -n "$library" ] || fail "no libdhow.so was installed"
libdir=$(dirname "$library")
export PKG_CONFIG_PATH=$(dirname "$pc") LD_LIBRARY_PATH=$libdir
flags() {
	pkg-config --cflags --libs dhow
}

cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$here/sample.c" $(flags) -o "$prefix/sample-c"
"$prefix/sample-c" || fail "the C program failed"
c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -x c++ "$here/sample.c" -x none $(flags) \
	-o "$prefix/sample-c++"
"$prefix/sample-c++" || fail "the C++ program failed"

cmake -G Ninja -S "$here/project" -B "$prefix/project" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$prefix/project" >/dev/null
"$prefix/project/sample" || fail "the program of the CMake project failed"

symbols=$(nm -D --defined-only "$library" | awk '{ print $3 }')
echo "$symbols" | grep -q '^dhow_init@@DHOW_' || fail "dhow_init has no version"
foreign=$(echo "$symbols" | grep -v -e '^dhow_' -e '^DHOW_' || true)
[ -z "$foreign" ] || fail "other symbols than dhow_ leave the library:" $foreign
echo "install_test: C, C++, CMake package: ok; $(echo "$symbols" | grep -c '^dhow_') symbols"
