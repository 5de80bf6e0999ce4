#!/bin/bash
# Every example of README.md and the manual pages does what it shows. In README it stands behind <!-- example: KIND -->, in a manual page
# behind .\" example: KIND and between .EX and .EE. sh: run as it is. typed: what stands behind the prompts is typed into weir.
# json: a configuration that the daemon takes. Device names are made our own.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
export HOME=$LAB_T
LAB_SWITCH_ARGS=--no-huge
mkdir "$LAB_T/bin"
# As it is installed: with the modules where they are expected.
printf '#!/bin/sh\nexec "%s" -y "%s" "$@"\n' "$lab_build/control/weir-switchd" "$lab_top/config/yang" >"$LAB_T/bin/weir-switchd"
chmod +x "$LAB_T/bin/weir-switchd"
export PATH=$LAB_T/bin:$lab_build/tools:$PATH
cat >"$LAB_T/extract.py" <<'P'
import re, sys
path, out, own = sys.argv[1:]
n = 0
state, lines = None, []
for line in open(path):
    line = line.rstrip("\n")
    m = re.match(r'(?:<!-- example: (sh|typed|json) -->|\.\\" example: (sh|typed|json))$', line)
    if m:
        state, kind, lines = "wait", m[1] or m[2], []
    elif state == "wait" and (line.startswith("```") or line == ".EX"):
        state = "in"
    elif state == "in" and (line == "```" or line == ".EE"):
        text = "\n".join(lines) + "\n"
        if path.endswith(tuple("158")):
            text = text.replace("\\-", "-").replace("\\e", "\\")
        if kind == "typed": # what is behind a prompt
            text = "".join(re.sub(r"^(weir>|\[edit[^]]*\] (\([^)]*\) )?weir#) ?", "", l) + "\n" for l in text.splitlines() if re.match(r"(weir>|\[edit)", l) and re.search("weir[>#]", l))
            if re.search(r"^\[edit", lines[0]):
                text = "configure\n" + text
        text = re.sub(r'\b(tap "?|"tap": "?)([a-z]+[0-9])', lambda m: m[1] + "w" + m[2][:2] + own, text)
        n += 1
        open("%s/%02d.%s" % (out, n, kind), "w").write(text)
        state = None
    elif state == "in":
        lines.append(line)
print(n)
P
all=0
for doc in README.md "$lab_build/tools/weir.1" tools/weir/man/weir-switchd.8 tools/weir/man/weir-netconf.8 tools/weir/man/weir.json.5; do
	name=$(basename "$doc")
	cd "$lab_top"
	mkdir "$LAB_T/$name"
	n=$(/usr/bin/python3 "$LAB_T/extract.py" "$doc" "$LAB_T/$name" "$LAB_ID")
	[ "$n" -gt 0 ] || { echo "$name has no example"; exit 1; }
	all=$((all + n))
	export WEIR_SOCKET=$LAB_T/$name/weir.sock
	cd "$LAB_T/$name"
	echo '{}' >weir-start.json
	lab_switch weir-start.json
	for e in [0-9]*; do
		echo "- $name, example ${e%.*}"
		case $e in
		*.sh) bash -eu -o pipefail "$e" >out 2>&1 ;;
		*.typed) "$weir" <"$e" >out 2>&1 ;;
		*.json) weir-switchd --check -c "$e" >out 2>&1 ;;
		esac || { echo "example failed:"; cat "$e" out; exit 1; }
	done
	lab_kill "$LAB_SWITCHD"
	unset LAB_PIDS[-1]
done
echo "$all examples"
