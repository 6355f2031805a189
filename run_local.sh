#!/usr/bin/env bash
# From a fresh clone: the digits example from end to end, or `pixelbeam build` with the arguments given.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/venv.sh"
if [ $# -gt 0 ]; then
  use_venv base
  exec "$root/.venv/bin/pixelbeam" build "$@"
fi
use_venv examples
cd "$root"
exec "$python" examples/digits.py
