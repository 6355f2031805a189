from __future__ import annotations

from installed import install, plugin_caches
from pixelbeam.schemas import Schema
from pixelbeam.schemas.features.failure import FeatureFailure

METRES = """
from typing import Literal
from pixelbeam.schemas.features.numeric import Float32

class Metres(Float32):
    type: Literal["metres"] = "metres"
"""


def test_a_failure_names_the_feature_the_kind_and_the_error():
    number = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}}).features["n"]
    failure = FeatureFailure.of("n", number, ValueError("no"))
    assert str(failure) == "feature 'n' (int64): ValueError: no"


def test_a_failure_names_the_package_of_the_kind(tmp_path, monkeypatch):
    points = {"pixelbeam.features": {"metres": "metres_kind:Metres"}}
    install(tmp_path, "pixelbeam-metres", "0.3", {"metres_kind.py": METRES}, points)
    monkeypatch.syspath_prepend(tmp_path)
    with plugin_caches():
        declared = {"features": {"way": {"type": "metres", "source": "w"}}}
        way = Schema.from_dict(declared).features["way"]
        failure = FeatureFailure.of("way", way, KeyError("x"))
    assert str(failure) == "feature 'way' (metres of pixelbeam-metres 0.3): KeyError: 'x'"
