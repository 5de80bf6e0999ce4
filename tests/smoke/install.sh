#!/bin/bash
# meson install lays down what the service needs.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
DESTDIR=$LAB_T/root meson install -C "$lab_build" --no-rebuild >/dev/null
cd "$LAB_T/root"
for f in usr/local/sbin/weir-switchd usr/local/bin/weir lib/systemd/system/weir-switchd.service \
	usr/local/share/weir/yang/weir-{interfaces,vm,qos,system,operations,management,vlans}.yang; do
	[ -f "$f" ] || { echo "not installed: $f"; exit 1; }
done
for f in bash-completion/completions/weir man/man1/weir.1 man/man8/weir-switchd.8 man/man8/weir-netconf.8 man/man5/weir.json.5; do
	[ -f "usr/local/share/$f" ] || { echo "not installed: $f"; exit 1; }
done
for f in "$lab_top"/config/examples/*.json "$lab_top"/config/yang/*.yang; do # also those that are added later
	case $f in *.yang) d=weir/yang ;; *) d=doc/weir/examples ;; esac
	cmp "$f" "usr/local/share/$d/${f##*/}"
done
for d in etc/weir var/lib/weir; do [ "$(stat -c %a "$d")" = 750 ]; done
grep -q '^Type=notify' lib/systemd/system/weir-switchd.service
# systemd makes these its own; without a mode the commits would be for everyone to list.
for d in State Configuration; do grep -q "^${d}DirectoryMode=0750" lib/systemd/system/weir-switchd.service; done
grep -q '^LimitNOFILE=65536' lib/systemd/system/weir-switchd.service
grep -q "^ExecStart=/usr/local/sbin/weir-switchd" lib/systemd/system/weir-switchd.service

# sd_notify: the readiness message arrives on the socket that systemd names.
/usr/bin/python3 - "$lab_build" "$lab_top" "$LAB_T" <<'P'
import os, socket, subprocess, sys
build, top, t = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(t + "/notify"); s.settimeout(30)
p = subprocess.Popen([build + "/control/weir-switchd", "-c", t + "/none.json", "-s", t + "/n.sock", "-y", top + "/config/yang", "--no-huge"],
                     env=dict(os.environ, NOTIFY_SOCKET=t + "/notify"), stderr=subprocess.DEVNULL)
try:
    assert s.recv(100) == b"READY=1"
    p.terminate()
    assert s.recv(100) == b"STOPPING=1"
    assert p.wait(20) == 0
finally:
    p.kill()
P
