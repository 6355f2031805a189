"""Builds that take encoded images over from another dataset: byte for byte what they are without it."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clips import FRAME, clip_schema
from PIL import Image
from pixelbeam.pipeline.command_line import describe
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OptionError
from pixelbeam.schemas.features.image import Image as ImageFeature
from pixelbeam.transforms.shards import library_versions
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from rich.console import Console
from support import IMAGE_SCHEMA, contents, make_image, write_csv

COUNT = 24
SPLITS = Splits((("train", 0.7), ("val", 0.3)))
ROWS = [(f"{n}.jpg", "cat" if n % 2 else "dog") for n in range(COUNT)]


def age(folder: Path) -> None:
    """Makes files older than the two seconds within which their time could hide a change."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**10))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Twenty-four images and a dataset of them, ``old``."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "images").mkdir()
    for number in range(COUNT):
        make_image(folder / "images" / f"{number}.jpg", number)
    age(folder)
    write_csv(folder / "rows.csv", ROWS)
    build(make(folder, output="old", shard_size=ShardSize(num_shards=3)))
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "f", copy_function=shutil.copy2)
    # Sources are noted with the folder that they lay in.
    for path in (tmp_path / "f" / "old" / ".pixelbeam" / "sources").iterdir():
        noted = json.loads(path.read_text())
        path.write_text(json.dumps({**noted, "root": str(tmp_path / "f" / "images")}))
    return tmp_path / "f"


def make(folder: Path, rows=None, output="new", **settings) -> BuildOptions:
    if rows is not None:
        write_csv(folder / "rows.csv", rows)
    given = {
        "manifest": str(folder / "rows.csv"),
        "schema": IMAGE_SCHEMA,
        "image_root": str(folder / "images"),
        "max_rejects": MaxRejects.parse("0.5"),
        "shard_size": ShardSize(num_shards=2),
    }
    return BuildOptions(output=str(folder / output), **given | settings)


@pytest.fixture
def encoded(monkeypatch) -> list[str]:
    """The images that are encoded, but for the samples that shards are planned by."""
    names: list[str] = []
    encode = ImageFeature.encode
    monkeypatch.setattr(
        ImageFeature,
        "encode",
        lambda self, name, value: names.append(name) or encode(self, name, value),
    )
    return names


def compare(folder: Path, options: BuildOptions, taken: int, old: str = "old"):
    """Builds with and without the old dataset; both have to be the same, byte for byte."""
    full = build(replace(options, output=str(folder / "full")))
    built = build(replace(options, reuse=str(folder / old)))
    assert contents(Path(options.output)) == contents(folder / "full")
    assert (full.taken, built.taken) == (None, taken)
    assert verify(options.output).faults == []
    return built


def test_all_is_taken_over_and_nothing_encoded(folder, encoded):
    built = build(make(folder, reuse=str(folder / "old")))
    assert (built.taken, encoded) == (COUNT, [])
    lines = describe(built, "new").splitlines()
    assert f"  reuse     {COUNT} of {COUNT} records were taken over" in lines
    build(make(folder, output="full"))
    assert len(encoded) == COUNT
    assert contents(folder / "new") == contents(folder / "full")


def test_no_source_is_read_whose_size_and_time_are_the_same(folder, monkeypatch):
    from pixelbeam.transforms.storage.input_files import InputFiles

    read: list[str] = []
    original = InputFiles.read
    monkeypatch.setattr(InputFiles, "read", lambda self, w: read.append(w) or original(self, w))
    build(make(folder, reuse=str(folder / "old")))
    assert read == []
    assert build(make(folder)).taken is None  # as it was noted: the sources have not changed
    assert build(make(folder, check_sources="content")).unseen == ""


@pytest.mark.parametrize(
    "settings",
    [
        {
            "splits": SPLITS,
            "seed": 3,
            "shard_size": ShardSize(num_shards=5),
            "sinks": ("tfrecord", "hdf5"),
        },
        {"sinks": ("hdf5",), "index": "none"},
    ],
    ids=["more", "less"],
)
def test_other_splits_shards_sinks_and_checks(folder, settings):
    compare(folder, make(folder, **settings), COUNT)


def test_rows_that_are_new_gone_changed_and_relabelled(folder, encoded):
    make_image(folder / "images" / "3.jpg", 77)  # another picture under the same name
    make_image(folder / "images" / "new.jpg", 78)
    age(folder / "images" / "..")
    rows = [(path, "bird" if path == "5.jpg" else label) for path, label in ROWS[:20]]
    compare(folder, make(folder, [*rows, ("new.jpg", "cat"), ("none.jpg", "cat")]), 19)
    assert len(encoded) == 21 + 2  # all for the full build; the one that changed and the new one


def test_a_change_that_kept_size_and_time_is_found_by_content(folder):
    path = folder / "images" / "3.jpg"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    compare(folder, make(folder, check_sources="content"), COUNT - 1)


def test_files_that_were_touched_or_lie_elsewhere_are_compared_by_content(folder, encoded):
    for path in (folder / "images").iterdir():
        path.touch()
    compare(folder, make(folder), COUNT)
    assert len(encoded) == COUNT
    shutil.rmtree(folder / "new"), shutil.rmtree(folder / "full")
    (folder / "images").rename(folder / "elsewhere")
    compare(folder, make(folder, image_root=str(folder / "elsewhere")), COUNT)


def test_paths_may_be_spelled_otherwise(folder):
    spelled = ("./{}", f"{folder}/images/{{}}", ".//{}")
    rows = [(spelled[n % 3].format(path), label) for n, (path, label) in enumerate(ROWS)]
    compare(folder, make(folder, rows), COUNT)


@pytest.mark.parametrize("lost", ["sources", "dataset.json's own", "index", "shard"])
def test_what_is_lost_of_the_old_dataset_is_encoded_anew(folder, lost):
    old = folder / "old"
    taken = COUNT
    if lost == "sources":
        shutil.rmtree(old / ".pixelbeam")
    elif lost == "index":
        (old / "index" / "train-00001-of-00003.parquet").write_bytes(b"PAR1")
        taken -= json.loads((old / "dataset.json").read_text())["splits"]["train"]["shards"][1][
            "num_records"
        ]
    elif lost == "shard":
        (old / "train-00001-of-00003.tfrecord").unlink()
        taken -= json.loads((old / "dataset.json").read_text())["splits"]["train"]["shards"][1][
            "num_records"
        ]
    else:
        text = (old / "dataset.json").read_bytes()
        (old / "dataset.json").write_bytes(text.replace(b'"rows": 24', b'"rows": 25'))
        taken = 0
    assert taken < COUNT or lost == "sources"
    compare(folder, make(folder), taken)


def test_a_damaged_record_is_encoded_anew(folder):
    shard = folder / "old" / "train-00001-of-00003.tfrecord"
    data = bytearray(shard.read_bytes())
    data[200] ^= 4
    shard.write_bytes(data)
    compare(folder, make(folder), COUNT - 1)


def said(folder: Path, **settings) -> str:
    console = Console(record=True, width=500, file=io.StringIO())
    built = build(make(folder, reuse=str(folder / "old"), **settings), console=console)
    assert built.taken == 0
    (line,) = [line for line in console.export_text().splitlines() if line.startswith("  reuse")]
    return line.replace(str(folder), "F")


def schema(**image) -> Schema:
    declared = {
        "image": {
            "type": "image",
            "source": "path",
            "height": 8,
            "width": 8,
            "upscale": True,
            **image,
        }
    }
    label = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
    return Schema.from_dict({"features": {**declared, "label": label}})


def test_it_says_why_nothing_can_be_taken_over(folder, monkeypatch):
    other = schema(quality=50)
    line = said(folder, schema=other)
    assert (
        line
        == "  reuse     nothing of F/old: it has no image feature of the same name and settings"
    )
    monkeypatch.setattr(library_versions.PIL, "__version__", "0.1")
    line = said(folder, output="other")
    before = json.loads((folder / "old" / "dataset.json").read_text())["versions"]["pillow"]
    assert (
        line
        == f"  reuse     nothing of F/old: it was built with other versions: pillow {before}, now 0.1"
    )


def test_datasets_without_an_index_or_addresses_say_so(folder):
    build(make(folder, output="bare", index="none"))
    build(make(folder, output="arrays", sinks=("hdf5",)))
    for name in ("bare", "arrays"):
        shutil.rmtree(folder / "old")
        (folder / name).rename(folder / "old")
        line = said(folder, output=f"new_{name}")
        assert (
            line
            == "  reuse     nothing of F/old: it has no index of TFRecord files (--index, --sinks)"
        )


def test_what_is_no_dataset_is_refused_before_anything_starts(folder):
    with pytest.raises(OptionError) as caught:
        build(make(folder, reuse=str(folder / "images")))
    assert str(caught.value) == (
        f"--reuse: got {str(folder / 'images')!r}, expected a published dataset: it has no dataset.json"
    )
    assert not (folder / "new").exists()
    with pytest.raises(OptionError, match="--reuse: got ' ', expected a name"):
        make(folder, reuse=" ")


def test_a_dataset_is_replaced_by_what_takes_it_over(folder, encoded):
    rows = [*ROWS, ("new.jpg", "cat")]
    make_image(folder / "images" / "new.jpg", 99)
    settings = {"output": "old", "shard_size": ShardSize(num_shards=3)}
    build(make(folder, rows, **settings | {"output": "full"}))
    encoded.clear()
    again = make(folder, **settings, reuse=str(folder / "old"), overwrite=True)
    assert (build(again).taken, len(encoded)) == (COUNT, 1)
    assert contents(folder / "old") == contents(folder / "full")
    # It is no other command: without it, the dataset is what was asked for.
    assert build(replace(again, overwrite=False, reuse=None)).taken is None


def test_a_replacement_that_was_interrupted_is_finished_though_the_old_one_is_half_gone(
    folder, monkeypatch
):
    from pixelbeam.transforms.storage.output_folder import Folder

    again = make(folder, output="old", reuse=str(folder / "old"), overwrite=True, seed=5)
    build(replace(again, output=str(folder / "full"), overwrite=False, reuse=None))

    def stop(self, names, to):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "move", stop)
        with pytest.raises(KeyboardInterrupt):
            build(again)
    assert not (folder / "old" / "dataset.json").exists()
    built = build(again)
    assert built.replaced
    assert contents(folder / "old") == contents(folder / "full")


FORMS = {
    "jpeg": {},
    "raw": {"encoding": "raw"},
    "png": {"encoding": "png", "resize": "longest_side", "size": 10, "height": None, "width": None},
    "ragged": {
        "encoding": "raw",
        "resize": "shortest_side",
        "size": 9,
        "height": None,
        "width": None,
    },
    "padded": {"resize": "pad", "height": 20, "width": 9},
    "deep": {"channels": 1, "encoding": "raw", "dtype": "uint16"},
    "webp": {"encoding": "webp", "channels": 4, "reencode": False},
    "named": {"source": "{label}.png"},
}


def forms(**others) -> Schema:
    image = {"type": "image", "source": "path", "height": 8, "width": 8, "upscale": True}
    return Schema.from_dict({"features": {n: image | f for n, f in (FORMS | others).items()}})


def test_images_of_every_form_and_only_those_whose_settings_stay(folder, encoded):
    for label in ("cat", "dog"):
        make_image(folder / "images" / f"{label}.png", len(label))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "images" / "2.jpg"
    Image.open(path).save(path, exif=exif)
    age(folder / "images")
    build(make(folder, output="mine", schema=forms()))
    files = sorted((folder / "mine" / "index").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    turned = {row["key"]: row["orientation"] for row in rows}
    assert turned == {path: 6 if path == "2.jpg" else 1 for path, _ in ROWS}
    changed = forms(webp={"encoding": "webp", "quality": 7}, more={})
    encoded.clear()
    compare(folder, make(folder, schema=changed, seed=2), COUNT, old="mine")
    counts = {name: encoded.count(name) for name in changed.features}
    both = ("webp", "more")  # once for each of the two builds
    assert counts == {name: COUNT * (2 if name in both else 1) for name in changed.features}


def test_bytes_in_parquet_and_arrays_are_compared_by_content(folder):
    table = {
        "path": [{"bytes": (folder / "images" / p).read_bytes(), "path": p} for p, _ in ROWS],
        "label": [label for _, label in ROWS],
    }
    pq.write_table(pa.table(table), folder / "rows.parquet")
    options = make(folder, manifest=str(folder / "rows.parquet"), image_root=None)
    compare(folder, options, COUNT)
    with h5py.File(folder / "images" / "a.h5", "w") as file:
        file["im"] = np.arange(COUNT * 10 * 10 * 3, dtype=np.uint8).reshape(COUNT, 10, 10, 3)
    write_csv(
        folder / "rows.csv", [(f"a.h5::/im[{n}]", label) for n, (_, label) in enumerate(ROWS)]
    )
    build(make(folder, output="mine"))
    for name in ("full", "new"):
        shutil.rmtree(folder / name)
    compare(folder, make(folder, seed=1), COUNT, old="mine")


def test_clips_are_encoded_anew_and_it_says_so(folder):
    clips = clip_schema(
        steps={"frames": FRAME | {"source": "path", "resize": "stretch", "upscale": True}},
        key="label",
    )
    line = said(folder, schema=clips)
    assert line == "  reuse     nothing of F/old: clips are always encoded anew"


def test_manifests_of_several_splits_take_over_by_content(folder):
    for split, rows in (("train", ROWS[:12]), ("val", ROWS[12:])):
        (folder / split).mkdir()
        for path, _ in rows:
            shutil.copy2(folder / "images" / path, folder / split / path)
        write_csv(folder / split / "rows.csv", rows)
    manifest = f"train={folder}/train/rows.csv,val={folder}/val/rows.csv"
    compare(folder, make(folder, manifest=manifest, image_root=None), COUNT)


def test_the_command_takes_it_over(folder, capsys):
    (folder / "s.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    command = ["build", "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "s.yaml")]
    command += ["--image_root", str(folder / "images"), "--output", str(folder / "new")]
    assert main([*command, "--reuse", str(folder / "old")]) == 0
    out = capsys.readouterr().out
    assert f"  reuse     {COUNT} of {COUNT} records were taken over" in out


def test_it_says_what_may_keep_records_from_being_taken_over(folder):
    (folder / "old" / "train-00001-of-00003.tfrecord").unlink()
    built = build(make(folder, reuse=str(folder / "old")))
    assert 0 < built.taken < COUNT
    assert (
        f"  reuse     {built.taken} of {COUNT} records were taken over; the others' images are new, have "
        "changed, or cannot be read there"
    ) in describe(built, "new").splitlines()
