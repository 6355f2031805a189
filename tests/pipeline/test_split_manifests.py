"""``--manifest train=a.csv,test=b.csv``, through the whole build."""

from __future__ import annotations

import io
import shutil

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError, OptionError, OutputError
from pixelbeam.transforms.splits import Splits
from rich.console import Console
from support import IMAGE_SCHEMA, contents, dataset_json, make_image, rejects_of, write_csv


def make_data(root, names, rows):
    root.mkdir(parents=True)
    for number, name in names.items():
        (root / name).parent.mkdir(exist_ok=True)
        make_image(root / name, number)
    return write_csv(root / "rows.csv", rows)


@pytest.fixture
def apart(tmp_path):
    """Two manifests of the same name in folders that are not beside each other, of unlike images."""
    one = make_data(
        tmp_path / "x" / "one", {1: "a.png", 2: "b.png"}, [("a.png", "dog"), ("b.png", "cat")]
    )
    other = make_data(
        tmp_path / "two", {3: "a.png", 4: "c.png"},
        [("a.png", "newt"), ("./c.png", "dog"), ("b.png", "cat"), ("../x/one/b.png", "cat")],
    )  # fmt: skip
    return f"train={one},test={other}"


def run(manifest, output, console=None, **options):
    settings = {"schema": IMAGE_SCHEMA, "max_rejects": MaxRejects(fraction=1.0), **options}
    return build(BuildOptions(manifest, output=str(output), **settings), console=console)


def classes_of(folder):
    splits = dataset_json(folder)["splits"]
    return {name: split["statistics"]["label"]["classes"] for name, split in splits.items()}


def test_each_manifest_is_a_split_with_its_own_folder(apart, tmp_path):
    out, said = tmp_path / "out", io.StringIO()
    run(apart, out, Console(file=said, width=200))
    one, other = apart.removeprefix("train=").split(",test=")
    assert said.getvalue().splitlines()[1:3] == [
        f"  manifest  train={one} (1 file)",
        f"  manifest  test={other} (1 file)",
    ]
    dataset = dataset_json(out)
    assert dataset["schema"]["features"]["label"]["vocabulary"] == ["cat", "dog", "newt"]
    assert classes_of(out) == {"test": {"1": 1, "2": 1}, "train": {"0": 1, "1": 1}}
    assert (dataset["rows"], dataset["warnings"]) == (6, [])
    command = dataset["command"]
    assert list(command["manifest"]) == ["train/rows.csv", "test/rows.csv"]
    assert (command["splits"], command["split_column"]) == (None, "manifest/split")
    assert [
        (r["manifest"], r["row"], r["key"], r["path"], r["reason"]) for r in rejects_of(out)
    ] == [
        ("test/rows.csv", 4, "test/b.png", "b.png", "file_not_found"),
        ("test/rows.csv", 5, "test/../x/one/b.png", "../x/one/b.png", "outside_root"),
    ]


def test_the_dataset_holds_no_path_of_the_machine_and_sources_are_known(apart, tmp_path):
    out = tmp_path / "out"
    run(apart, out)
    assert not any(str(tmp_path).encode() in data for data in contents(out).values())
    again = run(apart, out)
    assert (again.state, again.unseen) == (OutputState.PUBLISHED, "")
    make_image(tmp_path / "two" / "a.png", 9)
    with pytest.raises(OutputError, match=r"1 source that has changed: test/a\.png\n"):
        run(apart, out)


def test_a_file_that_comes_to_be_is_seen(apart, tmp_path):
    run(apart, tmp_path / "out")
    make_image(tmp_path / "two" / "b.png", 9)
    with pytest.raises(OutputError, match=r"1 source that has changed: test/b\.png\n"):
        run(apart, tmp_path / "out")


def test_each_manifest_is_part_of_the_identity(apart, tmp_path):
    run(apart, tmp_path / "out")
    write_csv(tmp_path / "two" / "rows.csv", [("a.png", "cat")])
    with pytest.raises(OutputError, match=r"manifest test/rows\.csv has 23 bytes, had 68"):
        run(apart, tmp_path / "out")
    with pytest.raises(OutputError, match="another command"):
        run(apart.partition("train=")[2].partition(",")[0], tmp_path / "out")


def test_the_folders_may_be_elsewhere(apart, tmp_path):
    run(apart, tmp_path / "first")
    shutil.move(tmp_path / "two", tmp_path / "moved" / "two")
    run(apart.replace(f"{tmp_path}/two", f"{tmp_path}/moved/two"), tmp_path / "second")
    first, second = (contents(tmp_path / name) for name in ("first", "second"))
    assert first == second


def test_with_an_image_root_paths_are_relative_to_that(apart, images, tmp_path):
    one = write_csv(tmp_path / "one.csv", [("00.png", "cat"), ("01.jpg", "dog")])
    (tmp_path / "other").mkdir()
    two = write_csv(tmp_path / "other" / "two.csv", [("02.jpg", "cat"), ("none.jpg", "cat")])
    run(f"train={one},test={two}", tmp_path / "out", image_root=str(images))
    assert classes_of(tmp_path / "out") == {"test": {"0": 1}, "train": {"0": 1, "1": 1}}
    (reject,) = rejects_of(tmp_path / "out")
    assert (reject["manifest"], reject["key"]) == ("test/two.csv", "none.jpg")


def test_directories_with_a_folder_per_class(tmp_path):
    make_data(tmp_path / "a", {1: "cat/1.png", 2: "dog/2.png"}, [])
    make_data(tmp_path / "b", {3: "dog/3.png"}, [])
    run(f"train={tmp_path}/a,val={tmp_path}/b", tmp_path / "out")
    assert classes_of(tmp_path / "out") == {"train": {"0": 1, "1": 1}, "val": {"1": 1}}
    listed = dataset_json(tmp_path / "out")["command"]["manifest"]
    assert [(name, file["files"]) for name, file in listed.items()] == [
        ("train/cat", 1),
        ("train/dog", 1),
        ("val/dog", 1),
    ]
    make_image(tmp_path / "b" / "dog" / "4.png", 4)
    with pytest.raises(OutputError, match="manifest val/dog has 2 files, had 1"):
        run(f"train={tmp_path}/a,val={tmp_path}/b", tmp_path / "out")


def test_manifests_of_several_kinds_and_images_inside_parquet(images, tmp_path):
    rows = [{"path": {"bytes": (images / "00.png").read_bytes(), "path": ""}, "label": "newt"},
            {"path": {"bytes": None, "path": "01.jpg"}, "label": "dog"}]  # fmt: skip
    (tmp_path / "in").mkdir()
    shutil.copy(images / "01.jpg", tmp_path / "in")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "rows.parquet")
    run(f"train={images}/images.csv,test={tmp_path}/in/rows.parquet", tmp_path / "out")
    assert classes_of(tmp_path / "out")["test"] == {"1": 1, "2": 1}
    assert dataset_json(tmp_path / "out")["splits"]["train"]["num_records"] == 40
    assert dataset_json(tmp_path / "out")["rejects"]["count"] == 0


def test_labels_are_joined_to_all_of_them(images, tmp_path):
    labels = write_csv(tmp_path / "labels.csv", [("00.png", "cat"), ("01.jpg", "dog")])
    one = write_csv(tmp_path / "one.csv", [("00.png",), ("01.jpg",)], header=("path",))
    two = write_csv(tmp_path / "two.csv", [("01.jpg",)], header=("path",))
    run(f"train={one},test={two}", tmp_path / "out", labels=str(labels), join_on="path",
        image_root=str(images))  # fmt: skip
    assert classes_of(tmp_path / "out") == {"test": {"1": 1}, "train": {"0": 1}}
    (reject,) = rejects_of(tmp_path / "out")
    assert (reject["manifest"], reject["row"], reject["reason"]) == (
        "train/one.csv",
        3,
        "duplicate_key",
    )


def test_clips_read_the_frames_beside_their_manifest(tmp_path):
    schema = Schema.from_dict(
        {
            "record": "sequence_example",
            "steps": {
                "image": {"type": "image", "source": "path", "height": 8, "width": 8,
                          "upscale": True}
            },
        }
    )  # fmt: skip
    one = make_data(tmp_path / "a", {1: "v/1.png", 2: "v/2.png"}, [("v", "x")])
    two = make_data(
        tmp_path / "b", {3: "v/1.png", 4: "1.png"}, [("v", "x"), ("1.png;v/1.png", "x")]
    )
    run(f"train={one},test={two}", tmp_path / "out", schema=schema)
    dataset = dataset_json(tmp_path / "out")
    assert dataset["rejects"]["count"] == 0
    assert {name: split["num_records"] for name, split in dataset["splits"].items()} == {
        "test": 2,
        "train": 1,
    }
    assert dataset["frames"]["in_records"] == 5
    assert run(f"train={one},test={two}", tmp_path / "out", schema=schema).unseen == ""
    make_image(tmp_path / "b" / "v" / "0.png", 5)
    with pytest.raises(OutputError, match=r"1 source that has changed: test/v\n"):
        run(f"train={one},test={two}", tmp_path / "out", schema=schema)


@pytest.mark.parametrize(
    ("splits", "option"),
    [
        (Splits((("train", 0.5), ("val", 0.5))), "--splits"),
        (Splits(column="label"), "--split_column"),
        (Splits(group_by="label"), "--group_by"),
    ],
)
def test_other_splits_do_not_go_together_with_them(splits, option, apart, tmp_path):
    with pytest.raises(OptionError) as error:
        run(apart, tmp_path / "out", splits=splits)
    assert str(error.value) == (
        f"{option}: got it beside --manifest {apart}, where each manifest is a split, "
        "expected one of the two"
    )


def test_each_manifest_has_to_have_the_columns(apart, tmp_path):
    write_csv(tmp_path / "two" / "rows.csv", [("a.png", "x")], header=("path", "class"))
    with pytest.raises(ManifestError) as error:
        run(apart, tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path}/two/rows.csv: no column 'label' for features.label.source; its columns are: "
        "'path', 'class', 'manifest/split'"
    )


def test_an_image_in_several_manifests_is_warned_of(images, tmp_path):
    one = [("00.png", "cat"), ("01.jpg", "dog"), ("00.png", "cat")]
    two = [("./01.jpg", "dog"), ("02.jpg", "newt"), ("00.png", "cat")]
    write_csv(images / "one.csv", one)
    write_csv(images / "two.csv", two)
    run(f"train={images}/one.csv,test={images}/two.csv", tmp_path / "out")
    assert dataset_json(tmp_path / "out")["warnings"] == [
        "2 images are in the manifests of several splits, such as test/two.csv:2 and train/one.csv:3"
    ]
    run(f"test={images}/one.csv", tmp_path / "one")
    assert dataset_json(tmp_path / "one")["warnings"] == []


def test_arrays_of_equal_names_are_those_beside_their_manifests(tmp_path):
    """In compressed chunks, whose rows are kept together, and named by their manifests themselves."""
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        with h5py.File(tmp_path / folder / "rows.h5", "w") as file:
            values = np.full((20, 1 << 10), value, "int64")
            file.create_dataset("x", data=values, chunks=(10, 1 << 10), compression="gzip")
    number = {"type": "int64", "source": "x", "shape": [1 << 10]}
    schema = Schema.from_dict({"features": {"x": number}})
    run(f"train={tmp_path}/a/rows.h5,test={tmp_path}/b/rows.h5", tmp_path / "out", schema=schema)
    splits = dataset_json(tmp_path / "out")["splits"]
    found = {name: split["statistics"]["x"] for name, split in splits.items()}
    assert {name: (s["min"], s["max"]) for name, s in found.items()} == {
        "test": (2, 2),
        "train": (1, 1),
    }
    assert [split["num_records"] for split in splits.values()] == [20, 20]
