"""Fifty kills at random moments: each build goes on, and ends as an undisturbed one does."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import IMAGE_SCHEMA, contents, make_image, write_csv

KILLS = 50
REPLACING_KILLS = 12
CHANGING_KILLS = 8
REUSING_KILLS = 8
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """160 rows over 16 images, and two rows that are rejects."""
    folder = tmp_path_factory.mktemp("kills")
    for number in range(16):
        make_image(folder / f"{number}.jpg", number)
    rows = [(f"{n % 16}.jpg", "ab"[n % 2]) for n in range(160)] + [("none.jpg", "a"), ("", "b")]
    write_csv(folder / "rows.csv", rows)
    (folder / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    return folder


def start(inputs: Path, out: Path, *flags: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "pixelbeam.pipeline.main",
        "build",
        "--manifest",
        str(inputs / "rows.csv"),
    ]
    command += [
        "--schema",
        str(inputs / "schema.yaml"),
        "--output",
        str(out),
        "--splits",
        "train=0.8,val=0.2",
    ]
    command += ["--num_shards", "12", "--max_rejects", "2", *flags]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=silent, stderr=silent, start_new_session=True)


def workers_of(process: subprocess.Popen) -> list[int]:
    """The worker processes of a build."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "-g", str(process.pid)], capture_output=True, text=True
    ).stdout.splitlines()
    return [
        int(line.split()[0])
        for line in found
        if "sdk_worker_main" in line and "/bin/sh" not in line
    ]


def kill(process: subprocess.Popen, whom: str) -> None:
    """SIGKILL for the launcher, for one of its workers, or for everything."""
    if whom == "worker" and (workers := workers_of(process)):
        os.kill(random.choice(workers), signal.SIGKILL)
    elif whom == "launcher":
        os.kill(process.pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen) -> None:
    """Ends what a killed build left running, so that the next one has the folder to itself."""
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        pass  # the launcher waits for a worker that is dead
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_moment(process: subprocess.Popen, out: Path, chooser: random.Random) -> bool:
    """Waits for a random moment of the build; false when the build ends first.

    Mostly the moment is a little after some more shards are finished, since a build of this size spends
    most of its time in starting; now and then it is any time, so that planning is hit too.
    """
    if chooser.random() < 0.2:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chooser.uniform(0, 3))
        return process.poll() is None
    enough = count_finished(out) + chooser.randint(1, 8)
    while process.poll() is None and count_finished(out) < enough:
        time.sleep(0.002)
    time.sleep(chooser.uniform(0, 0.05))
    return process.poll() is None


def count_finished(out: Path) -> int:
    """The finished shards of a build that may be moving or removing their folder at this moment."""
    try:
        names = os.listdir(out / ".pixelbeam" / "shards")
    except FileNotFoundError:
        return 0
    return sum("-of-" in name and name.endswith(".json") for name in names)


def test_fifty_kills(inputs, tmp_path):
    chooser = random.Random(11)
    undisturbed = tmp_path / "undisturbed"
    assert start(inputs, undisturbed).wait() == 0
    expected = contents(undisturbed)
    kills = finished = resumed = 0
    out = tmp_path / "out"
    while kills < KILLS:
        process = start(inputs, out, *(PROCESSES if chooser.random() < 0.3 else ()))
        if wait_for_moment(process, out, chooser):
            kill(process, chooser.choice(["launcher", "worker", "everything"]))
            kills += 1
            end(process)
            resumed += bool(list(out.glob("*.tfrecord")))
            assert_nothing_half_written(out, expected)
            continue
        assert process.wait() == 0
        assert contents(out) == expected
        shutil.rmtree(out)
        finished += 1
    assert start(inputs, out).wait() == 0
    assert contents(out) == expected
    print(f"{kills} kills, {resumed} of them after the first shard; {finished + 1} builds finished")
    assert resumed >= KILLS // 2
    assert finished >= 3


def assert_nothing_half_written(out: Path, expected: dict[str, bytes]) -> None:
    """Every file under a final name is already what it will be."""
    for path in out.glob("*.*"):
        if path.is_file():
            assert path.read_bytes() == expected[path.name], path.name


def test_kills_while_a_dataset_is_replaced(inputs, tmp_path):
    """Whoever looks finds the old dataset whole, the new one whole, or none; never some files of each."""
    chooser = random.Random(5)
    expected = []
    for seed in ("1", "2"):
        assert start(inputs, tmp_path / seed, "--seed", seed).wait() == 0
        expected.append(contents(tmp_path / seed))
    out = tmp_path / "out"
    shutil.copytree(tmp_path / "1", out)
    kills = replaced = 0
    while kills < REPLACING_KILLS or not replaced:
        new = (replaced + 1) % 2
        process = start(inputs, out, "--overwrite", "--seed", str(new + 1))
        if wait_for_moment(process, out / ".pixelbeam" / "next", chooser):
            kill(process, "everything")
            kills += 1
            end(process)
            found = contents(out)
            assert found in expected or "dataset.json" not in found
            continue
        assert process.wait() == 0
        assert contents(out) == expected[new]
        assert not (out / ".pixelbeam" / "next").exists()
        replaced += 1


def test_kills_between_images_that_change(inputs, tmp_path):
    """Before each attempt an image is replaced; what comes out is what a build of the last images gives."""
    folder = tmp_path / "in"
    shutil.copytree(inputs, folder)
    chooser, out = random.Random(7), tmp_path / "out"
    for kills in range(CHANGING_KILLS):
        process = start(folder, out)
        if wait_for_moment(process, out, chooser):
            kill(process, "everything")
        end(process)
        if (out / "dataset.json").exists():
            shutil.rmtree(out)
        make_image(folder / f"{chooser.randrange(16)}.jpg", 100 + kills)
    assert start(folder, out).wait() == 0
    assert start(folder, tmp_path / "fresh").wait() == 0
    assert contents(out) == contents(tmp_path / "fresh")


def test_kills_while_images_are_taken_over(inputs, tmp_path):
    """From another dataset, and from the one that is being replaced; some images are new to both."""
    chooser, old = random.Random(3), tmp_path / "old"
    lines = (inputs / "rows.csv").read_text().splitlines(keepends=True)
    some = tmp_path / "some"
    shutil.copytree(inputs, some)
    # Older than two seconds, so that size and time decide.
    for path in some.glob("*.jpg"):
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**10))
    (some / "rows.csv").write_text("".join(line for line in lines if not line.startswith("3.jpg")))
    assert start(some, old, "--seed", "4").wait() == 0
    (some / "rows.csv").write_text("".join(lines))
    assert start(some, tmp_path / "fresh").wait() == 0
    expected = contents(tmp_path / "fresh")
    out, kills, finished = tmp_path / "out", 0, 0
    while kills < REUSING_KILLS or finished < 2:
        replaces = finished % 2 == 1
        if replaces and not out.exists():
            shutil.copytree(old, out, copy_function=shutil.copy2)
        flags = ("--overwrite", "--reuse", str(out)) if replaces else ("--reuse", str(old))
        process = start(some, out, *flags, *(PROCESSES if chooser.random() < 0.3 else ()))
        if wait_for_moment(process, out / ".pixelbeam" / "next" if replaces else out, chooser):
            kill(process, chooser.choice(["launcher", "worker", "everything"]))
            kills += 1
            end(process)
            continue
        assert process.wait() == 0
        assert contents(out) == expected
        shutil.rmtree(out)
        finished += 1
    print(f"{kills} kills; {finished} builds finished")
