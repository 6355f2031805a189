import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.manifests.formats import json_arrays
from pixelbeam.transforms.manifests.formats.json_arrays import read_elements
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
