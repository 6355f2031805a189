import numpy as np
import pytest
from pixelbeam.schemas.features.base import ValueSpec
from pixelbeam.schemas.features.fit import check_fit

POINT = {"where": ValueSpec("float32", (2,))}


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (ValueSpec("float32", (2,)), np.zeros(2, np.float32)),
        (ValueSpec("int64"), np.array(3)),
        (ValueSpec("float32"), np.float32(0.5)),
        (ValueSpec("int64", (None,)), np.zeros(0, np.int64)),
        (ValueSpec("float32", (None, 4)), np.zeros((7, 4), np.float32)),
        (ValueSpec("uint8", (None, None, 3)), np.zeros((5, 6, 3), np.uint8)),
        (ValueSpec("text"), b"caf\xc3\xa9"),
        (ValueSpec("bytes"), b""),
        (ValueSpec("bytes"), [b"a", b"b"]),
        (ValueSpec("text", (None,)), []),
    ],
)
def test_what_the_specs_declare_fits(spec, value):
    check_fit("x", "kind", {"x": value}, {"x": spec})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"where/x": np.zeros(2, np.float32)}, "the keys 'where/x', but its specs declare 'where'"),
        ({}, "the keys , but its specs declare 'where'"),
        ({"where": np.zeros(3, np.float32)}, "'where' as float32 [3], but its specs declare float32 [2]"),
        ({"where": np.zeros((2, 1), np.float32)}, "'where' as float32 [2, 1], but its specs declare float32 [2]"),
        ({"where": np.zeros(2)}, "'where' as float64 [2], but its specs declare float32 [2]"),
        ({"where": b"1,2"}, "'where' as bytes b'1,2', but its specs declare float32 [2]"),
        ({"where": [1.0, 2.0]}, "'where' as list [1.0, 2.0], but its specs declare float32 [2]"),
    ],
)  # fmt: skip
def test_anything_else_is_said_with_kind_key_and_both_sides(values, said):
    with pytest.raises(TypeError) as caught:
        check_fit("where", "geo_point", values, POINT)
    assert str(caught.value) == f"where: type geo_point encoded {said}"


def test_text_that_is_no_bytes_does_not_fit():
    with pytest.raises(
        TypeError, match=r"encoded 'x' as str 'a', but its specs declare text \[\]$"
    ):
        check_fit("x", "kind", {"x": "a"}, {"x": ValueSpec("text")})


def test_steps_have_an_axis_of_their_own():
    check_fit("where", "geo_point", {"where": np.zeros((5, 2), np.float32)}, POINT, steps=5)
    with pytest.raises(
        TypeError, match=r"as float32 \[2\], but its specs declare float32 \[5, 2\]$"
    ):
        check_fit("where", "geo_point", {"where": np.zeros(2, np.float32)}, POINT, steps=5)
    with pytest.raises(
        TypeError, match=r"as float32 \[4, 2\], but its specs declare float32 \[5, 2\]$"
    ):
        check_fit("where", "geo_point", {"where": np.zeros((4, 2), np.float32)}, POINT, steps=5)


@pytest.mark.parametrize("first", [(ValueSpec("text"), b"a"), (ValueSpec("int64"), np.array(3))])
def test_every_value_of_several_has_to_fit(first):
    specs, values = {"a": first[0], **POINT}, {"a": first[1], "where": np.zeros(3, np.float32)}
    with pytest.raises(TypeError, match="encoded 'where' as float32"):
        check_fit("x", "kind", values, specs)
