import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.manifests.formats import json_arrays
from pixelbeam.transforms.manifests.formats.json_arrays import (
    is_array,
    read_elements,
    whole_elements,
)
from pixelbeam.transforms.manifests.open_manifest import open_manifest

TEXT = st.text('ab,"\\\\[]{}é\\n', max_size=6)
OBJECTS = st.lists(st.dictionaries(TEXT, st.lists(TEXT, max_size=3) | TEXT, max_size=3), min_size=1)


@given(OBJECTS, st.integers(1, 9), st.sampled_from([None, 0, 2]))
def test_elements_are_found_in_chunks_of_any_size(objects, size, indent):
    data = json.dumps(objects, indent=indent, ensure_ascii=False).encode() + b" \n"
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    found = list(read_elements(chunks, "rows.json"))
    assert [number for number, _ in found] == list(range(1, len(objects) + 1))
    assert [json.loads(element) for _, element in found] == objects


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.json.gz"])
def test_an_array_is_a_manifest(indent, name, tmp_path, outcomes):
    rows = [{"path": "a,b].jpg", "label": 3}, {"label": [1, {"x": None}]}, {"path": "é"}]
    data = b"\xef\xbb\xbf" + json.dumps(rows, indent=indent).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert open_manifest(str(path)).columns == ("path", "label")
    assert outcomes(path, range_bytes=1) == [
        (1, ("a,b].jpg", 3)),
        (2, (None, [1, {"x": None}])),
        (3, ("é", None)),
    ]


def test_elements_that_cannot_be_read_cost_themselves_alone(tmp_path, outcomes):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, {"a": ]}, 7, {"a": 1, "a": 2}, , {"a": 5},]')
    assert outcomes(path) == [
        (1, (1,)),
        (2, ("malformed_row", "not JSON: Expecting value at character 7")),
        (3, ("malformed_row", "got a number, expected an object")),
        (4, ("malformed_row", "got the key 'a' twice in an object, expected it once")),
        (6, (5,)),
    ]


FAULTS = {
    '[{"a": 1}, {"a"': "truncated: it ends inside element 2 of its array",
    '[{"a": 1}] {': "goes on behind its array, expected nothing there",
}


@pytest.mark.parametrize("content", FAULTS)
def test_files_that_are_no_whole_array(content, tmp_path, outcomes):
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(BuildError) as error:
        outcomes(path)
    assert str(error.value) == f"{path}: {FAULTS[content]}"


def test_large_elements_are_not_held(monkeypatch):
    monkeypatch.setattr(json_arrays, "LINE_BYTES", 100)
    numbers = ",".join(["1"] * 5000).encode()
    chunks = [b'[{"a":[', *[numbers[i : i + 50] for i in range(0, len(numbers), 50)], b"]}, {}]"]
    (_, first), second = read_elements(chunks, "rows.json")
    assert (len(first), second) == (101, (2, b"{}"))
    with pytest.raises(BuildError) as error:
        list(read_elements([b'[{"a": "', *[b"x" * 60] * 9], "rows.json"))
    message = "element 1 of its array has a string of more than 100 bytes, or one without an end"
    assert str(error.value) == f"rows.json: {message}"


def test_elements_are_cut_to_one_byte_more_than_a_line_may_have(monkeypatch):
    monkeypatch.setattr(json_arrays, "LINE_BYTES", 10)
    for length in (9, 10, 11, 12):
        element = b"1" * length
        expected = [(1, element[:11]), (2, b"{}")]
        data = b"[" + element + b", {}]"
        assert list(read_elements([data], "")) == expected
        assert list(read_elements([bytes([byte]) for byte in data], "")) == expected
        assert whole_elements(data) == expected


def test_a_string_may_be_as_long_as_a_line(monkeypatch):
    monkeypatch.setattr(json_arrays, "LINE_BYTES", 10)
    chunks = [b'["', b"x" * 8, b'"]']
    assert list(read_elements(chunks, "")) == [(1, b'"xxxxxxxx"')]
    assert list(read_elements([b'["', b"x" * 9, b'"]'], "")) == [(1, b'"xxxxxxxxx"')]
    with pytest.raises(BuildError, match="element 1 of its array has a string of more than 10"):
        list(read_elements([b'["', b"x" * 10, b'"]'], ""))


@pytest.mark.parametrize(
    ("head", "array"),
    [
        (b"[{", True),
        (b" \n[ \n{", True),
        (b"[ ]", True),
        (b"[1", False),
        (b"[", False),
        (b"{[{", False),
    ],
)
def test_what_is_an_array(head, array):
    assert is_array(head) is array


def test_the_elements_that_end_in_a_head():
    assert whole_elements(b'[{"a": [1, 2]}, {"b": "x') == [(1, b'{"a": [1, 2]}')]
    assert whole_elements(b"[]") == [(1, b"")]  # blank, as a line may be


def test_what_stands_behind_an_array(tmp_path):
    chunks = [b"[1, 2]", b" \n", b" ", b"x"]
    assert list(read_elements(chunks[:3], "rows")) == [(1, b"1"), (2, b"2")]
    elements = read_elements(chunks, "rows")
    assert [next(elements), next(elements)] == [(1, b"1"), (2, b"2")]
    with pytest.raises(BuildError, match=r"^rows: goes on behind its array"):
        next(elements)
