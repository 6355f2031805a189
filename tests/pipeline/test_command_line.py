"""The command line as a user meets it: exit codes, and errors of a line or two."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from clips import clip_schema
from pixelbeam.pipeline import command_line
from pixelbeam.pipeline.command_line import _say, describe, run_command
from pixelbeam.pipeline.commands.build import Built
from pixelbeam.pipeline.commands.repair import Repaired
from pixelbeam.pipeline.commands.verify import Fault, Verified
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.output.kept import Call
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas import ClassLabel, DatasetInfo, Int64, Schema
from pixelbeam.schemas.dataset.info import FileInfo, RejectsInfo, ShardFile, ShardInfo, SplitInfo
from pixelbeam.schemas.errors import (
    BuildError,
    DatasetError,
    OptionError,
    OutputError,
    PluginError,
    SchemaError,
    TooManyRejects,
)
from support import IMAGE_SCHEMA, contents, write_csv


@pytest.fixture
def schema_file(tmp_path) -> str:
    path = tmp_path / "schema.yaml"
    path.write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    return str(path)


def run(capsys, *argv: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_build_says_what_it_made_and_how_to_load_it(capsys, images, tmp_path, schema_file):
    out = str(tmp_path / "out")
    arguments = (
        "build",
        "--manifest",
        images / "images.csv",
        "--schema",
        schema_file,
        "--output",
        out,
    )
    code, said, logged = run(capsys, *arguments, "--splits", "train=0.8,val=0.2", "--threads", 1)
    lines = said.splitlines()
    assert code == 0
    assert lines[0].startswith("built 40 records in ")
    assert lines[0].endswith(f": {out}")
    assert lines[1].startswith("  train ")
    assert lines[2].startswith("  val ")
    assert lines[3:] == [
        "  rejects   none",
        "  classes   label: cat=0, dog=1, newt=2",
        "load it with:",
        "  import pixelbeam as pb",
        f"  train = pb.load({out!r}, 'train', batch_size=64, shuffle=True)",
    ]
    assert logged.splitlines() == [
        f"building {out}",
        f"  manifest  {images / 'images.csv'} (1 file)",
        "  features  image (image), label (class_label)",
        "  runner    local, 1 thread a task",
    ]
    code, said, logged = run(capsys, *arguments, "--splits", "train=0.8,val=0.2")
    assert (code, logged) == (0, "")
    assert said.startswith(
        f"{out} is already built: 40 records; nothing to do, as far as sizes and times tell "
        "(--overwrite builds it anew)\n"
    )


def test_rejects_are_summed_up(capsys, images, tmp_path, schema_file):
    manifest = write_csv(tmp_path / "rows.csv", [("00.png", "cat"), ("none.jpg", "cat")])
    arguments = ["build", "--manifest", manifest, "--image_root", images, "--schema", schema_file]
    arguments += ["--output", tmp_path / "out"]
    code, said, logged = run(capsys, *arguments)
    assert (code, said) == (3, "")
    looked_in = f"relative paths were looked for in {images}; --image_root names another folder"
    assert logged.splitlines()[-4:] == [
        "pixelbeam: 1 of 2 rows were rejected, more than --max_rejects 0.01; nothing was published",
        "  1 file_not_found, such as rows.csv:3: no such file: 'none.jpg'",
        f"  all of them, a line each: {tmp_path / 'out' / 'rejects.jsonl'}",
        looked_in,
    ]
    code, said, _ = run(capsys, *arguments, "--max_rejects", 1)
    assert code == 0
    where = tmp_path / "out" / "rejects.jsonl"
    assert f"  rejects   1 of 2 rows (1 file_not_found): {where}\n            {looked_in}\n" in said


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"--schema": "image_clasification"},
            "--schema: got 'image_clasification', expected a .yaml file or one of",
        ),
        ({"--manifest": "none.csv"}, "none.csv"),
        (
            {"--treads": "3"},
            "--treads: no such option, neither of pixelbeam nor of Beam; see pixelbeam build --help",
        ),
        (
            {"--num_shards": "many"},
            "--num_shards: got 'many', expected an integer; see pixelbeam build --help",
        ),
        ({"--direct_num_workers": "x"}, "--direct_num_workers: got 'x', expected an integer"),
        (
            {"--split_column": "fold"},
            "no column 'fold' for --split_column; its columns are: 'path', 'label'",
        ),
        (
            {"--group_by": "person"},
            "no column 'person' for --group_by; its columns are: 'path', 'label'",
        ),
        ({"--manifest": "{columns}"}, "no column 'path' for features.image.source"),
        (
            {"--output": "{busy}"},
            "holds files that are not a dataset's; name an empty or a new directory",
        ),
        ({"--output": "{file}"}, "--output: "),
        ({"--schema": "{broken}"}, "features.image.resize: got 'crop2', expected one of"),
    ],
)
def test_bad_usage_is_said_in_a_line_or_two(
    capsys, change, expected, images, tmp_path, schema_file
):
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("not a directory")
    broken = IMAGE_SCHEMA.to_dict()
    broken["features"]["image"]["resize"] = "crop2"
    (tmp_path / "broken.yaml").write_text(json.dumps(broken))
    places = {
        "columns": write_csv(tmp_path / "columns.csv", [("a.jpg", "cat")], ("file", "label")),
        "busy": tmp_path / "busy",
        "file": tmp_path / "file",
        "broken": tmp_path / "broken.yaml",
    }
    options = {
        "--manifest": images / "images.csv",
        "--schema": schema_file,
        "--output": tmp_path / "out",
    }
    options |= {name: str(value).format(**places) for name, value in change.items()}
    code, said, logged = run(capsys, "build", *(part for pair in options.items() for part in pair))
    assert (code, said) == (2, "")
    assert expected in logged
    assert 1 <= len(logged.splitlines()) <= 2
    assert logged.startswith("pixelbeam: ")
    assert not (tmp_path / "out").exists()
    assert contents(tmp_path / "busy") == {"thesis.tex": b"years of work"}


def test_a_missing_option_and_a_missing_command(capsys):
    assert run(capsys, "build") == (
        2,
        "",
        "pixelbeam: --manifest, --schema, --output: missing; see pixelbeam build --help\n",
    )
    assert run(capsys)[0] == 2
    assert "COMMAND: got 'bild', expected one of " in run(capsys, "bild")[2]


def test_a_failure_inside_a_task_is_said_without_a_traceback(
    capsys, images, tmp_path, schema_file, monkeypatch
):
    from pixelbeam.schemas.features.image import Image

    def break_down(self, name, value):
        raise MemoryError("out of luck")

    monkeypatch.setattr(Image, "encode", break_down)
    arguments = ("build", "--manifest", images / "images.csv", "--schema", schema_file)
    code, said, logged = run(capsys, *arguments, "--output", tmp_path / "out")
    assert (code, said) == (1, "")
    assert "out of luck" in logged
    assert "Traceback" not in logged
    assert logged.splitlines()[-1].endswith("or with --verbose for the traceback")


@pytest.mark.parametrize("verbose", [True, False])
def test_what_broke_in_another_package_is_shown_whole_on_request(capsys, monkeypatch, verbose):
    def refuse(*_):
        try:
            return {}["schema"]
        except KeyError as error:
            raise PluginError("box 1.0: cannot be imported") from error

    monkeypatch.setattr("pixelbeam.pipeline.command_line.verify", refuse)
    assert run_command(["verify", "out"], verbose) == 2
    said = capsys.readouterr().err
    assert ("KeyError: 'schema'" in said, "Traceback" in said) == (verbose, verbose)
    assert said.splitlines()[-1] == "pixelbeam: box 1.0: cannot be imported"


def test_the_installed_command_prints_only_what_it_says(images, tmp_path, schema_file):
    """No log of Beam's, and no warning of its imports."""
    command = [
        sys.executable,
        "-m",
        "pixelbeam.pipeline.main",
        "build",
        "--manifest",
        str(images / "images.csv"),
    ]
    command += ["--schema", schema_file, "--output", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": ""}
    )
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 4
    assert len(done.stdout.splitlines()) <= 8


def test_a_key_error_keeps_its_quotes():
    """Its text is shown in quotes, one of which would go with what Beam puts at the end."""
    said = _say(KeyError("row 'where' [while running 'BuildShards']")).splitlines()[0]
    assert said == "KeyError: row 'where'"
    assert _say(KeyError()).splitlines()[0] == "KeyError: "


def test_of_an_unexpected_error_the_first_line_is_said():
    error = OSError(28, "disk full\nat once [while running 'A'] [while running 'B']")
    assert _say(error).splitlines()[0] == "OSError: [Errno 28] disk full"
    assert _say(ValueError("a [while running 'A'] b [while running 'B']")).startswith(
        "ValueError: a\n"
    )


def fail_with(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(command_line, "verify", fail)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("stopped"), 130, "stopped"),
        (OptionError("--a: b\nc"), 2, "--a: b\\nc"),
        (SchemaError("a\nb"), 2, "a\nb"),
        (OutputError("a\nb"), 2, "a\nb"),
        (TooManyRejects("a\nb"), 3, "a\nb"),
        (BuildError("a\nb"), 1, "a\nb"),
        (DatasetError("a\nb"), 1, "a\\nb"),
        (
            RuntimeError("pixelbeam.schemas.errors.ManifestError: m.csv [while running 'A']"),
            2,
            "m.csv",
        ),
    ],
)
def test_errors_have_their_exit_codes_and_lines(capsys, monkeypatch, error, code, said):
    fail_with(monkeypatch, error)
    assert run_command(["verify", "out"], verbose=True) == code
    assert capsys.readouterr().err.endswith(f"pixelbeam: {said}\n")


@pytest.mark.parametrize(
    ("error", "verbose", "is_shown"),
    [
        (RuntimeError("x"), True, True),
        (RuntimeError("x"), False, False),
        (OptionError("x"), True, False),
        (OptionError("x"), False, False),
    ],
)
def test_a_traceback_is_shown_on_request_of_what_is_unexpected(
    capsys, monkeypatch, error, verbose, is_shown
):
    fail_with(monkeypatch, error)
    assert run_command(["verify", "out"], verbose) in (1, 2)
    assert ("Traceback" in capsys.readouterr().err) == is_shown


@pytest.mark.parametrize(
    ("arguments", "faults", "code", "found"),
    [
        ([], [], 0, "whole: 1,200 files and 5 records, every byte and record checked"),
        (["--quick"], [], 0, "whole: 1,200 files, sizes and counts checked"),
        (["--quick"], ["a"], 1, "1 fault: 1,200 files, sizes and counts checked"),
        (
            [],
            ["a", "b"],
            1,
            "2 faults: 1,200 files and 5 records, every byte and record that could be read checked",
        ),
    ],
)
def test_what_verify_found_is_said(capsys, monkeypatch, arguments, faults, code, found):
    asked = []

    def verify(*given):
        asked.append(given)
        return Verified(1200, 5, [Fault(name, "gone\n") for name in faults])

    monkeypatch.setattr(command_line, "verify", verify)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert run_command(["verify", "out", *arguments], False) == code
    printed = capsys.readouterr()
    hint = ["`pixelbeam repair out` makes damaged files again"] if faults else []
    assert printed.out.splitlines() == [
        *(f"{name}: gone\\n" for name in faults),
        f"out: {found}",
        *hint,
    ]
    monkeypatch.setattr("os.cpu_count", lambda: None)
    run_command(["verify", "out", *arguments], False)
    assert asked == [("out", bool(arguments), 7), ("out", bool(arguments), 1)]


def test_options_that_verify_has_not_are_named(capsys):
    assert run_command(["verify", "out", "--quack", "--threads"], False) == 2
    expected = "pixelbeam: --quack: no such option; see pixelbeam verify --help\n"
    assert capsys.readouterr().err == expected
    for arguments in (["verify", "out", "--qui"], ["build", "--manif", "x"], []):
        assert run_command(arguments, False) == 2


CLASSES = ClassLabel(source="label", vocabulary=("cat", "dog"))


def built(state=OutputState.PUBLISHED, schema=None, records=(1500, 0), rejects=None, **settings):
    """A build of splits ``a`` and ``b`` with so many records, in files of 1,234,000 bytes."""
    schema = schema or Schema(features={"label": CLASSES, "n": Int64(source="n")})
    file = ShardFile(path="x", bytes=1_234_000, sha256="0" * 64)
    splits = {
        name: SplitInfo(
            num_records=count, shards=[ShardInfo(num_records=count, files={"tfrecord": file})]
        )
        for name, count in zip("ab", records, strict=True)
    }
    info = DatasetInfo(
        fingerprint="f",
        declared=schema.to_dict(),
        description=FileInfo(path="d.py", bytes=1, sha256="0" * 64),
        splits=splits,
        rows=sum(records) + (rejects.count if rejects else 0),
        rejects=rejects or RejectsInfo(),
        warnings=["odd\n"],
    )
    return Built(state, info, 2.0, **settings)


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, "nothing to do, as far as sizes and times tell"),
        ({"by_content": True}, "nothing to do"),
        ({"by_content": True, "in_parts": 1},
         "nothing to do, though 1 array file was compared by size and time alone"),
        ({"by_content": True, "in_parts": 1200},
         "nothing to do, though 1,200 array files were compared by size and time alone"),
        ({"unseen": "why"}, "whether its sources have changed was not looked at, why"),
    ],
)  # fmt: skip
def test_of_a_published_dataset_what_was_looked_at_is_said(settings, first):
    said = describe(built(**settings), "out").splitlines()
    assert said[0] == f"out is already built: 1,500 records; {first} (--overwrite builds it anew)"
    said = describe(built(replaced=True, **settings), "out").splitlines()
    looked = first.replace("nothing to do", "nothing else to do")
    replaced = "replaced the dataset in out by one that was already built"
    assert said[0] == f"{replaced}: 1,500 records; {looked}"


def test_what_was_built_is_described():
    rejects = RejectsInfo(count=1200, by_reason={"bad": 1199, "worse": 1})
    new = built(OutputState.NEW, rejects=rejects, looked_in="looked in x")
    assert describe(new, "out").splitlines() == [
        "built 1,500 records in 2.0 s (1,350 images/s): out",
        "  a         1,500 records in 1 shards, 1.2 MB",
        "  b         0 records in 1 shards, 1.2 MB",
        "  rejects   1,200 of 2,700 rows (1,199 bad, 1 worse): out/rejects.jsonl",
        "            looked in x",
        "  classes   label: cat=0, dog=1",
        "  warning   odd\\n",
        "load it with:",
        "  import pixelbeam as pb",
        "  a = pb.load('out', 'a', batch_size=64, shuffle=True)",
    ]
    assert (
        describe(built(records=(0, 2)), "out")
        .splitlines()[-1]
        .startswith("  b = pb.load('out', 'b'")
    )
    assert describe(built(records=(0, 0)), "out").splitlines()[-1] == "  warning   odd\\n"
    assert "(750 clips/s)" in describe(built(OutputState.NEW, clip_schema()), "out")
    assert "  rejects   none\n" in describe(built(looked_in="x"), "out")
    bare = built(rejects=RejectsInfo(count=1, by_reason={"bad": 1}))
    assert "rejects.jsonl\n  classes" in describe(bare, "out")


@pytest.mark.parametrize(
    ("repaired", "lines"),
    [
        (Repaired(1200, {}, (), 3.0), ["out: whole: 1,200 files, nothing to repair"]),
        (
            Repaired(1200, {"a": "missing"}, (), 3.0, ("x\n",)),
            [
                "out: repaired: 1 of 1,200 files in 3.0 s, each again as it was published",
                "  remark    x\\n is no file of this dataset",
            ],
        ),
        (
            Repaired(12, {"a": "missing", "b": "missing"}, ("a", "b"), 90.0),
            [
                "out: repaired: 2 of 12 files in 2 min, each again as it was published",
                "  built     2 shards",
            ],
        ),
    ],
)
def test_what_a_repair_did_is_said(capsys, monkeypatch, repaired, lines):
    asked = []

    def repair(directory, call, *, accept, threads, beam_options, console):
        asked.append((directory, call, accept, threads))
        return repaired

    monkeypatch.setattr(command_line, "repair", repair)
    assert run_command(["repair", "out"], False) == 0
    assert capsys.readouterr().out.splitlines() == lines
    given = ["--manifest=m", "--labels=l", "--image_root=i", "--max_rejects=3", "--threads=2"]
    assert run_command(["repair", "out", *given, "--accept"], False) == 0
    assert asked == [
        ("out", Call(), False, 0),
        ("out", Call("m", "l", "i", "3"), True, 2),
    ]
