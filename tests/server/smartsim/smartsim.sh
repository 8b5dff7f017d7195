#!/bin/bash
# SPDX-License-Identifier: MIT
# smartsim.sh BUILD [CASE...] - unmodified SmartSim 0.8.0 from PyPI on Dhow; cases.py has the cases.
# smartsim.sh BUILD --venv    - only make the virtual environment, if it is not there.
#
# Needs PyPI once (a virtual environment inside BUILD), and root or user namespaces: SmartSim
# insists on a network interface called hsn*, which is made in a private network.
set -u
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
venv=$build/smartsim-venv
version=0.8.0

skip() {
	echo "SKIP: $*"
	exit 77
}

# In the private network: $0 BUILD --inside CASE...
if [ "${1:-}" = --inside ]; then
	shift
	ip link set lo up
	mount -t tmpfs tmpfs /dev/shm || exit 1	# a look at it then tells of us alone
	"$build/bin/dhow" smartsim --make-interface >/dev/null || exit 1
	exec env DHOW_BUILD="$build" "$venv/bin/python" -B "$here/cases.py" "$@"
fi

# Two tests may want it at the same time.
exec 9>"$venv.lock"
flock -w 900 9 || skip "another test does not finish $venv"
if ! [ -e "$venv/done" ]; then
	python=$(command -v python3.11 || command -v python3.10 || command -v python3.9) ||
		skip "SmartSim $version needs Python 3.9 to 3.11"
	"$python" -c 'import ensurepip' 2>/dev/null || skip "no module venv (Debian: python3-venv)"
	rm -rf "$venv"
	"$python" -m venv "$venv" || skip "cannot make a virtual environment in $venv"
	log=$(timeout 400 "$venv/bin/pip" --disable-pip-version-check --no-cache-dir --retries 1 --timeout 10 \
		install -q "smartsim==$version" 2>&1) ||
		skip "PyPI is not reachable or slow, or has no SmartSim $version: $(tail -1 <<<"$log")"
	# what `smart build` would make for Redis: Debian's is a link to a program that looks at its
	# name, and SmartSim resolves links
	if command -v redis-server >/dev/null; then
		core=$("$venv/bin/python" -c 'import importlib.util as u, os
print(os.path.dirname(u.find_spec("smartsim").origin))')/_core
		mkdir -p "$core/bin" "$core/lib" &&
			cp -L "$(command -v redis-server)" "$core/bin/redis-server" &&
			cp -L "$(command -v redis-cli)" "$core/bin/redis-cli"
		# SmartSim always loads RedisAI; a module that does nothing is enough to run Redis
		cc -shared -fPIC -w -o "$core/lib/redisai.so" -x c - <<-'END'
			int RedisModule_OnLoad(void **ctx, void **argv, int argc)
			{
				int (*get)(const char *, void *) = (int (*)(const char *, void *))*ctx;
				int (*set)(void *, const char *, int, int);

				if (get("RedisModule_SetModuleAttribs", &set))
					return 1;
				set(ctx, "ai", 1, 1);
				return 0;
			}
		END
	fi
	touch "$venv/done"
fi
exec 9>&-
[ "${1:-}" != --venv ] || exit 0
command -v ip >/dev/null || skip "no program ip (Debian: iproute2)"
unshare -nm true 2>/dev/null && exec unshare -nm bash "$0" "$build" --inside "$@"
unshare -rnm true 2>/dev/null && exec unshare -rnm bash "$0" "$build" --inside "$@"
skip "no private network: neither root nor user namespaces"
