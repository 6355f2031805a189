"""Interrupts and losses: whatever ends the launcher ends all that it has started."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace

import grpc
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from pixelbeam.pipeline import running
from pixelbeam.pipeline.running import (
    choose_runner,
    is_local_runner,
    run_to_end,
    run_watched,
    uses_processes,
)
from pixelbeam.schemas.errors import BuildError, OptionError
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


FN_API = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
AGAIN = "run the same command again to continue"


@pytest.mark.parametrize("name", [None, "DirectRunner", "direct", "FnApiRunner", FN_API])
def test_the_local_runner_is_ours_whatever_it_is_called(name):
    options = PipelineOptions([] if name is None else [f"--runner={name}"])
    assert is_local_runner(options)
    assert isinstance(choose_runner(options), running._LocalRunner)
    assert options.view_as(StandardOptions).runner == FN_API


def test_another_runner_is_beams():
    options = PipelineOptions(["--runner=FlinkRunner"])
    assert not is_local_runner(options)
    assert type(choose_runner(options)) is FlinkRunner
    assert options.view_as(StandardOptions).runner == "FlinkRunner"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoRunner", "--runner: got 'NoRunner', expected one of Beam's: "),
        ("json.nothing", "--runner: got 'json.nothing', expected one of Beam's: "),
        ("json.JSONDecoder", "--runner: got 'json.JSONDecoder', which is no runner of Beam's"),
    ],
)
def test_what_is_no_runner(name, said):
    with pytest.raises(OptionError, match="^" + re.escape(said)):
        choose_runner(PipelineOptions([f"--runner={name}"]))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("in_memory", False), ("multi_threading", False), ("multi_processing", True)],
)
def test_whether_workers_are_processes(mode, expected):
    options = PipelineOptions([f"--direct_running_mode={mode}"])
    assert options.view_as(DirectOptions).direct_running_mode == mode
    assert uses_processes(options) is expected


def test_workers_that_are_processes_look_out_for_this_one(monkeypatch):
    ran = []
    monkeypatch.setattr(FnApiRunner, "run_via_runner_api", lambda self, *given: ran.append(given))
    proto, options = beam_runner_api_pb2.Pipeline(), PipelineOptions([])
    environments = proto.components.environments
    environments["one"].urn = environments["two"].urn = python_urns.SUBPROCESS_SDK
    environments["beams"].urn, environments["beams"].payload = python_urns.EMBEDDED_PYTHON, b"x"
    running._LocalRunner().run_via_runner_api(proto, options)
    assert ran == [(proto, options)]
    command = f"exec {shlex.quote(sys.executable)} -m pixelbeam.pipeline.worker {os.getpid()}"
    payloads = {name: environment.payload for name, environment in environments.items()}
    assert payloads == {"one": command.encode(), "two": command.encode(), "beams": b"x"}


def pipeline_of(runner, ended, cancel=None):
    result = SimpleNamespace(wait_until_finish=ended, cancel=cancel)
    return SimpleNamespace(runner=runner, run=lambda: result)


@pytest.mark.parametrize("runner", [running._LocalRunner(), None])
def test_waiting_is_done_in_a_thread_that_keeps_no_process(runner):
    threads = []

    def end():
        threads.append(threading.current_thread())
        return "DONE"

    assert run_to_end(pipeline_of(runner, end)) == "DONE"
    assert [(thread.daemon, thread is threading.main_thread()) for thread in threads] == [
        (True, False)
    ]


@pytest.mark.parametrize("runner", [running._LocalRunner(), None])
def test_what_a_pipeline_raises_is_raised(runner):
    def fail():
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match=r"^broken$"):
        run_to_end(pipeline_of(runner, fail))


@pytest.mark.parametrize("error", [None, grpc.RpcError(), ValueError("closed")])
def test_an_interrupt_cancels_what_runs_elsewhere(monkeypatch, error):
    """And is an interrupt also where nobody is there to be asked."""
    cancelled, waited = [], []

    def cancel():
        cancelled.append(True)
        if error:
            raise error

    outcome = Future()
    outcome.set_exception(KeyboardInterrupt("now"))
    monkeypatch.setattr(running, "_in_thread", lambda function: outcome)
    monkeypatch.setattr(running, "wait_for", lambda *given: waited.append(given))
    with pytest.raises(KeyboardInterrupt, match=r"^now$"):
        run_to_end(pipeline_of(None, None, cancel))
    assert cancelled == [True]
    assert waited == ([] if error else [([outcome], 30.0)])


def test_an_interrupt_of_the_local_runner_asks_nobody(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt("now")

    monkeypatch.setattr(running, "wait_for", None)
    with pytest.raises(KeyboardInterrupt, match=r"^now$"):
        run_to_end(pipeline_of(running._LocalRunner(), interrupt, cancel=None))


@pytest.fixture
def watched(monkeypatch):
    """Runs a pipeline that is watched and ends as said."""

    def run(ended, done=None):
        monkeypatch.setattr(
            running, "ProgressWatch", lambda output: SimpleNamespace(look=lambda: done)
        )
        monkeypatch.setattr(running, "report_progress", lambda watch, console: nullcontext())
        monkeypatch.setattr(running, "run_to_end", lambda pipeline: ended())
        run_watched(None, None, None)

    return run


def test_a_pipeline_that_is_done_is_fine_and_no_other(watched):
    watched(lambda: "DONE")
    with pytest.raises(BuildError, match=rf"^the pipeline ended as FAILED; {AGAIN}$"):
        watched(lambda: "FAILED")


@pytest.mark.parametrize(
    ("done", "said"), [("3 of 5 shards", "3 of 5 shards"), (None, "the manifest was being read")]
)
def test_an_interrupt_says_how_far_it_got(watched, done, said):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=f"^interrupted: {said}; {AGAIN}$"):
        watched(interrupt, done)
