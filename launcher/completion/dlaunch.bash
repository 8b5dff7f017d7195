# SPDX-License-Identifier: MIT
# Completion of dlaunch for bash. Behind the program it completes as for that program.

_dlaunch() {
	local options="--nodes --tasks-per-node --ppn --ntasks-per-node --ntasks --np --relative
		--cpus-per-task --cpu-bind --gpus-per-task --env --unset-env --export --wdir --chdir
		--genv --multi-prog --distribution --overcommit --timeout --start-timeout
		--kill-on-bad-exit --restart --pool --transport --fabric --provider --nic --security --mpi
		--wlm --nodelist --exclude --hosts --host --hostfile --ssh-command --remote-dhowd
		--bind-address --stdin --output --error --label --json --progress --verbose --quiet
		--dry-run --help --usage --version"
	# options whose value is the next word
	local valued=" -n -N -c -m -w -x -i -o -e --nodes --tasks-per-node --ppn --ntasks-per-node
		--ntasks --np --relative --cpus-per-task --cpu-bind --gpus-per-task --env --unset-env
		--export --wdir --chdir --genv --multi-prog --distribution --timeout --start-timeout
		--restart --pool --transport --fabric --provider --nic --security --mpi --wlm
		--nodelist --exclude --hosts --host --hostfile --ssh-command --remote-dhowd --bind-address --stdin
		--output --error --json "
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) [[ $valued == *[[:space:]]${COMP_WORDS[i]}[[:space:]]* ]] && i=$((i + 1)) ;;
		=) i=$((i + 1)) ;;
		*)
			declare -F _command_offset >/dev/null && _command_offset "$i"
			return
			;;
		esac
	done
	[ "$before" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$word" = = ] && { before=${COMP_WORDS[COMP_CWORD - 1]}; word=; }
	case $before in
	--cpu-bind) COMPREPLY=($(compgen -W "none core socket numa rank map: mask:" -- "$word")) ;;
	--distribution | -m) COMPREPLY=($(compgen -W "block cyclic" -- "$word")) ;;
	--transport) COMPREPLY=($(compgen -W "auto tcp hsta" -- "$word")) ;;
	--fabric) COMPREPLY=($(compgen -W "uring epoll ofi ucx" -- "$word")) ;;
	--mpi) COMPREPLY=($(compgen -W "auto pmix pmi1 pmi1-port pals none" -- "$word")) ;;
	--security) COMPREPLY=($(compgen -W "mac integrity encrypt" -- "$word")) ;;
	--wlm) COMPREPLY=($(compgen -W "slurm pals pbs ssh local" -- "$word")) ;;
	--stdin | -i) COMPREPLY=($(compgen -W "none all 0" -- "$word")) ;;
	--env | --genv | --unset-env | --export) COMPREPLY=($(compgen -v -- "$word")) ;;
	--host | --hosts) COMPREPLY=($(compgen -A hostname -- "$word")) ;;
	--wdir | --chdir) COMPREPLY=($(compgen -d -- "$word")) ;;
	--output | -o | --error | -e | --json | --hostfile | --multi-prog | --remote-dhowd)
		COMPREPLY=($(compgen -f -- "$word")) ;;
	*)
		if [[ $valued == *[[:space:]]$before[[:space:]]* ]]; then
			return
		elif [[ $word == -* ]]; then
			COMPREPLY=($(compgen -W "$options" -- "$word"))
		else
			COMPREPLY=($(compgen -c -- "$word") $(compgen -f -- "$word"))
		fi
		;;
	esac
}
complete -o default -F _dlaunch dlaunch
