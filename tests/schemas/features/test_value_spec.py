from __future__ import annotations

import pytest
from pixelbeam.schemas.features.value_spec import Domain, ValueSpec


@pytest.mark.parametrize(
    ("spec", "ragged", "numeric"),
    [
        (ValueSpec("int64"), False, True),
        (ValueSpec("float32", (None, 2)), True, True),
        (ValueSpec("uint8", (2, 3)), False, True),
        (ValueSpec("uint16", (0,)), False, True),
        (ValueSpec("text"), False, False),
        (ValueSpec("bytes"), False, False),
        (ValueSpec("text", (None,)), True, False),
    ],
)
def test_what_a_value_is(spec, ragged, numeric):
    assert (spec.is_ragged, spec.is_numeric) == (ragged, numeric)


@pytest.mark.parametrize("shape", [(3,), (None, 2), (None, None)])
def test_strings_are_one_or_a_list(shape):
    with pytest.raises(
        ValueError, match=r"^shape: got \[.*\] for text, expected \[\] for one value or"
    ):
        ValueSpec("text", shape)


@pytest.mark.parametrize(
    ("spec", "is_string"),
    [
        (ValueSpec("text"), True),
        (ValueSpec("bytes", (None,), encoding="png"), True),
        (ValueSpec("uint8", (2, 2, 3), encoding="raw"), True),
        (ValueSpec("int64", (None,)), False),
    ],
)
def test_what_records_hold_as_strings(spec, is_string):
    assert spec.is_string is is_string


def test_a_dtype_that_no_format_has():
    with pytest.raises(ValueError, match=r"^dtype: got 'float64', expected one of int64, "):
        ValueSpec("float64")  # type: ignore[arg-type]


def test_what_is_not_said():
    assert ValueSpec("text") == ValueSpec("text", (), (), "", None)
    assert Domain() == Domain(None, None, None, None)
