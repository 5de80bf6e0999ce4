#!/bin/bash
# A thousand connections that end at each point, and all else that controllers may do wrong, while guests talk over installed flows;
# then kill -9, SIGTERM and both fail modes.
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/faults.py" --flaps "${FLAPS:-1000}" "$@"
