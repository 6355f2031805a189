"""What ``schemas/features/__init__.py`` finds."""

from __future__ import annotations

import pickle

import pytest
from installed import install, plugin_caches
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import PluginError, SchemaError
from pixelbeam.schemas.features import feature_kinds, kind_versions, missing_kinds
from pixelbeam.schemas.features.base import Feature

METRES = """
from typing import Literal
from pixelbeam.schemas.features.numeric import Float32

class Metres(Float32):
    type: Literal[{type!r}] = {type!r}
"""
DECLARED = {
    "features": {"n": {"type": "int64", "source": "n"}, "way": {"type": "metres", "source": "w"}}
}


@pytest.fixture
def offer(tmp_path, monkeypatch):
    def install_kind(type_="metres", entry="metres"):
        points = {"pixelbeam.features": {entry: "metres_kind:Metres"}}
        code = METRES.format(type=type_)
        install(tmp_path, "pixelbeam-metres", "0.3", {"metres_kind.py": code}, points)
        monkeypatch.syspath_prepend(tmp_path)

    with plugin_caches():
        yield install_kind


def test_every_kind_is_known_by_the_name_that_it_declares():
    kinds = feature_kinds()
    assert all(issubclass(kind, Feature) for kind in kinds.values())
    assert {name: kind.model_fields["type"].default for name, kind in kinds.items()} == {
        name: name for name in sorted(kinds)
    }
    assert {"image", "class_label", "int64"} <= kinds.keys()
    assert [*kinds] == sorted(kinds)


def test_a_kind_of_a_package_is_one_as_any(offer):
    offer()
    schema = Schema.from_dict(DECLARED)
    assert type(schema.features["way"]).__name__ == "Metres"
    assert kind_versions(schema.features.values()) == {"pixelbeam-metres": "0.3"}
    assert kind_versions([schema.features["n"]]) == {}
    assert pickle.loads(pickle.dumps(schema)) == schema


def test_a_worker_without_the_package_says_so(offer, tmp_path):
    offer()
    pickled = pickle.dumps(Schema.from_dict(DECLARED))
    for path in tmp_path.glob("*.dist-info/*"):
        path.unlink()
    with plugin_caches():
        assert missing_kinds(DECLARED) == ["metres"]
        with pytest.raises(PluginError) as caught:
            pickle.loads(pickled)
        assert str(caught.value) == (
            "feature kind 'metres' is not installed here; install the package that offers it, on the launcher "
            "and the workers"
        )
        with pytest.raises(
            SchemaError, match=r"got 'metres', expected one of .*; or install the package"
        ):
            Schema.from_dict(DECLARED)


def test_kinds_that_are_missing_are_found_in_every_part_and_whatever_stands_there():
    steps = {"a": {"type": "y"}, "b": {"type": "int64"}, "c": 3, "d": {"type": ["x"]}}
    assert missing_kinds({"context": {"e": {"type": "x"}}, "steps": steps}) == ["x", "y"]
    assert missing_kinds({"features": None}) == []


def test_a_kind_has_the_name_of_its_entry_point(offer):
    offer(type_="miles")
    with pytest.raises(PluginError) as caught:
        feature_kinds()
    assert str(caught.value) == (
        "pixelbeam-metres 0.3: got a feature kind with the type 'miles', expected 'metres', the name of its "
        "entry point"
    )
