"""``repair``: the published bytes again, or why not, and then nothing is changed."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from clips import clip_schema
from hdf5_datasets import build_all_kinds
from pixelbeam.pipeline.commands import repair as repair_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.repair import repair
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.kept import Call
from pixelbeam.pipeline.output.own_files import LOCK_FILE
from pixelbeam.pipeline.output.replace import next_folder
from pixelbeam.schemas.errors import (
    BuildError,
    DatasetError,
    ManifestError,
    OptionError,
    OutputError,
)
from pixelbeam.transforms.shards import library_versions
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from pixelbeam.transforms.storage.output_folder import Folder
from rich.console import Console
from support import IMAGE_SCHEMA, KEPT, contents, dataset_json, make_image, state_of, write_csv

SHARD = "train-00001-of-00003"
FILE = f"{SHARD}.tfrecord"
"""Of 1.jpg, 2.jpg, 4.jpg and, twice, 5.jpg."""


@pytest.fixture
def root(tmp_path) -> Path:
    """Images with a manifest, of which one row is a reject before the shards and one in them."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        make_image(folder / f"{number}.jpg", number)
    rows = [(f"{number % 6}.jpg", "ab"[number % 2]) for number in range(24)]
    write_csv(folder / "rows.csv", [*rows, ("none.jpg", "a"), ("a", "b", "c")])
    return folder


@pytest.fixture
def out(root, tmp_path) -> Path:
    options = BuildOptions(
        str(root / "rows.csv"),
        IMAGE_SCHEMA,
        str(tmp_path / "out"),
        sinks=("tfrecord", "hdf5"),
        splits=Splits((("train", 0.75), ("val", 0.25))),
        shard_size=ShardSize(num_shards=3),
        max_rejects=MaxRejects(count=2),
    )
    build(options)
    return tmp_path / "out"


def flip(path: Path, bit: int = 80) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def snapshot(folder: Path) -> dict[Path, bytes]:
    """Every file, the state's too."""
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_whole_dataset_is_left_as_it_is(out):
    before = snapshot(out)
    repaired = repair(str(out))
    assert (repaired.files, repaired.damage, repaired.shards) == (len(contents(out)), {}, ())
    assert (repaired.strays, repaired.built) == ((), None)
    assert snapshot(out) == before


CASES = {
    "a shard": ([FILE], (SHARD,)),
    "two formats of a shard": ([FILE, f"{SHARD}.h5"], (SHARD,)),
    "shards of two splits": ([FILE, "val-00000-of-00003.h5"], (SHARD, "val-00000-of-00003")),
    "the index": ([f"index/{SHARD}.parquet"], (SHARD,)),
    "the addresses": ([f"index/{SHARD}.idx"], (SHARD,)),
    "the file over shards": (["train.h5"], ()),
    "the file over shards, and a shard": (["train.h5", f"{SHARD}.h5"], (SHARD,)),
    "the module": (["feature_description.py"], ()),
    "dataset.json": (["dataset.json"], ()),
    "dataset.json and a shard": (["dataset.json", FILE], (SHARD,)),
    "the rejects": (["rejects.jsonl"], "all"),
    "the statistics, and other files": (["statistics.jsonl", FILE, "val.h5"], "all"),
}


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink], ids=["flipped", "cut", "deleted"])
@pytest.mark.parametrize(("names", "shards"), CASES.values(), ids=CASES)
def test_what_is_damaged_is_again_what_was_published(out, names, shards, damage):
    before = snapshot(out)
    for name in names:
        damage(out / name)
    repaired = repair(str(out))
    every = tuple(f"{s}-0000{n}-of-00003" for s in ("train", "val") for n in range(3))
    assert sorted(repaired.damage) == sorted(names)
    assert repaired.shards == (every if shards == "all" else shards)
    assert snapshot(out) == before


def test_files_that_are_whole_are_not_touched(out):
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    flip(out / FILE)
    repair(str(out))
    after = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    changed = {path.relative_to(out).as_posix() for path in before if before[path] != after[path]}
    assert changed == {FILE, ".pixelbeam/published/call.json"}


def test_everything_but_a_copy_can_be_lost(out):
    """The manifest, and what was kept: enough for a dataset of nothing."""
    before = snapshot(out)
    for name in contents(out):
        (out / name).unlink()
    (out / "index").rmdir()
    shutil.rmtree(out / ".pixelbeam" / "sources")
    assert len(repair(str(out)).shards) == 6
    assert contents(out) == {
        path.relative_to(out).as_posix(): data
        for path, data in before.items()
        if ".pixelbeam" not in path.parts
    }


def test_every_kind_of_feature_in_both_formats(tmp_path):
    out = build_all_kinds(tmp_path)
    before = contents(out)
    for name in before:
        if "00001-of" in name:
            flip(out / name)
    repair(str(out))
    assert contents(out) == before


@pytest.mark.parametrize("name", ["dropped_frames.jsonl", "train-00000-of-00001.tfrecord"])
def test_clips_and_the_list_of_their_dropped_frames(tmp_path, name):
    schema = clip_schema(
        {},
        {"n": {"type": "int64", "source": "frame"}},
        key="clip",
        order="frame",
        on_duplicate="drop",
    )
    rows = [("a", 1), ("a", 2), ("a", 2), ("b", 1)]
    manifest = write_csv(tmp_path / "rows.csv", rows, ("clip", "frame"))
    out = tmp_path / "out"
    build(BuildOptions(str(manifest), schema, str(out), shard_size=ShardSize(num_shards=1)))
    before = contents(out)
    assert name in before
    flip(out / name)
    repair(str(out))
    assert contents(out) == before


def test_joined_labels(tmp_path, root):
    images = write_csv(tmp_path / "images.csv", [(f"{n}.jpg",) for n in range(6)], ("path",))
    labels = write_csv(tmp_path / "labels.csv", [(f"{n}.jpg", "ab"[n % 2]) for n in range(6)])
    out = tmp_path / "joined"
    options = BuildOptions(
        str(images),
        IMAGE_SCHEMA,
        str(out),
        labels=str(labels),
        join_on="path",
        image_root=str(root),
        shard_size=ShardSize(num_shards=2),
    )
    build(options)
    before = contents(out)
    (out / "train-00000-of-00002.tfrecord").unlink()
    labels.rename(tmp_path / "moved.csv")
    with pytest.raises(ManifestError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"{labels}: no such file or directory; --manifest and --labels say where what {out} was built from "
        "is now"
    )
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "moved.csv").rename(tmp_path / "elsewhere" / "labels.csv")
    repair(str(out), Call(labels=str(moved)))
    assert contents(out) == before
    (out / "train-00000-of-00002.tfrecord").unlink()
    repair(str(out))  # where it is now was noted
    assert contents(out) == before
    shutil.rmtree(out / ".pixelbeam")
    (out / "train-00000-of-00002.tfrecord").unlink()
    with pytest.raises(OptionError) as error:
        repair(str(out), Call(manifest=str(images), image_root=str(root)))
    assert str(error.value) == (
        f"--labels: got none, expected what {out} was built from: where that was is no longer known"
    )


def test_splits_that_manifests_are(tmp_path, root):
    out = tmp_path / "named"
    manifest = f"train={root / 'rows.csv'},val={root / 'rows.csv'}"
    few = {"shard_size": ShardSize(num_shards=1), "max_rejects": MaxRejects(fraction=1.0)}
    build(BuildOptions(manifest, IMAGE_SCHEMA, str(out), **few))
    before = contents(out)
    for name in ("val-00000-of-00001.tfrecord", "statistics.jsonl"):
        (out / name).unlink()
        repair(str(out))
        assert contents(out) == before


def test_moved_inputs_are_named(out, root, tmp_path):
    before = contents(out)
    root.rename(tmp_path / "moved")
    flip(out / FILE)
    with pytest.raises(ManifestError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"{root / 'rows.csv'}: no such file or directory; --manifest and --labels say where what {out} was "
        "built from is now"
    )
    repair(str(out), Call(manifest=str(tmp_path / "moved" / "rows.csv")))
    assert contents(out) == before


def test_images_that_moved_alone_are_named(out, root, tmp_path):
    before, faulty = contents(out), flip(out / FILE)
    assert faulty is None
    (tmp_path / "images").mkdir()
    for image in root.glob("*.jpg"):
        image.rename(tmp_path / "images" / image.name)
    after = snapshot(out)
    with pytest.raises(BuildError) as caught:
        repair(str(out))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{out}: made again, 1 file is not as published; nothing was changed"
    assert lines[2] == "  source    1.jpg: file_not_found"
    assert lines[-1] == (
        "--image_root says where the sources are now; --accept builds the whole dataset anew, from what there "
        "is now"
    )
    assert snapshot(out) == after
    (out / "statistics.jsonl").unlink()
    after = snapshot(out)
    with pytest.raises(BuildError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"{out}: made again, all 26 rows were rejected; nothing was changed\n--image_root says where the "
        "sources are now; --accept builds the whole dataset anew, from what there is now"
    )
    assert snapshot(out) == after
    with pytest.raises(OptionError) as error:
        repair(str(out), Call(image_root=str(tmp_path / "none")))
    expected = f"--image_root: got '{tmp_path / 'none'}', expected a directory: there is none"
    assert str(error.value) == expected
    repair(str(out), Call(image_root=str(tmp_path / "images")))
    assert contents(out) == before


def test_a_source_that_has_changed_is_said_and_nothing_is_changed(out, root):
    make_image(root / "5.jpg", 77)
    make_image(root / "1.jpg", 78)
    flip(out / FILE)
    before = snapshot(out)
    with pytest.raises(BuildError) as caught:
        repair(str(out))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{out}: made again, 1 file is not as published; nothing was changed"
    assert lines[1].startswith(f"  {FILE}: ")
    assert lines[2:] == [
        "  source    1.jpg: has other content",
        "  source    5.jpg: has other content",
        "--accept builds the whole dataset anew, from what there is now",
    ]
    assert snapshot(out) == before


def test_what_can_be_made_again_stays_damaged_where_something_else_cannot(out, root):
    """All or nothing: else shards of two ages could stand side by side before anybody has accepted that."""
    (out / "train.h5").unlink()
    (out / "feature_description.py").unlink()
    flip(out / f"{SHARD}.h5")
    make_image(root / "5.jpg", 77)
    before = snapshot(out)
    with pytest.raises(BuildError) as caught:
        repair(str(out))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{out}: made again, 2 files are not as published; nothing was changed"
    assert lines[1].startswith(f"  {SHARD}.h5: ")
    assert lines[2] == "  train.h5: was not made"
    assert snapshot(out) == before


def test_another_version_of_a_library_is_said(out, root, monkeypatch):
    flip(out / FILE)
    before = contents(out)
    version = dataset_json(out)["versions"]["pixelbeam bytes"]
    monkeypatch.setattr(library_versions, "BYTES_VERSION", 99)
    make_image(root / "5.jpg", 77)
    console = Console(file=StringIO(), width=200)
    with pytest.raises(BuildError) as caught:
        repair(str(out), console=console)
    assert str(caught.value).splitlines()[2:-1] == [
        "  source    5.jpg: has other content",
        f"  library   pixelbeam bytes is 99, was {version}",
    ]
    assert contents(out) == before
    assert f"  changed   pixelbeam bytes is 99, was {version}" in console.file.getvalue()
    make_image(root / "5.jpg", 5)
    repair(str(out))  # what matters is the bytes
    assert verify(str(out)).faults == []


def test_another_manifest_is_refused_before_anything_runs(out, root, monkeypatch):
    with (root / "rows.csv").open("a") as file:
        file.write("0.jpg,a\n")
    flip(out / FILE)
    before = snapshot(out)
    monkeypatch.setattr("pixelbeam.pipeline.repairing.rebuild.run_watched", None)
    with pytest.raises(OutputError) as caught:
        repair(str(out))
    sizes = [(root / "rows.csv").stat().st_size - less for less in (0, 8)]
    assert str(caught.value) == (
        f"{out} was built from another manifest: manifest rows.csv has {sizes[0]} bytes, had {sizes[1]}; "
        "nothing was changed\n--manifest names the one that it was built from; --accept builds the whole "
        "dataset anew, from what there is now"
    )
    assert snapshot(out) == before


@pytest.mark.parametrize("is_lost", [False, True], ids=["with dataset.json", "without"])
@pytest.mark.parametrize("change", ["manifest", "source"])
def test_what_is_accepted_is_a_dataset_of_what_there_is_now(out, root, tmp_path, change, is_lost):
    if change == "manifest":
        with (root / "rows.csv").open("a") as file:
            file.write("0.jpg,c\n")
    else:
        (root / "5.jpg").unlink()
    flip(out / FILE)
    if is_lost:
        (out / "dataset.json").unlink()
    limit = Call(max_rejects="10")
    repaired = repair(str(out), limit, accept=True)
    assert repaired.built is not None
    # Of 26 rows; what the change concerns, and the record that was hit, are encoded again.
    assert repaired.built.taken is not None
    assert repaired.built.taken >= 20
    assert FILE in repaired.damage
    assert verify(str(out)).faults == []
    assert state_of(out)[:2] == [*KEPT]
    fresh = BuildOptions(
        str(root / "rows.csv"),
        IMAGE_SCHEMA,
        str(tmp_path / "fresh"),
        sinks=("tfrecord", "hdf5"),
        splits=Splits((("train", 0.75), ("val", 0.25))),
        shard_size=ShardSize(num_shards=3),
        max_rejects=MaxRejects(count=10),
    )
    build(fresh)
    assert contents(out) == contents(tmp_path / "fresh")
    flip(out / FILE)
    repair(str(out))  # it can be repaired like any other
    assert contents(out) == contents(tmp_path / "fresh")


def test_too_many_rejects_are_not_accepted(out, root):
    """As many as it was built with, unless more are allowed."""
    (root / "5.jpg").unlink()
    flip(out / FILE)
    before = contents(out)
    with pytest.raises(BuildError) as caught:
        repair(str(out), accept=True)
    said = "6 of 26 rows were rejected, more than --max_rejects 2; nothing was published"
    assert str(caught.value).splitlines()[0] == said
    assert contents(out) == before


def test_nothing_is_built_anew_where_the_published_files_can_be_had(out, root):
    make_image(root / "5.jpg", 77)  # nobody looks: what is there is whole
    before = contents(out)
    assert repair(str(out), accept=True).built is None
    make_image(root / "5.jpg", 5)
    (out / FILE).unlink()
    repaired = repair(str(out), accept=True)
    assert (repaired.built, repaired.shards) == (None, (SHARD,))
    assert contents(out) == before


def test_without_what_is_kept_the_manifest_is_asked_for(out, root):
    before = contents(out)
    shutil.rmtree(out / ".pixelbeam")
    flip(out / FILE)
    with pytest.raises(OptionError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"--manifest: got none, expected what {out} was built from: where that was is no longer known"
    )
    repair(str(out), Call(manifest=str(root / "rows.csv")))
    assert contents(out) == before
    assert state_of(out)[:2] == [*KEPT]


def test_files_that_are_none_of_the_dataset_stay_and_are_named(out):
    (out / "val-00000-of-00009.tfrecord").write_bytes(b"of another")
    (out / "thesis.tex").write_bytes(b"the user's")
    assert repair(str(out)).strays == ("val-00000-of-00009.tfrecord",)
    assert (out / "val-00000-of-00009.tfrecord").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"command": None},
            "{out}: does not say what it was built from, so it cannot be repaired; build it anew",
        ),
        (
            {"row_timeout": 7.0, "seed": 5},
            None,
        ),
    ],
)
def test_a_dataset_of_an_unknown_command(out, monkeypatch, change, message):
    flip(out / FILE)
    look = repair_module.look_at_dataset

    def changed(folder):
        dataset = look(folder)
        command = None if "command" in change else {**dataset.info.command, "other": 3}
        object.__setattr__(dataset.info, "command", command)
        return dataset

    monkeypatch.setattr(repair_module, "look_at_dataset", changed)
    with pytest.raises(DatasetError) as caught:
        repair(str(out))
    message = message or (
        "{out}: what it was built from cannot be asked for again: other is null, was 3"
    )
    assert str(caught.value) == message.format(out=out)


def test_labels_of_a_dataset_without_any_are_refused(out):
    flip(out / FILE)
    with pytest.raises(OptionError) as caught:
        repair(str(out), Call(labels="l.csv"))
    expected = f"--labels: got 'l.csv', expected none: {out} was built without"
    assert str(caught.value) == expected


def test_what_is_no_dataset(tmp_path, root, out):
    for name, got in (("none", "nothing"), ("in/rows.csv", "a file")):
        with pytest.raises(OptionError) as caught:
            repair(str(tmp_path / name))
        assert str(caught.value) == f"{tmp_path / name}: got {got}, expected a dataset's directory"
    with pytest.raises(DatasetError) as error:
        repair(str(root))
    assert str(error.value) == (
        f"{root}: no dataset.json, and no copy of one, so there is nothing to repair it by; if this was a "
        "dataset, build it anew"
    )
    assert not (root / ".pixelbeam").exists()
    (out / "dataset.json").unlink()
    (out / ".pixelbeam" / "command.json").write_text("{}")
    with pytest.raises(DatasetError) as error:
        repair(str(out))
    assert str(error.value) == (
        f"{out}: no dataset.json, but an unfinished build; run the same `pixelbeam build` command again to "
        "continue it"
    )


def test_a_runner_that_is_none_is_said_before_anything_is_read(out, monkeypatch):
    monkeypatch.setattr(repair_module, "look_at_dataset", None)
    with pytest.raises(OptionError, match=r"^--runner: got 'NoneRunner', expected one of Beam's"):
        repair(str(out), beam_options=PipelineOptions(["--runner=NoneRunner"]))


def test_a_folder_in_use_is_left_alone(out):
    flip(out / FILE)
    with Folder(str(out)).lock(LOCK_FILE), pytest.raises(OutputError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"--output: another build or repair of {str(out)!r} is running; wait for it, or stop it"
    )


def test_a_dataset_that_is_about_to_be_replaced_is_put_in_its_place_first(out, root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(out, other)
    following = Path(next_folder(Folder(str(out))).root)
    (out / "dataset.json").rename(tmp_path / "old.json")
    shutil.move(other, following)
    expected = contents(following)
    flip(following / FILE)
    assert list(repair(str(out)).damage) == [FILE]
    assert contents(out) == expected
    assert not following.exists()


def test_the_command(out, root, capsys):
    assert main(["repair", str(out)]) == 0
    files = len(contents(out))
    assert capsys.readouterr().out == f"{out}: whole: {files} files, nothing to repair\n"
    size = (out / FILE).stat().st_size
    cut(out / FILE)
    (out / "val-00000-of-00009.tfrecord").write_bytes(b"of another")
    assert main(["repair", str(out), "--threads", "1"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"{out}: repaired: 1 of {files} files in ")
    assert lines[0].endswith(" s, each again as it was published")
    assert lines[1:] == [
        "  built     1 shard",
        "  remark    val-00000-of-00009.tfrecord is no file of this dataset",
    ]
    assert printed.err.splitlines() == [
        f"repairing {out}: 1 file is not as published",
        f"  damaged   {FILE}: got {size - 3:,} bytes, expected {size:,}",
        "  building  1 of 6 shards",
    ]
    assert main(["verify", str(out)]) == 1
    (out / "val-00000-of-00009.tfrecord").unlink()
    for name in ("rejects.jsonl", "dataset.json", "val.h5"):
        (out / name).unlink()
    assert main(["repair", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "  built     6 shards"
    assert printed.err.splitlines()[1:] == [
        "  damaged   dataset.json: missing",
        "  damaged   rejects.jsonl: missing",
        "  damaged   val.h5: missing",
        "  building  all 6 shards, which rejects.jsonl follows from",
    ]
    assert main(["verify", str(out)]) == 0


def test_the_command_where_it_cannot(out, root, capsys):
    (root / "5.jpg").unlink()
    flip(out / FILE)
    assert main(["repair", str(out)]) == 1
    said = capsys.readouterr().err
    assert (
        f"pixelbeam: {out}: made again, 1 file is not as published; nothing was changed\n" in said
    )
    options = ["--image_root", str(root), "--manifest", str(root / "rows.csv"), "--accept"]
    assert main(["repair", str(out), *options]) == 3
    assert main(["repair", str(out), *options, "--max_rejects", "9"]) == 0
    assert capsys.readouterr().out.startswith("built 20 records in ")
    assert main(["repair", str(out / "none")]) == 2
    assert main(["repair", str(out), "--labels", "l.csv"]) == 0  # nothing is built
    assert main(["repair", str(out), "--quick"]) == 2
    with (root / "rows.csv").open("a") as file:
        file.write("1.jpg,b\n")
    flip(out / FILE)
    assert main(["repair", str(out)]) == 2
    assert json.loads((out / "dataset.json").read_bytes())["rows"] == 26


def test_a_directory_in_the_place_of_a_file_is_refused(out):
    (out / "statistics.jsonl").unlink()
    (out / "statistics.jsonl").mkdir()
    before = snapshot(out)
    with pytest.raises(DatasetError) as caught:
        repair(str(out))
    assert str(caught.value) == (
        f"{out}: statistics.jsonl: got a directory, expected a file; remove it"
    )
    assert snapshot(out) == before
