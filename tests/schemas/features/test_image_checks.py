from __future__ import annotations

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import SchemaError

FIXED = {"height": 4, "width": 5}
KEPT = {"resize": "none"}


def check(settings: dict) -> None:
    Schema.from_dict({"features": {"i": {"type": "image", "source": "p", **settings}}})


@pytest.mark.parametrize(
    "settings",
    [
        {**FIXED, "resize": "crop"},
        {**FIXED, "resize": "pad"},
        {**FIXED, "resize": "stretch"},
        {**FIXED, "max_pixels": 20},
        KEPT,
        {**KEPT, **FIXED, "max_pixels": 20},
        {"resize": "shortest_side", "size": 4, "max_pixels": 16},
        {"resize": "longest_side", "size": 4, "max_pixels": 4},
        {"resize": "shortest_side", "height": 4, "width": 4},
        {"resize": "longest_side", "height": 4},
        {"resize": "longest_side", "size": 65500, "encoding": "jpeg"},
        {"resize": "longest_side", "size": 16383, "encoding": "webp"},
        {"resize": "longest_side", "size": 65501, "encoding": "png"},
        {"height": 65500, "width": 1, "encoding": "jpeg"},
        {**KEPT, "encoding": "jpeg", "channels": 1},
        {**KEPT, "encoding": "webp", "channels": 4},
        {**KEPT, "encoding": "webp", "channels": 3, "lossless": True},
        {**KEPT, "encoding": "webp", "quality": 50},
        {**KEPT, "encoding": "png", "channels": 1},
        {**KEPT, "encoding": "raw", "channels": 4},
        {**KEPT, "encoding": "jpeg", "subsampling": "4:2:0", "quality": 90},
        {**KEPT, "encoding": "png", "dtype": "uint16", "channels": 1},
        {**KEPT, "encoding": "raw", "dtype": "uint16", "channels": 1, "colour": "as_is"},
        {**KEPT, "encoding": "png", "reencode": False},
        {**FIXED, "default": "black", "background": "white"},
        {**KEPT, **FIXED, "default": "black"},
    ],
)
def test_settings_that_go_together(settings):
    check(settings)


LOSES_NOTHING = "which loses nothing, expected none"
FOR_ALL = " for every image, expected at most max_pixels"
OR_KEPT = "(resize: none keeps each image's size)"
IN_COLOUR = "expected it with jpeg in colour only"
DEEP = "expected encoding png or raw and channels 1"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {**FIXED, "size": 4, "resize": "crop"},
            "size: got 4 with resize crop, expected height and width instead",
        ),
        (
            {"width": 5, "resize": "pad"},
            f"height: missing, expected pixels with resize pad {OR_KEPT}",
        ),
        (
            {"height": 5, "resize": "stretch"},
            f"width: missing, expected pixels with resize stretch {OR_KEPT}",
        ),
        (
            {**FIXED, "max_pixels": 19},
            f"height: got 5x4 (width x height) pixels{FOR_ALL}, 19, in all",
        ),
        (
            {"height": 65501, "width": 1, "encoding": "jpeg"},
            "height: got 65501, expected at most 65500 with encoding jpeg",
        ),
        (
            {"height": 1, "width": 16384, "encoding": "webp"},
            "width: got 16384, expected at most 16383 with encoding webp",
        ),
        (
            {**KEPT, "size": 4},
            "size: got 4 with resize none, expected none",
        ),
        (
            {**KEPT, "upscale": True},
            "upscale: got true with resize none, expected false",
        ),
        (
            {**KEPT, "height": 4},
            "width: missing, expected both height and width, or neither",
        ),
        (
            {**KEPT, "width": 4},
            "height: missing, expected both height and width, or neither",
        ),
        (
            {**KEPT, **FIXED, "max_pixels": 19},
            f"height: got 5x4 (width x height) pixels{FOR_ALL}, 19, in all",
        ),
        (
            {"resize": "longest_side"},
            "size: missing, expected one number with resize longest_side",
        ),
        (
            {"resize": "shortest_side", "size": 9, "width": 4},
            "size: got 4, 9, expected one number with resize shortest_side",
        ),
        (
            {"resize": "longest_side", "size": 65501, "encoding": "jpeg"},
            "size: got 65501, expected at most 65500 with encoding jpeg",
        ),
        (
            {"resize": "shortest_side", "size": 4, "max_pixels": 15},
            f"size: got 4x4 (width x height) pixels{FOR_ALL}, 15, in all",
        ),
        (
            {"resize": "longest_side", "size": 4, "max_pixels": 3},
            f"size: got 4x1 (width x height) pixels{FOR_ALL}, 3, in all",
        ),
        (
            {**KEPT, "encoding": "jpeg", "channels": 4},
            "encoding: got 'jpeg' with channels 4, expected png, webp or raw",
        ),
        (
            {**KEPT, "encoding": "webp", "channels": 1},
            "encoding: got 'webp' with channels 1, expected jpeg, png or raw",
        ),
        (
            {**KEPT, "encoding": "png", "lossless": True},
            "lossless: got true with encoding png, expected it with webp only",
        ),
        (
            {**KEPT, "encoding": "png", "quality": 5},
            f"quality: got 5 with encoding png, {LOSES_NOTHING}",
        ),
        (
            {**KEPT, "encoding": "raw", "quality": 5},
            f"quality: got 5 with encoding raw, {LOSES_NOTHING}",
        ),
        (
            {**KEPT, "encoding": "webp", "lossless": True, "quality": 5},
            f"quality: got 5 with encoding webp, {LOSES_NOTHING}",
        ),
        (
            {**KEPT, "encoding": "png", "subsampling": "4:2:0"},
            f"subsampling: got '4:2:0' with encoding png and channels 3, {IN_COLOUR}",
        ),
        (
            {**KEPT, "encoding": "jpeg", "channels": 1, "subsampling": "4:4:4"},
            f"subsampling: got '4:4:4' with encoding jpeg and channels 1, {IN_COLOUR}",
        ),
        (
            {**KEPT, "encoding": "raw", "reencode": False},
            "reencode: got false with encoding raw, expected an image format",
        ),
        (
            {**KEPT, "encoding": "png", "dtype": "uint16"},
            f"dtype: got 'uint16' with encoding png and channels 3, {DEEP}",
        ),
        (
            {**KEPT, "encoding": "jpeg", "dtype": "uint16", "channels": 1},
            f"dtype: got 'uint16' with encoding jpeg and channels 1, {DEEP}",
        ),
        (
            {**KEPT, "encoding": "png", "dtype": "uint16", "channels": 1, "colour": "srgb"},
            "colour: got 'srgb' with dtype uint16, which is not converted, expected as_is",
        ),
        (
            {**KEPT, "default": "black"},
            "default: got 'black' without a fixed size, expected height and width",
        ),
    ],
)
def test_settings_that_contradict_each_other(settings, said):
    with pytest.raises(SchemaError) as caught:
        check(settings)
    assert str(caught.value) == f"features.i.{said}"


@pytest.mark.parametrize("setting", ["background", "default"])
def test_colours_are_colours(setting):
    with pytest.raises(SchemaError) as caught:
        check({**FIXED, setting: "blackish"})
    assert str(caught.value).startswith(f"features.i.{setting}: got 'blackish', expected ")
