"""Every manifest row ends as one record or one reject that names the row, the stage and the reason."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image
from pixelbeam.schemas import Schema
from support import dataset_json, make_image, rejects_of, write_csv

SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "path", "height": 16, "width": 16},
            "label": {"type": "class_label", "source": "label", "vocabulary": ["cat", "dog"]},
            "age": {"type": "int64", "source": "age", "min": 0, "max": 120},
            "score": {"type": "float32", "source": "score"},
            "box": {"type": "float32", "source": "box", "shape": [4]},
        }
    }
)


def bomb() -> bytes:
    """A PNG of 100 bytes that says it is 60,000 pixels a side."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_manifest_with_every_fault(tmp_path, build_images):
    make_image(tmp_path / "good.jpg", 1)
    data = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("this is no image")
    (tmp_path / "bomb.png").write_bytes(bomb())
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "other.ppm")
    (tmp_path / "folder.jpg").mkdir()
    box = "0 0 1 1"
    cases = [  # key, path, label, age, score, box → stage, reason, feature
        (("a", "good.jpg", "cat", "3", "0.5", box), None),
        (("b", "good.jpg", "dog", "120", "-1e9", "[1, 2, 3, 4]"), None),
        (("c", "none.jpg", "cat", "3", "0.5", box), ("load", "file_not_found", "image")),
        (("d", "folder.jpg", "cat", "3", "0.5", box), ("load", "not_a_file", "image")),
        (("e", "truncated.jpg", "cat", "3", "0.5", box), ("decode", "truncated_image", "image")),
        (("f", "empty.jpg", "cat", "3", "0.5", box), ("decode", "empty_file", "image")),
        (("g", "text.jpg", "cat", "3", "0.5", box), ("decode", "unknown_format", "image")),
        (("h", "bomb.png", "cat", "3", "0.5", box), ("decode", "decompression_bomb", "image")),
        (("i", "other.ppm", "cat", "3", "0.5", box), ("decode", "unknown_format", "image")),
        (("j", "", "cat", "3", "0.5", box), ("encode", "missing_value", "image")),
        (("k", "good.jpg", "cow", "3", "0.5", box), ("encode", "unknown_class", "label")),
        (("l", "good.jpg", "", "3", "0.5", box), ("encode", "missing_value", "label")),
        (("m", "good.jpg", "cat", "121", "0.5", box), ("encode", "out_of_range", "age")),
        (("n", "good.jpg", "cat", "old", "0.5", box), ("encode", "not_a_number", "age")),
        (("o", "good.jpg", "cat", "3", "nan", box), ("encode", "nan", "score")),
        (("p", "good.jpg", "cat", "3", "0.5", "1 2 3"), ("encode", "wrong_length", "box")),
        (("a", "good.jpg", "cat", "3", "0.5", box), ("join", "duplicate_key", "")),
        (("q", "good.jpg", None, "3", "0.5", box), ("join", "no_label", "")),
        (("", "good.jpg", "cat", "3", "0.5", box), ("join", "missing_value", "")),
    ]
    images = [(key, path, age, score, box) for (key, path, _, age, score, box), _ in cases]
    manifest = write_csv(tmp_path / "images.csv", images, ("id", "path", "age", "score", "box"))
    with manifest.open("ab") as file:
        file.write(b"too,few\n\xff\xfe,good.jpg,3,0.5,1 2 3 4\n")
    labels = [(key, label) for (key, _, label, *_), _ in cases if key and label is not None]
    labels = [*list(dict.fromkeys(labels)), ("nobody", "cat"), ("b", "dog")]
    write_csv(tmp_path / "labels.csv", labels, ("id", "label"))
    out = build_images(
        "dataset",
        schema=SCHEMA,
        manifest=str(manifest),
        labels=str(tmp_path / "labels.csv"),
        join_on="id",
    )
    expected = [
        ("images.csv", row, *fault) for row, (_, fault) in enumerate(cases, start=2) if fault
    ]
    end = len(cases) + 2
    expected += [
        ("images.csv", end, "read", "malformed_row", ""),
        ("images.csv", end + 1, "read", "not_utf8", ""),
    ]
    last = len(labels) + 1
    expected += [
        ("labels.csv", last - 1, "join", "no_image", ""),
        ("labels.csv", last, "join", "duplicate_key", ""),
    ]
    rejects = rejects_of(out)
    found = [(r["manifest"], r["row"], r["stage"], r["reason"], r["feature"]) for r in rejects]
    assert found == sorted(expected)
    assert all(reject["message"] and reject["key"] for reject in rejects)
    dataset = dataset_json(out)
    assert dataset["splits"]["train"]["num_records"] == 2
    assert dataset["rejects"]["count"] == len(expected)
    # Every image row, and the two rows of the label manifest that no image took its label from.
    assert dataset["rows"] == len(cases) + 2 + 2 == 2 + len(expected)


def test_rejects_are_a_manifest_for_a_second_try(tmp_path, build_images):
    rows = []
    for number in range(6):
        make_image(tmp_path / f"{number}.jpg", number)
        rows.append((f"{number}.jpg", "cat"))
    broken = (tmp_path / "3.jpg").read_bytes()
    (tmp_path / "3.jpg").write_bytes(broken[:-200])
    manifest = str(write_csv(tmp_path / "rows.csv", rows))
    out = build_images("first", manifest=manifest)
    assert [r["path"] for r in rejects_of(out)] == ["3.jpg"]
    (tmp_path / "3.jpg").write_bytes(broken)
    retry = build_images("second", manifest=str(out / "rejects.jsonl"), image_root=str(tmp_path))
    assert (dataset_json(retry)["rows"], dataset_json(retry)["rejects"]["count"]) == (1, 0)
