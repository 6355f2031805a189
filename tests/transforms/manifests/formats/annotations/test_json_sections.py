import json
import time
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats.annotations.json_sections import (
    ELEMENT_CHARS,
    Unreadable,
    first_elements,
    read_sections,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(text: str | bytes, size: int = 1000) -> list[object]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_sections((data[at : at + size] for at in range(0, len(data), size)), "a.json"))


def expected(document: dict) -> list[object]:
    found = []
    for key, value in document.items():
        if not isinstance(value, list):
            found.append((key, 0, value))
        elif not value:
            found.append((key, 0, []))
        else:
            found += [(key, position, element) for position, element in enumerate(value, 1)]
    return found


@settings(max_examples=50)
@given(
    st.dictionaries(st.text(), VALUES | st.lists(VALUES, max_size=4), max_size=4),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_the_elements_are_those_of_the_standard_library(document, size, indent, escaped):
    text = json.dumps(document, indent=indent, ensure_ascii=escaped)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    found = read(data, size)
    wanted = expected(json.loads(text))
    clean = [e for e in found if not isinstance(e[2], Unreadable)]
    assert repr(clean) == repr([w for w, f in zip(wanted, found, strict=True) if f in clean])


def test_elements_come_before_the_file_is_read():
    chunks = (f'{{"a": [1,{position}' if not position else f",{position}" for position in count())
    assert list(islice(read_sections((c.encode() for c in chunks), ""), 3)) == [
        ("a", 1, 1),
        ("a", 2, 0),
        ("a", 3, 1),
    ]


def test_a_byte_order_mark_and_blanks():
    assert read(b'\xef\xbb\xbf \n{"a" : [ ] , "b":1 }\n') == [("a", 0, []), ("b", 0, 1)]


def test_half_of_a_surrogate_pair_costs_its_element():
    assert read('{"a": ["\\ud83d\\ude00", "\\ud83d", 1]}') == [
        ("a", 1, "\U0001f600"),
        ("a", 2, Unreadable("half of a surrogate pair ('\\ud83d')")),
        ("a", 3, 1),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got the end: it is truncated, expected an object"),
        ("[1]", "got '[', expected an object"),
        ('{"a": [1, 2', "got the end: it is truncated, expected a comma or the end behind element 2 of 'a'"),
        ('{"a": [{"b": 1', "element 1 of 'a' is not JSON, or the file is truncated: Expecting ',' delimiter"),
        ('{"a": [{"b": "x', "element 1 of 'a' is not JSON, or the file is truncated: Unterminated"),
        ('{"a": [1,, 2], "b": "a long enough rest"}', "element 2 of 'a' is not JSON: Expecting value"),
        ('{"a": [1 2], "b": "a long enough rest"}', "got '2', expected a comma or the end"),
        ('{"a" 1}', "got '1', expected what 'a' is"),
        ("{1: 2}", "got 1 where a key should stand"),
        ('{"a": 1 "b": 2}', "got '\"', expected a comma or the end behind 'a'"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice, expected it once"),
        ('{"a": 1} {"a": 2}', "goes on behind its object, expected nothing there"),
        (b'{"a": "\xff"}', "got byte 0xff, expected UTF-8 text"),
        ('{"a": ' + "[" * 100_000, "element 1 of 'a' is not JSON"),
        ('{"a": [' + "9" * 5000 + "]}", "element 1 of 'a' is not JSON"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_no_such_file_is_said(text, message, size):
    if len(text) > 1000 and size == 1:
        size = 100
    with pytest.raises(BuildError) as caught:
        read(text, size)
    assert str(caught.value).startswith(f"a.json: {message}")


def test_the_error_is_the_callers():
    with pytest.raises(ManifestError, match=r"^a.json: got '\[', expected an object$"):
        list(read_sections([b"[]"], "a.json", ManifestError))


def test_an_endless_element_is_not_read_for_ever():
    def chunks():
        yield b'{"a": ["'
        while True:
            yield b"x" * (1 << 20)

    begun = time.monotonic()
    with pytest.raises(BuildError) as caught:
        list(read_sections(chunks(), "a.json"))
    assert str(caught.value) == f"a.json: has an element of more than {ELEMENT_CHARS} characters"
    assert time.monotonic() - begun < 10


def test_first_elements():
    assert first_elements(b'{"a": [{"b": 1}, 2], "c": 3}\n') == {"a": {"b": 1}, "c": 3}
    assert first_elements(b'{"a": [{"b": 1}, 2') == {"a": {"b": 1}}
    assert first_elements(b'{"a": [], "b": [{"c"') == {"a": []}
    for head in (b'{"a": 1}\n{"a": 2}\n', b"[1]", b"x", b"", b'{"a": [{'):
        assert first_elements(head) is None
