"""Interrupts and losses: whatever ends the launcher ends all that it has started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import IMAGE_SCHEMA, write_csv

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
SECONDS = 20  # it takes two where there is nothing else to do


@pytest.fixture
def start(images, tmp_path):
    """Starts a build of 4,000 rows in 50 shards as a session of its own."""
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    names = [f"{n:02d}.{'png' if n % 5 == 0 else 'jpg'}" for n in range(40)]
    manifest = write_csv(tmp_path / "rows.csv", [(name, "a") for name in names * 100])
    command = [
        sys.executable,
        "-m",
        "pixelbeam.pipeline.main",
        "build",
        "--manifest",
        str(manifest),
    ]
    command += ["--image_root", str(images), "--schema", str(tmp_path / "schema.yaml")]
    command += ["--output", str(tmp_path / "out"), "--num_shards", "50"]
    started: list[subprocess.Popen] = []

    def run(*flags: str) -> subprocess.Popen:
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([*command, *flags], start_new_session=True, **pipes))
        return started[-1]

    yield run
    for process in started:
        if left_of(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def left_of(process: subprocess.Popen) -> list[str]:
    """The processes of a session that are still there."""
    listed = subprocess.run(["ps", "-eo", "sid=,stat=,args="], capture_output=True, text=True)
    lines = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return [line[2] for line in lines if line[0] == str(process.pid) and line[1][0] != "Z"]


def wait_until_gone(process: subprocess.Popen) -> list[str]:
    deadline = time.monotonic() + SECONDS
    while (left := left_of(process)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def wait_for(process: subprocess.Popen, moment: str, out) -> None:
    pattern = {"planning": ".pixelbeam/command.json", "building": "*.tfrecord"}[moment]
    while not list(out.glob(pattern)) and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("moment", ["planning", "building"])
@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.kill), (signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
)
def test_a_signal_ends_the_worker_processes_too(start, tmp_path, moment, number, send):
    """Sent to the launcher alone, as ``kill`` does, and to all of them, as Ctrl-C does."""
    process = start(*PROCESSES)
    wait_for(process, moment, tmp_path / "out")
    send(process.pid, number)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert last.startswith("pixelbeam: interrupted")
    if moment == "building":
        assert " of 50 shards, " in last
        assert last.endswith("; run the same command again to continue")
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "dataset.json").exists()
    assert wait_until_gone(process) == []


@pytest.mark.parametrize("moment", ["planning", "building"])
def test_workers_end_when_their_launcher_was_killed(start, tmp_path, moment):
    process = start(*PROCESSES)
    wait_for(process, moment, tmp_path / "out")
    process.kill()
    assert wait_until_gone(process) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.2, 0.5, 0.8])
def test_an_interrupt_of_the_start_is_a_line(start, number, after):
    """While modules are imported, an exception would be shown with its traceback, or swallowed."""
    process = start()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=after)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("pixelbeam: interrupted")
    assert "Traceback" not in errors
