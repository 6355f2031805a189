import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.manifests.formats.annotations import spilled_groups
from pixelbeam.transforms.manifests.formats.annotations.spilled_groups import (
    SpilledGroups,
    count_buckets,
)

TEXT = st.text(st.characters(exclude_characters="\t\r\n", codec="utf-8"))


@given(st.lists(st.tuples(TEXT, st.integers() | st.text() | st.none())), st.integers(1, 9))
def test_groups_hold_what_was_added_in_its_order(added, buckets):
    expected: dict[str, list] = {}
    for key, value in added:
        expected.setdefault(key, []).append([key, value])
    with SpilledGroups(buckets) as groups:
        for key, value in added:
            groups.add(key, [key, value])
        found = list(groups.groups())
    assert sorted(found, key=repr) == sorted(expected.values(), key=repr)


def test_few_files_are_open(monkeypatch):
    monkeypatch.setattr(spilled_groups, "_BUFFER_BYTES", 10)
    before = len(os.listdir("/dev/fd"))
    with SpilledGroups(100) as groups:
        for number in range(1000):
            groups.add(str(number % 300), number)
        assert len(os.listdir("/dev/fd")) < before + 10
        found = sorted(groups.groups())
    assert found == [list(range(key, 1000, 300)) for key in range(300)]


def test_small_groups_can_be_left_out():
    with SpilledGroups(2) as groups:
        for key in "abca":
            groups.add(key, key)
        assert list(groups.groups(at_least=2)) == [["a", "a"]]


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with SpilledGroups(3) as groups:
        groups.add("a", 1)
        groups.add("a", "x" * 100_000)
        assert len(list(Path(tmp_path).rglob("*"))) == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_by_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TypeError), SpilledGroups(3) as groups:
        groups.add("a", object())
    assert list(tmp_path.iterdir()) == []


def test_buckets_grow_with_the_file_up_to_what_may_be_open():
    assert [count_buckets(size) for size in (0, 8 << 20, 80 << 20, 1 << 40)] == [1, 2, 11, 512]
