#!/usr/bin/env bash
# pytest without the slow tests, or with them after --slow; other arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
cd "$root"
# Else each of the hundreds of processes that tests start compiles the package, and each pytest all tests.
unset PYTHONDONTWRITEBYTECODE
markers="not slow"
if [ "${1:-}" = --slow ]; then
  shift
  # Alone, for they use all cores and the same ports; 5 says that none was asked for. No others are looked
  # through unless the arguments say where to.
  "$python" -m pytest -m engines "${@:-tests/engines}" || [ $? = 5 ]
  markers="not engines"
fi
# In the order of tests/conftest.py, not of how many tests a file has.
exec "$python" -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "$markers" "$@"
