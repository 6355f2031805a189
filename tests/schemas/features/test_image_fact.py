"""What is known of an image as values of their own."""

import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.features.image_fact import ImageFact
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing

GEOMETRY = ImageGeometry((100, 60), 6, plan_resizing((100, 60), "longest_side", 50, 50, False))
IMAGE = {"type": "image", "source": "path", "resize": "none", "encoding": "png"}
FRAME = {"type": "image", "source": "path", "height": 4, "width": 4}


@pytest.mark.parametrize(
    ("fact", "expected"),
    [("height", 30), ("width", 50), ("source_height", 60), ("source_width", 100)],
)
def test_sizes(fact, expected):
    feature = ImageFact(of="image", fact=fact)
    (value,) = feature.encode("x", "", GEOMETRY).values.values()
    assert (value.tolist(), value.dtype, value.shape) == (expected, np.int64, ())
    assert feature.specs("x")["x"].dtype == "int64"
    assert feature.decode_value("x", {"x": value}) is value


def test_the_format_is_the_images():
    fact = {"type": "image_fact", "of": "image", "fact": "format"}
    schema = Schema.from_dict({"features": {"image": IMAGE, "image/format": fact}})
    feature = schema.features["image/format"]
    assert feature.encode("x", "", GEOMETRY).values == {"x": b"png"}
    assert feature.decode_value("x", {"x": b"png"}) == "png"
    assert schema == Schema.from_dict(schema.to_dict())
    assert schema.columns() == ("path",)
    assert feature.columns == ()


def test_of_a_clip_only_the_context_has_facts():
    steps = {"image": FRAME, "h": {"type": "image_fact", "of": "image", "fact": "height"}}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"record": "sequence_example", "steps": steps})
    expected = "steps.h.type: got 'image_fact', expected it in features or context"
    assert str(caught.value) == expected
