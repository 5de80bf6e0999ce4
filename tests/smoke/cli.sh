#!/bin/bash
# The command line without a terminal: configure mode by -c, by a file and by standard input; refusals that point at the word; exit codes;
# pipes; load and save; confirmed commit; what an operator types short.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
export HOME=$LAB_T LC_ALL=C.UTF-8
LAB_SWITCH_ARGS=--no-huge
TAP=wc$LAB_ID
echo '{}' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
cd "$LAB_T"
code() { # EXIT-CODE COMMAND...: it ends with that; output in $LAB_T/out and $LAB_T/err
	local want=$1 status=0
	shift
	"$@" >"$LAB_T/out" 2>"$LAB_T/err" </dev/null || status=$?
	[ $status = "$want" ] || { echo "wanted exit code $want, got $status: $*"; cat "$LAB_T/out" "$LAB_T/err"; exit 1; }
}
out() { grep -q -- "$1" "$LAB_T/out" || { echo "no '$1' in:"; cat "$LAB_T/out"; exit 1; }; }
err() { grep -q -- "$1" "$LAB_T/err" || { echo "no '$1' in:"; cat "$LAB_T/err"; exit 1; }; }

echo "- set, show, compare, plan, commit by -c"
code 0 "$weir" -c 'configure; set port t0 type host tap '"$TAP"'a vlan 20' -c 'show | compare; plan; validate' -c 'commit comment first port'
out '^+  interfaces {'
out '^port t0: add'
out '^the candidate is valid'
out '^committed$'
code 0 "$weir" show port t0
out '^t0 *host *up'
code 0 "$weir" show configuration
out '^    interface t0 {'
code 0 "$weir" --json show configuration
jq -e '."ietf-interfaces:interfaces".interface[0].name == "t0"' out >/dev/null
code 0 "$weir" show history
out 'root  *cli  *first port'
code 0 "$weir" show history 0
out '^+  interfaces {'
for what in ports macs vms classes drops workers system responder "port t0" history "history 0" status sessions configuration; do
	code 0 "$weir" --json show $what
	jq -e 'type == "object"' out >/dev/null || { echo "show $what: no JSON"; exit 1; }
done

echo "- what there is and how it is typed, where it was not understood"
for c in "of" "of bogus"; do
	code 2 "$weir" $c
	err '^  of add-flow  *Add a flow'
	[ "$(grep -c '^  of ' "$LAB_T/err")" = "$("$weir" --help | grep -c '^  of ')" ]
done
code 2 "$weir" of add-flow
err '^usage: weir of add-flow .*FLOW\.\.\.$'
code 2 "$weir" of dump-ports a b
err '^usage: weir of dump-ports '
code 2 "$weir" show port
err '^usage: weir show port PORT$'
"$weir" of help | grep -q '^  of add-flow  *Add a flow'
"$weir" of help add-flows | grep -q '^  of add-flows \[--target'
code 2 "$weir" of help nothing
err 'of help nothing: there is no such command here'
# --help behind words is about them.
"$weir" of --help | grep -q '^  of add-flow  *Add a flow'
"$weir" of add-flows --bundle --help >out
grep -q '^  of add-flows \[--target' out
refute grep -q 'of dump-flows\|show ports' out
"$weir" show ports --help >out
grep -q '^  show ports ' out
refute grep -q 'of dump-flows' out

echo "- exit codes: refused, usage, unreachable, failed"
code 1 "$weir" -c 'configure; set port t0 vlan 99999'
err '^weir: -c:1: refused: .*vlan 99999: '
err '^  configure; set port t0 vlan 99999$'
err '^                              ^^^^^$'
err '^  expected: uint16 1..4094'
code 1 "$weir" show port nowhere
code 1 "$weir" -c 'configure; confirm'
code 2 "$weir" show prots
err 'prots: not understood here; expected: .*ports'
code 2 "$weir" nonsense
err 'nonsense: no such command'
code 2 "$weir" set port x type host
err "did you mean: weir -c 'configure; set port x type host; commit'"
code 2 "$weir" -c 'configure; set "port'
err 'the quotes are not closed'
code 2 "$weir" --frobnicate
code 2 "$weir" -c
code 2 "$weir" -c 'show ports | frobnicate'
code 2 "$weir" -c 'show ports | xml'
code 2 "$weir" -c 'show ports | match ['
code 3 "$weir" -s "$LAB_T/none.sock" ping
err 'is weir-switchd running'
code 3 "$weir" -s "$LAB_T/none.sock" -c 'configure'
code 4 "$weir" -c 'configure; load merge '"$LAB_T/none"
err 'none: No such file'
code 4 "$weir" -c 'configure; save '"$LAB_T/none/x.json"
code 4 "$weir" -f "$LAB_T/none"
[ "$("$weir" ping)" = alive ]
"$weir" -c 'configure; set port t0 description big; load merge /dev/stdin' < <(head -c 13000000 /dev/zero | tr '\0' x) >/dev/null 2>err && exit 1
err 'larger than 12 MiB'
"$weir" -c 'configure; discard' >/dev/null

echo "- a script stops at the first error, by file and line"
cat >script <<S
# a port
configure
set port t1 type host tap ${TAP}b	# its own tap
set port t1 vlan 21; set port t1 mtu 9k

set port t1 vlans 22
commit
S
code 1 "$weir" -f script
err '^weir: script:6: refused: .*vlans: there is no such node here'
err '^  set port t1 vlans 22$'
err '^              ^^^^^$'
err '^weir: warning: the candidate has uncommitted changes$'
refute "$weir" show port t1 2>/dev/null >/dev/null
sed -i 's/vlans 22/vlan 22/' script
"$weir" <script >out
out '^committed'
"$weir" show port t1 >out
out '^t1 *host'
"$weir" show configuration port t1 >out
out 'mtu 9000;'
printf 'delete port t1\nbogus\n' | "$weir" configure >out 2>err && exit 1
err '^weir: stdin:2: bogus: no such command'
code 0 "$weir" -c 'configure; discard'

echo "- edit contexts and the edits"
code 0 "$weir" -c 'configure; edit port t1; set vlan 30; up; top; edit port t1; exit; show port t1 | set'
out '^set interfaces interface t1 port vlan 30'
code 0 "$weir" -c 'conf; discard; copy port t0 to t2; set port t2 tap '"$TAP"'c; rename port t1 to t9; annotate port t9 "seen; #later"; sh | set'
out 'set interfaces interface t2 port tap '"$TAP"c
out 'set interfaces interface t9 port vlan 22'
out 'annotate .*t9 "seen; #later"'
code 0 "$weir" -c 'configure; compare; discard; compare'
out '^-  interface t1'
code 0 "$weir" -c 'configure; del port t1; commit comment "t1 goes"; compare rollback 1'
out '^-  interface t1 {'
code 0 "$weir" -c 'configure; rollback 1; show | compare; commit'
out '^+  interface t1 {'
code 0 "$weir" show port t1
code 1 "$weir" -c 'configure; rollback 50'

echo "- short forms that a person would type"
code 0 "$weir" -c 'configure; set vm vm12 nic 0 mac 52:54:00:00:00:12 vlan 20 mtu 9k; set vm vm12 boot method none; show vm vm12 | set'
out '^set vms vm vm12 nic 0 mac 52:54:00:00:00:12$'
out '^set vms vm vm12 nic 0 vlan 20$'
out '^set vms vm vm12 nic 0 mtu 9000$'
code 0 "$weir" -c 'configure; set port t0 trunk [ 30 40-49 ] ; show port t0 | match trunk; discard'
out '40-49'

echo "- pipes"
code 0 "$weir" -c 'show ports | match ^t | count'
out '^Count: 2 lines$'
code 0 "$weir" -c 'show ports | except ^t'
[ "$(wc -l <out)" = 1 ]
code 0 "$weir" -c 'show ports | last 1 | save '"$LAB_T/last"
[ "$(wc -l <last)" = 1 ]
[ "$(stat -c %a last)" = 600 ]
code 0 "$weir" -c 'show port t0 | json'
jq -e '."ietf-interfaces:interfaces".interface[0].name == "t0"' out >/dev/null
code 0 "$weir" -c 'show configuration | xml'
out '<name>t0</name>'
code 0 "$weir" -c 'show configuration | display set | no-more'
out '^set interfaces interface t0 type host$'
code 0 "$weir" -c 'configure; set port t0 vlan 25; show | compare rollback 1 | match vlan; run show ports | count; discard'
out '^+  vlan 25;'
out '^Count: 3 lines'
refute grep -q "$(printf '\033')" out

echo "- save and load, in each form"
for format in json xml set; do
	code 0 "$weir" -c "configure; save $LAB_T/saved.$format"
	[ "$(stat -c %a "saved.$format")" = 600 ]
	code 0 "$weir" -c "configure; delete interfaces; load replace $LAB_T/saved.$format; show | compare | count"
	out '^Count: 0 lines'
done
grep -q '^set interfaces' saved.set
grep -q '^<interfaces' saved.xml
echo 'set port t0 description "by set lines"' | "$weir" -c 'configure; load set -; compare; discard' >out
out '^+  description "by set lines";'
{ echo 'configure'; echo 'load merge -'; cat saved.json; } | "$weir" >out
out '^loaded into the candidate'
{ echo 'configure'; echo 'load override terminal'; cat saved.json; } | "$weir" >out
out '^loaded into the candidate'
# What show prints is for people; whoever pastes it is told what to take.
"$weir" -c 'configure; show' >braces
code 1 "$weir" -c "configure; load merge $LAB_T/braces"
err 'refused: .*braces: the form with braces is for people to read; load what | set, '
echo '{} behind' >behind.json
code 1 "$weir" -c "configure; load merge $LAB_T/behind.json"
err 'refused: .*there is more behind the end of its first object'
code 0 "$weir" -c 'show interfaces'
out '^PORT '
printf 'set port t0 vlan 5\nset port t0 vlan x\n' >bad.set
code 1 "$weir" -c "configure; load set $LAB_T/bad.set"
err 'refused: line 2: .*vlan x: '
code 0 "$weir" -c 'configure; show | compare | count'
out '^Count: 0 lines'

echo "- confirmed commit: confirmed by another session, cancelled, and run out"
code 0 "$weir" -c 'configure; set port t0 vlan 26; commit confirmed 1; status'
out '^committed; rolls back in 1:00'
out 'persist-id  *weir-cli'
code 0 "$weir" -c 'configure; status; confirm'
err 'a confirmed commit rolls back in [01]:'
out '^confirmed$'
code 0 "$weir" show configuration port t0
out 'vlan 26'
code 0 "$weir" -c 'configure; set port t0 vlan 27; commit confirmed; cancel; show port t0'
out '^rolled back'
out 'vlan 26'
code 0 "$weir" -c 'configure; set port t0 vlan 28; commit confirmed 5; set port t0 isolated true'
code 1 "$weir" -c 'configure; confirm'
err 'the candidate has other changes'
code 0 "$weir" -c 'configure; commit'
code 0 "$weir" show configuration port t0
out "isolated true"
code 0 "$weir" -c 'show status | match rolls | count'
out '^Count: 0 lines'
code 2 "$weir" -c 'configure; commit confirmed 0'
code 0 "$weir" -c 'configure; set port t0 vlan 29; commit confirmed 2s'
code 0 "$weir" show configuration port t0
out 'vlan 29'
for _ in $(seq 100); do "$weir" show configuration port t0 | grep -q 'vlan 28' && break; sleep 0.1; done
code 0 "$weir" show configuration port t0
out 'vlan 28'
code 0 "$weir" show history 0
out 'not confirmed in time'

echo "- a lock, and changes of another session"
{ echo 'configure'; echo 'lock'; echo 'set port t0 description one'; for _ in $(seq 100); do [ -f locked ] && break; sleep 0.1; done; } | "$weir" >lock.out 2>&1 & holder=$!
for _ in $(seq 50); do grep -q locked lock.out && break; sleep 0.1; done
code 1 "$weir" -c 'configure; set port t0 description two'
err 'has locked the candidate'
err 'locked by session'
touch locked
wait $holder
code 0 "$weir" -c 'configure; set port t0 description three'
err 'warning: the candidate has uncommitted changes$'
code 0 "$weir" -c 'configure; discard'
err 'uncommitted changes of session'

echo "- without a prompt Ctrl-C ends it as shells expect: by the signal, which they show as 130"
/usr/bin/python3 - "$weir" "$LAB_T/interrupted.pcap" <<'P'
import signal, subprocess, sys
weir, pcap = sys.argv[1:]
def started(*args):  # the runner of the tests may have told its children to ignore it
    return subprocess.Popen([weir, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
def interrupted(p):
    assert p.poll() is None, "ended before"
    p.send_signal(signal.SIGINT)
    assert p.wait(10) == -signal.SIGINT, p.returncode
p = started("capture", "t0", "-w", pcap)
assert p.stderr.readline() == b"capturing on t0; Ctrl-C ends\n"
interrupted(p)
p = started()
p.stdin.write(b"ping\n"); p.stdin.flush()
assert p.stdout.readline() == b"alive\n"
interrupted(p)
P

echo "- what the shell's completion asks for"
"$weir" --complete 'show po' | cut -f1 | paste -sd' ' | grep -qx 'ports port portals'
"$weir" --complete 'show port t' | cut -f1 | paste -sd' ' | grep -qx 't0 t1'
"$weir" --complete 'clear counters port t' | cut -f1 | paste -sd' ' | grep -qx 't0 t1'
"$weir" --complete 'of mod-port t' | cut -f1 | paste -sd' ' | grep -qx 't0 t1'
[ -z "$("$weir" --complete 'of mod-port --target unix:x t')" ]
"$weir" --complete 'show configuration port ' | cut -f1 | grep -qx t0
"$weir" -s "$LAB_T/none.sock" --complete 'show port ' >out 2>err
[ ! -s out ] && [ ! -s err ]
complete_in_bash() { # WORD...: what bash offers for the last one
	bash --norc -c '. "$0"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; printf "%s\n" "${COMPREPLY[@]}"' "$lab_top/tools/weir/weir.bash" x "$weir" "$@"
}
complete_in_bash sh | grep -qx show
complete_in_bash show port t | paste -sd' ' | grep -qx 't0 t1'
complete_in_bash --js | grep -qx -- --json

echo "- a daemon that answers nonsense does not bring it down"
/usr/bin/python3 - "$weir" "$LAB_T/fake.sock" <<'P'
import json, os, socket, subprocess, sys, threading
weir, path = sys.argv[1:]
big = 4294967295
answers = [b"", b"\n", b"no json\n", b"[]\n", b"{}\n", b"null\n", b'{"ok":true}\n', b'{"ok":false}\n', b'{"ok":true,"data":[]}\n', b'{"ok":true,"data":"x"}\n', b'{"ok":true', b"\0\n",
    b'{"ok":true,"data":{}}\n', b"[" * 100000 + b"\n", b'{"ok":true,"data":{"a":"\xff"}}\n', b"x" * 3000000 + b"\n"]
for at, size in ((big, big), (0, big), (big, 1), (-1, -1), (3, 10 ** 18), ("a", [])):
    answers.append(json.dumps({"ok": False, "error": {"path": "p" * 5000, "value": "\x1b[31m", "reason": "r; expected: " + "%s%n" * 50, "at": at, "size": size}}).encode() + b"\n")
answers.append(json.dumps({"ok": False, "error": {"line": -5, "at": {}, "reason": 7}}).encode() + b"\n")
odd = {"ietf-interfaces:interfaces": {"interface": ["x", {"name": 5, "weir-interfaces:port-state": {"counter": [1, {"name": None}], "drop": {}, "class": [[]]}}]}, "weir-vm:vms-state": {"vm": [{"nic": [7], "boot-event": [{}], "boot": [{"mark": [1, {"text": "\x1b" * 2000}], "client": [3, "\x1b[31m" * 100, {}], "milliseconds": "x", "why": "y" * 5000, "result": []}, 7]}]},
    "weir-interfaces:mac-table": {"mac": [0]}, "weir-system:system-state": {"worker": [[]], "responder": [None]}, "plan": 3, "weir-configuration:text": [1], "weir-configuration:commit": [1, {"number": "x" * 5000}],
    "weir-storage:storage-state": {"portal": [1, {"address": 7, "teacher": "\x1b", "port": "x"}], "learning": [], "boots": 3, "telemetry": "x", "decision": [[], {"time": 1}],
        "vm": [{"name": {}, "boot": [], "target": 1, "wait": [2, {"op": [3, {"name": 4}], "lost": [5], "watched": 1, "oldest-wait": "y" * 5000}], "text": "\x1b[31m" * 200}]},
    "weir-operations:forgotten": [], "weir-configuration:confirm-seconds": "x", "weir-configuration:candidate": [3, {"word": 1}, {"word": "w\x1b", "help": "h"}], "verdict": 1, "weir-configuration:at": 3}
answers.append(json.dumps({"ok": True, "data": odd}).encode() + b"\n")
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen(8)
answer = b""
def serve():
    while True:
        c, _ = server.accept()
        try:
            for _ in c.makefile("rb"):
                c.sendall(answer)
                if not answer.endswith(b"\n"): break
        except OSError:
            pass
        c.close()
threading.Thread(target=serve, daemon=True).start()
commands = ["show ports", "show port x", "show macs", "show vms", "show classes", "show drops", "show qos", "show qos vm x", "show workers", "show responder", "show history 1", "show sessions", "show status", "show configuration vm x", "explain x type=arp",
    "show storage", "show storage vm x", "show portals", "show openflow", "show boots", "show boot", "show boot x", "show vm x", "vm x boot begin", "vm list", "vm stop x", "vm start x", "vm x qemu-args", "vm libvirt-xml x", "vm log x", "vm console x", "vm reset x", "forget portal all", "forget portal 10.0.0.1 tcp 1",
    "reload", "ping", "configure; set a b", "configure; edit c; up; compare a; plan; commit", "configure; confirm", "configure; cancel", "configure; rollback 1; load set /dev/null; save -; history; status; lock"]
for answer in answers:
    for c in commands:
        r = subprocess.run([weir, "-s", path, "-c", c], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        assert r.returncode in (0, 1, 3, 4), (r, answer[:200])
    for line in ("show port ", "show qos vm ", "show configuration vm ", "forget portal "):
        r = subprocess.run([weir, "-s", path, "--complete", line], capture_output=True, timeout=20)
        assert r.returncode == 0, (r, answer[:200])
P
lab_conserved
