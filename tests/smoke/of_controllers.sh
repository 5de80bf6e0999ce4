#!/bin/bash
# Controllers not written here drive four hosts: a learning switch and a policy on os-ken's API, and Debian's ovs-testcontroller.
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/controllers.py" --target "${WEIR_OF_TARGET:-weir}"
