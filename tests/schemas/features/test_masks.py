"""Masks as a record has them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from feature_cases import described
from pictures import save
from PIL import Image as Pillow
from pixelbeam.readers.selection import select
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features.base import SettingError, ValueSpec
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.features.masks import Mask, Masks
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing
from pixelbeam.schemas.schema import Schema
from pixelbeam.transforms.sinks.examples import serialize_example
from pycocotools import mask as coco

IDS = np.array([[0, 1, 2, 3], [4, 5, 6, 255]], np.uint8)
IMAGE = {"type": "image", "source": "path", "height": 2, "width": 2}
LARGE = {**IMAGE, "resize": "longest_side", "size": 9, "height": None, "width": None}


def geometry(size=(4, 2), mode="crop", width=2, height=2, orientation=1) -> ImageGeometry:
    return ImageGeometry(size, orientation, plan_resizing(size, mode, width, height, True))


def png(ids: Any) -> bytes:
    return save(Pillow.fromarray(np.asarray(ids)), "PNG")


def ids_of(data: bytes) -> list[list[int]]:
    return np.asarray(Pillow.open(io.BytesIO(data))).tolist()


def mask(**declared: Any) -> Mask:
    return Mask(source="m", of="image", **declared)


def masks(**declared: Any) -> Masks:
    return Masks(source="m", of="boxes", **declared)


def rejected(feature: Any, value: Any, owner: Any) -> tuple[str, str]:
    with pytest.raises(Reject) as caught:
        feature.encode("x", value, owner)
    return caught.value.reason, caught.value.message


def test_a_mask_moves_with_its_image():
    encoded = mask().encode("x", png(IDS), geometry())
    assert ids_of(encoded.values["x"]) == [[1, 2], [5, 6]]
    assert encoded.summary == {
        "count": 1, "bytes": len(encoded.values["x"]), "size_mismatch": 0, "max_id": 6,
        "pixels": {"1": 1, "2": 1, "5": 1, "6": 1},
    }  # fmt: skip
    told = mask().statistics({**encoded.summary, "pixels": {"10": 1, "9": 2}})
    assert list(told["pixels"]) == ["9", "10"]
    assert "size_mismatch" not in told
    half = mask().encode("x", png(IDS[:1, :2]), geometry())
    assert half.summary["size_mismatch"] == 1
    padded = mask(background=255).encode("x", png(IDS), geometry(mode="pad", width=4, height=4))
    assert ids_of(padded.values["x"]) == [[255] * 4, *IDS.tolist(), [255] * 4]
    turned = geometry((2, 4), "none", None, None, orientation=6)
    stored = mask().encode("x", png(IDS), turned)
    assert ids_of(stored.values["x"]) == np.rot90(IDS, -1).tolist()


def test_deep_ids():
    deep = png(np.array([[0, 300], [65535, 1]], np.uint16))
    whole = geometry((2, 2))
    assert rejected(mask(), deep, whole) == (
        "id_out_of_range",
        "got the id 65535, expected at most 255; dtype: uint16 has more",
    )
    encoded = mask(dtype="uint16").encode("x", deep, whole)
    assert ids_of(encoded.values["x"]) == [[0, 300], [65535, 1]]
    assert "pixels" not in encoded.summary
    panoptic = png(np.full((2, 2, 3), [1, 2, 3], np.uint8))
    assert rejected(mask(dtype="uint16"), panoptic, whole) == (
        "id_out_of_range",
        "got the id 197121, expected at most 65535",
    )


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (None, "missing_value", "got an empty cell, expected the path of a mask"),
        (7, "wrong_type", "got 7, expected the path of a PNG file or its bytes"),
        (
            png(np.zeros((3, 2), np.uint8)),
            "annotation_size",
            "got annotations of an image of 2x3 (width x height); expected 4x2 (width x height), which the image "
            "has, or the same shape",
        ),
    ],
)
def test_what_is_no_mask(value, reason, message):
    assert rejected(mask(), value, geometry()) == (reason, message)


@pytest.mark.parametrize(
    ("kind", "declared", "message"),
    [
        (mask, {"background": 256}, "background: got 256, expected at most 255"),
        (masks, {"encoding": "raw"}, "encoding: got 'raw' with layout: list, expected 'png'"),
        (masks, {"dtype": "uint16"}, "dtype: got 'uint16' with layout: list, expected 'uint8'"),
    ],
)
def test_settings(kind, declared, message):
    with pytest.raises(ValueError, match=message):
        kind(**declared)


def test_the_image_says_the_size():
    image = Image(source="x", height=5, width=7)
    settled = mask().settle(image)
    assert (settled.height, settled.width) == (5, 7)
    assert settled.settle(image) == settled
    with pytest.raises(SettingError, match=r"^height: got 4, expected 5, as the image has$"):
        mask(height=4).settle(image)
    free = Image(source="x", resize="none")
    assert mask().settle(free) == mask()
    with pytest.raises(
        SettingError, match=r"^width: got 4, expected nothing, for its images differ in size"
    ):
        mask(width=4).settle(free)
    with pytest.raises(SettingError, match=r"^encoding: got 'raw' of images of different sizes"):
        mask(encoding="raw").settle(free)


def test_a_schema_fills_the_size_in():
    boxes = {"type": "boxes", "source": "b", "of": "image"}
    features = {
        "m": {"type": "mask", "source": "m", "of": "image"},
        "o": {"type": "masks", "source": "m", "of": "b"},
        "b": boxes,
        "image": IMAGE,
    }
    schema = Schema.from_dict({"features": features})
    assert {name: schema.features[name].decoded.shape for name in "mo"} == {
        "m": (2, 2),
        "o": (None, 2, 2),
    }
    assert Schema.from_dict(schema.to_dict()) == schema
    features["m"] = {**features["m"], "height": 3}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": features})
    assert str(caught.value) == "features.m.height: got 3, expected 2, as the image has"


KEPT = Kept(3, (0, 2), geometry())
SQUARE = [1, 0, 3, 0, 3, 2, 1, 2]


def test_masks_of_the_objects_that_are_kept():
    counts = coco.encode(np.asfortranarray((IDS == 5).astype(np.uint8)))["counts"].decode()
    cell = {
        "masks": [{"polygons": [SQUARE]}, 7, {"counts": counts, "size": [2, 4]}],
        "size": [4, 2],
    }
    encoded = masks().encode("x", cell, KEPT)
    assert [ids_of(data) for data in encoded.values["x"]] == [[[1, 1], [1, 1]], [[0, 0], [1, 0]]]
    assert encoded.summary == {
        "count": 2, "bytes": sum(map(len, encoded.values["x"])), "without_mask": 0, "empty": 0,
        "size_mismatch": 0,
    }  # fmt: skip
    numbers = {"counts": [3, 1, 4], "size": [2, 4]}
    again = masks().encode("x", [{"polygons": [SQUARE]}, None, numbers], KEPT)
    assert again.values == encoded.values


def test_masks_that_are_missing_or_cut_off():
    off = {"counts": [0, 2, 6], "size": [2, 4]}  # the first column, which the crop leaves out
    encoded = masks().encode("x", [off, None, None], KEPT)
    assert [ids_of(data) for data in encoded.values["x"]] == [[[0, 0], [0, 0]]] * 2
    told = masks().statistics(encoded.summary)
    assert (told["without_mask"], told["empty"]) == (1, 2)
    none = masks().encode("x", {"masks": []}, Kept(0, (), geometry()))
    assert none.values["x"] == []


def test_polygons_may_be_shares_of_the_image():
    shares = [x / side for x, side in zip(SQUARE, [4, 2] * 4, strict=True)]
    cell = {"masks": [{"polygons": [shares]}], "normalized": True}
    encoded = masks().encode("x", cell, Kept(1, (0,), geometry()))
    assert ids_of(encoded.values["x"][0]) == [[1, 1], [1, 1]]


def test_files_of_several_objects_are_read_once():
    read = []

    def open_file(path: str) -> bytes:
        read.append(path)
        return png(IDS)

    cell = {"masks": [{"path": "a.png", "id": 5}, {"path": "a.png", "id": 1}, {"path": "a.png"}]}
    feature = masks()
    value = feature.read_named(cell, open_file)
    encoded = feature.encode("x", value, KEPT)
    assert set(read) == {"a.png"}
    assert [ids_of(data) for data in encoded.values["x"]] == [[[0, 0], [1, 0]], [[1, 1], [1, 1]]]
    assert feature.read_named(7, open_file) == 7
    assert mask().read_named("b.png", open_file) == png(IDS)
    assert (mask().read_named(b"b", open_file), mask().read_named("", open_file)) == (b"b", "")


def test_one_map_of_all_objects_shows_the_smaller_ones():
    whole = Kept(2, (0, 1), geometry((4, 2), "none", None, None))
    small, large = {"counts": [3, 1, 4], "size": [2, 4]}, {"counts": [2, 4, 2], "size": [2, 4]}
    for encoding in ("png", "raw"):
        feature = masks(layout="ids", encoding=encoding, height=2, width=4)
        encoded = feature.encode("x", [small, large], whole)
        stored = encoded.values["x"]
        expected = [[0, 2, 2, 0], [0, 1, 2, 0]]
        assert (ids_of(stored) if encoding == "png" else stored.tolist()) == expected
        assert feature.decode_value("x", encoded.values).tolist() == expected


def test_lists_of_another_length():
    assert rejected(masks(), [None], KEPT) == (
        "misaligned",
        "got 1 masks: [None], expected 3, one for each box",
    )


IDS_RAW = {"layout": "ids", "encoding": "raw", "dtype": "uint16"}


@pytest.mark.parametrize(
    ("image", "declared"),
    [
        (IMAGE, {}), (LARGE, {}), (IMAGE, {"layout": "ids"}), (LARGE, {"layout": "ids"}), (IMAGE, IDS_RAW),
    ],
)  # fmt: skip
def test_tensorflow_and_numpy_read_them_alike(image, declared):
    schema = Schema.from_dict(
        {
            "features": {
                "image": image,
                "o": {
                    "type": "objects",
                    "of": "image",
                    "boxes": {"source": "b"},
                    "mask": {"type": "masks", "source": "m", **declared},
                },
            }
        }
    )
    feature = schema.features["o/mask"]
    fixed = feature.decoded.shape[-1] is not None
    sizes = [(2, 2)] * 3 if fixed else [(2, 3), (4, 1), (2, 2)]
    rows = []
    for number, (height, width) in enumerate(sizes):
        of = geometry((width, height), "none", None, None)
        runs = [{"counts": [1, 2, height * width - 3], "size": [height, width]}] * (number % 3)
        rows.append(
            feature.encode("o/mask", runs, Kept(len(runs), tuple(range(len(runs))), of)).values
        )
    module = described(select(schema, ["o/mask"]))
    batch = tf.constant([serialize_example(values) for values in rows])
    decoded = module.decode(module.parse_example(batch))["o/mask"]
    for index, values in enumerate(rows):
        mine = feature.decode_value("o/mask", values)
        theirs = decoded[index]
        theirs = (
            theirs.to_list() if isinstance(theirs, tf.RaggedTensor) else theirs.numpy().tolist()
        )
        assert theirs == mine.tolist()
        assert mine.dtype == feature.decoded.dtype


def test_what_is_stored():
    assert mask().specs("x") == {"x": ValueSpec("bytes", encoding="png")}
    raw = mask(encoding="raw", dtype="uint16", height=3, width=2)
    assert raw.specs("x") == {"x": ValueSpec("uint16", (3, 2), ("height", "width"), "raw")}
    stored = np.arange(6, dtype="<u2").tobytes()
    assert raw.decode_value("x", {"x": stored}).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert masks().specs("x") == {"x": ValueSpec("bytes", (None,), ("object",), encoding="png")}
    assert masks(height=3, width=2).decode_value("x", {"x": []}).shape == (0, 3, 2)


def test_what_was_read_back_is_checked():
    sized = mask(height=2, width=4)
    sized.check([png(IDS)])
    mask(encoding="raw", height=2, width=4).check([b"12345678"])
    for value, said in (
        (png(IDS[:1]), r"^got 4x1 \(width x height\), expected 4x2"),
        (b"no", "^not a PNG file: "),
        (png(np.zeros((2, 4, 3), np.uint8)), "^not a PNG file: got the mode RGB, expected grey"),
    ):
        with pytest.raises(ValueError, match=said):
            sized.check([value])


def test_what_a_user_is_told():
    masks = Masks(source="m", of="b")
    assert list(masks.warnings("m", {"count": 3})) == []
    assert list(masks.warnings("m", {"size_mismatch": 1, "without_mask": 2})) == [
        "m: 1 image is of another size than the masks, which were scaled",
        "m: 2 objects have no mask",
    ]
    assert list(masks.warnings("m", {"without_mask": 1})) == ["m: 1 object has no mask"]
