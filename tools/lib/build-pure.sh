#!/bin/bash
# qos/, config/, datapath/flow/ and the responder are pure: they build without DPDK, and in a directory where nothing of it is found.
set -eu
out=$1
mkdir -p "$out"
warn="-std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror -c"
for f in qos/*.c; do gcc $warn -Iqos/include "$f" -o "$out/$(basename "$f").o"; done
for f in control/boot/*.c; do gcc $warn -Icontrol/boot/include "$f" -o "$out/$(basename "$f").o"; done
for f in control/life/*.c; do gcc $warn -Icontrol/life/include "$f" -o "$out/$(basename "$f").o"; done
for f in datapath/flow/*.c; do gcc $warn -Idatapath/flow/include -Idatapath/port/include "$f" -o "$out/$(basename "$f").o"; done
for f in config/*.c; do gcc $warn -Iconfig/include "$f" -o "$out/$(basename "$f").o"; done
