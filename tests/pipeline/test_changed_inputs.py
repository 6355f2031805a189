"""A build knows what it was made from: inputs that have changed are never called built, nor mixed."""

from __future__ import annotations

import gc
import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from pixelbeam.pipeline.command_line import describe
from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas.errors import BuildError, OptionError, OutputError, TooManyRejects
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage import input_files
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

ROWS = [(f"{number}.png", "ab"[number % 2]) for number in range(12)]
SHARDS = [f"sources/train-0000{index}-of-00004" for index in range(4)]


def make_root(folder: Path, first: int) -> Path:
    """Twelve images, written a while ago, so that their times can be relied on."""
    folder.mkdir()
    for number, (name, _) in enumerate(ROWS):
        make_image(folder / name, first + number)
        os.utime(folder / name, ns=(0, 10**18 + number))
    return folder


def make_options(folder: Path, name="out", **changes) -> BuildOptions:
    """A build of the twelve rows that a folder holds, and of the images in its folder ``a``."""
    settings = {
        "manifest": str(folder / "rows.csv"),
        "schema": IMAGE_SCHEMA,
        "image_root": str(folder / "a"),
        "shard_size": ShardSize(num_shards=4),
        "max_rejects": MaxRejects(fraction=1.0),
        "threads": 1,
        **changes,
    }
    return BuildOptions(output=str(folder / name), **settings)


def interrupt(options: BuildOptions) -> None:
    """Builds, and dies when all shards are there."""

    def die(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            build(options)


@dataclass(frozen=True)
class Prepared:
    """What tests start from. What a build notes holds paths, so that all tests share one path.

    Attributes:
        folder: where all of this was built, and where tests find their copy of it.
        inputs: a copy of the rows and of the images in ``a`` and ``b``.
        built: a copy of the published dataset of ``a``.
        unfinished: a copy of the same, all but published.
        of_b: the files of the dataset of ``b``.
    """

    folder: Path
    inputs: Path
    built: Path
    unfinished: Path
    of_b: dict[str, bytes]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Prepared:
    copies = tmp_path_factory.mktemp("copies")
    folder = copies / "folder"
    folder.mkdir()
    write_csv(folder / "rows.csv", ROWS)
    for first, name in ((0, "a"), (100, "b")):
        make_root(folder / name, first)
    shutil.copytree(folder, copies / "inputs")
    build(make_options(folder))
    shutil.move(folder / "out", copies / "built")
    interrupt(make_options(folder))
    shutil.move(folder / "out", copies / "unfinished")
    build(make_options(folder, image_root=str(folder / "b")))
    of_b = contents(folder / "out")
    return Prepared(folder, copies / "inputs", copies / "built", copies / "unfinished", of_b)


@pytest.fixture
def tmp_path(prepared) -> Path:
    """The one path, with nothing but rows and images."""
    shutil.rmtree(prepared.folder)
    return shutil.copytree(prepared.inputs, prepared.folder)


@pytest.fixture
def built(prepared, tmp_path) -> Path:
    """The published dataset of ``options()``."""
    return shutil.copytree(prepared.built, tmp_path / "out")


@pytest.fixture
def unfinished(prepared, tmp_path) -> Path:
    """What ``interrupt(options())`` leaves."""
    return shutil.copytree(prepared.unfinished, tmp_path / "out")


@pytest.fixture
def roots(tmp_path) -> tuple[Path, Path]:
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def options(tmp_path):
    """Makes the options of a build of the twelve rows."""
    return partial(make_options, tmp_path)


def replace_image(path: Path, number: int, keep_time: bool = False) -> None:
    before = path.stat()
    make_image(path, number)
    if keep_time:
        path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0")[: before.st_size])
        os.utime(path, ns=(0, before.st_mtime_ns))


def refusal(options: BuildOptions) -> str:
    with pytest.raises(OutputError) as error:
        build(options)
    return str(error.value).partition(" holds ")[2]


def test_an_interrupted_build_never_mixes_two_image_roots(options, unfinished, roots, prepared):
    assert build(options(image_root=str(roots[1]))).state is OutputState.RESUMED
    assert contents(unfinished) == prepared.of_b


def test_an_interrupted_build_takes_over_the_same_images_from_another_root(
    options, unfinished, roots, tmp_path
):
    before = {path: path.stat().st_ino for path in (tmp_path / "out").glob("*.tfrecord")}
    assert len(before) == 4
    shutil.copytree(roots[0], tmp_path / "copy")
    replace_image(tmp_path / "copy" / "3.png", 77)
    build(options("fresh", image_root=str(tmp_path / "copy")))
    build(options(image_root=str(tmp_path / "copy")))
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    assert sum(path.stat().st_ino == inode for path, inode in before.items()) == 3


def test_files_that_are_replaced_under_their_names_are_built_anew(
    options, unfinished, roots, tmp_path
):
    before = {path: path.stat().st_ino for path in (tmp_path / "out").glob("*.tfrecord")}
    replace_image(roots[0] / "5.png", 50)
    (roots[0] / "6.png").touch()  # another time alone is no change
    build(options())
    build(options("fresh"))
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    assert sum(path.stat().st_ino == inode for path, inode in before.items()) == 3


def test_a_change_that_hides_its_time_is_found_by_content(options, built, roots, tmp_path):
    replace_image(roots[0] / "5.png", 50, keep_time=True)
    assert build(options()).state is OutputState.PUBLISHED
    assert refusal(options(check_sources="content")) == (
        "a dataset whose inputs have changed: 1 source that has changed: 5.png\n"
        "replace it with --overwrite, or name another directory"
    )
    interrupt(options("unfinished"))
    shutil.rmtree(roots[0])
    make_root(roots[0], 0)
    build(options("unfinished", check_sources="content"))
    assert contents(tmp_path / "unfinished") == contents(tmp_path / "out")


def test_a_file_that_is_as_young_as_its_dataset_is_compared_by_content(options, roots):
    now = time.time_ns() + 60 * 10**9  # young however long the build takes
    os.utime(roots[0] / "5.png", ns=(now, now))
    build(options())
    data = bytearray((roots[0] / "5.png").read_bytes())
    data[-1] ^= 1
    (roots[0] / "5.png").write_bytes(data)
    os.utime(roots[0] / "5.png", ns=(now, now))  # within the resolution of the clock
    assert "1 source that has changed: 5.png" in refusal(options())


def test_another_root_of_a_published_dataset_is_another_dataset(options, built, roots, tmp_path):
    assert refusal(options(image_root=str(roots[1]))).startswith(
        "a dataset whose inputs have changed: 12 sources that have changed: 0.png, 1.png, 10.png, …\n"
    )
    shutil.copytree(roots[0], tmp_path / "copy")
    assert build(options(image_root=str(tmp_path / "copy"))).state is OutputState.PUBLISHED


def test_labels_that_were_swapped_are_another_dataset(options, built, tmp_path):
    swapped = [ROWS[0][:1] + ROWS[1][1:], ROWS[1][:1] + ROWS[0][1:], *ROWS[2:]]
    write_csv(tmp_path / "rows.csv", swapped)
    assert refusal(options()) == (
        "a dataset whose inputs have changed: manifest rows.csv has other content\n"
        "replace it with --overwrite, or name another directory"
    )


def test_new_images_in_class_folders_are_seen(options, tmp_path):
    for name in ("cat", "dog"):
        make_root(tmp_path / "classes" / name, 0) if (tmp_path / "classes").exists() else (
            (tmp_path / "classes").mkdir(),
            make_root(tmp_path / "classes" / name, 0),
        )
    settings = {"manifest": str(tmp_path / "classes"), "image_root": None}
    build(options(**settings))
    assert build(options(**settings)).state is OutputState.PUBLISHED
    make_image(tmp_path / "classes" / "cat" / "new.png", 3)
    assert "inputs have changed: manifest cat has 13 files, had 12\n" in refusal(
        options(**settings)
    )


def test_a_lost_shard_is_seen(options, built, tmp_path):
    (tmp_path / "out" / "train-00002-of-00004.tfrecord").unlink()
    assert refusal(options()) == (
        "a dataset that is not whole: 1 file missing or of another size: "
        "train-00002-of-00004.tfrecord\n`pixelbeam repair` makes the same files again; --overwrite builds it anew"
    )


def test_a_shard_that_was_damaged_at_its_size_is_found_by_content(options, built, tmp_path):
    assert build(options(check_sources="content")).state is OutputState.PUBLISHED
    shard = tmp_path / "out" / "train-00002-of-00004.tfrecord"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    assert "nothing to do, as far as sizes and times tell (" in describe(build(options()), "out")
    assert refusal(options(check_sources="content")) == (
        "a dataset that is not whole: 1 file of other content: "
        "train-00002-of-00004.tfrecord\n`pixelbeam repair` makes the same files again; --overwrite builds it anew"
    )


def open_hdf5_files():
    return h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)


def test_content_compares_array_files_and_says_which_were_too_large_for_that(
    options, tmp_path, roots, monkeypatch
):
    with h5py.File(roots[0] / "a.h5", "w") as file:
        file["im"] = np.zeros((2, 40, 40, 3), np.uint8)
    manifest = str(write_csv(tmp_path / "h5.csv", [(f"a.h5::/im[{n}]", "a") for n in range(2)]))
    gc.collect()
    were_open = open_hdf5_files()
    build(options(manifest=manifest))
    assert open_hdf5_files() == were_open
    built = build(options(manifest=manifest, check_sources="content"))
    assert "2 records; nothing to do (--overwrite" in describe(built, "out")
    before = (roots[0] / "a.h5").stat()
    with h5py.File(roots[0] / "a.h5", "r+") as file:
        file["im"][0] = 1
    os.utime(roots[0] / "a.h5", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert build(options(manifest=manifest)).state is OutputState.PUBLISHED
    refused = refusal(options(manifest=manifest, check_sources="content"))
    assert f"1 source that has changed: {roots[0] / 'a.h5'}" in refused
    monkeypatch.setattr(input_files, "MAX_FILE_BYTES", 100)
    build(options(manifest=manifest, overwrite=True))
    built = build(options(manifest=manifest, check_sources="content"))
    assert describe(built, "out").splitlines()[0] == (
        "out is already built: 2 records; nothing to do, though 1 array file was compared by size and "
        "time alone (--overwrite builds it anew)"
    )
    assert ", as far as sizes and times tell (" in describe(
        build(options(manifest=manifest)), "out"
    )


def test_without_its_cache_it_says_that_it_did_not_look(options, built, tmp_path, capsys):
    assert build(options()).unseen == ""
    assert state_of(tmp_path / "out") == [*KEPT, *SHARDS]
    shutil.rmtree(tmp_path / "out" / ".pixelbeam")
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))
    arguments = ["build", "--manifest", str(tmp_path / "rows.csv"), "--num_shards", "4"]
    arguments += ["--schema", str(tmp_path / "schema.yaml"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--image_root", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{tmp_path / 'out'} is already built: 12 records; whether its sources have changed was not "
        "looked at, what they were is no longer known (.pixelbeam/sources was deleted) "
        "(--overwrite builds it anew)"
    )


def test_no_time_and_no_path_of_the_machine_is_in_the_dataset(built, roots):
    for name, data in contents(built).items():
        assert str(roots[0]).encode() not in data, name
        assert str(10**18)[:12].encode() not in data, name


def test_rejects_are_tried_again_when_the_images_are_there(options, roots, tmp_path, prepared):
    shutil.copy(roots[0] / "3.png", tmp_path / "kept.png")
    (roots[0] / "3.png").unlink()
    with pytest.raises(TooManyRejects):
        build(options(max_rejects=MaxRejects(count=0, fraction=None)))
    shutil.copy(tmp_path / "kept.png", roots[0] / "3.png")
    build(options(max_rejects=MaxRejects(count=0, fraction=None)))
    assert contents(tmp_path / "out") == contents(prepared.built)
    assert dataset_json(tmp_path / "out")["rejects"]["count"] == 0


def test_a_typo_in_the_image_root_is_mended(options, roots, tmp_path):
    few = MaxRejects(count=0, fraction=None)
    (tmp_path / "typo").mkdir()  # a folder of something else: one that is not there is refused
    with pytest.raises(TooManyRejects):
        build(options(image_root=str(tmp_path / "typo"), max_rejects=few))
    assert len(rejects_of(tmp_path / "out")) == 12
    assert build(options(max_rejects=few)).state is OutputState.RESUMED
    assert "rejects.jsonl" not in contents(tmp_path / "out")


def test_the_advice_of_rejects_helps(options, tmp_path):
    """The path leads out: trust it, or name the folder that holds all."""
    rows = [(str(tmp_path / "b" / name), label) for name, label in ROWS]
    manifest = str(write_csv(tmp_path / "outside.csv", rows))
    few = MaxRejects(count=0, fraction=None)
    for advice in ({"allow_outside": True}, {"image_root": str(tmp_path)}):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with pytest.raises(TooManyRejects, match="12 outside_root"):
            build(options(manifest=manifest, max_rejects=few))
        build(options(manifest=manifest, max_rejects=few, **advice))
        assert dataset_json(tmp_path / "out")["rejects"]["count"] == 0


def test_a_higher_limit_for_rows_tries_them_again(options, tmp_path, monkeypatch):
    from pixelbeam.schemas.features.image import Image

    encode = Image.encode

    def linger(self, name, value):
        time.sleep(0.5)
        return encode(self, name, value)

    monkeypatch.setattr(Image, "encode", linger)
    rows = str(write_csv(tmp_path / "two.csv", ROWS[:2]))
    few = MaxRejects(count=0, fraction=None)
    size = ShardSize(num_shards=1)
    with pytest.raises(TooManyRejects, match="2 time_limit"):
        build(options(manifest=rows, row_timeout=0.1, max_rejects=few, shard_size=size))
    build(options(manifest=rows, row_timeout=60, max_rejects=few, shard_size=size))
    assert dataset_json(tmp_path / "out")["rows"] == 2


def test_a_published_reject_that_could_be_a_record_now_is_a_change(options, roots):
    shutil.move(roots[0] / "3.png", roots[0] / "kept")
    build(options())
    assert build(options()).state is OutputState.PUBLISHED
    shutil.move(roots[0] / "kept", roots[0] / "3.png")
    assert "1 source that has changed: 3.png" in refusal(options())


def test_a_failed_overwrite_leaves_the_old_dataset_alone(options, built, roots, tmp_path, prepared):
    before = contents(built)
    few = MaxRejects(count=0, fraction=None)
    (tmp_path / "none").mkdir()
    with pytest.raises(TooManyRejects) as error:
        build(options(image_root=str(tmp_path / "none"), overwrite=True, max_rejects=few))
    where = tmp_path / "out" / ".pixelbeam" / "next" / "rejects.jsonl"
    assert f"\n  all of them, a line each: {where}\n" in str(error.value)
    assert len(where.read_text().splitlines()) == 12
    assert contents(tmp_path / "out") == before
    assert build(options()).state is OutputState.PUBLISHED
    build(options(image_root=str(roots[1]), overwrite=True, max_rejects=few))
    assert contents(tmp_path / "out") == prepared.of_b
    assert state_of(tmp_path / "out") == [*KEPT, *SHARDS]


@pytest.mark.parametrize("sinks", [("tfrecord",), ("tfrecord", "hdf5")])
def test_an_overwrite_goes_on_after_a_crash_at_any_step(
    options, roots, tmp_path, monkeypatch, sinks
):
    """It dies before each rename and deletion of the last phase in turn."""
    from pixelbeam.pipeline.output.replace import finish_replacing
    from pixelbeam.transforms.storage import output_folder as folders

    settings = {"sinks": sinks, "shard_size": ShardSize(num_shards=2)}
    new = options(image_root=str(roots[1]), overwrite=True, **settings)
    build(options("fresh", image_root=str(roots[1]), **settings))
    fresh = contents(tmp_path / "fresh")
    build(options(sinks=sinks))
    with monkeypatch.context() as patch:
        patch.setattr("pixelbeam.pipeline.output.state.finish_replacing", lambda output: None)
        patch.setattr("pixelbeam.pipeline.output.state.clear_state", lambda output: None)
        build(new)  # complete, and not yet in its place
    shutil.copytree(tmp_path / "out", tmp_path / "complete", symlinks=True)
    old = contents(tmp_path / "complete")
    steps, rename = 0, folders._rename
    while True:
        shutil.rmtree(tmp_path / "out")
        shutil.copytree(tmp_path / "complete", tmp_path / "out")
        left = steps

        def die_later(source, target):
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(folders, "_rename", die_later)
            try:
                finish_replacing(folders.Folder(str(tmp_path / "out")))
                break
            except KeyboardInterrupt:
                seen = contents(tmp_path / "out")
        assert "dataset.json" not in seen or seen in (old, fresh)
        replacing = (tmp_path / "out" / ".pixelbeam" / "next" / "dataset.json").exists()
        finished = build(new)
        assert (finished.state, finished.replaced) == (OutputState.PUBLISHED, replacing)
        if steps == 0:
            assert describe(finished, "out").startswith(
                "replaced the dataset in out by one that was already built: 12 records; nothing else to "
                "do, as far as sizes and times tell\n"
            )
        assert contents(tmp_path / "out") == fresh
        # What was noted of the sources has come along, also where some of it had before the crash.
        assert build(replace(new, overwrite=False)).unseen == ""
        steps += 1
    again = build(replace(new, overwrite=False))
    assert (again.state, again.replaced) == (OutputState.PUBLISHED, False)
    assert steps >= 6
    assert contents(tmp_path / "out") == fresh
    assert not (tmp_path / "out" / ".pixelbeam" / "next").exists()


def test_an_overwrite_that_was_killed_goes_on_at_the_missing_shards(
    options, built, roots, tmp_path
):
    before = contents(built)
    new = options(image_root=str(roots[1]), overwrite=True)
    interrupt(new)
    assert contents(tmp_path / "out") == before
    shards = list((tmp_path / "out" / ".pixelbeam" / "next").glob("*.tfrecord"))
    inodes = {path.name: path.stat().st_ino for path in shards}
    assert build(new).state is OutputState.RESUMED
    assert {
        path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tfrecord")
    } == inodes


def test_a_manifest_that_changes_while_it_is_built_is_not_published(options, tmp_path, monkeypatch):
    run = build_module._run

    def run_and_change(*arguments):
        run(*arguments)
        write_csv(tmp_path / "rows.csv", ROWS[:-1])

    monkeypatch.setattr(build_module, "_run", run_and_change)
    with pytest.raises(BuildError) as error:
        build(options())
    assert str(error.value) == (
        f"{tmp_path / 'rows.csv'}: changed while the build was running; nothing was published, "
        "run the same command again"
    )
    monkeypatch.setattr(build_module, "_run", run)
    assert build(options()).dataset.rows == 11


@pytest.mark.parametrize("name", ["manifest", "output", "labels", "image_root"])
def test_an_empty_name_is_an_error(options, name, tmp_path):
    settings = {"manifest": "rows.csv", "schema": IMAGE_SCHEMA, "output": "out"}
    with pytest.raises(OptionError) as error:
        BuildOptions(**{**settings, name: ""})
    assert str(error.value) == (
        f"--{name}: got '', expected a name; is a variable of the shell not set?"
    )


@pytest.mark.parametrize("spelling", [".", "./", "{busy}/", "{busy}/.", "{link}", "{busy}/../busy"])
def test_a_folder_of_the_users_is_refused_however_it_is_spelled(
    options, spelling, tmp_path, monkeypatch
):
    busy = tmp_path / "busy"
    (busy / ".pixelbeam").mkdir(parents=True)
    (busy / "feature_description.py").write_text("mine")
    (busy / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to(busy)
    monkeypatch.chdir(busy)
    output = spelling.format(busy=busy, link=tmp_path / "link")
    settings = options()
    with pytest.raises(OutputError, match="holds files that are not a dataset's"):
        build(BuildOptions(settings.manifest, IMAGE_SCHEMA, output, image_root=settings.image_root))
    assert contents(busy) == {"feature_description.py": b"mine", "notes.txt": b"mine"}


def test_the_output_is_in_no_listing_of_its_own_build(options, tmp_path):
    """Below the folder of classes, and where a glob looks for manifests."""
    (tmp_path / "classes").mkdir()
    make_root(tmp_path / "classes" / "cat", 0)
    settings = {"manifest": str(tmp_path / "classes"), "image_root": None}
    for name in ("classes/out", "classes/cat/out"):
        interrupt(options(name, **settings))
        assert build(options(name, **settings)).dataset.rows == 12
        assert build(options(name, **settings)).state is OutputState.PUBLISHED
        shutil.rmtree(tmp_path / name)
    lines = "".join(json.dumps({"path": path, "label": label}) + "\n" for path, label in ROWS)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "rows.jsonl").write_text(lines + '{"path": "none.png", "label": "a"}\n')
    settings = {"manifest": str(tmp_path / "m" / "**" / "*.jsonl")}
    with pytest.raises(TooManyRejects):
        build(options("m/out", max_rejects=MaxRejects(count=0, fraction=None), **settings))
    assert build(options("m/out", **settings)).dataset.rows == 13
    assert build(options("m/out", **settings)).state is OutputState.PUBLISHED
