"""The entry point: exit codes, what is logged, and signals at any moment."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import pytest
from number_datasets import FILES, make_root
from pixelbeam.pipeline import main as entry
from pixelbeam.pipeline.main import main

SCHEMA = "features:\n  n: {type: int64, source: n}\n"


@pytest.fixture
def arguments(tmp_path):
    """The command line of a build of three numbers."""
    root = make_root(tmp_path)
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    return [
        "build", "--manifest", str(root / "rows.csv"), "--schema", str(tmp_path / "schema.yaml"),
        "--output", str(tmp_path / "out"), "--num_shards", "2",
    ]  # fmt: skip


def start(code, *arguments, **settings):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd="/", **pipes)


def test_a_call_publishes_and_says_so_by_its_code(arguments, tmp_path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(arguments) == 0
    published = {path.name for path in (tmp_path / "out").iterdir()} - {".pixelbeam"}
    assert set(FILES) <= published
    assert main([*arguments, "--seed", "1"]) == 2
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_the_arguments_of_the_process_are_taken_where_none_are_given(arguments, tmp_path):
    code = "import gc, sys\nfrom pixelbeam.pipeline.main import main\ncode = main()\n"
    code += "print(gc.isenabled(), gc.get_freeze_count() > 10_000)\nsys.exit(code)"
    process = start(code, *arguments)
    printed, errors = process.communicate()
    assert (process.returncode, printed.splitlines()[-1]) == (0, "True True"), errors
    assert (tmp_path / "out/dataset.json").exists()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [((), "ERROR CRITICAL"), (("--verbose",), "INFO NOTSET")],
)
def test_what_is_logged(flags, expected):
    code = (
        "import logging, sys\nfrom pixelbeam.pipeline.main import main\nmain(sys.argv[1:])\n"
        "levels = [logging.getLogger(name).level for name in (None, 'apache_beam')]\n"
        "print(*map(logging.getLevelName, levels))"
    )
    process = start(code, "schema", *flags)
    assert process.communicate()[0].splitlines()[-1] == expected


SIGNALS = """
import os, signal, sys
from pixelbeam.pipeline import main
main._on_signals(main._interrupt)
try:
    os.kill(os.getpid(), signal.SIG{first})
except KeyboardInterrupt:
    print("interrupted", flush=True)
os.kill(os.getpid(), signal.SIG{second})
print("never", flush=True)
"""


@pytest.mark.parametrize("first", ["INT", "TERM"])
@pytest.mark.parametrize("second", ["INT", "TERM"])
def test_the_second_signal_ends_at_once(first, second):
    process = start(SIGNALS.format(first=first, second=second))
    printed, errors = process.communicate()
    assert (process.returncode, printed) == (130, "interrupted\n")
    assert errors.splitlines()[-1] == "pixelbeam: interrupted"


def test_signals_that_a_shell_has_ignored_stay_so():
    code = "import signal\nfrom pixelbeam.pipeline import main\nmain._on_signals(main._end_now)\n"
    code += "numbers = (signal.SIGINT, signal.SIGTERM)\n"
    code += "print(*[signal.getsignal(n) is main._end_now for n in numbers])"
    process = start(code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert process.communicate()[0] == "False True\n"


def test_a_signal_that_a_shell_has_turned_off_stays_off(monkeypatch):
    handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
    monkeypatch.setattr(signal, "getsignal", handlers.get)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    entry._on_signals(entry._end_now)
    assert handlers == {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: entry._end_now}


def test_the_second_signal_ends_the_process_at_once(monkeypatch):
    set_to, ended = [], []
    monkeypatch.setattr(entry, "_on_signals", set_to.append)
    with pytest.raises(KeyboardInterrupt):
        entry._interrupt(signal.SIGINT, None)
    assert set_to == [entry._end_now]
    monkeypatch.setattr(entry.os, "write", lambda *said: ended.append(said))
    monkeypatch.setattr(entry.os, "_exit", ended.append)
    entry._end_now(signal.SIGTERM, None)
    assert ended == [(2, b"pixelbeam: interrupted\n"), 130]


@pytest.mark.parametrize(("verbose", "level"), [(False, logging.CRITICAL), (True, logging.NOTSET)])
def test_beam_speaks_where_it_is_asked_to(monkeypatch, verbose, level):
    beam, said = logging.getLogger("apache_beam"), []
    monkeypatch.setattr(beam, "level", logging.NOTSET)
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: said.append(settings["level"]))
    entry._quiet_logs(verbose)
    assert (said, beam.level) == ([logging.INFO if verbose else logging.ERROR], level)
