"""What is said never decides how a build ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from pixelbeam.pipeline.terminal import own_terminal, prepare_streams, printable, say
from support import IMAGE_SCHEMA, dataset_json, write_csv


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Käfer 7", "Käfer 7"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\t", "a\\nb\\t"),
        ("\u202e\ud800", "\\u202e\\ud800"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


class Recorder(io.StringIO):
    """A stream that notes what had been written when it was flushed."""

    flushed = ""

    def flush(self):
        self.flushed = self.getvalue()


def test_lines_are_said_at_once():
    stream = Recorder()
    say("a\nb\x07", stream)
    assert stream.flushed == "a\nb\\x07\n"


def test_streams_that_are_not_there_take_what_is_said(monkeypatch):
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", ascii_only)
    prepare_streams()
    print("gone")
    print("ä", file=sys.stderr, flush=True)
    assert sys.stderr is ascii_only
    assert ascii_only.buffer.getvalue() == b"\\xe4\n"
    assert sys.stdout.name == os.devnull


def test_worker_processes_are_kept_from_the_terminal(capfd):
    with own_terminal(alone=True) as terminal:
        os.write(2, b"a worker's log\n")
        print("ours", file=terminal)
    os.write(2, b"after it\n")
    assert capfd.readouterr() == ("", "ours\nafter it\n")
    with own_terminal(alone=False) as terminal:
        os.write(2, b"a worker's log\n")
        assert terminal.write("four") == 4
    assert "a worker's log\n" in capfd.readouterr().err


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
