# A switch with NETCONF over a real sshd, for tests. Source it after tools/lib/lab.sh and call nc_lab_begin instead of lab_begin: users
# and the group that it makes go when the shell ends, also after Ctrl-C, as do sshd, clients and the switch.

NC_USERS=()
NC_GROUP_MARK=/run/weir-netconf-group # the group "weir" is ours to remove

nc_lab_begin() {
	lab_begin
	chmod 711 "$LAB_T" # other users' clients come through it
	trap nc_lab_end EXIT
}

nc_lab_end() {
	local status=$? u
	trap '' INT TERM HUP
	set +e
	# In a shell of its own, as lab_end leaves the shell; what it ended are children of this one, so the waiting is left to the loop.
	for ((u = ${#LAB_PIDS[@]} - 1; u >= 0; u--)); do lab_kill "${LAB_PIDS[$u]}"; done
	for u in "${NC_USERS[@]}"; do nc_user_remove "$u"; done
	[ -n "${NC_GROUP_FD:-}" ] && nc_group_leave
	(exit "$status")
	lab_end
}

# The daemon opens its sockets to the group "weir". Tests that run at the same time share it; the last one removes it, unless it was there.
nc_group_join() {
	exec {NC_GROUP_FD}</run
	flock -x "$NC_GROUP_FD"
	getent group weir >/dev/null || { groupadd -r weir && : >"$NC_GROUP_MARK"; }
	flock -s "$NC_GROUP_FD"
}

nc_group_leave() {
	flock -n -x "$NC_GROUP_FD" && [ -f "$NC_GROUP_MARK" ] && groupdel weir && rm -f "$NC_GROUP_MARK"
	exec {NC_GROUP_FD}<&-
}

nc_user() { # NAME: a user of this machine who may talk to the switch and log in with the key of the lab
	[ -n "${NC_GROUP_FD:-}" ] || nc_group_join
	NC_USERS+=("$1")
	# A password that fits nothing; "!" would lock the account, and sshd would not take its key.
	useradd -M -d / -s /bin/sh -N -g nogroup -G weir -p '*' "$1"
}

nc_user_remove() {
	local i
	for i in $(seq 50); do # its last session may be on its way out
		userdel "$1" >/dev/null 2>&1 || id "$1" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	userdel -f "$1" 2>/dev/null
}

nc_sshd() { # [SUBSYSTEM COMMAND]: sshd on 127.0.0.1:$NC_PORT; log in with $LAB_T/key
	local try
	# sshd runs it as the user who logs in, who may not reach the build tree.
	[ -x "$LAB_T/weir-netconf" ] || install -m 755 "$lab_build/tools/weir-netconf" "$LAB_T/weir-netconf"
	# Not RSA for the host: the libssh2 of yangcli only knows its SHA-1.
	[ -f "$LAB_T/host" ] || ssh-keygen -q -t ecdsa -N '' -f "$LAB_T/host"
	[ -f "$LAB_T/key" ] || ssh-keygen -q -t ecdsa -m PEM -N '' -f "$LAB_T/key"
	mkdir -p /run/sshd
	for try in 1 2 3 4 5; do # another process may have taken the port
		NC_PORT=$((20000 + (LAB_ID + try * 7919) % 12000))
		nc_sshd_conf "${1:-$LAB_T/weir-netconf $LAB_T/netconf.sock}" >"$LAB_T/sshd.conf"
		/usr/sbin/sshd -D -f "$LAB_T/sshd.conf" >>"$LAB_T/sshd.log" 2>&1 &
		NC_SSHD=$!
		for _ in $(seq 50); do
			kill -0 "$NC_SSHD" 2>/dev/null || continue 2
			(: <"/dev/tcp/127.0.0.1/$NC_PORT") 2>/dev/null && { LAB_PIDS+=("$NC_SSHD"); return 0; }
			sleep 0.1
		done
	done
	fail "sshd did not start:"
	tail -5 "$LAB_T/sshd.log" >&2
	return 1
}

nc_sshd_conf() {
	cat <<-C
		ListenAddress 127.0.0.1:$NC_PORT
		HostKey $LAB_T/host
		AuthorizedKeysFile $LAB_T/key.pub
		PidFile $LAB_T/sshd.pid
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		MaxStartups 100
		PubkeyAcceptedAlgorithms +ssh-rsa
		Subsystem netconf $1
	C
}

# COMMAND...: in the background, waited for: a signal ends the test at once, and the command with it. Its output is shown if it fails.
nc_run() { # NAME SECONDS COMMAND...
	local name=$1 limit=$2 status=0 pid
	shift 2
	timeout -k 5 "$limit" "$@" >"$LAB_T/$name.log" 2>&1 </dev/null &
	pid=$!
	LAB_PIDS+=("$pid")
	wait "$pid" || status=$?
	[ $status = 0 ] && return 0
	[ $status = 124 ] && echo "$name: took more than $limit s" >&2
	tail -40 "$LAB_T/$name.log" >&2
	echo "-- the switch said:" >&2
	tail -5 "$LAB_T/switch.log" >&2
	return 1
}
