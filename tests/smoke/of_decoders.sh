#!/bin/bash
# Five decoders that were written elsewhere agree with the OpenFlow codec, field by field.
set -eu
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 tests/lib/of_decoders.py "${WEIR_BUILD:-build}/tests/weir-of-recode" "$@"
