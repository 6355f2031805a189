"""Annotations as their tools write them, built as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.graph.recall import recall_options
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.readers import Records
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OutputError, TooManyRejects
from support import contents, dataset_json, make_image, rejects_of

SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "file_name", "height": 16, "width": 16},
            "classes": {"type": "class_labels", "source": "category", "vocabulary": "from_manifest"},
            "area": {"type": "float32", "source": "area", "shape": [None]},
        }
    }
)  # fmt: skip


def write_coco(path: Path, *annotations: dict[str, Any]) -> str:
    images = [{"id": 10 - n, "file_name": f"{n}.png"} for n in range(4)]
    categories = [{"id": 90, "name": "ant"}, {"id": 3, "name": "zebra"}, {"id": 7, "name": "bat"}]
    found = [
        {"id": 1, "image_id": 9, "category_id": 90, "area": 5.5},
        {"id": 2, "image_id": 7, "category_id": 3, "area": 2},
        {"id": 3, "image_id": 9, "category_id": 3, "area": 1},
        *annotations,
    ]
    document = {"images": images, "annotations": found, "categories": categories}
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("coco") / "val"
    folder.mkdir()
    for number in range(4):
        make_image(folder / f"{number}.png", number)
    return folder


def options(manifest: str, out: Path, images: Path, **settings: Any) -> BuildOptions:
    return BuildOptions(manifest, SCHEMA, str(out), image_root=str(images), **settings)


def records(out: Path) -> dict[str, dict[str, Any]]:
    found = Records(str(out), "train")
    return {found.origin(n)["key"]: found[n] for n in range(len(found))}


def test_coco_is_built_as_it_is(images, tmp_path):
    manifest = write_coco(tmp_path / "instances_val.json")
    out = tmp_path / "out"
    build(options(manifest, out, images))
    info = dataset_json(out)
    assert (info["rows"], info["rejects"]["count"]) == (4, 0)
    assert info["schema"]["features"]["classes"]["vocabulary"] == ["zebra", "bat", "ant"]
    found = records(out)
    labels = {key: np.flatnonzero(record["classes"]).tolist() for key, record in found.items()}
    assert labels == {"0.png": [], "1.png": [0, 2], "2.png": [], "3.png": [0]}
    assert found["1.png"]["area"].tolist() == [5.5, 1]


def test_an_annotation_of_no_image_is_a_row_and_a_reject(images, tmp_path):
    extra = {"id": 4, "image_id": 1, "category_id": 7, "area": 1}
    manifest = write_coco(tmp_path / "a.json", extra)
    out = tmp_path / "out"
    build(options(manifest, out, images, max_rejects=MaxRejects.parse("1")))
    info = dataset_json(out)
    assert (info["rows"], info["rejects"]["by_reason"]) == (5, {"unknown_image": 1})
    (reject,) = rejects_of(out)
    assert (reject["row"], reject["stage"], reject["values"]["id"]) == (8, "read", 4)
    with pytest.raises(TooManyRejects):
        build(options(manifest, tmp_path / "other", images, max_rejects=MaxRejects.parse("0")))


def test_the_dataset_follows_from_the_file_alone(images, tmp_path):
    manifest = write_coco(tmp_path / "a.json")
    built = options(manifest, tmp_path / "out", images)
    build(built)
    shutil.copytree(images, tmp_path / "moved")
    build(options(manifest, tmp_path / "again", tmp_path / "moved", threads=1))
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    # The same command finds it built, and the dataset gives the same command.
    before = (tmp_path / "out" / "dataset.json").stat().st_mtime_ns
    build(built)
    assert (tmp_path / "out" / "dataset.json").stat().st_mtime_ns == before
    command = dataset_json(tmp_path / "out")["command"]
    recalled = recall_options(command, str(tmp_path / "out"), manifest, image_root=str(images))
    build(recalled)
    write_coco(tmp_path / "a.json", {"id": 5, "image_id": 8, "category_id": 7, "area": 1})
    with pytest.raises(OutputError, match=r"a\.json has \d+ bytes, had \d+"):
        build(built)


def test_yolo_is_built_as_it_is(images, tmp_path):
    root = tmp_path / "set"
    for split in ("train", "val"):
        shutil.copytree(images, root / "images" / split)
        (root / "labels" / split).mkdir(parents=True)
    box = "1 0.5 0.5 0.5 0.5\n"
    (root / "labels" / "train" / "2.txt").write_text(box)
    (root / "labels" / "val" / "0.txt").write_text(box)
    manifest = root / "data.yaml"
    manifest.write_text("train: images/train\nval: images/val\nnames: [zebra, ant, bat]\n")
    schema = Schema.from_dict(
        {"features": {k: v for k, v in SCHEMA.to_dict()["features"].items() if k != "area"}}
    )
    out = tmp_path / "out"
    built = BuildOptions(str(manifest), schema, str(out))
    build(built)
    info = dataset_json(out)
    assert {name: split["num_records"] for name, split in info["splits"].items()} == {
        "train": 4,
        "val": 4,
    }
    assert info["schema"]["features"]["classes"]["vocabulary"] == ["zebra", "ant", "bat"]
    found = records(out)
    labels = {key: np.flatnonzero(record["classes"]).tolist() for key, record in found.items()}
    assert labels == {f"images/train/{n}.png": [1] * (n == 2) for n in range(4)}
    # A label that changes is a manifest that changes.
    (root / "labels" / "val" / "0.txt").write_text("")
    (root / "labels" / "val" / "1.txt").write_text(box)
    with pytest.raises(OutputError, match=r"manifest data\.yaml has other files"):
        build(built)


def test_pascal_voc_is_built_as_it_is(images, tmp_path):
    root = tmp_path / "VOC2012"
    shutil.copytree(images, root / "JPEGImages")
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for number, names in enumerate([["cat"], [], ["dog", "cat"]]):
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in names)
        text = f"<annotation><filename>{number}.png</filename>{objects}</annotation>"
        (root / "Annotations" / f"{number}.xml").write_text(text)
    for split, ids in (("train", "2\n0\n"), ("val", "1\n")):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(ids)
    schema = Schema.from_dict(
        {"features": {k: v for k, v in SCHEMA.to_dict()["features"].items() if k != "area"}}
    )
    build(BuildOptions(str(root / "Annotations"), schema, str(tmp_path / "out")))
    found = records(tmp_path / "out")
    labels = {key: np.flatnonzero(record["classes"]).tolist() for key, record in found.items()}
    assert labels == {"0.png": [0], "1.png": [], "2.png": [0, 1]}
    lists = ",".join(f"{s}={root}/ImageSets/Main/{s}.txt" for s in ("train", "val"))
    build(BuildOptions(lists, schema, str(tmp_path / "splits")))
    assert sorted(records(tmp_path / "splits")) == ["0.png", "2.png"]
