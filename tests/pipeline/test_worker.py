"""A worker ends when its launcher does, whatever Beam's own would wait for."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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
