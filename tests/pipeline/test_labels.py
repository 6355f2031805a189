"""Labels as users meet them: the same classes from every manifest format, and what is said of them."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, dataset_json, write_csv

SCHEMA = Schema.from_dict(
    {
        "features": {
            "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
            "text": {"type": "string", "source": "path"},
        }
    }
)
LABELS = [0.0, 10.0, 2.0, 11.0, 9.0, 2.0]


def write_labels(folder, name):
    path = folder / name
    if name.endswith(".csv"):
        spell = str if "float" in name else (lambda label: f"{label:.0f}")
        write_csv(path, [("a", spell(label)) for label in LABELS])
    elif name.endswith(".txt"):
        path.write_text("".join(f"a +{label:.0f}\n" for label in LABELS))
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps({"path": "a", "label": n}) + "\n" for n in LABELS))
    else:
        kind = pa.float64() if "float" in name else pa.binary() if "binary" in name else pa.int8()
        labels = [str(label).encode() for label in LABELS] if "binary" in name else LABELS
        table = {"path": ["a"] * len(LABELS), "label": pa.array(labels).cast(kind)}
        pq.write_table(pa.table(table), path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "floats.csv",
        "ints.csv",
        "m.txt",
        "m.jsonl",
        "floats.parquet",
        "ints.parquet",
        "binary.parquet",
    ],
)
def test_whole_numbers_are_the_same_classes_in_every_format(name, tmp_path):
    manifest = write_labels(tmp_path, name)
    build(BuildOptions(str(manifest), SCHEMA, str(tmp_path / "out")))
    dataset = dataset_json(tmp_path / "out")
    assert dataset["schema"]["features"]["label"]["vocabulary"] == ["0", "2", "9", "10", "11"]
    counts = dataset["splits"]["train"]["statistics"]["label"]["classes"]
    assert counts == {"0": 1, "1": 2, "2": 1, "3": 1, "4": 1}
    assert dataset["warnings"] == [
        "label: the class names are numbers, but not those of their classes: "
        "class 2 is 1, 9 is 2, 10 is 3, …; to keep them, declare num_classes: 12"
    ]


def test_a_dataset_does_not_depend_on_where_the_images_lie_nor_on_who_names_the_folder(
    images, tmp_path
):
    splits = Splits((("train", 0.6), ("val", 0.4)))
    shards = {}
    for name in ("relative", "absolute", "elsewhere"):
        folder = tmp_path / name
        shutil.copytree(images, folder)
        before = "" if name == "relative" else f"{folder}/"
        rows = [(f"{before}{n:02d}.jpg", "cat") for n in range(1, 20) if n % 5]
        write_csv(folder / "rows.csv", rows)
        out = tmp_path / f"{name}-out"
        build(BuildOptions(str(folder / "rows.csv"), IMAGE_SCHEMA, str(out), splits=splits))
        shards[name] = {path.name: path.read_bytes() for path in out.glob("*.tfrecord")}
        assert dataset_json(out)["rejects"]["count"] == 0
    assert shards["relative"] == shards["absolute"] == shards["elsewhere"]


def test_one_image_never_stands_in_two_splits_and_its_contradictions_are_said(images, tmp_path):
    names = [f"{n:02d}.jpg" for n in range(1, 40) if n % 5]
    folder = tmp_path / "images"
    spellings = ("{}", "./{}", "a/..//{}", ".\\{}", f"{folder}/{{}}", "../images/{}")
    rows = [(s.format(name), "cat") for name in names for s in spellings]
    rows += [(f"./{names[0]}", "dog"), (names[1], "dog"), (names[1], "newt")]
    shutil.copytree(images, folder)
    (folder / "a").mkdir()
    write_csv(folder / "rows.csv", rows)
    splits = Splits((("train", 0.6), ("val", 0.4)))
    out = tmp_path / "out"
    build(BuildOptions(str(folder / "rows.csv"), IMAGE_SCHEMA, str(out), splits=splits))
    dataset = dataset_json(out)
    assert (dataset["rows"], dataset["rejects"]["count"]) == (len(rows), 0)
    assert dataset["warnings"] == [
        "2 images have rows with different labels, such as rows.csv:7 ('cat') and "
        f"rows.csv:{len(rows) - 1} ('dog')"
    ]
    images_of = {}
    for split in ("train", "val"):
        records = tf.data.TFRecordDataset(sorted(map(str, out.glob(f"{split}-*.tfrecord"))))
        parse = {"image": tf.io.FixedLenFeature([], tf.string)}
        images_of[split] = {tf.io.parse_single_example(r, parse)["image"].numpy() for r in records}
        assert dataset["splits"][split]["num_records"] >= 6 * len(images_of[split])
    assert not images_of["train"] & images_of["val"]
    assert len(images_of["train"] | images_of["val"]) == len(names)
