#!/usr/bin/env bash
# Builds the wheel and the sdist, installs each in an empty environment, and runs the digits example against it:
# away from the checkout, which has no say in what is imported.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/scripts/venv.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet "$root" "$scratch/source"
"$(find_python)" -m venv "$scratch/building"
quietly "$scratch/building/bin/pip" install build
quietly "$scratch/building/bin/python" -m build --outdir "$scratch/dist" "$scratch/source"

run_digits() {
  local folder=$1 package=$2 place
  "$(find_python)" -m venv "$folder/env"
  echo "installing ${package##*/} into an empty environment" >&2
  quietly "$folder/env/bin/pip" install "$package[examples]"
  cp "$scratch"/source/examples/digits.{py,yaml} "$folder"
  cd "$folder"
  place=$(env/bin/python -c 'import pixelbeam.readers as readers; print(readers.__file__)')
  [[ $place == "$folder"/env/* ]] || { echo "got pixelbeam from $place, expected it in $folder/env" >&2; exit 1; }
  env/bin/python digits.py
}

for package in "$scratch"/dist/*.whl "$scratch"/dist/*.tar.gz; do
  mkdir "$scratch/${package##*.}"
  (run_digits "$scratch/${package##*.}" "$package")
  rm -rf "${scratch:?}/${package##*.}"
done
