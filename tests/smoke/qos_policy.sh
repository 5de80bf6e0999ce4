#!/bin/bash
# Guarantees as an operator sets them: one line for each VM, a plan that names what changes, a refusal with its reason, and a commit that
# the switch takes.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
LAB_SWITCH_ARGS=--no-huge
export WEIR_SOCKET=$LAB_T/weir.sock
cd "$LAB_T"
up=u$LAB_ID
echo '{}' >weir.json
lab_switch weir.json
typed() { printf '%s\n' configure "$@" | "$weir" >said 2>&1; }
said() { # TEXT...: each is a line of what was said
	for line in "$@"; do grep -qxF -- "$line" said || { echo "not said: $line"; cat said; exit 1; }; done
}
refused() { # REASON LINE...
	local reason=$1
	shift
	if typed "$@" commit; then echo "taken: $*"; exit 1; fi
	grep -qF -- "$reason" said || { echo "not the reason: $reason"; cat said; exit 1; }
	typed discard
}

refused 'no uplink has a rate, so nothing can be guaranteed' 'set vm v max 1g min 200m priority storage'
typed "set port $up type uplink tap $up rate 1g" 'set class storage min 200m vlan 7' 'set template gold shares 4 min 50m priority storage' \
	'set vm v nic 0 mac 52:54:00:00:00:01' 'set vm v template gold max 500m' "set port g type guest socket $LAB_T/g.sock qos limit 10m" plan commit
said 'qos: change storage/reservation, storage/vlan' 'vm v: add' 'port g: add'

refused 'the limit is below the reservation' 'set vm v min 600m'
refused "/weir-interfaces:port/rate 1000000000: 800 Mbit/s are reserved, 75 % of the slowest link are 750 Mbit/s" 'set vm w min 600m priority boot'
refused "/weir-interfaces:port/rate 200000000: 200 Mbit/s are reserved, 75 % of the slowest link are 150 Mbit/s" "set port $up rate 200m"

typed 'set template gold shares 5' plan commit
said 'vm v: change qos/shares'
typed "set port $up rate 2g" 'set class bulk max 900m' plan commit
said "port $up: change rate" 'qos: change bulk/limit'
typed 'delete vm v qos' 'delete port g qos' plan commit
said 'vm v: change qos/shares, qos/reservation, qos/limit, qos/priority, qos/class'
typed 'set vm v max 1.5g' commit
"$weir" -c 'show configuration vms vm v | set' >said
said 'set vms vm v qos limit 1.5g'
typed 'delete vm v' "delete port $up rate" 'delete class storage min' plan commit
said 'vm v: remove' "port $up: change rate"
