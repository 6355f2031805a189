"""What a build meets in the world outside: each has an outcome that is said in a line or two."""

from __future__ import annotations

import io
import json
import resource
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas.errors import OutputError
from pixelbeam.transforms.shards.library_versions import codec_versions
from pixelbeam.transforms.shards.plan_shards import ShardSize
from rich.console import Console
from support import (
    IMAGE_SCHEMA,
    KEPT,
    contents,
    dataset_json,
    make_image,
    rejects_of,
    state_of,
    write_csv,
)


@pytest.fixture
def command(images, tmp_path):
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    return [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build", "--manifest", str(images / "images.csv"),
        "--schema", str(tmp_path / "schema.yaml"), "--output", str(tmp_path / "out"), "--num_shards", "4",
    ]  # fmt: skip


def run(command, **settings) -> tuple[int, list[str]]:
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    return done.returncode, done.stderr.splitlines()


def test_a_full_disk_fails_the_build_and_room_lets_it_go_on(command, tmp_path):
    """No file may grow over 10 kB at first, as on a disk that is almost full."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    code, said = run(command, preexec_fn=limit)
    assert code == 1
    assert "File too large" in said[-2]
    assert said[-1] == "run the same command again to continue, or with --verbose for the traceback"
    assert not (tmp_path / "out" / "dataset.json").exists()
    assert run(command)[0] == 0


@pytest.mark.parametrize("out", ["/proc/pixelbeam", "/dev/null/out"])
def test_an_output_that_cannot_be_written(command, out):
    command[command.index("--output") + 1] = out
    code, said = run(command)
    assert (code, len(said)) == (2, 1)
    assert said[0].startswith(f"pixelbeam: --output: cannot use {out!r}: ")


def test_images_that_vanish_are_rejects(tmp_path, build_images):
    rows = [(f"{number}.jpg", "a") for number in range(3)]
    for name, _ in rows:
        make_image(tmp_path / name, 1)
    manifest = write_csv(tmp_path / "rows.csv", rows)
    (tmp_path / "1.jpg").unlink()
    out = build_images(manifest=str(manifest))
    assert [(r["row"], r["stage"], r["reason"]) for r in rejects_of(out)] == [
        (3, "load", "file_not_found")
    ]


def test_a_manifest_that_changes_between_two_runs_is_refused(
    tmp_path, build_images, images, monkeypatch
):
    rows = [(str(images / f"{n:02d}.jpg"), "a") for n in range(1, 5)]
    manifest = write_csv(tmp_path / "rows.csv", rows)
    settings = {"manifest": str(manifest), "image_root": str(images)}
    build_images(**settings)
    write_csv(tmp_path / "rows.csv", rows[:3])
    with pytest.raises(OutputError, match=r"manifest rows\.csv has \d+ bytes, had \d+"):
        build_images(**settings)


def test_a_manifest_that_changes_unnoticed_never_mixes_two_states(
    tmp_path, build_images, images, monkeypatch
):
    """Same size, other content, after a kill: shards of changed rows are built anew."""
    from pixelbeam.pipeline.commands import build as module

    rows = [(f"{n:02d}.jpg", "a") for n in (1, 2, 3, 4, 6, 7, 8, 9)]
    manifest = write_csv(tmp_path / "rows.csv", rows)
    settings = {
        "manifest": str(manifest),
        "image_root": str(images),
        "shard_size": ShardSize(num_shards=4),
    }

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            build_images("killed", **settings)
    rows[2], rows[5] = (rows[2][0], "b"), (rows[5][0], "b")
    write_csv(tmp_path / "rows.csv", rows)
    assert contents(build_images("killed", **settings)) == contents(
        build_images("fresh", **settings)
    )


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "by an older pixelbeam"])
def test_a_build_goes_on_with_another_beam_and_says_so(
    tmp_path, images, build_images, monkeypatch, noted
):
    """Its shards are built anew, the dataset is a fresh build's; a published one is left alone."""
    from pixelbeam.pipeline.commands import build as module
    from pixelbeam.pipeline.output import state

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", die)
        patch.setattr(state, "codec_versions", lambda: {**codec_versions(), "apache-beam": "2.1"})
        with pytest.raises(KeyboardInterrupt):
            build_images()
    note = tmp_path / "out" / ".pixelbeam" / "command.json"
    if not noted:
        command = json.loads(note.read_text())
        del command["versions"]
        note.write_text(json.dumps(command))
    said = io.StringIO()
    options = BuildOptions(
        str(images / "images.csv"), IMAGE_SCHEMA, str(tmp_path / "out"),
        max_rejects=MaxRejects(fraction=1.0),
    )  # fmt: skip
    module.build(options, console=Console(file=said, width=200))
    change = f'  changed   versions.apache-beam is "{version("apache-beam")}", was "2.1"\n'
    assert said.getvalue().count("  changed ") == said.getvalue().count(change) == noted
    assert contents(tmp_path / "out") == contents(build_images("fresh"))
    monkeypatch.setattr(state, "codec_versions", lambda: {"apache-beam": "2.1"})
    assert module.build(options).state is OutputState.PUBLISHED


def test_two_builds_into_one_folder(command, tmp_path):
    """The second says so and changes nothing; the first is not disturbed."""
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out" / ".pixelbeam" / "command.json").exists() and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    code, said = run(command)
    assert (code, said) == (
        2,
        [
            f"pixelbeam: --output: another build or repair of '{tmp_path / 'out'}' is running; wait for it, or "
            "stop it"
        ],
    )
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert dataset_json(tmp_path / "out")["rows"] == 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_build_cleanly(images, tmp_path, command, number):
    """With processes of its own, see ``test_running``."""
    rows = [(f"{n % 40:02d}.{'png' if n % 5 == 0 else 'jpg'}", "a") for n in range(4000)]
    manifest = write_csv(images / f"many-{number}.csv", rows)
    command[command.index("--manifest") + 1] = str(manifest)
    command[command.index("--num_shards") + 1] = "50"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "out").glob("*.tfrecord")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert last.startswith("pixelbeam: interrupted: ")
    assert " of 50 shards, " in last
    assert last.endswith("; run the same command again to continue")
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_leftovers_of_dead_attempts_are_cleaned(images, tmp_path):
    out = tmp_path / "out"
    options = BuildOptions(str(images / "images.csv"), IMAGE_SCHEMA, str(out))
    dead = out / ".pixelbeam" / "tmp" / "task-dead"
    dead.mkdir(parents=True)
    (dead / "train-00000-of-00001.tfrecord").write_bytes(b"half")
    (out / "train-00000-of-00009.tfrecord").write_bytes(b"of another plan")
    build(options)
    assert sorted(contents(out)) == [
        "dataset.json",
        "feature_description.py",
        "index/train-00000-of-00001.idx",
        "index/train-00000-of-00001.parquet",
        "statistics.jsonl",
        "train-00000-of-00001.tfrecord",
    ]
    assert state_of(out) == [*KEPT, "sources/train-00000-of-00001"]


def test_a_kill_right_after_publishing_leaves_nothing_in_the_end(build_images, tmp_path):
    whole = contents(build_images())
    (tmp_path / "out" / ".pixelbeam" / "shards").mkdir(parents=True)
    (tmp_path / "out" / ".pixelbeam" / "plan.json").write_text("{}")
    assert contents(build_images()) == whole
    assert state_of(tmp_path / "out") == [*KEPT, "sources/train-00000-of-00001"]


def test_a_result_that_a_power_loss_left_empty_is_built_again(images, tmp_path):
    from pixelbeam.transforms.shards.shard_result import ShardResult

    out = tmp_path / "out"
    path = out / ShardResult.path("train-00000-of-00001")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    build(
        BuildOptions(
            str(images / "images.csv"), IMAGE_SCHEMA, str(out), shard_size=ShardSize(num_shards=1)
        )
    )
    assert dataset_json(out)["splits"]["train"]["num_records"] == 40


def test_names_from_strangers_do_not_steer_the_terminal(tmp_path, capsys):
    from pixelbeam.pipeline.main import main

    rows = [("\x1b[2Jgone.jpg", "\x1b]0;title\x07")] * 3
    manifest = write_csv(tmp_path / "rows.csv", rows)
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    arguments = ["build", "--manifest", str(manifest), "--schema", str(tmp_path / "schema.yaml")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 3
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "gone.jpg" in printed.err


def test_names_from_strangers_make_no_lines(tmp_path, capsys):
    from pixelbeam.pipeline.main import main

    make_image(tmp_path / "1.jpg", 1)
    rows = [("1.jpg", "a\n  rejects   none"), ("gone\n.jpg", "b")]
    manifest = write_csv(tmp_path / "rows\n.csv", rows)
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    arguments = ["build", "--manifest", str(manifest), "--schema", str(tmp_path / "schema.yaml")]
    arguments += ["--output", str(tmp_path / "out"), "--max_rejects"]
    assert main([*arguments, "0"]) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[1] == f"  manifest  {tmp_path}/rows\\n.csv (1 file)"
    assert said[-3:-1] == [
        "  1 file_not_found, such as rows\\n.csv:4: no such file: 'gone\\n.jpg'",
        f"  all of them, a line each: {tmp_path}/out/rejects.jsonl",
    ]
    assert main([*arguments, "1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line[2:11] for line in said[1:-3]] == (
        ["train    ", "rejects  ", "         ", "classes  "] + ["warning  "] * 2
    )
    assert said[4] == "  classes   label: a\\n  rejects   none=0, b=1"
    joined = "in CSV a stray quote makes one row of all lines up to the next quote"
    assert said[-4] == (
        "  warning   label: got class names with line breaks, such as 'a\\n  rejects   none' "
        f"(rows\\n.csv:2); {joined}"
    )
    missing = str(tmp_path / "gone\n.csv")
    assert main(["build", "--manifest", missing, *arguments[3:], "1"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"pixelbeam: {tmp_path}/gone\\n.csv: no such file or directory"
    ]
