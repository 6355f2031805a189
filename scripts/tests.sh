#!/usr/bin/env bash
# pytest without the slow tests, or with them after --slow; other arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
cd "$root"
markers="not slow"
if [ "${1:-}" = --slow ]; then
  shift
  # Alone, for they use all cores and the same ports; 5 says that none was asked for.
  "$python" -m pytest -m engines "$@" || [ $? = 5 ]
  markers="not engines"
fi
exec "$python" -m pytest -n auto --dist loadfile -m "$markers" "$@"
