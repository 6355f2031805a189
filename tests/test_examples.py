"""The examples run, and their models learn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["video", "audio_visual", "tokens", "digits_hdf5", "detection"])
def test_an_example_builds_and_trains(name, tmp_path):
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        [sys.executable, f"{name}.py", "--data", tmp_path / "data", "--output", tmp_path / "out"],
        cwd=EXAMPLES,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measure = "mAP at 0.5" if name == "detection" else "accuracy"
    assert f"validation {measure}: " in done.stdout
