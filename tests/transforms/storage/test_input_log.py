from __future__ import annotations

import json
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.storage.input_log import InputLog, InputState, ShardInputs

STATES = st.builds(
    InputState,
    size=st.integers(-1, 2**60),
    mtime_ns=st.integers(0, 2**62),
    tag=st.text(max_size=5),
    sha256=st.text(max_size=5),
    fault=st.text(max_size=5),
    listing=st.booleans(),
    array=st.booleans(),
)


@given(st.text(), st.dictionaries(st.text(), STATES, max_size=5))
def test_notes_come_back(root, states):
    noted = ShardInputs(root, states)
    assert ShardInputs.from_bytes(noted.to_bytes()) == noted


def test_golden_bytes():
    states = {"a.jpg": InputState(7, 9, "", "f00"), "d": InputState(2, listing=True)}
    assert ShardInputs("/photos", states).to_bytes() == (
        b'{"root":"/photos","paths":["a.jpg","d"],"size":[7,2],"mtime_ns":[9,0],"tag":["",""],'
        b'"sha256":["f00",""],"fault":["",""],"listing":[false,true],"array":[false,false]}'
    )
    assert ShardInputs("", {}).to_bytes() == b'{"root":"","paths":[]}'
    assert ShardInputs.path("train-00000-of-00001") == ".pixelbeam/sources/train-00000-of-00001"


def test_notes_of_former_versions_come_back():
    content = json.loads(ShardInputs("r", {"a": InputState(7, 9, "", "f00")}).to_bytes())
    del content["array"]
    noted = ShardInputs.from_bytes(json.dumps(content).encode())
    assert noted == ShardInputs("r", {"a": InputState(7, 9, "", "f00")})


def test_a_column_that_is_missing_is_a_fault():
    content = json.loads(ShardInputs("", {"a": InputState(7)}).to_bytes())
    del content["size"]
    with pytest.raises(ValueError, match=r"zip|shorter"):
        ShardInputs.from_bytes(json.dumps(content).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"root": ""}', b'{"root": "", "paths": ["a"]}', b"7"]
)
def test_what_is_not_whole_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own message, or ours
        ShardInputs.from_bytes(data)


@pytest.mark.parametrize(
    ("state", "in_parts", "stamp"),
    [
        (InputState(), True, None),
        (InputState(5, 9), True, (5, 9, "")),
        (InputState(5, 0, "etag"), True, (-1, 0, "etag")),
        (InputState(-1, 0, "etag"), True, (-1, 0, "etag")),
        (InputState(5, 9, "", "f00"), False, (5, 9, "")),
        (InputState(fault="file_not_found"), False, None),
        (InputState(3, listing=True), False, None),
    ],
)
def test_what_a_source_is_compared_by(state, in_parts, stamp):
    assert (state.in_parts, state.stamp) == (in_parts, stamp)


def test_what_is_not_known_of_a_source():
    assert astuple(InputState()) == (-1, 0, "", "", "", False, False)


def test_the_first_note_of_a_source_counts():
    log = InputLog()
    log.add("b", InputState(1))
    log.add("a", InputState(2))
    log.add("b", InputState(3))
    assert ("b" in log, "c" in log) == (True, False)
    assert list(log.take().items()) == [("a", InputState(2)), ("b", InputState(1))]
