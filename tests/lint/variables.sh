#!/bin/bash
# SPDX-License-Identifier: MIT
# variables.sh SOURCE - each variable of the environment that the programs read is in a man page, and
# each one that dhow(7) explains is read by a program.
set -u
cd "$1" || exit 1

# What our programs tell each other; nobody sets it.
internal="DHOW_DAEMON_TAG DHOW_NODE_FD DHOW_NODE_SOCKET DHOW_RUN_OWNER DHOW_SERVER_TAG DHOW_SMARTSIM_WATCH
	DHOW_TREE_FANOUT DHOW_TCP_FABRIC DHOW_HSTA_FABRIC DHOW_HSTA_PROVIDER DHOW_HSTA_NIC"
read_by=$(grep -rhoE --include='*.[ch]' '"DHOW_[A-Z_]*[A-Z]"' channels tcp hsta launcher | tr -d '"' | sort -u)
bad=0
for name in $read_by; do
	grep -qw "$name" docs/man/* && continue
	grep -qw "$name" <<<"$internal" && continue
	echo "docs/man/: $name is in no page"
	bad=1
done
for name in $(grep -ohE 'DHOW_[A-Z_]*[A-Z]' docs/man/dhow.7 | sort -u); do
	grep -qx "$name" <<<"$read_by" || { echo "docs/man/dhow.7: no program reads $name"; bad=1; }
done
echo "variables: $(wc -w <<<"$read_by") checked"
exit $bad
