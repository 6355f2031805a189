#!/usr/bin/env bash
# Brings a Flink cluster up on this machine, runs a build on it and takes it down again:
#   examples/flink/run.sh build --manifest photos.csv --schema image_classification --output OUT
# The same command without this script's name in front runs it on the local runner, to the same bytes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../scripts/venv.sh"
use_venv base
PYTHON=$python "$here/install.sh"
exec "$python" "$here/cluster.py" -- "$@"
