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
    ],
)
def test_what_a_value_is(spec, ragged, numeric):
    assert (spec.is_ragged, spec.is_numeric) == (ragged, numeric)


def test_a_dtype_that_no_format_has():
    with pytest.raises(ValueError, match=r"^dtype: got 'float64', expected one of int64, "):
        ValueSpec("float64")  # type: ignore[arg-type]


def test_what_is_not_said():
    assert ValueSpec("text") == ValueSpec("text", (), (), "", None)
    assert Domain() == Domain(None, None, None, None)
