#!/bin/bash
# SPDX-License-Identifier: MIT
# root_test.sh SOURCE BUILD - the .deb of package_test.sh in an empty Debian: it installs with what
# it says it needs, and a program runs on two local nodes. Needs root, debootstrap and the network.
set -u
source=$1 build=$2

skip() {
	echo "skipped: $*"
	exit 77
}
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
deb=$(ls "$build"/packages/*.deb 2>/dev/null) || skip "no .deb (see the test package)"

# All in a name space of its own, so that nothing stays mounted.
if [ "${DHOW_ROOT_TEST:-}" = "" ]; then
	DHOW_ROOT_TEST=$(mktemp -d) || exit 1
	export DHOW_ROOT_TEST
	trap 'rm -rf "$DHOW_ROOT_TEST"' EXIT
	unshare --mount --propagation private bash "$0" "$@"
	exit
fi
root=$DHOW_ROOT_TEST/root
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
debootstrap --variant=minbase "$release" "$root" >"$DHOW_ROOT_TEST/log" 2>&1 ||
	{ tail -n 3 "$DHOW_ROOT_TEST/log"; skip "debootstrap of $release failed"; }
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || skip "cannot mount"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/apt/sources.list /etc/apt/sources.list.d/* "$root/etc/apt/sources.list.d/" 2>/dev/null
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null
cp "$deb" "$root/tmp/dhow.deb"
cc "$source/docs/examples/hello.c" -I"$source/channels/include" -L"$build/channels" -ldhow \
	-o "$root/tmp/hello" || exit 1

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }
inside apt-get -qq update || skip "no package list in the new root"
inside apt-get -qq -y --no-install-recommends install /tmp/dhow.deb ||
	{ echo "root_test: the .deb does not install"; exit 1; }
inside /usr/bin/dhow info || { echo "root_test: dhow info failed"; exit 1; }
count=$(inside timeout 60 /usr/bin/dlaunch -n 2 -N 2 /tmp/hello | grep -c ahoy)
[ "$count" = 4 ] || { echo "root_test: $count of 4 ranks said hello"; exit 1; }
inside timeout 100 /usr/bin/dhow bench --quick --only channels --filter 'oneway copy-spin 8' ||
	{ echo "root_test: dhow bench failed"; exit 1; }
inside apt-get -qq -y remove dhow || { echo "root_test: it cannot be removed"; exit 1; }
left=$(inside find /usr \( -name '*dhow*' -o -name dlaunch \) -not -path '*/dpkg/*')
[ -z "$left" ] || { echo "root_test: left behind: $left"; exit 1; }
echo "root_test: ok"
