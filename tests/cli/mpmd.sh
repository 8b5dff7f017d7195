#!/bin/bash
# SPDX-License-Identifier: MIT
# mpmd.sh - several programs in one run: ':' and --multi-prog; orders of ranks.
. "$(dirname "$0")/lib.sh"
who='echo "$DHOW_RANK $DHOW_SIZE $DHOW_NODE $DHOW_LOCAL_RANK $A$B $0"'

expect_exit 0 "$dlaunch" -n 2 -N 2 --genv B=b --env A=1 sh -c "$who" first : \
	-N 1 --env A=2 sh -c "$who" second : -n 1 --relative 1 --wdir / sh -c "$who"' $PWD' third
expect_equal "0 7 0 0 1b first,1 7 0 1 1b first,2 7 1 0 1b first,3 7 1 1 1b first,4 7 0 2 2b second,5 7 1 2 2b second,6 7 1 3 b third /" \
	"$(sort "$work/out" | paste -sd,)" "three programs share two nodes"
expect_exit 3 "$dlaunch" sh -c 'exit 1' : sh -c 'exit 3' : true
expect_exit 127 "$dlaunch" true : no-such-program
expect_text err 'no-such-program'
expect_exit 0 "$dlaunch" --dry-run -n 2 -N 2 true : -n 1 false
expect_text err '^dlaunch: ranks 0 to 3: true: 2 nodes x 2 tasks = 4 tasks$'
expect_text err '^dlaunch: 2 programs, 5 tasks on 2 nodes$'
# A lone : that is an argument
expect_exit 0 "$dlaunch" -N 2 -- echo a : b
expect_equal "a : b,a : b" "$(paste -sd, "$work/out")" "-- keeps :"
expect_exit 0 "$dlaunch" echo a : -- echo b : c
expect_equal "a,b : c" "$(sort "$work/out" | paste -sd,)" "-- of the second program"

cat >"$work/programs" <<'END'
# ranks  program
1,3-4    echo "one of" %o 'is %t'  # end
0        sh -c 'echo zero $DHOW_RANK'
*        echo rest\ %o %t
END
expect_exit 0 "$dlaunch" -n 2 -N 3 --multi-prog "$work/programs"
expect_equal "one of 0 is 1,one of 1 is 3,one of 2 is 4,rest 0 2,rest 1 5,zero 0" \
	"$(sort "$work/out" | paste -sd,)" "--multi-prog"
expect_exit 2 "$dlaunch" --ntasks 2 --multi-prog "$work/programs"
expect_text err 'line 2: there are not so many ranks'
echo '0 true' >"$work/few"
expect_exit 2 "$dlaunch" --ntasks 2 --multi-prog "$work/few"
expect_text err 'no line names rank 1'
printf '0 true\n0-1 true\n' >"$work/twice"
expect_exit 2 "$dlaunch" --ntasks 2 --multi-prog "$work/twice"
expect_text err 'line 2: a rank has a program already'
echo "* echo 'open" >"$work/open"
expect_exit 2 "$dlaunch" --multi-prog "$work/open"
expect_text err 'line 1: a quote is not closed'

nodes() { expect_exit 0 "$dlaunch" "$@" sh -c 'echo $DHOW_RANK:$DHOW_NODE.$DHOW_LOCAL_RANK'; sort -n "$work/out" | xargs; }
expect_equal "0:0.0 1:1.0 2:0.1 3:1.1" "$(nodes -n 2 -N 2 --distribution cyclic)" "cyclic"
expect_equal "0:0.0 1:0.1 2:1.0 3:2.0" "$(nodes -n 3 --ntasks 4)" "uneven"

expect_exit 0 "$dlaunch" -N 1 --json "$work/report" true : -N 2 --env A=1 sh -c 'exit 0'
expect_equal "1 2|0 1 1" "$(python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
print(*[p["tasks"] for p in report["programs"]], end="|")
print(*[r["program"] for r in report["ranks"]])' "$work/report")" "report"
no_leftovers "$mark"
finish
