# SPDX-License-Identifier: MIT
# nodes.sh - test nodes on one machine: namespaces joined by a bridge. Source it.
#
#   bed_up N         head and node1..nodeN: own network, processes, host name, /tmp, /run, /dev/shm
#   bed_on NODE CMD  run a command there
#   bed_pid NODE     pid of its first process, as seen from here
#   bed_down         all away; happens by itself when this shell ends, however it ends
#
# Files are shared, as on a parallel file system, also what is in $bed_shared (a list of folders)
# though it may be in /tmp. $bed is a folder that all nodes share; needs root, else skips.
set -u
bed_net=10.77.0
bed_count=0

bed_skip() {
	echo "skipped: $*"
	exit 77
}

# bed_need COMMAND... - skip the test if one is missing
bed_need() {
	local command
	[ "$(id -u)" = 0 ] || bed_skip "test nodes need root (namespaces)"
	[ -x "${bed_init:=$DHOW_BIN/../tests/bed_init}" ] || bed_skip "$bed_init is not built"
	for command in ip nsenter "$@"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null ||
			bed_skip "$command is not installed (tests/support/install.sh)"
	done
	PATH=$PATH:/usr/sbin:/sbin
}

bed_pid() { cat "$bed/$1.pid"; }

bed_on() {
	local node=$1
	shift
	nsenter -t "$(bed_pid "$node")" -n -m -u -i -p --wd="$PWD" -- "$@"
}

# One node: its init, private folders, and what is shared put back into them.
bed_make() {
	"$bed_init" $$ "$1" >"$bed/$1.pid" || bed_skip "namespaces cannot be made here"
	bed_on "$1" sh -euc '
		mount -t tmpfs -o mode=755 run /run
		mkdir /run/outer /run/sshd
		mount --bind /tmp /run/outer
		mount -t tmpfs -o mode=1777 tmp /tmp
		for dir in $2; do
			case $dir in
			/tmp/*) mkdir -p "$dir"; mount --bind "/run/outer/${dir#/tmp/}" "$dir" ;;
			esac
		done
		umount /run/outer
		mount -t tmpfs -o mode=1777 shm /dev/shm
		mount --bind "$1/hosts" /etc/hosts
		ip link set lo up
	' sh "$bed" "$bed $bed_shared"
}

bed_up() {
	local i
	bed_count=$1
	bed=$(mktemp -d)
	chmod 755 "$bed"
	: "${bed_shared:=$(realpath "$DHOW_BIN/..") $(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")}"
	{
		echo "127.0.0.1 localhost"
		echo "$bed_net.254 head"
		for i in $(seq "$bed_count"); do echo "$bed_net.$i node$i"; done
	} >"$bed/hosts"
	bed_make head
	bed_on head sh -euc "
		ip link add br0 type bridge
		ip addr add $bed_net.254/24 dev br0
		ip link set br0 up"
	for i in $(seq "$bed_count"); do
		bed_make "node$i"
		# Made in the network of head, its far end moved by the pid of the node.
		nsenter -t "$(bed_pid head)" -n -- sh -euc "
			ip link add v$i type veth peer name eth0 netns $(bed_pid "node$i")
			ip link set v$i master br0 up"
		bed_on "node$i" sh -euc "
			ip addr add $bed_net.$i/24 dev eth0
			ip link set eth0 up"
	done
}

bed_down() {
	local file
	[ -n "${bed:-}" ] || return 0
	for file in "$bed"/*.pid; do
		[ -s "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null
	done
	rm -rf "$bed"
	bed=
}

# bed_processes NODE - pid and command line of what runs there besides the bed itself
bed_processes() {
	bed_on "$1" ps -e -o pid=,comm=,args= |
		grep -vE '^ *[0-9]+ (bed_init|munged|slurmctld|slurmd|slurmscriptd|slurmstepd|sshd|ps) ' |
		grep -vE '^ *[0-9]+ slurmctld|defunct' || :
}
