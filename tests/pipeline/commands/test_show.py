from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from clips import FRAME, build_clips, clip_schema, png, write_rows
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.show import show
from pixelbeam.pipeline.main import main
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, write_csv

HALVES = Splits((("train", 0.5), ("val", 0.5)))


@pytest.fixture(scope="module")
def out(images, tmp_path_factory):
    """Two splits of two shards, and a reject."""
    rows = [line.split(",") for line in (images / "images.csv").read_text().split()[1:]]
    manifest = write_csv(images / "show.csv", [*rows, ("gone.jpg", "cat")])
    folder = tmp_path_factory.mktemp("show") / "out"
    build(
        BuildOptions(
            str(manifest),
            IMAGE_SCHEMA,
            str(folder),
            splits=HALVES,
            shard_size=ShardSize(num_shards=2),
            max_rejects=MaxRejects(fraction=1.0),
        )
    )
    return folder


def test_every_record_is_found_by_key_and_by_source(out):
    shards = set()
    for number in range(40):
        name = f"{number:02d}.{'png' if number % 5 == 0 else 'jpg'}"
        (by_key,), (by_source,) = show(str(out), key=name), show(str(out), source=f"./{name}")
        assert by_key == by_source
        assert (by_key["source"], by_key["row"]) == (name, number + 2)
        shards.add(by_key["shard"])
    assert len(shards) == 4
    assert list(show(str(out), key="99.jpg")) == []


def test_a_file_is_found_by_where_it_is_from_here(out, images, monkeypatch):
    monkeypatch.chdir(images.parent)
    for path in (images / "07.jpg", f"{images.name}/07.jpg", f"{images}/../{images.name}/./07.jpg"):
        (found,) = show(str(out), source=str(path))
        assert found["key"] == "07.jpg"
    assert list(show(str(out), source=str(images.parent / "07.jpg"))) == []
    assert list(show(str(out), source=f"elsewhere/{images.name}/07.jpg")) == []
    assert main(["show", str(out), "--source", str(images / "gone.jpg")]) == 1


def test_one_split_is_looked_in(out):
    found = {split: list(show(str(out), key="07.jpg", split=split)) for split in ("train", "val")}
    assert sorted(map(len, found.values())) == [0, 1]
    with pytest.raises(DatasetError, match="no split 'test'; its splits are: train, val"):
        list(show(str(out), key="07.jpg", split="test"))


def test_the_command_prints_what_is_known(out, capsys):
    assert main(["show", str(out), "--key", "07.jpg"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: record ")
    assert "  source         07.jpg\n" in said
    assert "  label          dog\n" in said
    assert main(["show", str(out), "--source", "07.jpg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["split"], found["key"]) == (found["shard"].split("-")[0], "07.jpg")
    assert f"  dhash          {found['dhash']}\n" in said
    assert len(found["dhash"]) == 16


def test_a_rejected_row_is_told_of(out, capsys):
    for option in ("--key", "--source"):
        assert main(["show", str(out), option, "gone.jpg"]) == 1
        said = capsys.readouterr().out.splitlines()
        assert said[0] == f"{out}: no record has the {option[2:]} 'gone.jpg'"
        assert said[1].startswith("  rejected: show.csv:42: file_not_found: ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--key: expected it or --source, one of the two"),
        (["--key", "a", "--source", "a"], 2, "--key: expected it or --source, one of the two"),
        (["--key", "a", "--sample"], 2, "--sample: no such option"),
        (["--source", ""], 2, "--source: got nothing; is a variable of the shell not set?"),
    ],
)
def test_bad_usage(tmp_path, capsys, arguments, code, said):
    assert main(["show", str(tmp_path), *arguments]) == code
    assert said in capsys.readouterr().err


def test_what_is_no_dataset_or_has_no_index(build_images, tmp_path, capsys):
    assert main(["show", str(tmp_path), "--key", "a"]) == 1
    assert "no dataset.json" in capsys.readouterr().err
    out = build_images(index="none")
    assert main(["show", str(out), "--key", "00.png"]) == 1
    assert "has no index, since it was built without" in capsys.readouterr().err


def test_without_an_index_or_a_dataset_lost_rows_are_told_of(images, build_images, capsys):
    manifest = write_csv(images / "lost.csv", [("01.jpg", "cat"), ("gone.jpg", "cat")])
    out = build_images("lost", manifest=str(manifest), index="none")
    for said in ("has no index, since it was built without", "no dataset.json"):
        for flags, lines in (([], 1), (["--split", "train"], 0), (["--json"], 0)):
            assert main(["show", str(out), "--source", "gone.jpg", *flags]) == 1
            printed = capsys.readouterr()
            assert said in printed.err
            assert printed.out.count("\n") == lines
            assert printed.out.startswith("  rejected: lost.csv:3: file_not_found: " * lines)
        (out / "dataset.json").unlink(missing_ok=True)


def test_a_damaged_index_is_named(out, tmp_path):
    out = Path(shutil.copytree(out, tmp_path / "out"))
    path = out / "index" / "train-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DatasetError, match=r"train-00000-of-00002\.parquet is damaged: its SHA"):
        list(show(str(out), key="x"))
    path.unlink()
    with pytest.raises(DatasetError, match=r"train-00000-of-00002\.parquet is missing"):
        list(show(str(out), key="x"))


def test_a_frame_leads_to_its_clip(tmp_path, capsys):
    rows = []
    for clip in range(2):
        for frame in range(5):
            (tmp_path / f"{clip}_{frame}.png").write_bytes(png(clip, frame))
            path = f"{clip}_{frame}.png"
            rows.append({"path": path, "video": f"v{clip}", "frame": frame, "label": "a"})
    schema = clip_schema(key="video", order="frame")
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, tmp_path / "out")
    (shown,) = show(str(tmp_path / "out"), source="1_3.png")
    assert shown["key"] == "v1"
    assert main(["show", str(tmp_path / "out"), "--key", "v1"]) == 0
    assert "  source         1_0.png, 1_1.png, 1_2.png, … (5)\n" in capsys.readouterr().out


def test_many_records_of_one_file_are_counted(images, build_images, capsys):
    manifest = write_csv(images / "many.csv", [("01.jpg", "cat")] * 30)
    out = build_images("many", manifest=str(manifest))
    assert main(["show", str(out), "--source", "01.jpg"]) == 0
    said = capsys.readouterr().out
    assert said.count("record ") == 20
    assert said.endswith("and 10 more; --json prints them all\n")
    assert main(["show", str(out), "--source", "01.jpg", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 30


def test_any_spelling_of_a_path_finds_all_that_came_from_it(images, build_images):
    paths = ["01.jpg", "./01.jpg", ".//01.jpg", str(images / "01.jpg")]
    manifest = write_csv(images / "spellings.csv", [(path, "cat") for path in paths])
    out = build_images("spellings", manifest=str(manifest))
    for path in ("01.jpg", "./01.jpg", "a/../01.jpg"):
        assert [row["row"] for row in sorted_rows(show(str(out), source=path))] == [2, 3, 4, 5]
        assert len(list(show(str(out), key=path))) == 4


def sorted_rows(found):
    return sorted(found, key=lambda row: row["row"])


def test_a_row_that_was_lost_is_told_of_beside_records_of_its_key(images, build_images, capsys):
    manifest = write_csv(images / "both.csv", [("01.jpg", "cat"), ("01.jpg", "")])
    out = build_images("both", manifest=str(manifest))
    assert main(["show", str(out), "--key", "01.jpg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("record 0 of train-00000-of-00001")
    assert lines[-1].startswith("  rejected: both.csv:3: missing_value: ")
    assert main(["show", str(out), "--source", "./01.jpg"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == lines[-1]
    assert main(["show", str(out), "--key", "01.jpg", "--split", "train"]) == 0
    assert "rejected" not in capsys.readouterr().out


def test_windows_are_found_by_their_clip_and_dropped_frames_told_of(tmp_path, capsys):
    rows = []
    for frame in range(6):
        data = png(0, frame) if frame != 4 else b"no image"
        (tmp_path / f"{frame}.png").write_bytes(data)
        rows.append({"path": f"{frame}.png", "video": "a b", "frame": frame, "label": "x"})
    schema = clip_schema(key="video", order="frame", window=3, min_frames=2, on_bad_frame="drop")
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, tmp_path / "out")
    keys = sorted(row["key"] for row in show(str(tmp_path / "out"), key="a b"))
    assert keys == ["a b[0:3]", "a b[3:6]"]
    assert main(["show", str(tmp_path / "out"), "--source", "4.png"]) == 1
    assert "  frame dropped: m.csv:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "lost"),
    [("{video}", "v1/2.png"), ("{video}/*.png", "v1/2.png"), ("./{video}", "./v1//2.png")],
)
def test_any_frame_of_a_folder_leads_to_the_clip_that_was_rejected(tmp_path, capsys, source, lost):
    for clip in ("v0", "v1", "v10"):
        (tmp_path / clip).mkdir()
        for frame in range(4):
            is_bad = clip != "v0" and frame == 3
            data = b"no image" if is_bad else png(int(clip[1]), frame)
            (tmp_path / clip / f"{frame}.png").write_bytes(data)
    rows = [{"video": clip, "label": "a"} for clip in ("v0", "v1", "v10")]
    schema = clip_schema(steps={"frames": {**FRAME, "source": source}})
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, tmp_path / "out")
    assert main(["show", str(tmp_path / "out"), "--source", lost]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:3] for line in lines[1:]] == [
        ["  rejected", "m.csv:3", "unknown_format"]
    ]
    for unknown in ("v1/deep/2.jpg", "v2/2.png", "2.png"):
        assert main(["show", str(tmp_path / "out"), "--source", unknown]) == 1
        told = "rejected" in capsys.readouterr().out
        assert told == (unknown.startswith("v1/") and "*" not in source)
