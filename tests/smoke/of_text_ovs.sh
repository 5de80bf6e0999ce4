#!/bin/bash
# OpenFlow as text beside the real ovs-ofctl: flows are read alike, and dumps of the same switch read alike, be it Open vSwitch
# or Weir; errors name the line; bundles are all or nothing; explain walks the tables.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lib=$(cd "$(dirname "$0")/../lib" && pwd)
cd "$LAB_T"
export OVS_RUNDIR=$LAB_T OVS_LOGDIR=$LAB_T OVS_DBDIR=$LAB_T OVS_SYSCONFDIR=$LAB_T
ofctl() { timeout 10 ovs-ofctl -O OpenFlow13 "$@" 2>/dev/null; }
alike() { sed 's/xid=0x[0-9a-f]*/xid/; s/duration[=:][0-9.]*s/duration/' "$1"; } # but for numbers that differ from call to call
same() { diff <(alike "$1") <(alike "$2"); }

echo "- random flows are the same messages"
/usr/bin/python3 "$lib/of_flows.py" "${SEED:-$RANDOM}" 1000 >flows.txt
ofctl parse-flows flows.txt | grep FLOW_MOD >theirs
"$weir" of parse-flows flows.txt | grep FLOW_MOD >ours
[ "$(wc -l <ours)" = 1000 ]
same theirs ours || { echo "flows.txt was made by of_flows.py with another seed than before"; exit 1; }

# Both loads, both dumps. SOCKET
compare() {
	local s=unix:$1 c kept
	rm -f theirs ours
	cat >some.txt <<-F
		table=1,priority=7,tcp,nw_src=10.0.0.0/8,cookie=0x9,idle_timeout=300,send_flow_rem,actions=output:1,set_queue:2,output:2
		priority=3,dl_vlan=5,actions=mod_vlan_vid:6,NORMAL
		priority=4,ipv6,ipv6_label=0x12345,actions=output:1
		priority=5,mpls,mpls_label=77,actions=set_field:99->mpls_label,output:1
		priority=0,actions=write_actions(output:2),goto_table:1
	F
	"$weir" of add-flows --target "$s" some.txt
	"$weir" of add-meter --target "$s" meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=50
	"$weir" of add-group --target "$s" group_id=1,type=select,bucket=weight:2,actions=output:1,bucket=weight:3,actions=mod_dl_dst:00:00:00:00:00:01,output:2
	for c in show dump-desc dump-flows dump-aggregate dump-tables dump-ports dump-ports-desc dump-groups dump-group-stats dump-meters meter-stats meter-features queue-stats; do
		"$weir" of $c --target "$s" >ours
		ofctl $c "$s" >theirs
		same theirs ours || { echo "$c differs at $s"; return 1; }
	done
	[ "$("$weir" of dump-flows --target "$s" --json | jq '.flows | length')" = 5 ]
	# What one dumps, the other loads: the tables are as before.
	"$weir" of dump-flows --target "$s" --no-stats | sort >before
	"$weir" of del-flows --target "$s"
	[ -z "$("$weir" of dump-flows --target "$s" --no-stats)" ]
	ofctl add-flows "$s" before
	"$weir" of dump-flows --target "$s" --no-stats | sort | diff before -
	# Nothing differs from the file; then one flow goes, one comes, one has other actions, and one has another cookie.
	"$weir" of diff-flows --target "$s" some.txt
	sed -e '/^[[:space:]]*priority=3/d; s/mpls_label=77/mpls_label=78/; s/priority=4,/&cookie=0x8,/; s/goto_table:1/goto_table:2/' some.txt >other.txt
	c=0
	"$weir" of diff-flows --target "$s" other.txt >ours || c=$?
	[ "$c" = 1 ]
	[ "$(cut -c1 ours | sort | tr -d '\n')" = "+++----" ]
	grep -qx -- '-priority=0 actions=write_actions(output:2),goto_table:1' ours
	grep -qx -- '+priority=0 actions=write_actions(output:2),goto_table:2' ours
	[ "$("$weir" of dump-flows --target "$s" --no-stats | sort | diff before - | wc -l)" = 0 ]
	# A flow that cannot be: with --bundle nothing changes. What stays keeps its age.
	age() { "$weir" of dump-flows --target "$s" --json table=1 | jq '.flows[0].duration'; }
	kept=$(age)
	(cat other.txt; echo actions=group:4000) >bad.txt
	c=0
	"$weir" of replace-flows --target "$s" --bundle bad.txt 2>said || c=$?
	[ "$c" = 1 ]
	grep -q '^weir: bad.txt:[0-9]*: refused: OFPBAC_BAD_OUT_GROUP' said
	"$weir" of dump-flows --target "$s" --no-stats | sort | diff before -
	for c in "" --bundle; do
		"$weir" of replace-flows --target "$s" $c other.txt
		ofctl diff-flows "$s" other.txt
		"$weir" of diff-flows --target "$s" other.txt
		"$weir" of replace-flows --target "$s" $c some.txt
		"$weir" of diff-flows --target "$s" some.txt # ovs-ofctl finds that mod_vlan_vid is no set_field
	done
	[ "$(jq -n "$(age) > $kept")" = true ]
	c=0
	echo "group add group_id=9,type=all" | "$weir" of diff-flows --target "$s" - 2>said || c=$?
	[ "$c" = 2 ]
	grep -q '^weir: -:1: here lines are flows to add' said
}

echo "- Open vSwitch: dumps read alike"
ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote="punix:$LAB_T/db.sock" conf.db >/dev/null 2>&1 & LAB_PIDS+=($!)
for _ in $(seq 50); do [ -S db.sock ] && break; sleep 0.1; done
ovs-vsctl --db="unix:$LAB_T/db.sock" --no-wait init
ovs-vswitchd --enable-dummy --disable-system "unix:$LAB_T/db.sock" >/dev/null 2>&1 & LAB_PIDS+=($!)
ovs-vsctl --db="unix:$LAB_T/db.sock" -t 10 add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure protocols=OpenFlow13 \
	-- add-port br0 p1 -- set Interface p1 type=dummy ofport_request=1 -- add-port br0 p2 -- set Interface p2 type=dummy ofport_request=2
compare "$LAB_T/br0.mgmt"

echo "- Weir: dumps read alike"
port() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:$2\",\"weir-interfaces:port\":{$3}}"; }
cat >weir.json <<C
{"ietf-interfaces:interfaces":{"interface":[$(port a guest '"device":"net_ring0","of-port":1,"admit":{"enabled":false}'),
$(port b guest '"device":"net_ring1","of-port":2,"admit":{"enabled":false}')]},"weir-openflow:openflow":{"enabled":true}}
C
lab_switch weir.json
compare "$LAB_T/openflow.sock"

echo "- refusals name the line, the word and the reason; exit codes tell them apart"
printf 'table=2,actions=1\n\ntable=2,priority=3,actions=group:88\n' >bad.txt
code() { local want=$1 rc=0; shift; "$@" >out 2>&1 || rc=$?; [ "$rc" = "$want" ] || { echo "$* ended with $rc, not $want"; cat out; return 1; }; }
code 1 "$weir" of bundle bad.txt
grep -q '^weir: bad.txt:3: refused: OFPBAC_BAD_OUT_GROUP: there is no such group' out
[ -z "$("$weir" of dump-flows --no-stats table=2)" ]
code 1 "$weir" of add-flows bad.txt
[ "$("$weir" of dump-flows --no-stats table=2 | wc -l)" = 1 ]
printf 'actions=1\nactions=bogus\n' >bad.txt
code 2 "$weir" of add-flows bad.txt
grep -q '^weir: bad.txt:2: column 9: bogus: no action' out
code 2 "$weir" of add-flow table=300,actions=1
code 3 "$weir" of show --target unix:/nonexistent
code 3 "$weir" of show --target tcp:no-such-host.invalid
refute grep -q route out # the name is what is wrong
code 2 "$weir" of show --target ssl:127.0.0.1:6653
grep -q 'unix:PATH or tcp:HOST\[:PORT\]; over TLS' out
code 1 "$weir" of mod-port 77 down
"$weir" of mod-port b no-forward
"$weir" of dump-ports-desc | grep -A1 '2(b)' | grep -q NO_FWD
"$weir" of mod-port b forward
# Groups and meters are named by number, or as ovs-ofctl has it.
"$weir" of add-group group_id=71,type=all,bucket=1
"$weir" of add-meter meter=71,kbps,bands=type=drop,rate=9
for n in 71 group_id=71; do [ "$("$weir" of dump-group-stats $n | grep -c group_id=71,)" = 1 ]; done
for n in 71 meter=71; do
	"$weir" of meter-stats $n | grep -q '^meter:71 '
	"$weir" of dump-meter $n | grep -q '^meter=71 '
done
code 2 "$weir" of meter-stats group_id=71
code 2 "$weir" of del-groups 7x
"$weir" of del-groups 71
"$weir" of del-meters meter=71
"$weir" of del-groups all
code 1 "$weir" of meter-stats 71
refute grep -q group_id <("$weir" of dump-groups)
# Names that differ behind the 15 characters that OpenFlow tells are told apart by number.
"$weir" -c "configure; set port frontend-network-1 type uplink device net_null7 of-port 11; set port frontend-network-2 type uplink device net_null8 of-port 12; commit" >/dev/null
code 2 "$weir" of mod-port frontend-networ down
grep -q 'frontend-networ: several ports begin so' out
code 2 "$weir" of add-flow table=3,in_port=frontend-network-1,actions=drop
grep -q 'frontend-network-1: OpenFlow tells 15 characters of a name' out
"$weir" of add-flow table=3,in_port=11,actions=output:12,output:b
# What a commit brought or took is there, or gone, when it has ended.
for i in $(seq 8); do
	"$weir" -c "configure; set port now-$i type uplink device net_null1$i; commit" >/dev/null
	"$weir" of add-flow "table=4,in_port=now-$i,actions=drop"
	"$weir" -c "configure; delete port now-$i; commit" >/dev/null
	code 2 "$weir" of mod-port "now-$i" down
done
"$weir" of dump-flows --names --no-stats table=3 | grep -q 'in_port=11 actions=output:12,output:b'

echo "- explain walks the tables"
"$weir" of del-flows
"$weir" of add-flow table=0,priority=10,cookie=7,ip,nw_dst=10.0.0.0/8,actions=dec_ttl,'write_actions(output:b)',goto_table:1
"$weir" of add-flow table=1,tcp,tp_dst=80,actions=mod_dl_dst:00:00:00:00:00:05
"$weir" explain a ip=10.0.0.1,10.0.0.2 tcp=1024,80 >out
grep -q '^table    0: priority=10,cookie=0x7,ip,nw_dst=10.0.0.0/8 actions=dec_ttl,write_actions(output:b),goto_table:1$' out
grep -q 'because the frame has ip,nw_dst=10.0.0.2$' out
grep -q '^         does set_field:00:00:00:00:00:05->eth_dst$' out
grep -q '^         action set: output:b$' out
grep -q '^verdict  openflow to b$' out
"$weir" explain a ip=10.0.0.1,10.0.0.2 udp=1,2 >out
grep -q '^table    1: no flow matches$' out
grep -q 'dropped at forward: of_miss' out
