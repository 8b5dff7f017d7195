#!/bin/bash
# SPDX-License-Identifier: MIT
# install.sh - installs what building and testing need and this machine lacks (Debian, Ubuntu).
# Does nothing, fast and without rights, where everything is there.
#   --long  also what only the long tests and the comparison with others use
set -u
case ${1:-} in
"" | --long) ;;
*) echo "install.sh: unknown option '$1' (wanted --long)" >&2; exit 2 ;;
esac

packages="gcc g++ clang cmake ninja-build pkg-config binutils git util-linux procps
	libsodium-dev libhwloc-dev libpmix-dev libzmq3-dev libjansson-dev libmicrohttpd-dev liburing-dev libcriterion-dev
	libfabric-dev libfabric-bin libucx-dev ucx-utils gnuplot-nox python3-zmq strace
	python3 python3-dev python3-cffi python3-numpy python3-pip python3-setuptools python3-wheel"
# MPI programs under dlaunch.
packages+=" openmpi-bin libopenmpi-dev mpich libmpich-dev"
# Real workload managers for tests/support/beds.
packages+=" slurm-wlm munge openssh-server openssh-client iproute2 python3"
if [ "${1:-}" = --long ]; then
	packages+=" clang-format clang-tidy debootstrap dpkg-dev doxygen gcc-aarch64-linux-gnu
		gcovr libc6-dev-arm64-cross qemu-user-static"
fi

if ! command -v dpkg-query >/dev/null; then
	echo "install.sh: this is no Debian; wanted are the equivalents of:" $packages >&2
	exit 0
fi

missing=""
for package in $packages; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "install.sh: missing:$missing" >&2
		echo "try: apt-get install$missing   (as root; sudo needs a password here)" >&2
		exit 1
	fi
	as_root="sudo -n"
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=3 "$@" </dev/null
}

echo "install.sh: installing$missing" >&2
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# Tests start the daemons they need: none is to be started by its package.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	$as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
	trap 'rm -f "$log"; $as_root rm -f $policy' EXIT
fi
# A package list that is too old names files which are gone, so it is renewed first.
if ! { apt update && apt install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "install.sh: apt-get failed; missing:$missing" >&2
	exit 1
fi
