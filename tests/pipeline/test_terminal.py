"""What is said never decides how a build ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support import IMAGE_SCHEMA, dataset_json, write_csv


@pytest.mark.parametrize(
    "streams",
    [">/dev/full 2>&1", ">&- 2>&-", "| head -c 0", "</dev/null >&-"],
)
def test_a_stream_that_is_closed_or_full_fails_nothing(images, tmp_path, streams):
    manifest = write_csv(tmp_path / "rows.csv", [("01.jpg", "Käfer…")])
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    out = tmp_path / "out"
    command = (
        f"set -o pipefail; {sys.executable} -m pixelbeam.pipeline.main build --manifest {manifest}"
    )
    command += f" --image_root {images} --schema {tmp_path}/schema.yaml --output {out} {streams}"
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=ascii_only)
    assert done.returncode == 0
    assert dataset_json(out)["splits"]["train"]["num_records"] == 1


def test_an_ascii_terminal_gets_escapes(images, tmp_path):
    manifest = write_csv(tmp_path / "rows.csv", [("01.jpg", "Käfer")])
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    command = [
        sys.executable,
        "-m",
        "pixelbeam.pipeline.main",
        "build",
        "--manifest",
        str(manifest),
    ]
    command += ["--image_root", str(images), "--schema", str(tmp_path / "schema.yaml")]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "öut")],
        capture_output=True,
        text=True,
        env=ascii_only,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"building {tmp_path}/\\xf6ut")
