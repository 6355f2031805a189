"""The reference says of each setting what the models say."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pixelbeam.schemas.description.reference import (
    Setting,
    _settings_table,
    describe,
    json_schema,
    overview,
    reference,
    settings,
)
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.features import feature_kinds
from pixelbeam.schemas.features.class_labels import ClassLabel
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.schema import Schema
from pixelbeam.schemas.schema_files import preset_names, preset_text
from pydantic import BaseModel, Field

DOCS = Path(__file__).parents[3] / "docs"
KINDS = sorted([*feature_kinds(), "objects"])
MODELS = [*KINDS, "clips", "schema"]


def test_the_reference_is_that_of_the_models() -> None:
    """``scripts/reference.sh`` makes both files."""
    assert (DOCS / "schema.md").read_text(encoding="utf-8") == reference()
    assert json.loads((DOCS / "schema.json").read_text(encoding="utf-8")) == json_schema()


def test_a_setting_has_its_values_default_and_meaning() -> None:
    found = {setting.name: setting for setting in settings(Image)}
    assert "type" not in found
    assert found["quality"] == Setting(
        "quality",
        "integer 1 to 100",
        "",
        "1 to 100 for ``jpeg`` and ``webp``; 90 unless declared.",
    )
    assert found["source"].default == "required"
    assert found["upscale"] == Setting(
        "upscale",
        "`true`, `false`",
        "`false`",
        "Whether images may be enlarged. Where they may not, a smaller image is rejected by ``crop`` and "
        "``stretch`` and keeps its pixels in the other modes.",
    )
    assert "differ by up to some 19 of 255 levels" in found["decode"].meaning


def test_settings_of_shared_bases_are_those_of_the_kind_too() -> None:
    found = {setting.name: setting for setting in settings(ClassLabel)}
    assert found["num_classes"].values == "integer, at least 1"
    assert found["vocabulary"].values == "list of text or integer or `from_manifest` or file"
    assert found["default"].meaning.startswith("The class of a row whose cell is empty")


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_has_a_meaning(name: str) -> None:
    """``settings`` looks the meaning of each up in the docstrings; what has none is a ``KeyError``."""
    assert describe(name).count("\n") > 2


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_its_yaml(name: str) -> None:
    assert describe(name) == preset_text(name).rstrip("\n")
    assert Schema.from_dict(yaml.safe_load(describe(name))).features


def test_an_unknown_name_is_said_with_those_that_there_are() -> None:
    with pytest.raises(SchemaError) as caught:
        describe("picture")
    names = ", ".join([*preset_names(), *MODELS])
    assert str(caught.value) == f"schema: got 'picture', expected one of {names}"


def test_the_overview_names_presets_and_kinds() -> None:
    lines = [line.split() for line in overview().splitlines() if line.startswith("  ")]
    assert [words[0] for words in lines] == [*preset_names(), *KINDS]
    assert all(len(words) > 3 for words in lines)


def test_the_json_schema_has_a_branch_for_each_kind() -> None:
    made = json_schema()
    assert made["properties"]["features"]["additionalProperties"] == {"$ref": "#/$defs/feature"}
    feature = made["$defs"]["feature"]
    assert feature["properties"]["type"] == {"enum": KINDS}
    assert [branch["then"]["$ref"] for branch in feature["allOf"]] == [
        f"#/$defs/{name}" for name in KINDS
    ]
    image = made["$defs"]["image"]
    assert image["additionalProperties"] is False
    assert image["required"] == ["source"]
    assert image["properties"]["type"] == {"const": "image"}
    assert image["properties"]["channels"] == {
        "description": "1 grey, 3 RGB, 4 RGB and alpha.",
        "default": 3,
        "enum": [1, 3, 4],
        "type": "integer",
    }


def test_the_settings_of_clips_are_said_a_line_each_with_their_meaning_below() -> None:
    lines = describe("clips").splitlines()
    first = lines.index("key: text")
    assert lines[first - 1] == ""
    assert lines[first + 1 : first + 3] == [
        "    Rows with the same value in this column are the frames of one clip; without it each row is a",
        "    clip.",
    ]
    assert "every: integer, at least 1; default: 1" in lines
    assert "on_gap: keep, reject; default: keep" in lines
    assert "source: text; required" in describe("image").splitlines()
    assert describe("string").startswith("Text, stored as UTF-8.\n\nNumbers and booleans become ")


def test_meanings_are_wrapped_at_96_characters() -> None:
    meanings = [
        line for name in MODELS for line in describe(name).splitlines() if line[:4] == "    "
    ]
    assert max(map(len, meanings)) == 96


def test_the_overview_is_a_table() -> None:
    lines = overview().splitlines()
    assert lines[0].startswith("presets: pixelbeam build --schema NAME; ")
    assert "  string                 Text, stored as UTF-8." in lines
    assert lines[-1].startswith("clips, schema: ")
    assert lines[len(preset_names()) + 1] == ""


class Odd(BaseModel):
    """A model with limits that no setting has.

    Attributes:
        low: above.
        high: below,
            on two lines.
        both: between.
        items: several.
        anything: whatever | it is.
    """

    low: int = Field(default=1, ge=1)
    high: float = Field(default=2.5, le=9)
    both: int | None = Field(default=None, ge=1, le=9)
    items: list[str] | dict[str, int] = Field(default_factory=dict)
    anything: Any


def test_limits_may_be_on_either_side() -> None:
    assert settings(Odd) == [
        Setting("low", "integer, at least 1", "`1`", "Above."),
        Setting("high", "number, at most 9", "`2.5`", "Below, on two lines."),
        Setting("both", "integer 1 to 9", "", "Between."),
        Setting("items", "list of text or mapping", "", "Several."),
        Setting("anything", "any", "required", "Whatever | it is."),
    ]


def test_bars_do_not_end_a_cell_of_the_table() -> None:
    rows = _settings_table(settings(Odd)).splitlines()
    assert rows[-1] == r"| `anything` | any | required | Whatever \| it is. |"
