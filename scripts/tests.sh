#!/usr/bin/env bash
# pytest without the slow tests, or with them after --slow; other arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
cd "$root"
markers="not slow"
if [ "${1:-}" = --slow ]; then
  markers=""
  shift
fi
exec "$python" -m pytest -m "$markers" "$@"
