"""The command line as a user meets it: exit codes, and errors of a line or two."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from pixelbeam.pipeline.command_line import _say
from pixelbeam.pipeline.main import main
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
            "argument --num_shards: invalid int value: 'many'; see pixelbeam build --help",
        ),
        ({"--direct_num_workers": "x"}, "argument --direct_num_workers: invalid int value: 'x'"),
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
        "pixelbeam: the following arguments are required: --manifest, --schema, --output; "
        "see pixelbeam build --help\n",
    )
    assert run(capsys)[0] == 2
    assert "invalid choice: 'bild'" in run(capsys, "bild")[2]


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
