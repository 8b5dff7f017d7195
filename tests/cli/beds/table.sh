#!/bin/bash
# SPDX-License-Identifier: MIT
# table.sh [NODES [SOURCE...]] - matrix.sh on each source, as one table of sources and parts; what
# went wrong stands above it. DHOW_BIN is the folder of the programs.
here=$(dirname "$(realpath "$0")")
nodes=${1:-2}
shift
[ $# -gt 0 ] || set -- local slurm ssh pbs pals
parts=(exchange "exit codes" signals stdio MPI environment)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
bad=0
rows=()

cell() {	# PART
	local passed failed
	read -r passed failed < <(sed -nE "s/^part $1: ([0-9]+) passed, ([0-9]+) failed$/\1 \2/p" "$out")
	if [ -z "${passed:-}" ]; then echo -; elif [ "$failed" != 0 ]; then echo "$failed FAILED"
	elif [ "$passed" = 0 ]; then echo skipped; else echo "$passed good"; fi
}

for source in "$@"; do
	bash "$here/matrix.sh" "$source" "$nodes" </dev/null >"$out" 2>&1
	code=$?
	case $code in
	0) all=good ;;
	77) all=$(grep -m 1 '^skipped' "$out") ;;
	*) all=FAILED bad=1; grep -vE '^part ' "$out" | sed "s/^/$source: /" ;;
	esac
	row="| $source |"
	for part in "${parts[@]}"; do row="$row $(cell "$part") |"; done
	rows+=("$row $all |")
done
printf '| %s nodes |' "$nodes"
printf ' %s |' "${parts[@]}" "all of matrix.sh"
printf '\n|---|'
printf -- '---|%.0s' "${parts[@]}" all
printf '\n'
printf '%s\n' "${rows[@]}"
exit $bad
