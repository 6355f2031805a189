"""A worker ends when its launcher does, whatever Beam's own would wait for."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
import warnings
from unittest.mock import Mock

import pytest
from pixelbeam.pipeline import worker

WORKER = """
import os, signal, sys, time, types
from pixelbeam.pipeline import worker
# In the place of Beam's worker, which waits for a launcher to talk to.
beam = types.ModuleType("apache_beam.runners.worker.sdk_worker_main")
def main(argv):
    os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C reaches all; the launcher decides
    print("working", flush=True)
    time.sleep({seconds})
beam.main = main
package = types.ModuleType("apache_beam.runners.worker")
package.sdk_worker_main = beam
sys.modules["apache_beam.runners.worker"] = package
worker.main({launcher})
print("done", flush=True)
"""


def run(launcher, seconds):
    code = WORKER.format(launcher=launcher, seconds=seconds)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")


def test_a_worker_works_until_it_is_done():
    done = run(os.getpid(), 1)
    assert (done.returncode, done.stdout) == (0, "working\ndone\n"), done.stderr


def test_a_worker_whose_launcher_is_gone_ends_at_once():
    started = time.monotonic()
    done = run(os.getppid(), 60)
    assert done.returncode == 1
    assert "done" not in done.stdout
    assert time.monotonic() - started < 30


class Ended(BaseException):
    """The process has ended."""


def test_the_worker_looks_after_its_launcher_until_that_is_gone(monkeypatch):
    slept, parents = [], iter([7, 7, 7, 1])

    def end(code):
        raise Ended(code)

    monkeypatch.setattr(worker.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(worker.os, "_exit", end)
    monkeypatch.setattr(worker.time, "sleep", slept.append)
    with pytest.raises(Ended) as ended:
        worker._end_with(7)
    assert ended.value.args == (1,)
    assert slept == [0.2] * 3


def test_the_look_out_does_not_keep_a_worker_that_is_done(monkeypatch):
    from apache_beam.runners.worker import sdk_worker_main

    started, handlers = [], {}
    monkeypatch.setattr(worker.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(worker.threading, "Thread", lambda **how: started.append(how) or Mock())
    monkeypatch.setattr(sdk_worker_main, "main", started.append)
    worker.main(7)
    assert started == [{"target": worker._end_with, "args": (7,), "daemon": True}, sys.argv]
    assert handlers == {signal.SIGINT: signal.SIG_IGN}


def test_beams_local_runner_names_the_launcher_by_the_first_argument(monkeypatch):
    """The module as it is run: what is called by it is that of a new module of its name."""
    from apache_beam.runners.worker import sdk_worker_main

    started = []
    monkeypatch.setattr(sys, "argv", [worker.__file__, "17", "--more"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("threading.Thread", lambda **how: started.append(how["args"]) or Mock())
    monkeypatch.setattr(sdk_worker_main, "main", started.append)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it has been imported already
        runpy.run_module("pixelbeam.pipeline.worker", run_name="__main__")
    assert started == [(17,), sys.argv]
