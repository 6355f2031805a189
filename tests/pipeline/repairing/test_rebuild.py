"""What a repair does step by step; that its bytes are the published ones is ``commands/test_repair.py``'s."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.repair import repair
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.progress import ProgressWatch
from pixelbeam.pipeline.publishing import derived
from pixelbeam.pipeline.repairing import rebuild
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.output_folder import Folder
from support import contents, write_csv

NUMBERS = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
SHARDS = tuple(f"train-0000{index}-of-00003" for index in range(3))
DAMAGED = [f"{SHARDS[0]}.tfrecord", f"{SHARDS[1]}.h5", f"index/{SHARDS[1]}.idx", "train.h5"]
DAMAGED += ["feature_description.py", "dataset.json"]


@pytest.fixture
def out(tmp_path) -> Path:
    """Numbers, of which one is a reject."""
    rows = write_csv(tmp_path / "rows.csv", [*((n,) for n in range(30)), ("x",)], ("n",))
    options = BuildOptions(
        str(rows),
        NUMBERS,
        str(tmp_path / "out"),
        sinks=("tfrecord", "hdf5"),
        shard_size=ShardSize(num_shards=3),
        max_rejects=MaxRejects(count=1),
    )
    build(options)
    return tmp_path / "out"


def damage(out: Path, names=tuple(DAMAGED)) -> dict[str, bytes]:
    """Deletes every other of some files and cuts the others; what is left of them."""
    for number, name in enumerate(names):
        if number % 2:
            (out / name).write_bytes((out / name).read_bytes()[:-1])
        else:
            (out / name).unlink()
    found = contents(out)
    return {name: found.get(name, b"") for name in names}


class Died(Exception):
    pass


def die_at(patch, step: int, methods=("publish", "move", "delete", "delete_files")) -> None:
    """Has the process, so to speak, die before one of its changes on disk, counted from 1."""
    count = itertools.count(1)

    def dying(method):
        def call(folder, *arguments):
            lists = isinstance(arguments[0], list)  # of which each file is a step
            for some in zip(*arguments, strict=True) if lists else [arguments]:
                if next(count) >= step:
                    raise Died
                result = method(folder, *(([one] for one in some) if lists else some))
            return None if lists else result

        return call

    for name in methods:
        patch.setattr(Folder, name, dying(getattr(Folder, name)))


def die_and_go_on(out: Path, step: int, expected: dict[str, bytes], left: dict[str, bytes]) -> bool:
    """Dies at a step and repairs again; false where the repair has fewer steps."""
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, step)
        try:
            repair(str(out))
        except (Died, RuntimeError):  # as a runner tells of it
            died = True
        else:
            died = False
    found = contents(out)
    for name, data in expected.items():
        assert found.get(name, b"") in (data, left.get(name, data)), name
    repair(str(out))
    assert contents(out) == expected
    assert not (out / ".pixelbeam" / "repair").exists()
    return died


@pytest.mark.parametrize("step", [1, 9, 25])
def test_it_goes_on_after_a_crash(out, step):
    expected = contents(out)
    assert die_and_go_on(out, step, expected, damage(out))


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["rejects.jsonl"]], ids=["some shards", "all shards"])
def test_it_goes_on_after_a_crash_at_any_step(out, more):
    expected = contents(out)
    steps = 0
    for step in itertools.count(1):
        if not die_and_go_on(out, step, expected, damage(out, (*DAMAGED, *more))):
            break
        steps = step
    assert steps > 25


def test_what_was_made_is_not_made_again(out, monkeypatch):
    """Not even the manifest is opened."""
    expected = contents(out)
    damage(out)
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, 1, ("move",))
        with pytest.raises(Died):
            repair(str(out))
    (out.parent / "rows.csv").unlink()
    assert repair(str(out)).shards == ()
    assert contents(out) == expected


def test_a_shard_that_lies_there_otherwise_is_made_again(out):
    """As a disk that fails once more may leave it."""
    expected = contents(out)
    damage(out)
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, 1, ("move",))
        with pytest.raises(Died):
            repair(str(out))
    made = out / ".pixelbeam" / "repair"
    (made / DAMAGED[0]).write_bytes(b"cut")
    (made / "feature_description.py").unlink()
    assert repair(str(out)).shards == (SHARDS[0],)
    assert contents(out) == expected


@pytest.mark.parametrize("name", ["rejects.jsonl", DAMAGED[0]])
def test_a_whole_build_that_was_made_and_is_damaged_is_made_again(out, name):
    expected = contents(out)
    damage(out, ["rejects.jsonl", "statistics.jsonl", DAMAGED[0]])
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, 1, ("move",))
        with pytest.raises(Died):
            repair(str(out))
    made = out / ".pixelbeam" / "repair"
    assert (made / "dataset.json").exists()
    (made / name).unlink()
    repair(str(out))
    assert contents(out) == expected


def test_progress_is_that_of_the_shards_that_are_built(out, monkeypatch):
    damage(out)
    seen = []

    def look(pipeline, output, console):
        seen.append(str(ProgressWatch(output).look()))
        raise Died

    monkeypatch.setattr(rebuild, "run_watched", look)
    with pytest.raises(Died):
        repair(str(out))
    records = sum(
        line.count("\n")
        for line in ((out / f"index/{shard}.idx").read_text() for shard in SHARDS[:1])
    )
    [said] = seen
    assert said.startswith("0 of 2 shards, 0 of ")
    assert records < int(said.split(" of ")[2].split()[0]) < 30


def test_a_module_that_another_version_writes_otherwise_is_said(out, monkeypatch):
    """For which no manifest is needed, and no library is to blame."""
    (out / "feature_description.py").unlink()
    (out.parent / "rows.csv").unlink()
    before = contents(out)
    monkeypatch.setattr(derived, "write_description", lambda *_: "other")
    with pytest.raises(BuildError) as caught:
        repair(str(out))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{out}: made again, 1 file is not as published; nothing was changed"
    assert lines[1].startswith("  feature_description.py: got 5 bytes, expected ")
    assert lines[2:] == [
        "  no reason was found: manifest, sources and libraries are what they were",
        "--accept builds the whole dataset anew, from what there is now",
    ]
    assert contents(out) == before
    assert not (out / ".pixelbeam" / "repair").exists()


def test_what_changes_on_the_way_to_its_place_is_seen(out, monkeypatch):
    """An earlier attempt's task, which an engine still runs, may write to the staging folder meanwhile."""
    expected = contents(out)
    damage(out)
    move = Folder.move

    def changing(folder, names, to):
        Path(folder.path(names[-1])).write_bytes(b"other")
        move(folder, names, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "move", changing)
        with pytest.raises(BuildError) as caught:
            repair(str(out))
    assert str(caught.value) == (
        f"{out}: train.h5 changed while it was put in its place; run the same command again"
    )
    assert list(repair(str(out)).damage) == ["dataset.json", "train.h5"]
    assert contents(out) == expected


def test_a_manifest_that_changes_meanwhile_is_seen(out, monkeypatch):
    damage(out)
    run = rebuild.run_watched

    def changing(*arguments):
        run(*arguments)
        with (out.parent / "rows.csv").open("a") as file:
            file.write("31\n")

    monkeypatch.setattr(rebuild, "run_watched", changing)
    before = contents(out)
    with pytest.raises(BuildError, match=r"rows.csv: changed while the build was running"):
        repair(str(out))
    assert contents(out) == before


def test_a_disk_that_is_full_leaves_all_as_it_was(out, monkeypatch):
    expected = contents(out)
    damage(out)
    before = contents(out)
    publish = Folder.publish

    def fail(folder, local, name):
        if name.endswith(".h5"):
            raise OSError(28, "No space left on device")
        return publish(folder, local, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "publish", fail)
        with pytest.raises(Exception, match="No space left on device"):
            repair(str(out))
    assert contents(out) == before
    repair(str(out))
    assert contents(out) == expected
    shutil.rmtree(out)
