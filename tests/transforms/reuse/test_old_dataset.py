from __future__ import annotations

import json
import shutil

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import DatasetError, OptionError
from pixelbeam.schemas.features.image_index import INDEX_COLUMNS
from pixelbeam.transforms.reuse.old_dataset import OldShard, open_old_dataset
from pixelbeam.transforms.shards.library_versions import codec_versions
from pixelbeam.transforms.shards.plan_shards import ShardSize
from support import IMAGE_SCHEMA, make_image, write_csv


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Six images, one of them named by its full path, in a dataset of two shards."""
    folder = tmp_path_factory.mktemp("published")
    for number in range(6):
        make_image(folder / f"{number}.jpg", number)
    rows = [(f"{number}.jpg", "a") for number in range(5)] + [(str(folder / "5.jpg"), "b")]
    write_csv(folder / "m.csv", rows)
    size = ShardSize(num_shards=2)
    build(BuildOptions(str(folder / "m.csv"), IMAGE_SCHEMA, str(folder / "out"), shard_size=size))
    return folder


@pytest.fixture
def old(published, tmp_path):
    return shutil.copytree(published / "out", tmp_path / "old", copy_function=shutil.copy2)


def look(old, schema=IMAGE_SCHEMA, **codecs):
    return open_old_dataset(str(old), schema, codec_versions() | codecs)


def changed(**image) -> Schema:
    declared = IMAGE_SCHEMA.to_dict()["features"]
    return Schema.from_dict({"features": {**declared, "image": {**declared["image"], **image}}})


def test_what_there_is(old):
    found = look(old)
    names = [f"train-0000{n}-of-00002" for n in range(2)]
    indexes = [f"index/{name}.parquet" for name in names]
    hashes = json.loads((old / "dataset.json").read_text())["files"]
    assert (found.reason, found.features, found.num_records) == ("", ("image",), 6)
    assert found.shards == tuple(
        OldShard(name, "tfrecord", f"{name}.tfrecord", index, hashes[index]["sha256"])
        for name, index in zip(names, indexes, strict=True)
    )


def test_the_records_of_a_shard_and_what_was_noted_of_their_files(old, published):
    found = look(old)
    rows = []
    for shard in found.shards:
        ((name, table),) = found.read(shard)
        assert name == "image"
        rows += table.to_pylist()
    assert sorted(row["source"] for row in rows) == [f"{number}.jpg" for number in range(6)]
    for row in rows:
        path = published / row["source"]
        assert (row["root"], row["sink"], row["tag"]) == (str(published), "tfrecord", "")
        assert row["mtime_ns"] in (0, path.stat().st_mtime_ns)
        assert row["source_bytes"] == path.stat().st_size
        assert row["orientation"] == 1
        assert json.loads(row["statistics"])["count"] > 0


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_without_notes_nothing_is_known_of_files(old, content):
    for path in (old / ".pixelbeam" / "sources").iterdir():
        path.unlink() if content is None else path.write_text(content)
    found = look(old)
    for shard in found.shards:
        ((_, table),) = found.read(shard)
        assert {(r["root"], r["mtime_ns"]) for r in table.to_pylist()} == {("", 0)}


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_an_index_that_is_not_what_was_published_offers_nothing(old, damage):
    found = look(old)
    path = old / found.shards[0].index
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    if damage == "gone":
        path.unlink()
    assert list(found.read(found.shards[0])) == []
    assert len(list(found.read(found.shards[1]))) == 1


@pytest.mark.parametrize(
    "image",
    [{"source": "label"}, {"target": True}],
    ids=lambda i: next(iter(i)),
)
def test_settings_that_an_image_does_not_depend_on_may_differ(old, image):
    assert look(old, changed(**image)).features == ("image",)


@pytest.mark.parametrize(
    "image",
    [{"height": 9}, {"quality": 5}, {"strict": True}, {"filter": "box"}],
    ids=lambda i: next(iter(i)),
)
def test_settings_that_it_depends_on_may_not(old, image):
    found = look(old, changed(**image))
    assert (found.features, found.reason) == (
        (),
        "it has no image feature of the same name and settings",
    )


def test_versions_of_what_encodes_decide(old):
    before = codec_versions()
    found = look(old, pillow="9", zlib="1", pyarrow="0", **{"apache-beam": "1"})
    assert found.reason == (
        f"it was built with other versions: pillow {before['pillow']}, now 9, zlib {before['zlib']}, now 1"
    )
    assert look(old, pyarrow="0").reason == ""
    assert look(old, **{"new codec": "1"}).reason == (
        "it was built with other versions: new codec absent, now 1"
    )


def test_a_damaged_description_of_the_dataset_is_not_believed(old):
    text = (old / "dataset.json").read_text()
    (old / "dataset.json").write_text(text.replace('"rows": 6', '"rows": 7'))
    assert look(old).reason == "its dataset.json is damaged"
    (old / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=r"dataset\.json is not JSON"):
        look(old)
    (old / "dataset.json").unlink()
    for place in (old, old / "statistics.jsonl"):
        with pytest.raises(OptionError, match=r"--reuse: got .*, expected a published dataset"):
            look(place)


def test_files_whose_names_have_one_key_keep_their_own_notes(old):
    """Composed and decomposed letters, say: a note counts for the content that it was made of."""
    found = look(old)
    for shard in found.shards:
        path = old / ".pixelbeam" / "sources" / shard.name
        noted = json.loads(path.read_text())
        noted["mtime_ns"] = [5] * len(noted["paths"])
        others = {**noted, "sha256": ["0" * 64] * len(noted["paths"])}
        for said, time in ((noted, 5), (others, 0)):
            path.write_text(json.dumps(said))
            ((_, table),) = found.read(shard)
            assert {row["mtime_ns"] for row in table.to_pylist()} == {time}


def test_an_index_that_says_less_offers_nothing(old, monkeypatch):
    found = look(old)
    columns = {**INDEX_COLUMNS, "more": "int32"}
    monkeypatch.setattr(type(found.schema.features["image"]), "index_columns", columns)
    assert list(found.read(found.shards[0])) == []
