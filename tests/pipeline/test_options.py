from __future__ import annotations

import copy
import pickle

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions
from pixelbeam.pipeline.options import (
    BeamOptions,
    BuildOptions,
    MaxRejects,
    add_build_options,
    new_parser,
    parse_beam_options,
    parse_build_options,
    parse_size,
)
from pixelbeam.schemas import load_schema
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits

REQUIRED = ["--manifest", "m.csv", "--schema", "image_classification", "--output", "out"]


def parse(*flags: str) -> BuildOptions:
    parser = new_parser(prog="pixelbeam build")
    add_build_options(parser)
    return parse_build_options(parser.parse_args([*REQUIRED, *flags]))


def test_defaults():
    assert parse() == BuildOptions(
        manifest="m.csv",
        schema=load_schema("image_classification"),
        output="out",
        sinks=("tfrecord",),
        splits=Splits((("train", 1.0),)),
        shard_size=ShardSize(shard_bytes=128_000_000),
        seed=0,
        threads=0,
        max_rejects=MaxRejects(fraction=0.01),
    )


def test_every_option():
    flags = "--labels l.csv --join_on id --image_root r --splits a=0.5,b=0.5 --group_by who --num_shards 4"
    flags += " --seed 9 --threads 3 --max_rejects 7 --overwrite --verbose --sinks tfrecord"
    assert parse(*flags.split()) == BuildOptions(
        manifest="m.csv",
        schema=load_schema("image_classification"),
        output="out",
        labels="l.csv",
        join_on="id",
        image_root="r",
        splits=Splits((("a", 0.5), ("b", 0.5)), group_by="who"),
        shard_size=ShardSize(num_shards=4),
        seed=9,
        threads=3,
        max_rejects=MaxRejects(count=7, fraction=None),
        overwrite=True,
        verbose=True,
    )


def test_the_columns_are_those_that_the_options_name():
    assert parse().columns() == ("label", "path")
    assert parse("--labels", "l.csv", "--join_on", "id", "--group_by", "who").columns() == (
        "id",
        "label",
        "path",
        "who",
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num_shards", "0"], "--num_shards: got 0, expected 1 or more"),
        (
            ["--num_shards", "2", "--shard_size", "1MB"],
            "--num_shards, --records_per_shard, --shard_size: got 2 of them, expected one",
        ),
        (
            ["--num_shards", "x"],
            "--num_shards: got 'x', expected an integer; see pixelbeam build --help",
        ),
        (
            ["--shard_size", "12 apples"],
            "--shard_size: got '12 apples', expected a size like 128MB",
        ),
        (
            ["--max_rejects", "-1"],
            "--max_rejects: got '-1', expected a count like 20 or a fraction like 0.01",
        ),
        (
            ["--max_rejects", "many"],
            "--max_rejects: got 'many', expected a count like 20 or a fraction like 0.01",
        ),
        (
            ["--max_rejects=1.5"],
            "--max_rejects: got '1.5', expected a count like 20 or a fraction like 0.01",
        ),
        (["--threads=-1"], "--threads: got -1, expected 1 or more (0: chosen by runner)"),
        (["--labels", "l.csv"], "--labels: got it alone, expected --join_on beside it"),
        (["--join_on", "id"], "--join_on: got it alone, expected --labels beside it"),
        (
            ["--split_column", "s", "--splits", "a=1"],
            "--split_column: got it beside --splits, expected one of the two",
        ),
        (
            ["--split_column", "s", "--group_by", "g"],
            "--group_by: got it beside --split_column, expected one of the two",
        ),
        (["--sinks", "zarr"], "--sinks: got 'zarr', expected one of "),
    ],
)
def test_bad_options(flags, message):
    with pytest.raises(OptionError) as error:
        parse(*flags)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("128MB", 128_000_000), ("1.5GiB", 3 << 29), ("10", 10), ("7kb", 7000), ("1 KiB", 1024),
        (" 2 MiB ", 2 << 20), ("3GB", 3_000_000_000), ("0.5KB", 500), ("8589934591GiB", 8589934591 << 30),
    ],
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["8589934593GiB", "-1", "1.MB", "MB", "1TB", "1e3", "1 2"])
def test_what_is_no_size(text):
    with pytest.raises(OptionError) as caught:
        parse_size(text)
    assert str(caught.value) == f"--shard_size: got {text!r}, expected a size like 128MB"


def made(**options):
    schema = load_schema("image_classification")
    return BuildOptions(**{"manifest": "m.csv", "schema": schema, "output": "out", **options})


def test_defaults_are_those_of_the_command():
    assert made() == parse()
    assert made().shard_size == ShardSize(shard_bytes=128_000_000)
    assert (made().row_timeout, made().seed, made().threads) == (60.0, 0, 0)
    assert (made().overwrite, made().verbose, made().allow_outside) == (False, False, False)
    assert MaxRejects() == MaxRejects(None, 0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({name: " "}, f"--{name}: got ' ', expected a name; is a variable of the shell not set?")
          for name in ("manifest", "output", "labels", "join_on", "image_root")),
        ({"seed": True}, "--seed: got True, expected an integer"),
        ({"seed": "1"}, "--seed: got '1', expected an integer"),
        ({"row_timeout": 0}, "--row_timeout: got 0, expected more than 0 seconds"),
        ({"row_timeout": -0.5}, "--row_timeout: got -0.5, expected more than 0 seconds"),
        ({"row_timeout": float("nan")}, "--row_timeout: got nan, expected more than 0 seconds"),
        ({"check_sources": "time"}, "--check_sources: got 'time', expected one of stat, content"),
        ({"threads": -1}, "--threads: got -1, expected 1 or more (0: chosen by runner)"),
    ],
)  # fmt: skip
def test_values_that_options_cannot_have(options, message):
    with pytest.raises(OptionError) as caught:
        made(**options)
    assert str(caught.value) == message


def test_values_that_options_just_can_have():
    options = made(row_timeout=0.5, threads=1, seed=-3, check_sources="content")
    assert (options.row_timeout, options.threads, options.seed) == (0.5, 1, -3)
    options = made(row_timeout=float("inf"), labels="l.csv", join_on="path", image_root="r")
    assert options.columns() == ("label", "path")


@pytest.mark.parametrize("lacking", ["--manifest", "--schema", "--output"])
def test_options_without_which_there_is_no_build(lacking):
    parser = new_parser(prog="pixelbeam build")
    add_build_options(parser)
    at = REQUIRED.index(lacking)
    with pytest.raises(OptionError) as caught:
        parser.parse_args(REQUIRED[:at] + REQUIRED[at + 2 :])
    expected = f"{lacking}: missing; see pixelbeam build --help"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        ("--num_shards=3", ShardSize(num_shards=3)),
        ("--records_per_shard=7", ShardSize(records_per_shard=7)),
        ("--shard_size=2KB", ShardSize(shard_bytes=2000)),
    ],
)
def test_the_size_of_shards(flags, size):
    assert parse(flags).shard_size == size


def test_a_schema_may_be_one_already():
    schema = load_schema("image_classification")
    parser = new_parser(prog="pixelbeam build")
    add_build_options(parser)
    arguments = parser.parse_args(REQUIRED)
    arguments.schema = schema
    assert parse_build_options(arguments).schema is schema


def test_options_by_their_column():
    assert parse("--split_column", "fold").splits == Splits(column="fold")
    assert parse("--row_timeout=2.5", "--allow_outside").row_timeout == 2.5
    assert parse("--sinks", "tfrecord, hdf5").sinks == ("tfrecord", "hdf5")


def test_max_rejects():
    assert MaxRejects.parse("0.1").allows(10, 100)
    assert not MaxRejects.parse("0.1").allows(11, 100)
    assert MaxRejects.parse("3").allows(3, 3)
    assert not MaxRejects.parse("3").allows(4, 10**9)
    assert not MaxRejects.parse("0").allows(1, 10**9)
    assert MaxRejects.parse("0").allows(0, 10**9)
    assert [MaxRejects.parse(text).fraction for text in ("0.0", "1.0")] == [0.0, 1.0]
    assert not MaxRejects.parse("0.0").allows(1, 100)
    assert MaxRejects.parse("1.0").allows(100, 100)
    for text in ("-0.5", "1.001", "nan", "-3"):
        with pytest.raises(OptionError):
            MaxRejects.parse(text)
    assert [str(MaxRejects.parse(text)) for text in ("3", "0.50")] == ["3", "0.5"]


def test_views_of_beams_options_are_made_once_and_share_values_but_with_copies():
    options = BeamOptions(["--direct_num_workers=2"])
    view = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is view
    copied = copy.deepcopy(options)
    view.direct_num_workers = 3
    assert options.view_as(StandardOptions).view_as(DirectOptions).direct_num_workers == 3
    assert options.get_all_options()["direct_num_workers"] == 3
    assert copied.view_as(DirectOptions).direct_num_workers == 2
    copied.view_as(DirectOptions).direct_num_workers = 4
    assert view.direct_num_workers == 3
    assert pickle.loads(pickle.dumps(options)).view_as(DirectOptions).direct_num_workers == 3


def test_beam_options_pass_and_unknown_ones_do_not():
    options = parse_beam_options(
        ["--direct_num_workers=2", "--direct_running_mode", "multi_processing"]
    )
    assert options.view_as(DirectOptions).direct_num_workers == 2
    for flags in (["--treads=2"], ["--direct_num_workers", "2", "--treads", "2"]):
        with pytest.raises(
            OptionError, match=r"^--treads: no such option, neither of pixelbeam nor of Beam"
        ):
            parse_beam_options(flags)
    named = (
        "^--treads: no such option, neither of pixelbeam nor of Beam; see pixelbeam build --help$"
    )
    with pytest.raises(OptionError, match=named):
        parse_beam_options(["--treads=2", "--shreds=3"])
    with pytest.raises(OptionError, match=r"^--direct_num_workers: got 'x', expected an integer$"):
        parse_beam_options(["--direct_num_workers=x"])
