#!/bin/bash
# Smoke tests that CI runs in a shorter form, in full: those that say what LONG=1 does.
set -eu
cd "$(dirname "$0")/../.."
export LONG=1
for t in $(grep -l 'LONG=1' tests/smoke/*.sh); do
	echo "-- $t"
	bash "$t"
done
