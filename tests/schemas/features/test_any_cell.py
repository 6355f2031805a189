"""Whatever stands in a cell becomes values that fit the specs, or a reject; nothing else is ever raised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import save
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Feature
from pixelbeam.schemas.features.boxes import Boxes
from pixelbeam.schemas.features.fit import check_fit
from pixelbeam.schemas.features.keypoints import Keypoints
from pixelbeam.schemas.features.masks import Mask, Masks
from pixelbeam.schemas.features.object_values import (
    ObjectBytes,
    ObjectClassLabel,
    ObjectFloat32,
    ObjectInt64,
    ObjectString,
)
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.features.polygons import Polygons
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing

GEOMETRY = ImageGeometry((8, 6), 6, plan_resizing((8, 6), "pad", 5, 7, True))
MASK = save(Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)), "PNG")
FEATURES: list[Feature] = [
    Boxes(source="x", of="i", input="xywh"),
    Boxes(source="x", of="i", cut="keep", layout="columns", normalized=True),
    Mask(source="x", of="i"),
    Masks(source="x", of="b"),
    Masks(source="x", of="b", layout="ids", encoding="raw", height=7, width=5),
    Keypoints(source="x", of="b", points=1),
    Polygons(source="x", of="b"),
    ObjectClassLabel(source="x", of="b", vocabulary=("a", "1")),
    ObjectInt64(source="x", of="b"),
    ObjectFloat32(source="x", of="b", shape=(2,)),
    ObjectString(source="x", of="b"),
    ObjectBytes(source="x", of="b", encoding="hex"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 20)
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["", "a", "1", "352", "[[1, 2, 3, 4]]", "{}", '{"boxes": [[1, 1, 2, 2]]}', "é"]
    )
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.just(MASK)
)
GEOMETRY_KEYS = ["boxes", "masks", "keypoints", "format", "normalized", "size", "polygons"]
KEYS = st.sampled_from([*GEOMETRY_KEYS, "counts", "path", "id", "data"])
NUMBERS = st.lists(st.integers(-3, 12) | st.floats(-2, 12), max_size=8)
CELLS = st.recursive(
    SCALARS | NUMBERS | st.lists(NUMBERS, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(CELLS, st.integers(0, 2))
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: type(feature).__name__)
def test_any_cell(feature: Feature, cell: Any, count: int) -> None:
    of_image = feature.takes is ImageGeometry
    owner = GEOMETRY if of_image else Kept(count, tuple(range(count)), GEOMETRY)
    assert all(isinstance(name, str) for name in feature.observe(cell))
    try:
        value = feature.read_named(cell, lambda path: MASK)
        encoded = feature.encode_after("x", value, {"i": owner, "b": owner})
    except Reject as reject:
        assert reject.reason
        assert reject.message
        return
    specs = feature.specs("x")
    check_fit("x", feature.type, encoded.values, specs)
    feature.decode_value("x", encoded.values)
    for key, spec in specs.items():
        if spec.axes[:1] == ("object",) and not of_image:
            assert len(encoded.values[key]) == count
