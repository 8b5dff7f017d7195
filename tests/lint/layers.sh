#!/bin/bash
# SPDX-License-Identifier: MIT
# layers.sh SOURCE - nothing includes upward or sideways: the table below is the picture in
# docs/architecture.md. Tests and benchmarks may include what they test.
set -u
cd "$1" || exit 1

# folder | what its files may include beside their own folder and system headers
table="
channels/include/dhow|dhow
channels/base|
channels/src|dhow base
channels/agent|dhow base src/gateway.h
tcp|dhow base agent
hsta|dhow base agent
launcher/include/dhow|dhow
launcher/keys|dhow base
launcher/proto|dhow base keys
launcher/place|dhow base
launcher/bind|dhow base
launcher/sweep|dhow base
launcher/wlm|dhow base proto keys place
launcher/job|dhow base proto keys place wlm sweep
launcher/pmi|dhow base proto keys
launcher/server|dhow base proto keys place wlm sweep job
launcher/node|dhow base proto keys pmi sweep bind
launcher/cli|dhow base proto keys place bind wlm job server sweep
"

# may FOLDER ALLOWED INCLUDE
may() {
	local folder=$1 allowed=$2 include=${3#launcher/} own=${1##*/} word
	include=${include#channels/}
	case $include in
	*/*) ;;
	*) return 0 ;;
	esac
	[ "${include%%/*}" = "$own" ] && return 0
	# Folders below a part (tcp/uring/x.h) belong to it.
	[ -e "$folder/$include" ] && return 0
	for word in $allowed; do
		[ "$include" = "$word" ] || [ "${include%%/*}" = "$word" ] && return 0
	done
	return 1
}

bad=0 seen=0
while IFS='|' read -r folder allowed; do
	[ -n "$folder" ] || continue
	[ -d "$folder" ] || { echo "layers: there is no $folder"; bad=1; continue; }
	while IFS=: read -r file line include; do
		seen=$((seen + 1))
		may "$folder" "$allowed" "$include" && continue
		echo "$file:$line: $folder must not include '$include' (may: ${allowed:-nothing})"
		bad=1
	done < <(grep -rnHE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<dhow/)' \
		"$folder" | sed -E 's/^([^:]*:[0-9]+:).*include[[:space:]]*["<]([^">]*)[">].*/\1\2/')
done <<<"$table"
# A new folder gets its row; those below a part (tcp/uring) have their part's.
for folder in $(find channels tcp hsta launcher -name '*.[ch]' -printf '%h\n' | sort -u); do
	grep -q -e "^$folder|" -e "^${folder%%/*}|" <<<"$table" && continue
	echo "layers: $folder is in no row of the table"
	bad=1
done
echo "layers: $seen includes checked"
exit $bad
