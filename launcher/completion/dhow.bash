# SPDX-License-Identifier: MIT
# Completion of dhow for bash. Behind the program of `dhow run` it completes as for that program.

# The options of each command; a name that ends in = takes a value.
_dhow_options() {
	local server="--server= --key="
	case $1 in
	info) echo --json ;;
	clean) echo --dry-run ;;
	bench) echo --quick --only= --filter= --json= --markdown= --plots= --provider= --nic= --list ;;
	serve) echo --nodes= --schedule= --grace= --orphan-timeout= --gpus= --address= --port= --metrics= --dir= \
		--pool= --transport= --fabric= --provider= --security= --wlm= --hosts= --hostfile= \
		--start-timeout= --verbose ;;
	run) echo --nodes= --tasks-per-node= --detach --name= --env= --wdir= --output= --error= $server ;;
	ps) echo --all --links --json $server ;;
	logs) echo --follow --error $server ;;
	stop) echo $server ;;
	shutdown) echo --wait $server ;;
	smartsim) echo --print-env --write-env --undo-env --make-interface ;;
	esac
}

# _dhow_steps COMMAND-LINE WORDS... - ids of steps on the server that they name
_dhow_steps() {
	local i server=()
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--server | --key)
			[ "${COMP_WORDS[i + 1]}" = = ] && i=$((i + 1))
			server+=("${COMP_WORDS[i - (${#COMP_WORDS[i]} == 1)]}" "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	"${COMP_WORDS[0]}" ps "$@" "${server[@]}" 2>/dev/null </dev/null | sed -n '2,$s/ .*//p'
}

_dhow() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options valued i
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "info clean serve run ps logs stop shutdown keygen bench smartsim
			--help --version" -- "$word"))
		return
	fi
	options=$(_dhow_options "$command")
	valued=" -n -N -e $(tr ' ' '\n' <<<"$options" | sed -n 's/=$//p' | xargs) "
	if [ "$command" = run ] || [ "$command" = smartsim ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--) i=$((i + 1)) && break ;;
			-*) [[ $valued == *" ${COMP_WORDS[i]} "* && ${COMP_WORDS[i + 1]} != = ]] &&
				i=$((i + 1)) ;;
			=) i=$((i + 1)) ;;
			*) break ;;
			esac
		done
		if ((i < COMP_CWORD)); then
			declare -F _command_offset >/dev/null && _command_offset "$i"
			return
		fi
	fi
	[ "$before" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$word" = = ] && { before=${COMP_WORDS[COMP_CWORD - 1]}; word=; }
	case $command$before in
	serve--schedule) COMPREPLY=($(compgen -W "original backfill pack" -- "$word")) ;;
	serve--transport) COMPREPLY=($(compgen -W "auto tcp hsta" -- "$word")) ;;
	serve--fabric) COMPREPLY=($(compgen -W "uring epoll ofi ucx" -- "$word")) ;;
	serve--security) COMPREPLY=($(compgen -W "mac integrity encrypt" -- "$word")) ;;
	serve--wlm) COMPREPLY=($(compgen -W "slurm pals pbs ssh local" -- "$word")) ;;
	serve--hosts) COMPREPLY=($(compgen -A hostname -- "$word")) ;;
	bench--plots | serve--dir | run--wdir | *--server) COMPREPLY=($(compgen -d -- "$word")) ;;
	bench--json | bench--markdown | serve--hostfile | run--output | run--error | *--key)
		COMPREPLY=($(compgen -f -- "$word")) ;;
	run--env | run-e) COMPREPLY=($(compgen -v -S = -- "$word")) ;;
	*)
		if [[ $valued == *" $before "* ]]; then
			return
		elif [[ $word == -* ]]; then
			COMPREPLY=($(compgen -W "${options//=/} --help" -- "$word"))
			return
		fi
		case $command in
		run | smartsim) COMPREPLY=($(compgen -c -- "$word") $(compgen -f -- "$word")) ;;
		keygen) COMPREPLY=($(compgen -f -- "$word")) ;;
		stop) COMPREPLY=($(compgen -W "$(_dhow_steps)" -- "$word")) ;;
		logs) COMPREPLY=($(compgen -W "$(_dhow_steps -a)" -- "$word")) ;;
		esac
		;;
	esac
}
complete -o default -F _dhow dhow
