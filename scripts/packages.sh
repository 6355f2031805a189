#!/usr/bin/env bash
# Builds the wheel and the sdist, installs the wheel in an empty environment, and runs the digits example against
# it: away from the checkout, which has no say in what is imported. The sdist has to install the same files.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/scripts/venv.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet "$root" "$scratch/source"
"$(find_python)" -m venv "$scratch/building"
quietly "$scratch/building/bin/pip" install build
quietly "$scratch/building/bin/python" -m build --outdir "$scratch/dist" "$scratch/source"

# All that an installation has of pixelbeam: its modules and files, and what it needs.
installed_files() {
  cp -r "$1/pixelbeam" "$2"
  cp "$1"/pixelbeam-*.dist-info/{METADATA,entry_points.txt} "$2"
  find "$2" -name __pycache__ -prune -exec rm -r {} +
}

mkdir "$scratch"/{digits,wheel,sdist}
"$(find_python)" -m venv "$scratch/digits/env"
echo "installing the wheel into an empty environment" >&2
quietly "$scratch/digits/env/bin/pip" install "$(echo "$scratch"/dist/*.whl)[examples]"
cp "$scratch"/source/examples/digits.{py,yaml} "$scratch/digits"
cd "$scratch/digits"
place=$(env/bin/python -c 'import pixelbeam.readers as readers; print(readers.__file__)')
[[ $place == "$scratch"/digits/env/* ]] || { echo "got pixelbeam from $place, expected it in the environment" >&2; exit 1; }
env/bin/python digits.py

echo "comparing with what the sdist installs" >&2
quietly "$scratch/building/bin/pip" install --no-deps "$scratch"/dist/*.tar.gz
installed_files "$(echo env/lib/python*/site-packages)" "$scratch/wheel"
installed_files "$(echo "$scratch"/building/lib/python*/site-packages)" "$scratch/sdist"
diff -r "$scratch/wheel" "$scratch/sdist"
