"""The program that brings a cluster up, builds on it and takes it down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import cluster
import pytest
from support import contents


class Program:
    """``cluster.py`` with a build, in a session of its own, as a terminal starts it."""

    def __init__(self, folder: Path, *arguments: object):
        self._mark = uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, cluster.__file__, "--", "build", *map(str, arguments)],
            env={**os.environ, "PIXELBEAM_TEST": self._mark, "TMPDIR": str(folder)},
            start_new_session=True,
        )

    def interrupt(self, number: int) -> None:
        """Signals it as a terminal does: with all that it started in its own process group."""
        os.killpg(self._process.pid, number)

    def wait(self) -> int:
        return self._process.wait()

    def runs(self) -> bool:
        return self._process.poll() is None

    def left_behind(self) -> list[str]:
        """The processes that it has started, and they in turn, and that are still there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text())
            except OSError:  # it has ended, or is not ours
                continue
        return found


@pytest.fixture
def start(installed_flink, photos, tmp_path):
    programs: list[Program] = []

    def start(output: Path, manifest: Path, *options: object) -> Program:
        (tmp_path / "tmp").mkdir(exist_ok=True)
        schema = ("--schema", photos / "schema.yaml", "--splits", "train=0.8,val=0.2")
        arguments = ("--manifest", manifest, "--output", output, *schema, *options)
        programs.append(Program(tmp_path / "tmp", *arguments))
        return programs[-1]

    yield start
    for program in programs:
        if program.runs():
            program.interrupt(signal.SIGTERM)
            program.wait()


def test_one_command_builds_on_a_cluster_and_leaves_nothing_running(
    start, photos, local_photos, tmp_path
):
    program = start(tmp_path / "out", photos / "photos.csv", "--num_shards=2")
    assert program.wait() == 0
    assert program.left_behind() == []
    assert contents(tmp_path / "out") == local_photos
    assert list((tmp_path / "tmp").glob("pixelbeam-flink-*")) == []


def test_a_build_that_fails_leaves_nothing_running(start, photos, tmp_path):
    program = start(tmp_path / "out", photos / "absent.csv")
    assert program.wait() == 2
    assert program.left_behind() == []


def test_an_interrupted_build_leaves_nothing_running(start, many_photos, tmp_path):
    program = start(tmp_path / "out", many_photos, "--num_shards=12", "--threads=1")
    shards = tmp_path / "out" / ".pixelbeam" / "shards"
    while program.runs() and not list(shards.glob("*-of-00012.json")):
        time.sleep(0.05)
    program.interrupt(signal.SIGINT)
    assert program.wait() == 130
    assert program.left_behind() == []
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_workers_of_another_checkout_are_not_taken(installed_flink, tmp_path, monkeypatch):
    (tmp_path / "workers").mkdir()
    monkeypatch.setenv("PIXELBEAM_ENGINES", str(tmp_path))
    (tmp_path / "workers" / "installed").write_text("Python 3.11.7\n1 2 /elsewhere/setup.py\n")
    said = cluster.missing("workers")
    assert said is not None
    assert f"the workers of {tmp_path} run the code of another checkout" in said
    root = Path(__file__).parents[2]
    (tmp_path / "workers" / "installed").write_text(f"Python 3.11.7\n1 2 {root}/setup.py\n")
    assert cluster.missing("workers") is None
