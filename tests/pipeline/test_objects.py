"""Objects of images, from a manifest through both sinks to every reader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pictures import exif, picture, save
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.readers import HDF5Records, Records, load
from pixelbeam.schemas import Schema
from support import dataset_json, rejects_of

SIZES = [(40, 30), (31, 64), (50, 50), (64, 31), (33, 47), (80, 60)]
# Boxes, and the class of each; the second image has none.
OBJECTS: list[list[tuple[list[float], str]]] = [
    [([4, 3, 10, 10], "dog"), ([20, 10, 8, 9], "ant")],
    [],
    [([0, 0, 50, 50], "cat")],
    [([0, 0, 3, 30], "cat"), ([30, 5, 9, 9], "dog"), ([20, 5, 5, 5], "ant")],
    [([3, 20, 9, 9], "é")],
    [([30, 20, 20, 20], "dog"), ([35, 25, 4, 4], "dog")],
]
LAYOUTS = ("list", "columns")
LISTS = ("bbox", "label", "name", "area", "crowd", "mask", "keypoints", "outline")


def schema(layout: str, **declared: Any) -> Schema:
    image = {"type": "image", "source": "path", "height": 32, "width": 32, "upscale": True}
    group = {
        "type": "objects",
        "of": "image",
        "boxes": {"source": "bbox", "normalized": True, "layout": layout},
        "label": {"type": "class_label", "source": "category", "vocabulary": "from_manifest"},
        "name": {"type": "string", "source": "category"},
        "area": {"type": "float32", "source": "area", "default": 0},
        "crowd": {"type": "int64", "source": "crowd", "shape": [2]},
        "mask": {"type": "masks", "source": "segmentation"},
        "keypoints": {"type": "keypoints", "source": "keypoints", "names": ["centre", "corner"]},
        "outline": {"type": "polygons", "source": "outline"},
        **declared,
    }
    semantic = {"type": "mask", "of": "image", "source": "mask", "encoding": "raw"}
    features = {"image": image, "objects": group, "semantic": semantic}
    for fact in ("height", "source_width", "format"):
        features[f"info/{fact}"] = {"type": "image_fact", "of": "image", "fact": fact}
    return Schema.from_dict({"features": features})


def write_manifest(folder: Path) -> Path:
    rows = []
    for number, (size, objects) in enumerate(zip(SIZES, OBJECTS, strict=True)):
        turned = {"exif": exif(6)} if number == 5 else {}
        (folder / f"{number}.jpg").write_bytes(save(picture(*size, seed=number), "JPEG", **turned))
        cell = {"boxes": [box for box, _ in objects], "format": "xywh", "size": list(size)}
        names = [name for _, name in objects]
        ids = np.zeros(size[::-1], np.uint8)
        for index, (x, y, w, h) in enumerate(
            np.array([box for box, _ in objects], int).reshape(-1, 4)
        ):
            ids[y : y + h, x : x + w] = index + 1
        Image.fromarray(ids).save(folder / f"{number}.png")
        turned_size = {"size": list(size)}
        points = [[x + w / 2, y + h / 2, 2, x, y, 1] for (x, y, w, h), _ in objects]
        outlines = [
            {"polygons": [[x, y, x + w, y, x + w, y + h, x, y + h]]} for (x, y, w, h), _ in objects
        ]
        row = {
            "keypoints": {"keypoints": points, **turned_size},
            "outline": {"masks": outlines, **turned_size},
            "segmentation": {
                "masks": [
                    {"path": f"{number}.png", "id": index + 1} for index in range(len(objects))
                ]
            },
            "mask": f"{number}.png",
            "path": f"{number}.jpg",
            "bbox": cell,
            "category": names,
            "crowd": [[index, number] for index in range(len(names))],
            "area": [float(box[2] * box[3]) for box, _ in objects] or None,
        }
        rows.append(row)
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module", params=LAYOUTS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    options = BuildOptions(
        manifest=str(write_manifest(folder)),
        schema=schema(request.param),
        output=str(folder / "out"),
        sinks=("tfrecord", "hdf5"),
    )
    build(options)
    return folder / "out"


def expected(path: str) -> tuple[list[list[float]], list[str]]:
    """What is left of an image's boxes, as normalized corners, and the names of their objects."""
    number = int(path[0])
    width, height = SIZES[number]
    corners = np.array([[x, y, x + w, y + h] for (x, y, w, h), _ in OBJECTS[number]], float)
    corners = corners.reshape(-1, 4)
    if (
        number == 5
    ):  # stored as 80 x 60, turned by a quarter: x becomes y, and y counts from the right
        corners = np.stack(
            [60 - corners[:, 3], corners[:, 0], 60 - corners[:, 1], corners[:, 2]], axis=1
        )
        width, height = 60, 80
    side = min(width, height)
    offset = np.array([(width - side) / 2, (height - side) / 2] * 2)
    boxes = ((corners - offset) / side).clip(0, 1)
    left = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    names = [name for (_, name), stays in zip(OBJECTS[number], left, strict=True) if stays]
    return boxes[left].tolist(), names


def check(key: str, record: dict[str, Any], names: list[str]) -> None:
    boxes, classes = expected(key)
    np.testing.assert_allclose(
        np.reshape(record["objects/bbox"], (-1, 4)), np.reshape(boxes, (-1, 4)), atol=1e-6
    )
    assert [names[number] for number in record["objects/label"]] == classes
    text = [name.decode() if isinstance(name, bytes) else name for name in record["objects/name"]]
    assert text == classes
    of_all = [name for _, name in OBJECTS[int(key[0])]]
    assert [of_all[index] for index, _ in record["objects/crowd"]] == classes
    assert len(record["objects/area"]) == len(classes)
    # The marks of the objects in the map of the whole image are those of the objects' own masks.
    kept = [index for index, _ in record["objects/crowd"]]
    semantic = np.asarray(record["semantic"])
    assert semantic.shape == (32, 32)
    masks = np.asarray(record["objects/mask"]).reshape(-1, 32, 32)
    for mask, index in zip(masks, kept, strict=True):
        np.testing.assert_array_equal(mask == 1, semantic == index + 1)
    assert record["info/height"] == 32
    assert record["info/source_width"] == (60 if key[0] == "5" else SIZES[int(key[0])][0])
    assert record["info/format"] in ("jpeg", b"jpeg")
    points = np.reshape(record["objects/keypoints"], (-1, 2, 3))
    outlines = record["objects/outline"]
    outlines = outlines.to_list() if isinstance(outlines, tf.RaggedTensor) else outlines
    assert len(outlines) == len(points) == len(classes)
    for box, xyv, outline in zip(np.multiply(boxes, 32), points, outlines, strict=True):
        (polygon,) = np.array(outline)
        edges = [*polygon.min(axis=0), *polygon.max(axis=0)]
        np.testing.assert_allclose(edges, box, atol=1e-4)
        (x, y, v), corner = xyv
        if v == 2:  # the middle of the whole box, which a crop may have cut
            assert box[0] <= x <= box[2]
            assert box[1] <= y <= box[3]
        assert corner[2] in (0, 1)
    assert set(np.unique(semantic)) - {0} <= {index + 1 for index in kept}


def test_random_access(built: Path) -> None:
    names = dataset_json(built)["schema"]["features"]["objects/label"]["vocabulary"]
    assert names == ["ant", "cat", "dog", "é"]
    both = [Records(built, "train", source=source) for source in ("tfrecord", "hdf5")]
    hdf5 = HDF5Records(built, "train")
    for number in range(len(SIZES)):
        key = both[0].origin(number)["key"]
        for records in (*both, hdf5):
            check(key, records[number], names)
    every = hdf5.read(range(len(SIZES)))
    assert [len(boxes) for boxes in every["objects/bbox"]] == [
        len(label) for label in every["objects/label"]
    ]


def as_plain(value: Any) -> Any:
    ragged = isinstance(value, tf.RaggedTensor)
    return value.to_list() if ragged else np.asarray(value.numpy()).tolist()


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
@pytest.mark.parametrize("batch_size", [4, None])
def test_load(built: Path, source: str, batch_size: int | None) -> None:
    names = dataset_json(built)["schema"]["features"]["objects/label"]["vocabulary"]
    elements = load(built, "train", batch_size=batch_size, source=source, targets=[], keys=True)
    seen = []
    for features, keys in elements:
        if batch_size is None:
            features = {
                name: value if isinstance(value, tf.RaggedTensor) else value.numpy()
                for name, value in features.items()
            }
            check(keys.numpy().decode(), features, names)
            seen.append(keys.numpy())
            continue
        assert features["objects/bbox"].shape[1:] == [None, 4]
        for index, key in enumerate(keys.numpy()):
            record = {name: as_plain(value[index]) for name, value in features.items()}
            check(key.decode(), record, names)
            seen.append(key)
    assert len(set(seen)) == len(SIZES)


def test_objects_are_targets(built: Path) -> None:
    with pytest.warns(UserWarning, match="left .objects/name., .info/height., "):
        image, objects = next(iter(load(built, "train", batch_size=2)))
    assert image.shape == [2, 32, 32, 3]
    assert objects["objects/mask"].shape == [2, None, 32, 32]
    assert objects["semantic"].shape == [2, 32, 32]
    assert [*objects][: len(LISTS) - 1] == [f"objects/{name}" for name in LISTS if name != "name"]


def test_plain_tensorflow_reads_them(built: Path) -> None:
    found = importlib.util.spec_from_file_location("fd", built / "feature_description.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    files = tf.data.TFRecordDataset(str(next(built.glob("train-*.tfrecord")))).batch(10)
    (batch,) = files.map(module.parse_example).map(module.decode)
    assert batch["objects/bbox"].shape == [6, None, 4]
    assert batch["objects/bbox"].row_lengths().numpy().tolist() == (
        batch["objects/name"].row_lengths().numpy().tolist()
    )


def test_what_is_said_of_them(built: Path) -> None:
    statistics = dataset_json(built)["splits"]["train"]["statistics"]
    assert statistics["objects/bbox"] == {
        "count": 8, "records": 6, "max_count": 2, "without_boxes": 1, "clipped": 0,
        "dropped_outside": 1,
    } | {"clipped": statistics["objects/bbox"]["clipped"]}  # fmt: skip
    assert statistics["objects/label"] == {"classes": {"0": 2, "1": 1, "2": 4, "3": 1}}
    rows = [
        row for path in built.glob("index/*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    index = {row["key"]: row for row in rows}
    assert [index[f"{n}.jpg"]["objects/label"] for n in (0, 1)] == [["dog", "ant"], []]
    assert index["3.jpg"]["objects/bbox/count"] == 2
    assert verify(str(built)).faults == []


def test_rows_that_do_not_fit_are_rejects(tmp_path: Path) -> None:
    path = write_manifest(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["category"] = ["dog"]
    rows[2]["bbox"]["size"] = [10, 50]
    rows[3]["bbox"]["boxes"][0][2] = -1
    path.write_text("\n".join(map(json.dumps, rows)))
    options = BuildOptions(
        manifest=str(path),
        schema=schema("list"),
        output=str(tmp_path / "out"),
        max_rejects=MaxRejects(count=5),
    )
    build(options)
    told = {
        reject["key"]: (reject["feature"], reject["reason"])
        for reject in rejects_of(tmp_path / "out")
    }
    assert told == {
        "0.jpg": ("objects/label", "misaligned"),
        "2.jpg": ("objects/bbox", "annotation_size"),
        "3.jpg": ("objects/bbox", "bad_box"),
    }


def test_clips_have_objects_in_each_frame(tmp_path: Path) -> None:
    rows = []
    for clip, frame in [(c, f) for c in range(2) for f in range(3 + c)]:
        name, count = f"{clip}_{frame}.png", (clip + frame) % 3
        (tmp_path / name).write_bytes(save(picture(40, 30, seed=clip + frame), "PNG"))
        row = {
            "clip": f"c{clip}",
            "frame": frame,
            "path": name,
            "bbox": [[1 + frame, 2, 10, 10]] * count,
            "category": ["cat", "é"][:count],
            "segmentation": [{"polygons": [[1, 1, 20, 1, 20, 20, 1, 20]]}] * count,
            "keypoints": [[1, 2, 2, 5, 6, 1]] * count,
        }
        rows.append(row)
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    image = {"type": "image", "source": "path", "height": 30, "width": 40}
    group = {
        "type": "objects",
        "of": "image",
        "boxes": {"source": "bbox", "input": "xywh"},
        "label": {"type": "class_label", "source": "category", "vocabulary": "from_manifest"},
        "name": {"type": "string", "source": "category"},
        "mask": {"type": "masks", "source": "segmentation"},
        "outline": {"type": "polygons", "source": "segmentation"},
        "keypoints": {"type": "keypoints", "source": "keypoints", "points": 2},
    }
    declared = {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "frame"},
        "steps": {"image": image, "objects": group},
    }
    options = BuildOptions(
        manifest=str(tmp_path / "m.jsonl"),
        schema=Schema.from_dict(declared),
        output=str(tmp_path / "out"),
        sinks=("tfrecord", "hdf5"),
    )
    build(options)
    assert verify(str(tmp_path / "out")).faults == []
    read = {}
    for source in ("tfrecord", "hdf5"):
        records = Records(tmp_path / "out", "train", source=source)
        read[source] = {records.origin(i)["key"]: records[i] for i in range(2)}
        (batch,) = load(tmp_path / "out", "train", batch_size=2, source=source, targets=[])
        assert batch["objects/bbox"].shape == [2, None, None, 4]
        assert batch["objects/mask"].shape == [2, None, None, 30, 40]
        read[f"load {source}"] = {name: as_plain(value) for name, value in batch.items()}
    assert repr(read["load tfrecord"]) == repr(read["load hdf5"])
    assert repr(read["tfrecord"]) == repr(read["hdf5"])
    clip = read["hdf5"]["c1"]
    assert clip["objects/name"] == [["cat"], ["cat", "é"], [], ["cat"]]
    assert [boxes.tolist() for boxes in clip["objects/bbox"][1:3]] == [[[2, 2, 12, 12]] * 2, []]
    assert [masks.sum() for masks in clip["objects/mask"]] == [361, 722, 0, 361]
    assert [len(each) for each in clip["objects/outline"]] == [1, 2, 0, 1]
    assert clip["objects/keypoints"][0].tolist() == [[[1, 2, 2], [5, 6, 1]]]
