"""One row in, one record out; here, of features that belong to others."""

import hashlib
import io
import json
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from clips import clip_schema, png
from owned_kinds import PointIds, Points
from PIL import Image as Pillow
from pixelbeam.schemas import Image, Int64, Schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Encoded
from pixelbeam.transforms.path_keys import PathRoot
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RejectedRow, RowFormat
from pixelbeam.transforms.shards import encode_rows
from pixelbeam.transforms.shards.encode_rows import EncodedRow, RowEncoder
from pixelbeam.transforms.storage.input_files import InputFiles


def encode(schema, folder, **cells):
    row_format = RowFormat(tuple(cells), None)
    encoder = RowEncoder(schema, row_format, InputFiles(str(folder)), ("tfrecord", "hdf5"))
    return encoder.encode(ManifestRow("m.jsonl", 1, tuple(cells.values())), {})


def test_features_are_given_what_their_owner_became(tmp_path):
    exif = Pillow.Exif()
    exif[274] = 6  # displayed, the image is 60 wide and 100 high
    Pillow.new("RGB", (100, 60)).save(tmp_path / "a.jpg", exif=exif)
    schema = Schema(
        features={
            "names": PointIds(source="names", of="points"),
            "points": Points(source="points", of="image"),
            "n": Int64(source="n"),
            "image": Image(source="path", height=30, width=30),
        }
    )
    cells = {
        "path": "a.jpg",
        "n": 5,
        "points": [[0, 0], [0, 20], [60, 80], [30, 50]],
        "names": [1, 2, 3, 4],
    }
    encoded = encode(schema, tmp_path, **cells)
    assert isinstance(encoded, EncodedRow)
    # The square from 20 to 80 is what the crop leaves, scaled by a half.
    np.testing.assert_array_equal(encoded.values["points"], [[0, 0], [30, 30], [15, 15]])
    np.testing.assert_array_equal(encoded.values["names"], [2, 3, 4])
    assert sorted(encoded.values) == ["image", "n", "names", "points"]
    assert list(encoded.summaries) == ["names", "points", "n", "image"]
    assert encoded.summaries["points"] == {"count": 3}


def test_a_reject_of_the_owner_is_the_rows(tmp_path):
    schema = Schema(
        features={
            "points": Points(source="points", of="image"),
            "image": Image(source="path", height=30, width=30),
        }
    )
    rejected = encode(schema, tmp_path, path="gone.jpg", points=[])
    assert (rejected.reject.feature, rejected.reject.reason) == ("image", "file_not_found")


class Doubled(Int64):
    """Encodes another shape than it declares."""

    type: Literal["doubled"] = "doubled"

    def encode(self, name, value):
        return Encoded({name: np.array([value, value], np.int64)})


def test_a_kind_that_breaks_its_word_fails_the_row_that_it_was_given(tmp_path):
    schema = Schema(features={"n": Doubled(source="n")})
    with pytest.raises(RuntimeError) as caught:
        encode(schema, tmp_path, n=3)
    assert str(caught.value).endswith(
        "TypeError: n: type doubled encoded 'n' as int64 [2], but its specs declare int64 []"
    )


class Broken(Int64):
    """Has a bug."""

    type: Literal["broken"] = "broken"

    def encode(self, name, value):
        raise ZeroDivisionError("division by zero")


def test_a_kind_that_breaks_is_named_with_its_feature(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        encode(Schema(features={"n": Broken(source="n")}), tmp_path, n=3)
    assert str(caught.value).endswith(": feature 'n' (broken): ZeroDivisionError: division by zero")


def indexed(schema, folder, cells, inline=None, **settings):
    row_format = RowFormat(tuple(cells), "path", key_is_path=True, **settings)
    encoder = RowEncoder(schema, row_format, InputFiles(str(folder)), index=True)
    row = ManifestRow("m.csv", 7, tuple(cells.values()))
    return encoder.encode(row, inline or {}), encoder, row


IMAGE = {"image": Image(source="path", height=4, width=4), "n": Int64(source="n")}


def test_what_the_index_says_is_found_out_where_there_is_one(tmp_path):
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    encoded, encoder, row = indexed(Schema(features=IMAGE), tmp_path, {"path": "./a.png", "n": 1})
    assert encoded.name == ("a.png", "m.csv", 7)
    assert encoded.indexed["n"] == {}
    assert encoded.indexed["image"] == {
        "source": "./a.png",
        "source_bytes": len(data),
        "source_sha256": hashlib.sha256(data).hexdigest(),
        "source_width": 8,
        "source_height": 8,
        "orientation": 1,
        "width": 4,
        "height": 4,
        "dhash": 0,
        "statistics": json.dumps(encoded.summaries["image"], separators=(",", ":")),
    }
    assert replace(encoder, index=False).encode(row, {}).indexed == {}


def test_bytes_in_a_manifest_have_the_path_beside_them(tmp_path):
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(buffer, "PNG")
    for path, source in (("b/a.png", "b/a.png"), ("", None)):
        cells = {"path": InlineBytes(0, 0, 0, path), "n": 1}
        inline = {"path": buffer.getvalue()}
        encoded, _, _ = indexed(Schema(features=IMAGE), tmp_path, cells, inline)
        assert encoded.indexed["image"]["source"] == source
        assert encoded.indexed["image"]["source_bytes"] == len(buffer.getvalue())


def test_paths_into_the_root_are_relative_in_the_index_those_of_steps_too(tmp_path):
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png")
    roots = {"": PathRoot.find(str(tmp_path))}
    full = str(tmp_path / "a.png")
    cells = {"path": full, "n": 1}
    encoded, _, _ = indexed(Schema(features=IMAGE), tmp_path, cells, roots=roots)
    assert encoded.indexed["image"]["source"] == "a.png"
    clips = Schema.from_dict(
        {
            "record": "sequence_example",
            "context": {"n": {"type": "int64", "source": "n"}},
            "steps": {"frames": {"type": "image", "source": "path", "height": 4, "width": 4}},
        }
    )
    cells = {"path": [full, "a.png"], "n": 1}
    encoded, _, _ = indexed(clips, tmp_path, cells, roots=roots)
    assert encoded.indexed["frames"]["source"] == ["a.png", "a.png"]
    assert encoded.indexed["frames"]["width"] == [4, 4]
    assert encoded.indexed["n"] == {}


def test_what_a_format_cannot_hold_is_a_reject_of_the_row(tmp_path, monkeypatch):
    asked = []

    class Sink:
        def __init__(self, name):
            self.name = name

        def check_record(self, values, schema):
            asked.append((self.name, sorted(values)))
            if self.name == "hdf5":
                raise Reject("encode", "too_long", "got much, expected less")

    monkeypatch.setattr(encode_rows, "find_sink", Sink)
    rejected = encode(Schema(features={"n": Int64(source="n")}), tmp_path, n=5)
    assert asked == [("tfrecord", ["n"]), ("hdf5", ["n"])]
    assert isinstance(rejected, RejectedRow)
    assert rejected.reject == Reject("encode", "too_long", "got much, expected less")


def test_a_frame_that_is_dropped_is_one_frame(tmp_path):
    paths = [f"{number}.png" for number in range(4)]
    for number, name in enumerate(paths):
        (tmp_path / name).write_bytes(png(0, number) if number != 2 else b"no image")
    schema = clip_schema(key="video", order="frame", on_bad_frame="drop")
    encoded = encode(schema, tmp_path, path=paths, video="v", frame=list("0123"), label="a")
    assert isinstance(encoded, EncodedRow)
    (dropped,) = encoded.dropped
    assert (dropped.reject.path, dropped.reject.reason) == ("2.png", "unknown_format")
    assert dropped.counts == (("frames", 1),)
    assert dropped.values == ()
