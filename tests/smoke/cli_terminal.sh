#!/bin/bash
# The command line at a terminal: completion, help, errors that point, compare in colours, confirmed commit that survives the terminal and
# rolls back, paging, Ctrl-C, Ctrl-D, history. A screen (pyte) shows what a person would see.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
export HOME=$LAB_T
unset NO_COLOR
LAB_SWITCH_ARGS=--no-huge
echo '{}' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
"$weir" -c "configure; set port t0 type host tap wc${LAB_ID}a vlan 20; set port uplink0 type uplink tap wc${LAB_ID}b; commit" >/dev/null
echo "$LAB_SWITCHD" >"$LAB_T/pid"
/usr/bin/python3 - "$weir" "$lab_top/tests/lib" "$LAB_T" <<'P'
import os, signal, subprocess, sys
weir, lib, t = sys.argv[1:]
sys.path.insert(0, lib)
from screen import Screen
OPER, TOP, PORT = "weir> ", "[edit] weir# ", "[edit interfaces interface t0] weir# "
def has(text, *wanted):
    for w in wanted:
        assert w in text, "no %r in:\n%s" % (w, text)
def batch(text):
    return subprocess.run([weir, "-c", text], capture_output=True, text=True)

print("- completion: as far as it is unique, then a list")
s = Screen([weir], {})
s.prompt(OPER)
s.keys("sh\t"); s.typed(OPER + "show ")
s.keys("po\t"); s.typed(OPER + "show port")
s.keys("\t"); s.wait("ports  "); s.wait("One port with all its counters"); s.typed(OPER + "show port")
s.keys(" u\t"); s.typed(OPER + "show port uplink0 ")
s.keys("\r"); s.wait("forwarded_pkts"); s.wait("--More--"); s.keys("q"); s.prompt(OPER)
s.keys("conf\t\r"); s.prompt(TOP)
s.keys("set port t\t"); s.typed(TOP + "set port t0 ")
s.keys("vl\t"); s.typed(TOP + "set port t0 vlan")
s.keys("-\t"); s.typed(TOP + "set port t0 vlan-mode ")
s.keys("\t\t"); s.wait("native-tagged"); s.wait("Tagged frames only.")
s.keys("\x03"); s.prompt(TOP)
s.keys("show | c\t"); s.typed(TOP + "show | co"); s.keys("\x03"); s.prompt(TOP)
s.keys("run sh\t"); s.typed(TOP + "run show "); s.keys("\x03"); s.prompt(TOP)
open(t + "/some.set", "w").close(); s.keys("load merge %s/so\t" % t); s.typed(TOP + "load merge %s/some.set " % t); s.keys("\x03"); s.prompt(TOP)

print("- ? helps at every word, without entering it")
s.keys("\x0cset port t0 ?"); s.wait("vlan "); s.wait("Access VLAN, native VLAN"); s.typed(TOP + "set port t0 ")
s.keys("vlan ?"); s.wait("uint16 1..4094"); s.typed(TOP + "set port t0 vlan ")
s.keys("\x03"); s.prompt(TOP)
s.keys("set port t0 mirror-to ?"); s.wait("uplink0"); s.keys("\x03"); s.prompt(TOP)   # what a leafref may point to
s.keys("delete port ?"); s.wait("  t0 "); s.keys("\x03"); s.prompt(TOP)
s.keys("\x0ccopy port t0 t\t"); s.typed(TOP + "copy port t0 t"); s.keys("o ?"); s.wait("<name>"); s.keys("\x03"); s.prompt(TOP)
s.keys("\x0c?"); s.wait("--More--"); s.keys(" "); s.wait("  quit "); s.prompt(TOP)
s.keys("\x0ccommit ?"); s.wait("confirmed"); s.wait("Roll back unless confirmed in time"); s.wait("<enter>"); s.keys("\x03"); s.prompt(TOP)
s.keys('set port t0 description "why?'); s.typed(TOP + 'set port t0 description "why?'); s.keys("\x03"); s.prompt(TOP)

s.keys("\x0crollback ?"); s.wait(" root by cli"); s.wait("  0  "); s.wait("  1  "); s.wait("<enter>"); s.keys("\x03"); s.prompt(TOP)   # the commits that are kept
s.keys("\x0cload merge ?"); s.wait("terminal"); s.wait("What is pasted, until Ctrl-D"); s.keys("\x03"); s.prompt(TOP)

print("- an error points at the word")
text = s.command("set port t0 vlan 99999", TOP)
has(text, TOP + "set port t0 vlan 99999\n" + " " * len(TOP + "set port t0 vlan ") + "^^^^^\nrefused: 99999: ", "expected: uint16 1..4094")
text = s.command("set port t0 vlan", TOP)
has(text, "\n" + " " * len(TOP + "set port t0 vlan") + "^\nrefused: vlan needs a value")
text = s.command("comit", TOP)
has(text, "\n" + " " * len(TOP) + "^^^^^\ncomit: no such command")
text = s.command("set port t0 vlam 3", TOP)
has(text, "refused: vlam: ", "af-packet, tap, device", "vlan-mode, vlan, trunk")
has(s.command("show ports", TOP), "refused: ports: ", "did you mean: run show ports")
has(s.command("configure", TOP), "configure: this is configure mode already")
has(s.command("rollback 99", TOP), "refused: commit 99: at most 50 are kept")
text = s.command("co", TOP)
has(text, "co: could be copy, compare, commit, confirm")
long = "set port t0 trunk [ " + " ".join(str(n) for n in range(100, 160)) + " wxyz 200 201 ]"
text = s.command(long, TOP)
row = [l for l in text.split("\n") if l.startswith("...")][0]
below = text.split("\n")[text.split("\n").index(row) + 1]
assert row[below.index("^"):].startswith("wxyz 200") and below.strip() == "^^^^", text
s.keys("edit port t0\r"); s.prompt(PORT)
text = s.command("set vlam 3", PORT)
has(text, "\n" + " " * len(PORT + "set ") + "^^^^\nrefused: vlam: ")

print("- compare in colours, only where a terminal wants them")
s.keys("set vlan 30\r"); s.prompt(PORT)
s.raw = b""
has(s.command("compare", PORT), "-  vlan 20;", "+  vlan 30;")
assert b"\x1b[31m-  vlan 20;" in s.raw and b"\x1b[32m+  vlan 30;" in s.raw, s.raw
s.keys("exit\r"); s.prompt(TOP)
n = Screen([weir, "configure"], {"NO_COLOR": "1"})
n.wait("uncommitted changes of session"); n.prompt(TOP)
n.raw = b""
has(n.command("compare", TOP), "+  vlan 30;")
assert b"\x1b[3" not in n.raw, n.raw
asked = lambda: n.came > n.mark and n.line().endswith("Leave them there? [yes/no/discard] ")
n.keys("quit\r"); n.until("the question", asked); n.keys("no\r"); n.prompt(TOP)
n.keys("quit\r"); n.until("the question", asked); n.keys("yes\r"); n.prompt(OPER)
n.keys("\x04"); assert n.end() == 0

print("- a confirmed commit survives its terminal and is confirmed from another")
s.keys("commit confirmed comment cut off\r"); s.until("the time left", lambda: "(rolls back in " in s.line() and s.line().endswith("weir# "))
s.child.kill(signal.SIGHUP); s.end()
s = Screen([weir, "configure"], {})
s.wait("a confirmed commit rolls back in"); s.until("the time left", lambda: "(rolls back in 9:" in s.line() or "(rolls back in 10:" in s.line())
s.keys("confirm\r"); s.wait("confirmed\n"); s.prompt(TOP)
assert "vlan 30" in batch("show configuration port t0").stdout

print("- and rolls back when nobody confirms it; rollback brings it again")
s.keys("set port t0 vlan 31\r"); s.prompt(TOP)
s.keys("commit confirmed 1s\r"); s.wait("committed;")
for _ in range(200):
    if "vlan 30" in batch("show configuration port t0").stdout: break
    s.read(0.05)
else:
    raise AssertionError("it did not roll back")
s.keys("\r"); s.prompt(TOP)
has(s.command("history", TOP), "not confirmed in time", "cut off")
s.command("discard", TOP)
has(s.command("rollback 1", TOP), "loaded into the candidate")
has(s.command("show | compare", TOP), "+  vlan 31;")
has(s.command("discard", TOP), "changes discarded")

print("- pages: space, enter, q")
s.keys("\x0chelp\r"); s.wait("--More--")
first = s.text(); has(first, "set PATH...")
s.keys("\r"); s.until("one line more", lambda: s.text() != first and "--More--" in s.text())
s.keys(" "); s.until("the next page", lambda: "behind a command and |" in s.text() or "match PATTERN" in s.text())
if "--More--" in s.line(): s.keys("q")
s.prompt(TOP)
s.keys("help\r"); s.wait("--More--"); s.keys("q"); s.prompt(TOP)
has(s.command("help | no-more", TOP), "Into a file")
has(s.command("help | count", TOP), "Count: ")

print("- Ctrl-C clears the line, and stops what runs; the session stays")
s.command("set port t0 vlan 32", TOP)
s.keys("set port"); s.typed(TOP + "set port"); s.keys("\x03"); s.prompt(TOP)
s.keys("run trace t0 udp port 1\r"); s.until("a trace", lambda: s.screen.cursor.x == 0)
s.keys("\x03"); s.prompt(TOP)
has(s.command("compare", TOP), "+  vlan 32;")
s.command("discard", TOP)

print("- load from the terminal")
s.keys("load set terminal\r"); s.wait("Ctrl-D"); s.keys("set port t0 vlan 33\r\x04"); s.wait("loaded into the candidate"); s.prompt(TOP)
has(s.command("compare", TOP), "+  vlan 33;")
s.command("discard", TOP)

print("- the daemon's text cannot steer the terminal")
r = batch('configure; set port t0 description "b\u009b31mc\u202ed"; commit')
assert r.returncode == 0, r
s.raw = b""
has(s.command("show port t0 description", TOP), "b?31mc?d")
assert "\u009b".encode() not in s.raw and "\u202e".encode() not in s.raw, s.raw

print("- Ctrl-C ends the wait for a switch that hangs; the session stays")
s.command("lock", TOP); s.command("set port t0 vlan 34", TOP)
pid = int(open(t + "/pid").read())
os.kill(pid, signal.SIGSTOP)
s.keys("compare\r"); s.until("a new line", lambda: s.came > s.mark and s.screen.cursor.x == 0); s.keys("\x03"); s.wait("interrupted")
s.keys("\x03"); s.prompt(TOP)
os.kill(pid, signal.SIGCONT)
has(s.command("compare", TOP), "+  vlan 34;")
has(s.command("status", TOP), "candidate locked by session")
s.command("discard", TOP); s.command("unlock", TOP)

print("- Ctrl-D leaves; the history is kept for its owner")
s.keys("\x04"); s.prompt(OPER); s.keys("\x04"); assert s.end() == 0
history = open(t + "/.weir_history").read()
assert "rollback" in history and os.stat(t + "/.weir_history").st_mode & 0o777 == 0o600
s = Screen([weir], {})
s.prompt(OPER)
s.keys("\x1b[A\x1b[A"); s.until("the line before the last", lambda: s.line() == OPER + "discard")
s.keys("\x03"); s.prompt(OPER)
other = Screen([weir], {})  # two at a time: what both typed stays
other.prompt(OPER); other.keys("show macs\r"); other.wait("AGE"); other.prompt(OPER)
s.keys("show vms\r"); s.until("the answer", lambda: s.came > s.mark and "show vms" in s.text()); s.prompt(OPER)
other.keys("exit\r"); assert other.end() == 0
s.keys("exit\r"); assert s.end() == 0
history = open(t + "/.weir_history").read().split("\n")
assert [line.replace("\\040", " ") for line in history[-5:]] == ["show macs", "show vms", "exit", "exit", ""], history[-6:]
P
grep -q 'rolled back\|not confirmed in time' "$LAB_T/switch.log"
echo "- the switch is started anew below a prompt"
cat >"$LAB_T/anew.py" <<'P'
import os, sys, time
weir, lib, t = sys.argv[1:]
sys.path.insert(0, lib)
from screen import Screen
TOP = "[edit] weir# "
s = Screen([weir, "configure"], {})
s.prompt(TOP)
s.command("set port t0 vlan 35", TOP)
open(t + "/ready", "w").close()
while not os.path.exists(t + "/again"): time.sleep(0.05)
text = s.command("compare", TOP)
assert "the daemon closed the connection" in text, text
text = s.command("show port t0", TOP)
assert "vlan 30;" in text and "this is a new session" in text, text
s.keys("\x04"); s.prompt("weir> "); s.keys("\x04"); assert s.end() == 0
P
/usr/bin/python3 "$LAB_T/anew.py" "$weir" "$lab_top/tests/lib" "$LAB_T" &
client=$!
LAB_PIDS+=($client)
for _ in $(seq 100); do [ -f "$LAB_T/ready" ] && break; sleep 0.1; done
lab_kill "$LAB_SWITCHD"
lab_switch "$LAB_T/weir.json"
touch "$LAB_T/again"
wait $client
lab_conserved
