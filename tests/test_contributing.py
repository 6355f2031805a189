"""The worked example in CONTRIBUTING.md works as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_example_kind_passes_its_tests_and_the_linter(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL))
    kind, test = "schemas/features/date.py", "tests/schemas/features/test_date.py"
    installed = tmp_path / "installed" / "pixelbeam"
    shutil.copytree(ROOT / "schemas", installed / "schemas")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (installed / kind).write_text(blocks[kind], encoding="utf-8")
    (tmp_path / "test_date.py").write_text(blocks[test], encoding="utf-8")
    offered = [name for name in blocks if name.startswith("extras/")]
    for name in offered:
        (tmp_path / Path(name).name).write_text(blocks[name], encoding="utf-8")
    written = ("test_date.py", str(installed / kind), *(Path(name).name for name in offered))
    run(tmp_path, "pytest", "-p", "no:cacheprovider", "test_date.py")
    run(tmp_path, "ruff", "check", "--no-cache", "--ignore=D100,D103", *written)
    run(tmp_path, "ruff", "format", "--no-cache", "--check", *written)


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
