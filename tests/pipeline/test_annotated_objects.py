"""From the files of annotation tools to boxes, masks and keypoints in records, as the tools have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import Records
from pixelbeam.schemas import Schema
from pycocotools import mask as masks
from pycocotools.coco import COCO
from support import dataset_json

WIDTH, HEIGHT = 64, 48
BOX = [8, 12, 40, 36]  # left, top, right, bottom


def schema(*, vocabulary: Any = "from_manifest", **members: dict[str, Any]) -> Schema:
    image = {"type": "image", "source": "file_name", "resize": "none", "encoding": "png"}
    label = {"type": "class_label", "source": "category", "vocabulary": vocabulary}
    group = {"type": "objects", "of": "image", "boxes": {"source": "bbox"}, "label": label}
    return Schema.from_dict({"features": {"image": image, "objects": group | members}})


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate("abc"):
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def records(manifest: Path, declared: Schema, **settings: Any) -> dict[str, dict[str, Any]]:
    out = str(manifest.with_name("out"))
    build(BuildOptions(str(manifest), declared, out, **settings))
    found = Records(out, "train")
    return {Path(found.origin(n)["key"]).stem: found[n] for n in range(len(found))}


def test_coco_gives_what_pycocotools_does(images, tmp_path):
    spot = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    spot[10:20, 30:50] = 1
    text = {"counts": masks.encode(spot)["counts"].decode(), "size": [HEIGHT, WIDTH]}
    runs = np.diff(np.flatnonzero(np.diff(spot.ravel(order="F"), prepend=2, append=2)))
    crowd = {"counts": runs.tolist(), "size": [HEIGHT, WIDTH]}
    polygon = [[8, 12, 40, 12, 40, 36, 24.5, 30, 8, 36]]
    objects: list[tuple[int, int, list[float], Any, int]] = [
        (5, 90, [8, 12, 32, 24], polygon, 0),
        (5, 1, [30, 10, 20, 10], crowd, 1),
        (6, 1, [30, 10, 20, 10], text, 1),
        (6, 90, [70, 10, 9, 9], polygon, 0),  # outside the image
        (6, 90, [5, 5, 0, 9], polygon, 0),  # without area
    ]
    annotations = [
        {"id": n, "image_id": i, "category_id": c, "bbox": b, "segmentation": s, "iscrowd": crowd}
        for n, (i, c, b, s, crowd) in enumerate(objects, 1)
    ]
    annotations[0]["keypoints"] = [9, 13, 2, 0, 0, 0]
    document = {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
            for n, name in enumerate("abc", 5)
        ],
        "annotations": annotations,
        "categories": [{"id": 90, "name": "brush"}, {"id": 1, "name": "person"}],
    }
    manifest = tmp_path / "instances.json"
    manifest.write_text(json.dumps(document))
    declared = schema(
        crowd={"type": "int64", "source": "iscrowd"},
        mask={"type": "masks", "source": "segmentation"},
        points={"type": "keypoints", "source": "keypoints", "points": 2},
    )
    found = records(manifest, declared, image_root=str(images))
    known = COCO(str(manifest))
    for image_id, name, kept in ((5, "a", [1, 2]), (6, "b", [3]), (7, "c", [])):
        record, expected = found[name], known.loadAnns(kept)
        corners = [[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in expected)]
        np.testing.assert_allclose(record["objects/bbox"], np.reshape(corners, (-1, 4)), atol=1e-3)
        assert record["objects/label"].tolist() == [int(a["category_id"] == 90) for a in expected]
        assert record["objects/crowd"].tolist() == [a["iscrowd"] for a in expected]
        drawn = [known.annToMask(a) for a in expected]
        assert len(record["objects/mask"]) == len(drawn), image_id
        for mask, wanted in zip(record["objects/mask"], drawn, strict=True):
            np.testing.assert_array_equal(mask[..., 0] if np.ndim(mask) == 3 else mask, wanted)
    classes = dataset_json(manifest.with_name("out"))["schema"]["features"]["objects/label"]
    assert classes["vocabulary"] == ["person", "brush"]


@pytest.mark.parametrize("tool", ["voc", "yolo", "open_images"])
def test_a_box_is_where_every_tool_says(tool, images, tmp_path):
    left, top, right, bottom = BOX
    settings = {}
    if tool == "voc":
        manifest = tmp_path / "a.xml"
        sides = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        item = f"<object><name>cat</name><bndbox>{sides}</bndbox></object>"
        manifest.write_text(f"<annotation><filename>a.png</filename>{size}{item}</annotation>")
        settings = {"image_root": str(images)}
    elif tool == "yolo":
        manifest = tmp_path / "data.yaml"
        manifest.write_text("train: images\nnames: [cat, dog]\n")
        (tmp_path / "labels").mkdir()
        shares = [(left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT]
        shares += [(right - left) / WIDTH, (bottom - top) / HEIGHT]
        (tmp_path / "labels" / "a.txt").write_text(" ".join(map(str, [0, *shares])))
    else:
        manifest = tmp_path / "bbox.csv"
        shares = [left / WIDTH, right / WIDTH, top / HEIGHT, bottom / HEIGHT]
        header = "ImageID,LabelName,XMin,XMax,YMin,YMax"
        manifest.write_text(f"{header}\na,cat,{','.join(map(str, shares))}\n")
        (images / "a.png").rename(images / "a.jpg")
        settings = {"image_root": str(images)}
    found = records(manifest, schema(), **settings)
    np.testing.assert_allclose(found["a"]["objects/bbox"], [BOX], atol=1e-3)
    assert found["a"]["objects/label"].tolist() == [0]
    if tool == "yolo":
        assert found["b"]["objects/bbox"].shape == (0, 4)


def test_masks_of_pascal_voc_by_patterns(images, tmp_path):
    root = tmp_path / "VOC2012"
    (root / "Annotations").mkdir(parents=True)
    images.rename(root / "JPEGImages")
    (root / "SegmentationClass").mkdir()
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[10:20, 5:30] = 15
    palette = Image.fromarray(ids).convert("P")
    palette.putdata(ids.ravel().tolist())
    palette.save(root / "SegmentationClass" / "a.png")
    (root / "Annotations" / "a.xml").write_text(
        "<annotation><filename>a.png</filename></annotation>"
    )
    declared = Schema.from_dict(
        {
            "features": {
                "image": {"type": "image", "source": "JPEGImages/{file_name}", "resize": "none"},
                "classes": {
                    "type": "mask",
                    "source": "SegmentationClass/{image_id}.png",
                    "of": "image",
                },
            }
        }
    )
    found = records(root / "Annotations", declared, image_root=str(root))
    np.testing.assert_array_equal(np.squeeze(found["a"]["classes"]), ids)
