#!/usr/bin/env bash
# From a fresh clone: ruff, mypy and the tests. `./run_tests.sh --slow` runs the slow tests too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/lint.sh
scripts/types.sh
exec scripts/tests.sh "$@"
