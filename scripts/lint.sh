#!/usr/bin/env bash
# ruff: the rules, and the format.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
cd "$root"
"$python" -m ruff check .
"$python" -m ruff format --check .
