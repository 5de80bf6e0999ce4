#!/bin/bash
# tests/smoke/crash_daemon.sh with every kind of loss at every call, and every way to fail.
LONG=1 exec bash "$(dirname "$0")/../smoke/crash_daemon.sh"
