#!/bin/bash
# SPDX-License-Identifier: MIT
# headers.sh SOURCE - every header compiles alone; public ones in C++ too.
set -u
cd "$1" || exit 1

flags="-D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only
	-Ichannels -Ichannels/include -Itcp -Ihsta -Ilauncher -Ilauncher/include -Ibench -Itests/support -I."
flags="$flags $(pkg-config --cflags-only-I pmix 2>/dev/null)"
bad=0 count=0
for header in $(find channels tcp hsta launcher bench tests -name '*.h' 2>/dev/null | sort); do
	case $header in
	launcher/pmi/pmix_*) pkg-config --exists pmix 2>/dev/null || continue ;;
	esac
	count=$((count + 1))
	# Included, not compiled: `static inline` in a main file would count as unused.
	echo "#include \"$header\"" | ${CC:-cc} -std=gnu11 $flags -x c - ||
		{ echo "$header: does not compile alone"; bad=1; }
done
for header in channels/include/dhow/*.h launcher/include/dhow/*.h; do
	echo "#include \"$header\"" | ${CXX:-c++} -std=c++11 $flags -Wpedantic -x c++ - ||
		{ echo "$header: does not compile alone in C++"; bad=1; }
done
echo "headers: $count checked"
exit $bad
