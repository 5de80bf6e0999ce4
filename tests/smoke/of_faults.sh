#!/bin/bash
# Controllers that flap, fight, flood, lie and do not read, while guests talk over installed flows. A thousand flaps: tests/long/of_faults.sh
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/faults.py" --flaps 20 --size 1 --parts monitor,limits,deaths
