from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from pixelbeam.pipeline.commands import verify as verify_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import Fault, _compare, _equal, verify
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum, has_right_checksum
from pixelbeam.schemas.dataset.sink import CorruptShard, Sink
from pixelbeam.schemas.dataset.tfrecord import frame_record
from pixelbeam.schemas.errors import DatasetError, OptionError
from pixelbeam.schemas.features.base import Steps
from pixelbeam.schemas.plugins import naming
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.sinks.examples import serialize_example
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, contents, write_csv

SHARD = "train-00000-of-00002.tfrecord"
SCHEMA = IMAGE_SCHEMA.from_dict(
    {
        "features": {
            **{name: feature.model_dump() for name, feature in IMAGE_SCHEMA.features.items()},
            "age": {"type": "int64", "source": "age", "min": 0},
            "box": {"type": "float32", "source": "box", "shape": [4]},
        }
    }
)


@pytest.fixture(scope="module")
def built(images, tmp_path_factory) -> Path:
    """A folder with the datasets that tests copy."""
    folder = tmp_path_factory.mktemp("built")
    rows = [
        (f"{n:02d}.{'png' if n % 5 == 0 else 'jpg'}", "ab"[n % 2], n, "1 2 3 4") for n in range(20)
    ]
    rows += [("none.jpg", "a", 1, "1 2 3 4"), ("01.jpg", "a", -1, "1 2 3 4")]
    manifest = write_csv(images / "verify.csv", rows, ("path", "label", "age", "box"))
    options = {"splits": Splits((("train", 0.5), ("val", 0.5))), "max_rejects": MaxRejects(count=2)}
    shards = ShardSize(num_shards=2)
    build(
        BuildOptions(str(manifest), SCHEMA, str(folder / "dataset"), shard_size=shards, **options)
    )
    manifest, sinks = str(images / "images.csv"), ("tfrecord", "hdf5")
    build(BuildOptions(manifest, IMAGE_SCHEMA, str(folder / "twins"), sinks=sinks, **options))
    return folder


@pytest.fixture
def dataset(built, tmp_path) -> Path:
    """Two splits of two shards, and two rejects."""
    return Path(shutil.copytree(built / "dataset", tmp_path / "dataset"))


@pytest.fixture
def twins(built, tmp_path) -> Path:
    """Both formats from one pass."""
    return Path(shutil.copytree(built / "twins", tmp_path / "twins"))


def faults(folder: Path, quick: bool = False) -> list[str]:
    return [str(fault) for fault in verify(str(folder), quick).faults]


def republish(folder: Path, name: str, data: bytes) -> None:
    """Replaces a shard and makes ``dataset.json`` agree, so that only its content is at fault."""
    import hashlib

    (folder / name).write_bytes(data)
    info = json.loads((folder / "dataset.json").read_bytes())
    for split in info["splits"].values():
        for shard in split["shards"]:
            if shard["files"]["tfrecord"]["path"] == name:
                shard["files"]["tfrecord"] |= {
                    "bytes": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
    info["checksum"] = BLANK
    (folder / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))


def test_a_dataset_that_is_whole(dataset):
    verified = verify(str(dataset))
    assert (verified.faults, verified.files, verified.records) == ([], 16, 20)
    quick = verify(str(dataset), quick=True)
    assert (quick.faults, quick.files, quick.records) == ([], 16, 0)


def test_every_flipped_bit_is_found(dataset, tmp_path):
    """200 single-bit flips at random places over all published files."""
    chooser = random.Random(7)
    files = contents(dataset)
    sizes = {name: len(data) for name, data in files.items()}
    found = 0
    for _ in range(200):
        name = chooser.choices(list(sizes), list(sizes.values()))[0]
        place, bit = chooser.randrange(sizes[name]), chooser.randrange(8)
        flipped = bytearray(files[name])
        flipped[place] ^= 1 << bit
        (dataset / name).write_bytes(flipped)
        try:
            found += bool(verify(str(dataset)).faults)
        except DatasetError:
            found += 1
        (dataset / name).write_bytes(files[name])
    assert found == 200
    assert verify(str(dataset)).faults == []


@pytest.mark.parametrize("name", ["dataset.json", "feature_description.py", "rejects.jsonl", SHARD])
def test_a_flip_in_every_byte_of_a_file_is_found(dataset, name):
    data = (dataset / name).read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (dataset / name).write_bytes(flipped)
        assert _is_found(dataset, name), place


def _is_found(dataset, name) -> bool:
    try:
        return any(fault.startswith(f"{name}:") for fault in faults(dataset))
    except DatasetError as error:
        return name in str(error)


def test_faults_name_file_record_and_offset(dataset):
    data = bytearray((dataset / SHARD).read_bytes())
    length = int.from_bytes(data[:8], "little")
    second = 12 + length + 4
    data[second + 100] ^= 1
    (dataset / SHARD).write_bytes(data)
    assert faults(dataset) == [
        f"{SHARD}: record 1 at byte {second}: the checksum of a record's data is wrong",
        f"{SHARD}: the SHA-256 is wrong: the file is not as it was published",
    ]
    assert faults(dataset, quick=True) == []


def test_sizes_and_presence(dataset):
    data = (dataset / SHARD).read_bytes()
    (dataset / SHARD).write_bytes(data[:-1])
    assert faults(dataset, quick=True) == [
        f"{SHARD}: got {len(data) - 1} bytes, expected {len(data)}"
    ]
    assert f"{SHARD}: got {len(data) - 1} bytes, expected {len(data)}" in faults(dataset)
    assert any("the file ends inside a record" in fault for fault in faults(dataset))
    (dataset / SHARD).unlink()
    (dataset / "rejects.jsonl").unlink()
    assert faults(dataset) == [f"{SHARD}: missing", "rejects.jsonl: missing"]
    shutil.copy(dataset / "dataset.json", dataset / "train-00000-of-00009.tfrecord")
    assert (
        faults(dataset)[-1] == "train-00000-of-00009.tfrecord: dataset.json does not know this file"
    )


def record(**changes) -> dict:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (24, 32)).save(buffer, "JPEG")
    values = {
        "image": buffer.getvalue(),
        "label": np.array(0, np.int64),
        "age": np.array(1, np.int64),
        "box": np.zeros(4, np.float32),
        **changes,
    }
    return {key: value for key, value in values.items() if value is not None}


def test_records_are_checked_against_the_schema(dataset):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    png = io.BytesIO()
    Image.new("RGB", (24, 32)).save(png, "PNG")
    good = record()
    cases = [
        (good, []),
        (record(label=np.array(7, np.int64)), ["'label': got class 7, expected 0 to 1"]),
        (record(age=np.array(-1, np.int64)), ["'age': got -1, expected at least 0"]),
        (record(box=np.zeros(3, np.float32)), ["'box': got 3 values, expected 4"]),
        (record(age=np.zeros(1, np.float32)), ["'age': got float32, expected int64"]),
        (record(image=good["image"][:-80]), ["'image': "]),
        (
            record(image=buffer.getvalue()),
            ["'image': got 8x8 (width x height), expected 24x32 (width x height)"],
        ),
        (record(image=png.getvalue()), ["'image': got png, expected jpeg"]),
        (record(age=None), ["'age': missing"]),
        (record(more=b"x"), ["'more': got a value that the schema does not declare"]),
    ]
    offset, data, expected = 0, b"", []
    for number, (values, said) in enumerate(cases):
        expected += [f"{SHARD}: record {number} at byte {offset}: {text}" for text in said]
        data += b"".join(frame_record(serialize_example(values)))
        offset = len(data)
    republish(dataset, SHARD, data)
    found = faults(dataset)
    assert len(found) == len(expected) == len(cases) - 1
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(start)


def test_a_wrong_number_of_records_is_found(dataset):
    data = b"".join(frame_record(serialize_example(record())))
    republish(dataset, SHARD, data * 50)
    fault, of_index = faults(dataset)
    assert fault.startswith(f"{SHARD}: got 50 records, expected ")
    assert of_index.startswith("index/train-00000-of-00002.parquet: got rows for ")


def test_of_a_file_20_faults_are_said(dataset):
    data = b"".join(frame_record(serialize_example(record(age=None, label=None))))
    republish(dataset, SHARD, data * 11)
    found = faults(dataset)
    assert len(found) == 20
    assert found[-1].startswith(f"{SHARD}: record 9 at byte ")


def test_a_list_of_rejects_has_a_reject_in_each_line(dataset):
    path = dataset / "rejects.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\nnothing\n{second}\n[]\n")
    assert faults(dataset)[2:] == [
        "rejects.jsonl: line 2 is not a reject",
        "rejects.jsonl: line 4 is not a reject",
    ]
    path.write_text(f"{first}\n{first}\n")
    expected = "rejects.jsonl: the rejects differ from those that dataset.json counts"
    assert faults(dataset)[-1] == expected


def test_what_is_no_dataset_is_told_apart(tmp_path):
    (tmp_path / "file").write_text("")
    for name, got in (("file", "a file"), ("none", "nothing")):
        with pytest.raises(OptionError) as caught:
            verify(str(tmp_path / name))
        expected = f"{tmp_path / name}: got {got}, expected a dataset's directory"
        assert str(caught.value) == expected


def test_a_fault_says_where_it_is():
    assert str(Fault("a", "bad")) == "a: bad"
    assert str(Fault("a", "bad", 0, 0)) == "a: record 0 at byte 0: bad"
    assert str(Fault("a", "bad", 3)) == "a: record 3: bad"


NUMBERS = np.array([1, 2], np.int64)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (NUMBERS, NUMBERS.copy(), True),
        (NUMBERS, NUMBERS + 1, False),
        (NUMBERS, NUMBERS.view(np.float64), False),
        (np.array([np.nan], np.float32), np.array([np.nan], np.float32), True),
        (NUMBERS, [b"a"], False),
        ([b"a"], NUMBERS, False),
        ([b"a"], [b"a"], True),
        ([b"a"], [b"b"], False),
        ([b"a"], (b"a",), False),
        (Steps((NUMBERS,)), Steps((NUMBERS.copy(),)), True),
        (Steps((NUMBERS,)), Steps((NUMBERS, NUMBERS)), False),
        (Steps((NUMBERS, [b"a"])), Steps((NUMBERS, [b"b"])), False),
        (Steps(()), NUMBERS, False),
        (NUMBERS, Steps(()), False),
    ],
)
def test_when_values_are_the_same(left, right, equal):
    assert _equal(left, right) is equal


def test_what_records_of_two_formats_differ_in():
    left, right = {"a": [b"x"], "b": [b"x"], "d": [b"x"]}, {"b": [b"y"], "c": [b"x"], "d": [b"x"]}
    said = [f"'{key}': differs from the same record of f" for key in "abc"]
    assert list(_compare(left, right, "f")) == said


def test_the_books_are_checked(dataset):
    info = json.loads((dataset / "dataset.json").read_bytes())
    info["rows"] += 1
    info["rejects"]["by_reason"] = {"file_not_found": 1}
    info["checksum"] = BLANK
    (dataset / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))
    assert faults(dataset) == [
        "dataset.json: 23 rows, but 20 records and 2 rejects",
        "dataset.json: the rejects by reason do not add up to all rejects",
        "rejects.jsonl: the rejects differ from those that dataset.json counts",
    ]


def test_a_dataset_that_does_not_list_its_files_is_verified_as_well(dataset):
    info = json.loads((dataset / "dataset.json").read_bytes())
    statistics = info.pop("files")["statistics.jsonl"]
    assert statistics["kind"] == "statistics"
    info["checksum"] = BLANK
    (dataset / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))
    (dataset / "statistics.jsonl").unlink()
    shutil.rmtree(dataset / "index")  # as no dataset without the list has one
    verified = verify(str(dataset))
    assert (verified.faults, verified.files, verified.records) == ([], 7, 20)


def test_the_records_of_a_sink_that_is_not_installed_are_not_called_whole(dataset):
    info = json.loads((dataset / "dataset.json").read_bytes())
    for split in info["splits"].values():
        for shard in split["shards"]:
            shard["files"] = {"zarr": shard["files"]["tfrecord"]}
    info["checksum"] = BLANK
    (dataset / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))
    said = (
        "dataset.json: sink 'zarr' is not installed here, so what its files hold was not read; install the "
        "package that offers it"
    )
    assert faults(dataset) == [said]
    assert faults(dataset, quick=True) == []
    data = bytearray((dataset / SHARD).read_bytes())
    data[-1] ^= 1
    (dataset / SHARD).write_bytes(data)
    changed = f"{SHARD}: the SHA-256 is wrong: the file is not as it was published"
    assert faults(dataset) == [said, changed]


def test_the_command(dataset, capsys, tmp_path):
    assert main(["verify", str(dataset)]) == 0
    said = capsys.readouterr().out
    assert said == f"{dataset}: whole: 16 files and 20 records, every byte and record checked\n"
    (dataset / SHARD).unlink()
    assert main(["verify", "--quick", str(dataset)]) == 1
    said = capsys.readouterr().out
    assert said == (
        f"{SHARD}: missing\n{dataset}: 1 fault: 16 files, sizes and counts checked\n"
        f"`pixelbeam repair {dataset}` makes damaged files again\n"
    )
    (dataset / "val-00000-of-00009.tfrecord").touch()
    assert main(["verify", "--quick", str(dataset)]) == 1
    assert capsys.readouterr().out.endswith("makes damaged files again\n")
    assert main(["verify", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"pixelbeam: {tmp_path}: no dataset.json, so this is not a published dataset; if a build into it "
        "was interrupted, run the same `pixelbeam build` command again\n"
    )
    assert main(["verify", str(dataset), "--quik"]) == 2


def test_files_too_many_are_no_damage(dataset, capsys):
    (dataset / "val-00000-of-00009.tfrecord").touch()
    assert main(["verify", "--quick", str(dataset)]) == 1
    assert capsys.readouterr().out == (
        "val-00000-of-00009.tfrecord: dataset.json does not know this file\n"
        f"{dataset}: 1 fault: 16 files, sizes and counts checked\n"
        "nothing is damaged; what the dataset does not know may be deleted\n"
    )


def test_checksums_of_text():
    text = fill_checksum(f'{{"a": 1, "checksum": "{BLANK}"}}'.encode())
    assert has_right_checksum(text)
    assert not has_right_checksum(text.replace(b"1", b"2", 1))
    assert not has_right_checksum(b"{}")


def test_both_formats_are_read_and_agree(twins):
    verified = verify(str(twins))
    assert (verified.faults, verified.records) == ([], 40)  # each is one record, in two formats


def test_every_flipped_bit_in_hdf5_files_is_found(twins):
    chooser = random.Random(8)
    for name, data in contents(twins).items():
        if not name.endswith(".h5"):
            continue
        for _ in range(15):
            flipped = bytearray(data)
            flipped[chooser.randrange(len(data))] ^= 1 << chooser.randrange(8)
            (twins / name).write_bytes(flipped)
            assert any(fault.startswith(f"{name}") for fault in faults(twins))
        (twins / name).write_bytes(data)
    assert faults(twins) == []


def test_formats_that_differ_are_found(twins):
    import hashlib

    import h5py

    name = "train-00000-of-00001.h5"
    with h5py.File(twins / name, "r+") as file:
        file["label"][3] = (file["label"][3] + 1) % 3
    info = json.loads((twins / "dataset.json").read_bytes())
    file = info["splits"]["train"]["shards"][0]["files"]["hdf5"]
    file["sha256"] = hashlib.sha256((twins / name).read_bytes()).hexdigest()
    info["checksum"] = BLANK
    (twins / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))
    assert faults(twins) == [
        f"{name}: record 3: 'label': differs from the same record of train-00000-of-00001.tfrecord"
    ]


class _Torn(Sink):
    name, suffix = "torn", "torn"

    def open(self, path, schema):
        raise NotImplementedError

    def read(self, path, schema):
        yield 0, {}
        raise KeyError("crc")


def test_a_sink_of_a_package_that_breaks_is_a_fault_of_its_file(dataset, monkeypatch):
    info = json.loads((dataset / "dataset.json").read_bytes())
    for shard in info["splits"]["train"]["shards"]:
        shard["files"]["torn"] = shard["files"]["tfrecord"]
    info["checksum"] = BLANK
    (dataset / "dataset.json").write_bytes(fill_checksum(json.dumps(info).encode()))
    sinks = {**verify_module.installed_sinks(), "torn": _Torn()}
    monkeypatch.setattr(verify_module, "installed_sinks", lambda: sinks)
    what = "sink 'torn' of pixelbeam-torn 0.1"
    monkeypatch.setattr(
        verify_module, "naming_sink", lambda name: naming(what * (name == "torn"), CorruptShard)
    )
    (fault, *_) = [f for f in faults(dataset) if "torn" in f]
    assert fault == f"{SHARD}: record 1: {what}: KeyError: 'crc'"


def test_remarks_are_no_faults(dataset, monkeypatch, capsys):
    said = "pixelbeam-extras 2.0 is installed here, and the dataset was built with 1.0"
    monkeypatch.setattr(verify_module, "describe_changes", lambda info, schema: [said])
    verified = verify(str(dataset), quick=True)
    assert (verified.faults, verified.remarks) == ([], [said])
    assert main(["verify", "--quick", str(dataset)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"remark: {said}"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{")])
def test_without_dataset_json_the_repair_is_named_where_it_can_do_something(dataset, damage):
    damage(dataset / "dataset.json")
    hint = f"; `pixelbeam repair {dataset}` puts a copy of it in its place"
    with pytest.raises(DatasetError) as caught:
        verify(str(dataset))
    assert str(caught.value).startswith(f"{dataset}: ")
    assert str(caught.value).endswith(hint)
    (dataset / ".pixelbeam" / "command.json").write_text("{}")
    if not (dataset / "dataset.json").exists():  # the copy may be of what lay here before
        with pytest.raises(DatasetError) as caught:
            verify(str(dataset))
        assert "run the same `pixelbeam build` command again" in str(caught.value)
    shutil.rmtree(dataset / ".pixelbeam")
    with pytest.raises(DatasetError) as caught:
        verify(str(dataset))
    assert "repair" not in str(caught.value)
