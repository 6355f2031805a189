"""The presets for objects, from files of each tool as they are, read as the field reads them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pictures import exif, picture, save
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import Records, load
from pixelbeam.schemas import load_schema
from pycocotools.coco import COCO
from pycocotools.mask import encode
from support import dataset_json

SIZES = [(64, 48), (40, 60), (50, 50), (48, 64)]  # as displayed; the last one is stored on its side
SIDE = 640
# Of each image boxes x, y, width, height and their category; the third has none.
OBJECTS: list[list[tuple[list[int], int]]] = [
    [([8, 4, 20, 16], 90), ([30, 20, 10, 20], 3)],
    [([0, 0, 40, 60], 3)],
    [],
    [([10, 12, 20, 30], 90)],
]


def make_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        turned = {"exif": exif(6)} if number == 3 else {}
        size = (height, width) if turned else (width, height)
        data = save(picture(*size, seed=number), "JPEG", **turned)
        (folder / f"{number}.jpg").write_bytes(data)


def runs(box: list[int], size: tuple[int, int], *, compressed: bool) -> dict[str, Any]:
    mask = np.zeros((size[1], size[0]), np.uint8, order="F")
    x, y, w, h = box
    mask[y : y + h, x : x + w] = 1
    if compressed:
        found = encode(mask)
        return {"size": found["size"], "counts": found["counts"].decode()}
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    return {"size": [size[1], size[0]], "counts": [0, *counts] if flat[0] else counts}


def write_coco(folder: Path) -> Path:
    """Polygons, and crowds with run lengths in both forms."""
    annotations: list[dict[str, Any]] = []
    for number, (size, objects) in enumerate(zip(SIZES, OBJECTS, strict=True)):
        for box, category in objects:
            x, y, w, h = box
            key = len(annotations) + 1
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            crowd = int(key > 2)
            segmentation = runs(box, size, compressed=key % 2 == 0) if crowd else [corners]
            points = [x + 1, y + 1, 2, x + w - 1, y + h - 1, 1, *[0, 0, 0] * 15]
            annotations.append(
                {
                    "id": key, "image_id": 100 - number, "category_id": category, "bbox": box,
                    "area": w * h, "iscrowd": crowd, "segmentation": segmentation,
                    "keypoints": points, "num_keypoints": 2,
                }
            )  # fmt: skip
    images = [
        {"id": 100 - n, "file_name": f"{n}.jpg", "width": w, "height": h}
        for n, (w, h) in enumerate(SIZES)
    ]
    categories = [{"id": 90, "name": "tooth"}, {"id": 3, "name": "car"}, {"id": 7, "name": "none"}]
    path = folder / "instances_val.json"
    annotations.sort(key=lambda annotation: annotation["image_id"])  # another order than the images
    document = {"annotations": annotations, "categories": categories, "images": images}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    make_images(folder / "val")
    write_coco(folder)
    return folder


@pytest.fixture(scope="module")
def built(coco: Path) -> dict[str, Path]:
    outs = {}
    for preset in ("object_detection", "instance_segmentation", "pose"):
        outs[preset] = coco / preset
        manifest, root = str(coco / "instances_val.json"), str(coco / "val")
        build(BuildOptions(manifest, load_schema(preset), str(outs[preset]), image_root=root))
    return outs


# As the documentation of the model garden's TfExampleDecoder lists them, with its types and defaults.
MODEL_GARDEN = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string),
    "image/source_id": tf.io.FixedLenFeature((), tf.string, ""),
    "image/height": tf.io.FixedLenFeature((), tf.int64, -1),
    "image/width": tf.io.FixedLenFeature((), tf.int64, -1),
    "image/filename": tf.io.FixedLenFeature((), tf.string, ""),
    "image/format": tf.io.FixedLenFeature((), tf.string, ""),
    "image/object/bbox/xmin": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/xmax": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/ymin": tf.io.VarLenFeature(tf.float32),
    "image/object/bbox/ymax": tf.io.VarLenFeature(tf.float32),
    "image/object/class/label": tf.io.VarLenFeature(tf.int64),
    "image/object/class/text": tf.io.VarLenFeature(tf.string),
    "image/object/area": tf.io.VarLenFeature(tf.float32),
    "image/object/is_crowd": tf.io.VarLenFeature(tf.int64),
    "image/object/mask": tf.io.VarLenFeature(tf.string),
}


def parse(out: Path) -> dict[int, dict[str, Any]]:
    """The records by the number of their image, as the model garden's decoder sees them."""
    found = {}
    for data in tf.data.TFRecordDataset([str(path) for path in out.glob("*.tfrecord")]):
        record = tf.io.parse_single_example(data, MODEL_GARDEN)
        dense = {
            key: (
                tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            ).numpy()
            for key, value in record.items()
        }
        found[int(Path(dense["image/filename"].decode()).stem)] = dense
    return found


def mapped(box: list[int], size: tuple[int, int]) -> list[float]:
    """Where the padding puts a box: xmin, ymin, xmax, ymax as shares of the canvas."""
    scale = SIDE / max(size)
    placed = [round(side * scale) for side in size]
    offset = [round((SIDE - side) * 0.5) for side in placed]
    x, y, w, h = box
    edges = ((x, 0), (y, 1), (x + w, 0), (y + h, 1))
    return [(edge * placed[axis] / size[axis] + offset[axis]) / SIDE for edge, axis in edges]


@pytest.mark.parametrize("preset", ["object_detection", "instance_segmentation"])
def test_the_model_garden_reads_them(built: dict[str, Path], preset: str) -> None:
    records = parse(built[preset])
    assert sorted(records) == [0, 1, 2, 3]
    names = dataset_json(built[preset])["schema"]["features"]["image/object/class/label"][
        "vocabulary"
    ]
    assert names == ["car", "none", "tooth"]  # by the file's ids
    label = Records(built[preset], "train").schema.features["image/object/class/label"]
    assert label.source_ids == (3, 7, 90)
    for number, record in records.items():
        assert record["image/source_id"] == str(100 - number).encode()
        assert (record["image/height"], record["image/width"]) == (SIDE, SIDE)
        assert record["image/format"] == b"jpeg"
        assert tf.io.decode_jpeg(record["image/encoded"]).shape == (SIDE, SIDE, 3)
        objects = OBJECTS[number]
        sides = ("xmin", "ymin", "xmax", "ymax")
        boxes = np.stack([record[f"image/object/bbox/{side}"] for side in sides], axis=-1)
        expected = np.reshape([mapped(box, SIZES[number]) for box, _ in objects], (-1, 4))
        np.testing.assert_allclose(boxes, expected, atol=1e-6)
        classes = [{3: "car", 90: "tooth"}[category] for _, category in objects]
        assert [names[label] for label in record["image/object/class/label"]] == classes
        assert record["image/object/class/text"].tolist() == [name.encode() for name in classes]
        assert record["image/object/area"].tolist() == [box[2] * box[3] for box, _ in objects]
    crowds = [record["image/object/is_crowd"].tolist() for _, record in sorted(records.items())]
    assert crowds == [[0, 0], [1], [], [1]]
    assert verify(str(built[preset])).faults == []


def test_masks_are_those_of_pycocotools(built: dict[str, Path], coco: Path) -> None:
    records = parse(built["instance_segmentation"])
    reference = COCO(str(coco / "instances_val.json"))
    for number, record in records.items():
        size = SIZES[number]
        scale = SIDE / max(size)
        placed = [round(side * scale) for side in size]
        left, top = (round((SIDE - side) * 0.5) for side in placed)
        found = sorted(reference.imgToAnns[100 - number], key=lambda a: a["id"])
        assert len(record["image/object/mask"]) == len(found)
        for data, annotation in zip(record["image/object/mask"], found, strict=True):
            mask = tf.io.decode_png(data).numpy()[..., 0]
            assert mask.shape == (SIDE, SIDE)
            ys = ((np.arange(placed[1]) + 0.5) * size[1] / placed[1]).astype(int)
            xs = ((np.arange(placed[0]) + 0.5) * size[0] / placed[0]).astype(int)
            expected = np.zeros_like(mask)
            scaled = reference.annToMask(annotation)[ys][:, xs]
            expected[top : top + placed[1], left : left + placed[0]] = scaled
            both, either = (mask & expected).sum(), (mask | expected).sum()
            assert both / either >= 0.99


def test_keypoints(built: dict[str, Path]) -> None:
    records = Records(built["pose"], "train")
    for index, record in enumerate(records):
        number = int(records.origin(index)["key"][0])
        points = record["image/object/keypoint"]
        assert points.shape == (len(OBJECTS[number]), 17, 3)
        for (x, y, w, h), found in zip((box for box, _ in OBJECTS[number]), points, strict=True):
            left, top, right, bottom = mapped([x + 1, y + 1, w - 2, h - 2], SIZES[number])
            np.testing.assert_allclose(found[0], [left, top, 2], atol=1e-6)
            np.testing.assert_allclose(found[1], [right, bottom, 1], atol=1e-6)
            assert not found[2:].any()


def test_load_gives_what_a_detector_takes(built: dict[str, Path]) -> None:
    with pytest.warns(UserWarning, match="left 'image/height'"):
        data = load(built["object_detection"], "train", batch_size=4, max_boxes=5, keras_boxes=True)
    ((images, objects),) = data
    assert images.shape == [4, SIDE, SIDE, 3]
    assert list(objects) == ["boxes", "labels", "is_crowd", "area"]
    assert objects["boxes"].shape == [4, 5, 4]
    with pytest.warns(UserWarning, match="left 'image/height'"):
        masks = load(built["instance_segmentation"], "train", batch_size=4, max_boxes=3)
    ((_, targets),) = masks
    assert targets["image/object/mask"].shape == [4, 3, SIDE, SIDE]


def test_voc_has_the_same_boxes(coco: Path, built: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    (root / "Annotations").mkdir(parents=True)
    (root / "JPEGImages").symlink_to(coco / "val")
    for number, (size, objects) in enumerate(zip(SIZES, OBJECTS, strict=True)):
        listed = "".join(
            f"<object><name>{'car' if category == 3 else 'tooth'}</name><bndbox><xmin>{x + 1}</xmin>"
            f"<ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for (x, y, w, h), category in objects
        )
        (root / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.jpg</filename><size><width>{size[0]}</width>"
            f"<height>{size[1]}</height><depth>3</depth></size>{listed}</annotation>"
        )
    check_same_boxes(str(root / "Annotations"), built, tmp_path / "out")


def test_yolo_has_the_same_boxes(coco: Path, built: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(coco / "val", tmp_path / "images" / "train")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    for number, ((width, height), objects) in enumerate(zip(SIZES, OBJECTS, strict=True)):
        lines = [
            f"{int(category != 3)} {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}"
            for (x, y, w, h), category in objects
        ]
        if lines:  # without a file, it is a background
            (tmp_path / "labels" / "train" / f"{number}.txt").write_text("\n".join(lines))
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: {0: car, 1: tooth}\n")
    check_same_boxes(str(tmp_path / "data.yaml"), built, tmp_path / "out")


def check_same_boxes(manifest: str, built: dict[str, Path], out: Path) -> None:
    build(BuildOptions(manifest, load_schema("object_detection"), str(out)))
    expected = parse(built["object_detection"])
    found = parse(out)
    assert sorted(found) == sorted(expected)
    for number, record in found.items():
        for key in ("xmin", "ymin", "xmax", "ymax"):
            name = f"image/object/bbox/{key}"
            np.testing.assert_allclose(record[name], expected[number][name], atol=1e-6)
        text = "image/object/class/text"
        assert record[text].tolist() == expected[number][text].tolist()
        assert record["image/encoded"] == expected[number]["image/encoded"]


def test_semantic_segmentation(tmp_path: Path) -> None:
    ids = np.zeros((32, 64), np.uint8)
    ids[8:24, 16:48] = 7
    mask = Image.fromarray(ids, "P")
    mask.putpalette([255, 0, 0] * 256)  # all of one colour: only the numbers tell them apart
    mask.save(tmp_path / "m.png")
    (tmp_path / "a.jpg").write_bytes(save(picture(64, 32), "JPEG"))
    (tmp_path / "rows.csv").write_text("path,mask\na.jpg,m.png\n")
    build(
        BuildOptions(
            str(tmp_path / "rows.csv"), load_schema("semantic_segmentation"), str(tmp_path / "o")
        )
    )
    ((images, masks),) = load(tmp_path / "o", "train", batch_size=1)
    assert (images.shape, masks.shape) == ([1, 512, 512, 3], [1, 512, 512])
    found = masks[0].numpy()
    assert set(np.unique(found)) == {0, 7, 255}
    assert (found[:128] == 255).all()
    assert (found[128 + 64 : 128 + 192, 128:384] == 7).all()
    assert (found == 7).sum() == 128 * 256
