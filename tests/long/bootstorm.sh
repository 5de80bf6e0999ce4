#!/bin/bash
# 1,000 guests boot at once, and 64 fetch 72 MB each, beside dnsmasq and nginx: its figures, and whether all were served.
set -eu
cd "$(dirname "$0")/../.."
tools/setup bench
exec tools/bench/bootstorm tftp http --rounds 2
