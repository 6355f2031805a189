"""What a build decides and says before its pipeline runs, and after."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from types import SimpleNamespace

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineState
from number_datasets import NUMBERS, make_root, open_build, publish_by_hand
from pixelbeam.pipeline import running
from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import (
    Built,
    _describe_manifest,
    _introduce,
    _publish,
    _run,
    build,
    check_image_root,
    choose_threads,
)
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas.errors import BuildError, OptionError, TooManyRejects
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from rich.console import Console
from support import IMAGE_SCHEMA as SCHEMA


def test_threads_by_runner(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)

    def threads(*flags, local=True, **options):
        chosen = BuildOptions("m.csv", SCHEMA, "out", **options)
        return choose_threads(chosen, PipelineOptions(list(flags)), local)

    assert threads() == 8
    assert threads("--direct_num_workers=9") == 1
    assert threads("--direct_num_workers=2") == 4
    assert threads("--direct_num_workers=0") == 1
    assert threads(local=False) == 4
    assert threads(image_root="gs://bucket/images") == 16
    assert threads(image_root="gs://bucket/images", local=False) == 16
    assert threads(threads=3) == 3
    monkeypatch.setattr("os.cpu_count", lambda: 20)
    assert threads(image_root="gs://bucket/images") == 20
    assert threads("--direct_num_workers=8") == 2
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert threads() == threads("--direct_num_workers=2") == 1


def test_images_are_looked_for_where_manifests_are_remote():
    options = BuildOptions("a=gs://bucket/a.csv,b=b.csv", SCHEMA, "out")
    assert choose_threads(options, PipelineOptions([]), local=False) == 16
    options = BuildOptions("gs://bucket/a.csv", SCHEMA, "out", image_root="images")
    assert choose_threads(options, PipelineOptions([]), local=False) == 4


def test_an_image_root_is_a_folder(tmp_path):
    check_image_root(None)
    check_image_root(str(tmp_path))
    expected = f"^--image_root: got '{tmp_path}/none', expected a directory: there is none$"
    with pytest.raises(OptionError, match=expected):
        check_image_root(f"{tmp_path}/none")


class Manifest(SimpleNamespace):
    """What a build says of one."""

    def __init__(self, files=1, unit="file", **settings):
        settings = {"spec": "m", "split": "", "left_out": 0, "left_out_example": "", **settings}
        super().__init__(files=[None] * files, format=SimpleNamespace(unit=unit), **settings)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (Manifest(), {"manifest": "m (1 file)"}),
        (Manifest(1200, "folder"), {"manifest": "m (1,200 folders)"}),
        (Manifest(2, split="val"), {"manifest": "val=m (2 files)"}),
        (Manifest(left_out=1, left_out_example="a.txt"),
         {"manifest": "m (1 file)", "left out": "1 file that is no image, such as 'a.txt'"}),
        (Manifest(left_out=1200, left_out_example="a.txt"),
         {"manifest": "m (1 file)", "left out": "1,200 files that are no images, such as 'a.txt'"}),
    ],
)  # fmt: skip
def test_a_manifest_is_described(manifest, said):
    lines = list(_describe_manifest(manifest))
    assert lines == [f"  {name}  {text}" for name, text in said.items()]


@pytest.mark.parametrize(
    ("state", "threads", "unlisted", "first", "last", "replaces"),
    [
        (OutputState.NEW, 1, "", "building out[0]", "1 thread a task", []),
        (OutputState.RESUMED, 2, "abc", "continuing out[0]", "2 threads a task", ["a, b, c"]),
        (OutputState.NEW, 3, "abc\n", "building out[0]", "3 threads a task", ["a, b, c, …"]),
    ],
)
def test_a_build_introduces_itself(state, threads, unlisted, first, last, replaces):
    options = BuildOptions("m.csv", SCHEMA, "out[0]")
    job = SimpleNamespace(
        options=options,
        manifests=[Manifest()],
        threads=threads,
        old=None,
        left_out={"area": "size"},
    )
    changes = ["images 7\n"]
    found = SimpleNamespace(job=job, state=state, changes=changes, unlisted=tuple(unlisted))
    console = Console(file=StringIO(), width=10, force_terminal=True)
    _introduce(found, console, "local")
    assert console.file.getvalue().splitlines() == [
        first,
        "  manifest  m (1 file)",
        "  features  image (image), label (class_label)",
        "  left out  area: no column 'size'",
        f"  runner    local, {last}",
        "  changed   images 7\\n",
        *(f"  replaces  also what dataset.json does not list: {names}" for names in replaces),
    ]


@pytest.fixture
def numbers(tmp_path):
    make_root(tmp_path)
    return tmp_path


def refuse(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(build_module, "publish", fail)


def test_what_another_build_of_the_same_command_published_stays(numbers, monkeypatch):
    job = open_build(numbers)
    refuse(monkeypatch, BuildError("a shard is missing"))
    with pytest.raises(BuildError, match="a shard is missing"):
        _publish(job)
    publish_by_hand(job)
    _publish(job)
    with pytest.raises(BuildError, match="a shard is missing"):
        _publish(open_build(numbers, seed=3))


def test_too_many_rejects_are_said_with_where_files_were_looked_for(numbers, monkeypatch):
    job = open_build(numbers)
    for by_reason, lines in (({"file_not_found": 3}, 2), ({"corrupt": 3}, 1)):
        refuse(monkeypatch, TooManyRejects("too many", by_reason))
        with pytest.raises(TooManyRejects) as caught:
            _publish(job)
        looked_in = (
            f"relative paths were looked for in {numbers}/root; --image_root names another folder"
        )
        assert str(caught.value).splitlines() == ["too many", looked_in][:lines]
        assert caught.value.by_reason == by_reason


@pytest.mark.parametrize("name", ["rows.csv", "labels.csv"])
def test_manifests_that_change_under_a_build_are_not_published(numbers, monkeypatch, name):
    (numbers / "root/labels.csv").write_text("path,m\na.bin,1\n")
    job = open_build(numbers, labels=str(numbers / "root/labels.csv"), join_on="path")
    monkeypatch.setattr(build_module, "publish", lambda *_: None)
    _publish(job)
    (numbers / "root" / name).write_text("path,n,m\na.bin,1,3\n")
    with pytest.raises(BuildError, match=name):
        _publish(job)


def test_what_a_build_led_to(numbers):
    console = Console(file=StringIO(), width=200)
    options = replace(open_build(numbers).options, threads=1)
    built = build(options, PipelineOptions(["--runner=FnApiRunner"]), console)
    assert (built.state, built.dataset.rows, built.looked_in) == (OutputState.NEW, 3, "")
    assert 0 < built.seconds < 600
    assert replace(built, seconds=1.0) == Built(OutputState.NEW, built.dataset, 1.0)
    assert console.file.getvalue().splitlines()[-1] == "  runner    local, 1 thread a task"
    again = build(options)
    assert (again.state, again.dataset) == (OutputState.PUBLISHED, built.dataset)
    assert (again.by_content, again.in_parts, again.replaced, again.unseen) == (False, 0, False, "")
    assert build(replace(options, check_sources="content")).by_content


def test_a_root_is_looked_for_where_the_launcher_sees_what_workers_see(numbers, monkeypatch):
    options = replace(open_build(numbers).options, image_root=str(numbers / "none"))
    with pytest.raises(OptionError, match=r"^--image_root: got"):
        build(options)
    monkeypatch.setattr(build_module, "open_job", None)  # where it gets to without a look
    with pytest.raises(TypeError):
        build(options, PipelineOptions(["--runner=FlinkRunner"]))


@pytest.mark.parametrize("has_plan", [False, True])
def test_an_interrupted_pipeline_says_how_far_it_got(numbers, monkeypatch, has_plan):
    job = open_build(numbers)
    job.output.write(PLAN_FILE, b"of an earlier attempt")

    def interrupt(pipeline):
        if has_plan:
            job.output.write(PLAN_FILE, Plan(NUMBERS, {"train": SplitPlan(3, 1)}, 3).to_json())
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run_to_end", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        _run(job, FnApiRunner(), PipelineOptions([]), Console(quiet=True))
    done = "0 of 1 shards, 0 of 3 rows, 0 rejects" if has_plan else "the manifest was being read"
    assert str(caught.value) == f"interrupted: {done}; run the same command again to continue"


def test_a_pipeline_that_ends_otherwise_has_failed(numbers, monkeypatch):
    job = open_build(numbers)
    for state in (PipelineState.DONE, PipelineState.CANCELLED):
        monkeypatch.setattr(running, "run_to_end", lambda pipeline, state=state: state)
        if state == PipelineState.DONE:
            _run(job, FnApiRunner(), PipelineOptions([]), Console(quiet=True))
            continue
        expected = "^the pipeline ended as CANCELLED; run the same command again to continue$"
        with pytest.raises(BuildError, match=expected):
            _run(job, FnApiRunner(), PipelineOptions([]), Console(quiet=True))


def test_without_a_console_nothing_is_said(numbers, capfd):
    publish_by_hand(open_build(numbers))
    build(open_build(numbers, overwrite=True).options)
    assert capfd.readouterr().out == ""
