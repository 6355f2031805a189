"""Damage at random, and kills at random moments of its repair: what is there in the end is what was published."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.repair import repair
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas import Schema
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, contents, make_image, write_csv

FLIPS = 300
LOSSES = 100
KILLS = 24
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "n", "on_duplicate": "drop"},
        "context": {"label": {"type": "class_label", "source": "label", "vocabulary": ["a", "b"]}},
        "steps": {
            "frame": {"type": "image", "source": "path", "height": 8, "width": 8, "upscale": True}
        },
    }
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Small images, manifests of them and of their clips, and rows that are rejects, early and late."""
    folder = tmp_path_factory.mktemp("repairs")
    for number in range(12):
        make_image(folder / f"{number}.jpg", number)
    rows = [(f"{n % 12}.jpg", "ab"[n % 2]) for n in range(96)] + [("none.jpg", "a"), ("", "b")]
    write_csv(folder / "rows.csv", rows)
    frames = [(f"{n % 12}.jpg", f"clip {n // 6}", n % 5, "ab"[n // 6 % 2]) for n in range(96)]
    write_csv(folder / "frames.csv", frames, ("path", "clip", "n", "label"))
    return folder


def build_one(root: Path, out: Path, schema: Schema, manifest: str, shards: int) -> Path:
    options = BuildOptions(
        str(root / manifest),
        schema,
        str(out),
        sinks=("tfrecord", "hdf5"),
        splits=Splits((("train", 0.8), ("val", 0.2))),
        shard_size=ShardSize(num_shards=shards),
        max_rejects=MaxRejects(count=2),
    )
    build(options)
    return out


@pytest.fixture(scope="module")
def images(root, tmp_path_factory) -> Path:
    """A dataset of images, of eight shards."""
    out = tmp_path_factory.mktemp("images") / "out"
    return build_one(root, out, IMAGE_SCHEMA, "rows.csv", 4)


@pytest.fixture(scope="module")
def clips(root, tmp_path_factory) -> Path:
    """A dataset of clips, with dropped frames."""
    out = tmp_path_factory.mktemp("clips") / "out"
    return build_one(root, out, CLIPS, "frames.csv", 2)


def flip(path: Path, chooser: random.Random) -> None:
    data = bytearray(path.read_bytes())
    bit = chooser.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def lose(path: Path, chooser: random.Random) -> None:
    """Deletes a file, or leaves a part of it."""
    if chooser.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: chooser.randrange(path.stat().st_size)])


@pytest.mark.parametrize("dataset", ["images", "clips"])
def test_flipped_bits_and_lost_files(dataset, request, tmp_path):
    """Half of them each; several at a time, and over a dataset's files of every kind."""
    chooser, out = random.Random(dataset), tmp_path / "out"
    shutil.copytree(request.getfixturevalue(dataset), out)
    expected = contents(out)
    left = [flip] * (FLIPS // 2) + [lose] * (LOSSES // 2)
    chooser.shuffle(left)
    hit, repairs, done = set[str](), 0, 0
    while left:
        some = [left.pop() for _ in range(min(len(left), chooser.randint(1, 12)))]
        names = chooser.sample(sorted(expected), len(some))
        for damage, name in zip(some, names, strict=True):
            damage(out / name, chooser)
        assert sorted(repair(str(out)).damage) == sorted(names)
        assert contents(out) == expected
        hit.update(names)
        repairs, done = repairs + 1, done + len(some)
    print(f"{dataset}: {done} damages in {repairs} repairs, of {len(hit)} of {len(expected)} files")
    assert (done, hit) == ((FLIPS + LOSSES) // 2, set(expected))


def start(out: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "pixelbeam.pipeline.main", "repair", str(out), *flags]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=silent, stderr=silent, start_new_session=True)


def count_made(out: Path) -> int:
    """The shards and other files that a repair has made or moved so far, as far as one can tell."""
    folder = out / ".pixelbeam" / "repair"
    try:
        return len(list((folder / ".pixelbeam" / "shards").glob("*-of-*.json")))
    except FileNotFoundError:  # it is being removed at this moment
        return 0


def wait_for_moment(process: subprocess.Popen, out: Path, chooser: random.Random) -> bool:
    """Waits until some more shards are made, or now and then for any time; false when it ends first."""
    if chooser.random() < 0.3:
        time.sleep(chooser.uniform(0, 2.5))
        return process.poll() is None
    enough = count_made(out) + chooser.randint(1, 8)
    while process.poll() is None and count_made(out) < enough:
        time.sleep(0.001)
    time.sleep(chooser.uniform(0, 0.08))
    return process.poll() is None


def test_kills(images, tmp_path):
    """Whenever one looks, a file is as it was damaged, or as it was published."""
    chooser, out = random.Random(3), tmp_path / "out"
    shutil.copytree(images, out)
    expected = contents(out)
    kills = finished = midway = 0
    damaged: dict[str, bytes] = {}
    while kills < KILLS or not finished:
        if not damaged:
            names = chooser.sample(sorted(expected), chooser.randint(4, 16))
            for name in names:
                chooser.choice([flip, lose])(out / name, chooser)
            found = contents(out)
            damaged = {name: found.get(name, b"") for name in names}
        process = start(out, *(PROCESSES if chooser.random() < 0.3 else ()))
        if wait_for_moment(process, out, chooser):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            found = contents(out)
            assert set(found) <= set(expected)
            for name, data in expected.items():
                now = found.get(name, b"")
                assert now == data or now == damaged.get(name), name
            midway += bool(count_made(out))
            continue
        assert process.wait() == 0
        assert contents(out) == expected
        assert not (out / ".pixelbeam" / "repair").exists()
        damaged, finished = {}, finished + 1
    process = start(out)
    assert process.wait() == 0
    assert contents(out) == expected
    print(f"{kills} kills, {midway} of them with shards made; {finished} repairs finished before")
    assert midway >= KILLS // 3
