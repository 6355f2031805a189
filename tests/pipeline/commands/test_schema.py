"""``pixelbeam schema`` on the command line."""

import json

import pytest
from pixelbeam.pipeline.main import main
from pixelbeam.schemas.description.reference import describe, json_schema, overview
from pixelbeam.schemas.schema_files import preset_text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], overview()),
        (["image_classification"], preset_text("image_classification").rstrip("\n")),
        (["image"], describe("image")),
        (["clips"], describe("clips")),
    ],
    ids=["nothing", "preset", "kind", "clips"],
)
def test_what_is_printed(capsys, arguments, expected):
    assert main(["schema", *arguments]) == 0
    assert capsys.readouterr().out == f"{expected}\n"


def test_json_for_editors(capsys):
    assert main(["schema", "--json"]) == 0
    assert capsys.readouterr().out == json.dumps(json_schema(), indent=2) + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["picture"], "pixelbeam: schema: got 'picture', expected one of audio_visual, "),
        (
            ["image", "--json"],
            "pixelbeam: --json: got it beside 'image', expected one of the two\n",
        ),
        (["--colour"], "pixelbeam: --colour: no such option; see pixelbeam schema --help\n"),
        (["--colour", "--size"], "pixelbeam: --colour: no such option"),
        (["--jso"], "pixelbeam: --jso: no such option"),
    ],
)
def test_bad_usage(capsys, arguments, said):
    assert main(["schema", *arguments]) == 2
    assert capsys.readouterr().err.startswith(said)
