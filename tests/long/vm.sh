#!/bin/bash
# Machines started and stopped 20 times, and everything else of tests/e2e/vm.sh.
VM_TIMES=20 exec bash "$(dirname "$0")/../e2e/vm.sh"
