# SPDX-License-Identifier: MIT
# mini_ssh.sh - an sshd on each node of nodes.sh, login by key, no environment passed. Source it.
#
#   ssh_up N       bring it up
#   ssh_alloc CMD  run CMD on head, where plain `ssh node1` works
. "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"

ssh_write_config() {
	cat >"$bed/sshd_config" <<END
HostKey $bed/hostkey
AuthorizedKeysFile $bed/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile /run/sshd.pid
MaxStartups 200:30:400
UseDNS no
PrintMotd no
END
	cat >"$bed/ssh_config" <<END
Host node*
  IdentityFile $bed/id
  IdentitiesOnly yes
  UserKnownHostsFile $bed/known_hosts
  StrictHostKeyChecking yes
END
}

ssh_up() {
	local i
	bed_need sshd ssh ssh-keygen
	bed_up "$1"
	mkdir "$bed/bin"
	ssh-keygen -q -t ed25519 -N '' -f "$bed/id"
	ssh-keygen -q -t ed25519 -N '' -f "$bed/hostkey"
	cp "$bed/id.pub" "$bed/authorized"
	ssh_write_config
	for i in $(seq "$bed_count"); do
		echo "node$i $(cut -d' ' -f1,2 "$bed/hostkey.pub")"
	done >"$bed/known_hosts"
	printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$bed/ssh_config" >"$bed/bin/ssh"
	chmod 755 "$bed/bin/ssh"
	for i in $(seq "$bed_count"); do
		bed_on "node$i" "$(command -v sshd)" -f "$bed/sshd_config" -E "$bed/sshd-node$i.log" \
			-o ListenAddress="$bed_net.$i"
	done
}

ssh_alloc() { PATH=$bed/bin:$PATH bed_on head "$@"; }
