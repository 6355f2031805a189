# Sourced by the other scripts. `use_venv base`, `examples` or `dev` (each holds the one before) makes
# .venv if it is not there or setup.py has changed, and leaves its interpreter in $python.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

use_venv() {
  local set
  [ "$(cat "$root/.venv/installed-$1" 2>/dev/null)" != "$(installed_key)" ] || return 0
  make_venv
  # Without their stamps, an installation that is interrupted is done again.
  rm -f "$root"/.venv/installed-*
  echo "installing pixelbeam and what it needs ($1) into .venv, once; this can take some minutes" >&2
  quietly "$python" -m pip install --editable "$root$([ "$1" = base ] || echo "[$1]")"
  for set in base examples dev; do
    installed_key >"$root/.venv/installed-$set"
    [ "$set" != "$1" ] || break
  done
}

# What an installation depends on: moving the folder or asking for another python makes it useless too.
installed_key() {
  { echo "$root" && "${PYTHON:-$python}" -V && cat "$root/setup.py"; } 2>&1 | cksum
}

make_venv() {
  local chosen
  chosen=$(find_python)
  if [ "$("$python" -V 2>&1)" != "$("$chosen" -V)" ] || ! "$python" -m pip --version >/dev/null 2>&1; then
    quietly "$chosen" -m venv --clear "$root/.venv"
  fi
}

find_python() {
  local candidate candidates=(python3 python3.13 python3.12 python3.11 python3.10)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "no suitable python: tried ${candidates[*]}, need 3.10 to 3.13; name one with PYTHON=/path/to/python" >&2
  return 1
}

quietly() {
  local output
  output=$("$@" 2>&1) && return
  printf '%s\nfailed: %s\n' "$output" "$*" >&2
  return 1
}
