"""``pb.build``, ``pb.repair`` and ``pb.verify``: the commands, called with keywords."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from pixelbeam.pipeline import calls
from pixelbeam.pipeline.calls import build, find_ours, repair, verify
from pixelbeam.pipeline.command_line import run_command
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas.errors import (
    BuildError,
    DatasetError,
    ManifestError,
    OptionError,
    OutputError,
    SchemaError,
    TooManyRejects,
)
from rich.console import Console
from support import IMAGE_SCHEMA, contents, write_csv


def test_keywords_build_what_the_command_builds(images, tmp_path):
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    manifest, schema = images / "images.csv", tmp_path / "schema.yaml"
    command = (
        f"build --manifest {manifest} --schema {schema} --output {tmp_path / 'typed'} --seed -3 "
        "--splits train=0.75,val=0.25 --sinks tfrecord,hdf5 --num_shards 2 --max_rejects 0"
    )
    assert run_command(command.split(), verbose=False) == 0
    built = build(
        manifest,
        schema=IMAGE_SCHEMA,
        output=tmp_path / "called",
        splits={"train": 0.75, "val": np.float64(0.25)},
        sinks=["tfrecord", "hdf5"],
        num_shards=2,
        seed=-3,
        max_rejects=0,
        labels=None,
        overwrite=False,
    )
    assert contents(tmp_path / "called") == contents(tmp_path / "typed")
    assert built.state is OutputState.NEW
    assert {name: split.num_records for name, split in built.dataset.splits.items()} == {
        "train": 30,
        "val": 10,
    }
    again = build(
        manifest, schema=schema, output=str(tmp_path / "called"), splits="train=0.75,val=0.25",
        sinks="tfrecord,hdf5", num_shards=2, seed=-3, max_rejects=0, overwrite=True,
    )  # fmt: skip
    assert contents(tmp_path / "called") == contents(tmp_path / "typed")
    assert again.dataset == built.dataset


def test_several_manifests_and_beams_own_options(images, tmp_path):
    for name in ("a", "b"):
        write_csv(images / f"{name}.csv", [("00.png", "cat"), ("01.jpg", "dog")])
    manifest = {"train": images / "a.csv", "test": str(images / "b.csv")}
    built = build(
        manifest, schema=IMAGE_SCHEMA, output=tmp_path / "out", runner="FnApiRunner",
        direct_num_workers=1,
    )  # fmt: skip
    assert {name: split.num_records for name, split in built.dataset.splits.items()} == {
        "train": 2,
        "test": 2,
    }


def test_options_of_beam_may_be_given_as_an_object(images, tmp_path):
    given = PipelineOptions(["--runner=NoSuchRunner"])
    with pytest.raises(OptionError, match=r"^--runner: got 'NoSuchRunner', expected one of Beam's"):
        call(images, tmp_path, beam_options=given)
    message = r"^--runner=FnApiRunner: no option of pixelbeam's, and beam_options has Beam's$"
    with pytest.raises(OptionError, match=message):
        call(images, tmp_path, beam_options=given, runner="FnApiRunner", direct_num_workers=2)
    assert given.view_as(StandardOptions).runner == "NoSuchRunner"


def call(images, tmp_path, **options):
    settings = {"manifest": images / "images.csv", "schema": IMAGE_SCHEMA, **options}
    return build(output=tmp_path / "out", **settings)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"treads": 3}, OptionError, "--treads: no such option, neither of pixelbeam nor of Beam"),
        ({"seed": "x"}, OptionError, "--seed: got 'x', expected an integer; see"),
        ({"seed": True}, OptionError, "--seed: got nothing, expected a value; see"),
        ({"seed": {1}}, OptionError, "--seed: got {1}, expected text, a number, a list or a mapp"),
        ({"labels": b"a"}, OptionError, "--labels: got b'a', expected text, a number, a list or "),
        ({"splits": {"train": 0.5}}, OptionError, "--splits: got fractions that add up to 0.5, "),
        ({"overwrite": "yes"}, OptionError, "--overwrite: got 'yes', expected no value; see"),
        ({"schema": "clasification"}, SchemaError, "--schema: got 'clasification', expected a .y"),
        ({"manifest": "/none.csv"}, ManifestError, "/none.csv"),
        ({"max_rejects": 0, "image_root": "/etc"}, TooManyRejects, "40 of 40 rows were rejected, "),
    ],
)
def test_what_is_wrong_is_raised(options, error, message, images, tmp_path):
    with pytest.raises(error) as caught:
        call(images, tmp_path, **options)
    assert type(caught.value) is error
    assert str(caught.value).startswith(message)


def test_another_call_into_the_same_folder_is_refused(images, tmp_path):
    call(images, tmp_path)
    assert call(images, tmp_path).state is OutputState.PUBLISHED
    with pytest.raises(OutputError, match=r"another command: seed is 1, was 0\n"):
        call(images, tmp_path, seed=1)


def test_progress_goes_to_the_console(images, tmp_path):
    said = io.StringIO()
    call(images, tmp_path, console=Console(file=said, width=200), threads=1)
    assert said.getvalue().splitlines()[:4] == [
        f"building {tmp_path / 'out'}",
        f"  manifest  {images / 'images.csv'} (1 file)",
        "  features  image (image), label (class_label)",
        "  runner    local, 1 thread a task",
    ]


def test_verify(images, tmp_path):
    call(images, tmp_path)
    verified = verify(tmp_path / "out")
    assert (verified.records, verified.faults) == (40, [])
    (shard,) = (tmp_path / "out").glob("*.tfrecord")
    data = bytearray(shard.read_bytes())
    data[-20] ^= 1
    shard.write_bytes(data)
    assert {fault.file for fault in verify(str(tmp_path / "out")).faults} == {shard.name}
    assert verify(tmp_path / "out", quick=True).faults == []
    with pytest.raises(DatasetError, match=r"no dataset\.json, so this is not a published dataset"):
        verify(images)


def test_verify_asks_for_what_it_was_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "verify_dataset", lambda *given: given)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert verify(tmp_path) == (str(tmp_path), False, 7)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert verify("out", quick=True) == ("out", True, 1)


def test_keywords_become_the_arguments_of_the_command(tmp_path):
    given = {
        "labels": None, "overwrite": False, "verbose": True, "seed": -3, "threads": 0, "text": "a b",
        "sinks": ["tfrecord", "hdf5"], "empty": [], "splits": {"train": 0.5, "val": np.float64(0.5)},
        "output": tmp_path, "manifest": {"a": tmp_path, "b": "b.csv"}, "pair": (1, 2.5),
    }  # fmt: skip
    assert list(calls._arguments(given)) == [
        "--verbose", "--seed=-3", "--threads=0", "--text=a b", "--sinks=tfrecord,hdf5", "--empty=",
        "--splits=train=0.5,val=0.5", f"--output={tmp_path}", f"--manifest=a={tmp_path},b=b.csv",
        "--pair=1,2.5",
    ]  # fmt: skip


TOLD = """\
org.apache.flink.SomeError: it failed
pixelbeam.schemas.errors.BuildError: this worker has pillow 1, expected 2 [while running 'BuildShards']

Traceback (most recent call last):
"""


def test_an_error_of_ours_is_found_in_what_a_runner_says():
    found = find_ours(RuntimeError(TOLD))
    assert type(found) is BuildError
    assert str(found) == "this worker has pillow 1, expected 2"
    last = find_ours(RuntimeError(TOLD + TOLD.replace("BuildError: this", "ManifestError: that")))
    assert (type(last), str(last)) == (ManifestError, "that worker has pillow 1, expected 2")
    for name in ("annotations", "NoSuchError"):
        assert find_ours(RuntimeError(f"pixelbeam.schemas.errors.{name}: x")) is None
    assert find_ours(RuntimeError("pixelbeam.schemas.errors.Reject: no error for a user")) is None
    assert find_ours(RuntimeError("out of luck")) is None
    ours = find_ours(ManifestError("no rows [while running 'Read']"))
    assert (type(ours), str(ours)) == (ManifestError, "no rows")


@pytest.mark.parametrize(("text", "kind"), [(TOLD, BuildError), ("out of luck", RuntimeError)])
def test_a_runners_error_is_raised_as_ours_where_it_tells_of_one(
    text, kind, images, tmp_path, monkeypatch
):
    def fail(*_):
        raise RuntimeError(text)

    monkeypatch.setattr(calls, "build_dataset", fail)
    with pytest.raises(kind) as caught:
        call(images, tmp_path)
    assert kind is RuntimeError or str(caught.value.__cause__) == text


def test_a_schema_as_a_dict_is_told_how_to_become_one():
    with pytest.raises(
        OptionError, match=r"^--schema: got a dict, expected a Schema; Schema\.from_dict "
    ):
        build("a.csv", schema={"features": {}}, output="out")  # type: ignore[arg-type]


def test_a_dataset_is_repaired(images, tmp_path):
    out = tmp_path / "out"
    build(images / "images.csv", schema=IMAGE_SCHEMA, output=out, num_shards=2)
    before = contents(out)
    moved = shutil.copytree(images, tmp_path / "moved")
    shutil.rmtree(out / ".pixelbeam")
    (out / "train-00001-of-00002.tfrecord").unlink()
    repaired = repair(out, manifest=moved / "images.csv", image_root=None, runner="DirectRunner")
    assert (repaired.damage, repaired.shards) == (
        {"train-00001-of-00002.tfrecord": "missing"},
        ("train-00001-of-00002",),
    )
    assert contents(out) == before
    assert repair(out, beam_options=PipelineOptions([])).damage == {}
    with pytest.raises(OptionError, match=r"^--no_such: no such option"):
        repair(out, no_such=1)
    with pytest.raises(OptionError, match=r"^--runner=x: no option of pixelbeam's, and beam_"):
        repair(out, beam_options=PipelineOptions([]), runner="x")


def test_what_a_repair_accepts(images, tmp_path):
    out, folder = tmp_path / "out", shutil.copytree(images, tmp_path / "in")
    build(folder / "images.csv", schema=IMAGE_SCHEMA, output=out, num_shards=1)
    (folder / "01.jpg").unlink()
    (out / "train-00000-of-00001.tfrecord").unlink()
    with pytest.raises(BuildError, match="made again, 1 file is not as published"):
        repair(out)
    with pytest.raises(TooManyRejects):
        repair(out, accept=True, threads=1)
    assert repair(out, accept=True, max_rejects=1).built.dataset.rejects.count == 1
