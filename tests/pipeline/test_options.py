from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from pixelbeam.pipeline.commands.build import choose_threads
from pixelbeam.pipeline.options import (
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
            "argument --num_shards: invalid int value: 'x'; see pixelbeam build --help",
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
    [("128MB", 128_000_000), ("1.5GiB", 3 << 29), ("10", 10), ("7kb", 7000), ("1 KiB", 1024)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


def test_max_rejects():
    assert MaxRejects.parse("0.1").allows(10, 100)
    assert not MaxRejects.parse("0.1").allows(11, 100)
    assert MaxRejects.parse("3").allows(3, 3)
    assert not MaxRejects.parse("0").allows(1, 10**9)
    assert [str(MaxRejects.parse(text)) for text in ("3", "0.50")] == ["3", "0.5"]


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
    with pytest.raises(OptionError, match="invalid int value"):
        parse_beam_options(["--direct_num_workers=x"])


def test_threads_by_runner(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)

    def threads(*flags, local=True, **options):
        chosen = BuildOptions("m.csv", load_schema("image_classification"), "out", **options)
        return choose_threads(chosen, PipelineOptions(list(flags)), local)

    assert threads() == 8
    assert threads("--direct_num_workers=2") == 4
    assert threads("--direct_num_workers=0") == 1
    assert threads(local=False) == 4
    assert threads(image_root="gs://bucket/images") == 16
    assert threads(threads=3) == 3
