#!/usr/bin/env bash
# mypy: the package, whose folders pyproject.toml names, then the programs beside it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
cd "$root"
"$python" -m mypy
MYPYPATH=.mypy_path:examples:scripts:benchmarks "$python" -m mypy --allow-subclassing-any examples benchmarks scripts
