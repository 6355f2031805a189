"""Objects as models take them: of one length, and as Keras has them, from both formats."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from pictures import picture, save
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import Records, load
from pixelbeam.schemas import Schema
from support import IMAGE_SCHEMA

COUNTS = [2, 0, 5, 1, 3]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    rows = []
    for number, count in enumerate(COUNTS):
        (folder / f"{number}.png").write_bytes(save(picture(32, 32, seed=number), "PNG"))
        boxes = [[n, number, 4 + n, 6] for n in range(count)]
        names = ["ab"[n % 2] for n in range(count)]
        rows.append({"path": f"{number}.png", "box": boxes, "class": names})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    schema = Schema.from_dict(
        {
            "features": {
                "image": {"type": "image", "source": "path", "height": 32, "width": 32},
                "objects": {
                    "type": "objects",
                    "of": "image",
                    "boxes": {"source": "box", "input": "xywh", "normalized": True},
                    "label": {
                        "type": "class_label",
                        "source": "class",
                        "vocabulary": "from_manifest",
                    },
                },
            }
        }
    )
    manifest = str(folder / "rows.jsonl")
    build(BuildOptions(manifest, schema, str(folder / "out"), sinks=("tfrecord", "hdf5")))
    return folder / "out"


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
def test_load_and_random_access_give_the_same(out, source):
    options = {"max_boxes": 3, "source": source}
    (batch,) = load(out, "train", batch_size=9, mask=True, targets=[], **options)
    records = Records(out, "train", **options)
    numbers = [int(records.origin(n)["key"][0]) for n in range(len(records))]
    for row, (number, record) in enumerate(zip(numbers, records, strict=True)):
        real = min(3, COUNTS[number])
        assert record["objects/bbox/mask"].tolist() == [n < real for n in range(3)]
        expected = [[n / 32, number / 32, (4 + 2 * n) / 32, (6 + number) / 32] for n in range(real)]
        np.testing.assert_allclose(record["objects/bbox"][:real], np.reshape(expected, (-1, 4)))
        assert not record["objects/bbox"][real:].any()
        assert record["objects/label"].tolist() == [
            *[n % 2 for n in range(real)],
            *[-1] * (3 - real),
        ]
        for name in ("objects/bbox", "objects/label", "objects/bbox/mask"):
            np.testing.assert_array_equal(batch[name][row], record[name])
    assert records[[0][0]]["objects/bbox"].shape == (3, 4)
    assert [r["objects/label"].shape for r in records.__getitems__([0, 1])] == [(3,), (3,)]


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
def test_singles_are_the_same(out, source):
    (batch,) = load(out, "train", batch_size=5, max_boxes=2, source=source, targets=[])
    singles = list(load(out, "train", max_boxes=2, source=source, targets=[]))
    for name in ("objects/bbox", "objects/label"):
        np.testing.assert_array_equal([single[name] for single in singles], batch[name])


def test_keras_takes_its_dicts(out):
    """Its own functions for boxes, and a layer that moves them with the image."""
    data = load(out, "train", batch_size=5, max_boxes=4, keras_boxes=True)
    ((images, objects),) = data
    assert list(objects) == ["boxes", "labels"]
    assert objects["boxes"].shape == [5, 4, 4]
    boxes = keras.utils.bounding_boxes.convert_format(
        objects["boxes"], source="rel_xyxy", target="xywh", height=32, width=32
    )
    (record,) = [r for r in Records(out, "train") if len(r["objects/label"]) == 5]
    row = [labels.tolist().count(-1) for labels in objects["labels"].numpy()].index(0)
    np.testing.assert_allclose(
        boxes[row], [[x * 32, y * 32, (r - x) * 32, (b - y) * 32] for x, y, r, b in record["objects/bbox"][:4]],
        rtol=1e-5,
    )  # fmt: skip
    flip = keras.layers.RandomFlip("horizontal", seed=1, bounding_box_format="rel_xyxy")
    moved = flip({"images": images, "bounding_boxes": objects}, training=True)["bounding_boxes"]
    left = np.asarray(moved["boxes"])[row]
    mirrored = np.asarray(objects["boxes"])[row] * [-1, 1, -1, 1] + [1, 0, 1, 0]
    same, turned = np.asarray(objects["boxes"])[row], mirrored[:, [2, 1, 0, 3]]
    assert np.allclose(left, same, atol=1e-5) or np.allclose(left, turned, atol=1e-5)


def test_what_does_not_go_together_is_said(out, images, tmp_path):
    with pytest.raises(ValueError, match="max_boxes: got 0, expected an integer of at least 1"):
        load(out, "train", max_boxes=0)
    with pytest.raises(ValueError, match=r"mask: .* expected one of clips, or max_boxes beside it"):
        load(out, "train", mask=True)
    with pytest.raises(
        ValueError, match="keras_boxes: some of 'objects/bbox', 'objects/label' are"
    ):
        load(out, "train", keras_boxes=True, targets=["objects/label"])
    build(BuildOptions(str(images / "images.csv"), IMAGE_SCHEMA, str(tmp_path / "plain")))
    for read in (load, Records):
        with pytest.raises(ValueError, match="max_boxes: got it for a dataset of image, label"):
            read(tmp_path / "plain", "train", max_boxes=3)
