"""Datasets that between them go through every preset, kind, sink and way in; for ``same_bytes.py``.

Inputs are written deterministically: pictures in the formats and modes that Pillow takes apart differently,
clips in every form, tables of every format. Photos of one's own are used beside them where there are some.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

__all__ = ["SAMPLES", "Sample", "write_inputs"]

_SIDES = ((320, 240), (240, 320), (97, 61), (400, 400), (64, 300), (33, 17))
_CLIPS, _ODD = 9, 14


@dataclass(frozen=True, slots=True)
class Sample:
    """A dataset to build.

    Attributes:
        name: of its folder.
        manifest: file below the inputs, or folder; several as ``split=file``, comma-separated.
        schema: a preset, or the text of a schema file.
        options: further ones of the command.
    """

    name: str
    manifest: str
    schema: str
    options: tuple[str, ...] = ()

    def arguments(self, inputs: Path, output: Path) -> list[str]:
        """The command's arguments; a schema of one's own is written below the inputs."""
        schema = self.schema
        if "\n" in schema:
            file = inputs / f"{self.name}.yaml"
            file.write_text(schema, encoding="utf-8")
            schema = str(file)
        named = (part.rpartition("=") for part in self.manifest.split(","))
        manifest = ",".join(f"{split}{equals}{inputs / file}" for split, equals, file in named)
        options = [option.replace("INPUTS", str(inputs)) for option in self.options]
        return [
            "build", "--manifest", manifest, "--schema", schema, "--output", str(output),
            "--max_rejects", "1.0", "--threads", "2", *options,
        ]  # fmt: skip


_BOTH = ("--sinks", "tfrecord,hdf5")
_SPLITS = ("--splits", "train=0.7,val=0.2,test=0.1")
_LABEL = "label: {type: class_label, source: label, vocabulary: from_manifest}"


def _images(settings: str) -> str:
    return f"features:\n  image: {{type: image, source: path, {settings}}}\n  {_LABEL}\n"


def _clips(clips: str, frames: str = "source: path, height: 24, width: 24, upscale: true") -> str:
    return (
        f"record: sequence_example\nclips: {{{clips}}}\ncontext:\n  {_LABEL}\n"
        f"steps:\n  frames: {{type: image, {frames}}}\n"
    )


_ALL_KINDS = f"""\
name: all kinds
version: 1.2.3
features:
  raw: {{type: image, source: path, height: 6, width: 5, upscale: true, encoding: raw}}
  packed: {{type: image, source: path, height: 6, width: 5, encoding: raw, upscale: true, storage: gzip}}
  lzf: {{type: image, source: path, height: 6, width: 5, encoding: raw, upscale: true, storage: lzf}}
  zstd: {{type: image, source: path, height: 6, width: 5, encoding: raw, upscale: true, storage: zstd}}
  blosc: {{type: image, source: path, height: 6, width: 5, encoding: raw, upscale: true, storage: blosc2}}
  ragged: {{type: image, source: path, resize: longest_side, size: 16, encoding: raw}}
  jpeg: {{type: image, source: path, resize: longest_side, size: 16}}
  deep:
    {{type: image, source: path, height: 8, width: 8, channels: 1, encoding: png, dtype: uint16, upscale: true}}
  {_LABEL}
  tags: {{type: class_labels, source: tags, num_classes: 9}}
  words: {{type: class_labels, source: labels, vocabulary: from_manifest}}
  box: {{type: float32, source: box, shape: [2, 2]}}
  tokens: {{type: int64, source: tokens, shape: [null]}}
  boxes: {{type: float32, source: boxes, shape: [null, 4]}}
  score: {{type: float32, source: target, default: 0.5, min: -1, max: 1000, target: true}}
  text/name: {{type: string, source: label}}
  blob: {{type: bytes, source: label}}
"""

SAMPLES = (
    *(
        Sample(f"{preset}-{name}", f"{manifest}", preset, (*sinks, *_SPLITS, *more))
        for preset, manifest, more in (
            ("image_classification", "pictures/all.csv", ()),
            ("image_regression", "pictures/all.csv", ("--group_by", "group")),
            ("multi_label", "pictures/all.csv", ("--num_shards", "2")),
            ("audio_visual", "pictures/all.csv", ("--records_per_shard", "9", "--seed", "5")),
            ("token_sequence", "pictures/sentences.csv", ("--shard_size", "2KB")),
            ("video_classification", "clips/frames.csv", ()),
        )
        for name, sinks in (("tfrecord", ("--sinks", "tfrecord")), ("both", _BOTH))
    ),
    Sample("image_classification-hdf5", "pictures/all.csv", "image_classification",
           ("--sinks", "hdf5", *_SPLITS)),
    Sample("all_kinds", "pictures/all.csv", _ALL_KINDS, (*_BOTH, "--num_shards", "3")),
    Sample("raw", "pictures/all.csv",
           _images("height: 40, width: 56, upscale: true, encoding: raw"), _BOTH),
    Sample("pad_png", "pictures/all.csv", _images(
        "height: 50, width: 50, resize: pad, background: '#203040', encoding: png, filter: lanczos"), _BOTH),
    Sample("stretch_webp", "pictures/all.csv", _images(
        "height: 32, width: 48, resize: stretch, encoding: webp, lossless: true, upscale: true"), _BOTH),
    Sample("shortest_side_srgb", "pictures/all.csv", _images(
        "resize: shortest_side, size: 48, colour: srgb, decode: exact, subsampling: '4:4:4', quality: 75")),
    Sample("longest_side_grey", "pictures/all.csv", _images(
        "resize: longest_side, size: 40, channels: 1, encoding: raw, dtype: uint16"), _BOTH),
    Sample("own_size_alpha", "pictures/all.csv", _images(
        "resize: none, channels: 4, encoding: png"), _BOTH),
    Sample("passed_through", "pictures/all.csv", _images(
        "resize: none, encoding: jpeg, reencode: false, strict: true")),
    Sample("class_folders", "folders", "image_classification", _BOTH),
    Sample("embedded", "pictures/embedded.parquet", "image_classification", (*_BOTH, *_SPLITS)),
    Sample("json_lines", "pictures/all.jsonl.gz", "image_regression", _SPLITS),
    Sample("joined", "pictures/paths.csv", "image_classification",
           ("--labels", "INPUTS/pictures/labels.tsv", "--join_on", "path", "--split_column", "split")),
    Sample("split_manifests", "train=pictures/first.csv,test=pictures/second.csv",
           "image_classification", ("--row_timeout", "30", *_BOTH)),
    Sample("frame_folders", "clips/folders.csv",
           _clips("every: 2, max_frames: 9"), (*_BOTH, *_SPLITS)),
    Sample("animations", "clips/animations.csv", _clips(
        "window: 4, stride: 3, min_frames: 2", "source: path, resize: none, encoding: png")),
    Sample("clip_arrays", "clips/arrays.csv", _clips(
        "min_frames: 3", "source: path, height: 16, width: 16, encoding: raw, upscale: true"), _BOTH),
    Sample("dropped_frames", "clips/broken.csv", _clips(
        "key: clip, order: frame, on_bad_frame: drop, on_duplicate: drop, window: 3"), _BOTH),
)  # fmt: skip


def write_inputs(folder: Path, photos: Path | None = None) -> None:
    """Writes what ``SAMPLES`` are built from.

    Args:
        folder: an empty one.
        photos: a folder of further JPEG files; each is a class of its own.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    rows = [_row(path.name, i) for i, path in enumerate(_write_pictures(pictures, photos))]
    _write_array(pictures / "audio.h5", rows)
    rows += [_row("missing.jpg", 1000), {**_row("plain_0.png", 1001), "label": ""}]
    _write_table(pictures / "all.csv", rows)
    _write_table(pictures / "first.csv", rows[: len(rows) // 2])
    _write_table(pictures / "second.csv", rows[len(rows) // 2 :])
    _write_table(pictures / "paths.csv", [_keep(row, "path", "split") for row in rows])
    labels = [_keep(row, "path", "label") for row in rows[2:]] + [{"path": "no", "label": "such"}]
    _write_table(pictures / "labels.tsv", labels, "\t")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    with gzip.GzipFile(pictures / "all.jsonl.gz", "wb", mtime=0) as file:
        file.write(lines.encode())
    embedded = [
        {"path": (pictures / row["path"]).read_bytes(), "label": row["label"]} for row in rows[:30]
    ]
    pq.write_table(pa.Table.from_pylist(embedded), pictures / "embedded.parquet", row_group_size=8)
    random = np.random.default_rng(7)
    sentences = [
        {"tokens": " ".join(map(str, random.integers(0, 99, 1 + i % 13))), "label": "ab"[i % 2]}
        for i in range(150)
    ]
    _write_table(pictures / "sentences.csv", [*sentences, {"tokens": "1 -2", "label": "a"}])
    for index, row in enumerate(rows[:20]):
        (folder / "folders" / "xyz"[index % 3]).mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures / row["path"], folder / "folders" / "xyz"[index % 3])
    _write_clips(folder / "clips")


def _row(name: str, number: int) -> dict[str, str]:
    return {
        "path": name,
        "label": f"class {number % 5}",
        "labels": ";".join(f"c{i}" for i in range(1 + number % 3)),
        "target": "" if number % 11 == 3 else f"{number * 0.37:.4f}",
        "audio": f"audio.h5::/voices/{number}",
        "group": f"g{number % 7}",
        "split": ("train", "val", "train")[number % 3],
        "tags": str(list(range(number % 4))),
        "box": f"1,2,3,{number}",
        "tokens": str(list(range(number % 5))),
        "boxes": str([[number, box, 2, 3] for box in range(number % 3)]),
    }


def _keep(row: dict[str, str], *names: str) -> dict[str, str]:
    return {name: row[name] for name in names}


def _write_table(path: Path, rows: Sequence[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def _write_array(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(len(rows)):
            values = np.random.default_rng(number).normal(size=3 + number % 9)
            file[f"voices/{number}"] = values.astype(np.float32)


def _picture(number: int, size: tuple[int, int]) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def _write_pictures(folder: Path, photos: Path | None) -> list[Path]:
    """Pictures of every format and mode; the last ones are damaged."""
    written = []

    def save(name: str, image: Image.Image, **settings: Any) -> Path:
        path = folder / name
        image.save(path, **settings)
        written.append(path)
        return path

    for number, size in enumerate(_SIDES * 2):
        save(f"plain_{number}.png", _picture(number, size))
        save(f"photo_{number}.jpg", _picture(number + 50, size), quality=60 + number)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(f"turned_{turn}.jpg", _picture(turn, (160, 90)), exif=exif, quality=92)
        save(f"turned_{turn}.png", _picture(turn, (60, 90)), exif=exif)
        save(f"turned_{turn}.tif", _picture(turn, (60, 90)), tiffinfo={0x0112: turn})
    odd = [_picture(i, (120 + i, 130)) for i in range(_ODD)]
    for mode, image in zip(("L", "LA", "P", "RGBA", "1", "CMYK", "YCbCr"), odd, strict=False):
        suffix = "jpg" if mode in ("CMYK", "YCbCr") else "png"
        save(f"mode_{mode}.{suffix}", image.convert(mode))
    deep = np.random.default_rng(3).integers(0, 65536, (90, 110), np.uint16)
    save("deep.png", Image.fromarray(deep))
    save("deep.tif", Image.fromarray(deep))
    for image, suffix in zip(odd[7:], ("gif", "bmp", "webp", "ppm", "tif"), strict=False):
        save(f"format.{suffix}", image)
    save("progressive.jpg", odd[12], progressive=True, quality=85)
    further = sorted(photos.glob("*.jpg")) if photos else []
    written += [Path(shutil.copy(path, folder)) for path in further]
    whole = (folder / "photo_0.jpg").read_bytes()
    for name, data in (("cut.jpg", whole[: len(whole) // 2]), ("text.png", b"no image")):
        (folder / name).write_bytes(data)
        written.append(folder / name)
    return written


def _write_clips(folder: Path) -> None:
    """Clips as rows a frame, as folders, as animations and as arrays; two frames are damaged."""
    folder.mkdir()
    frames, folders, animations, arrays = [], [], [], []
    with h5py.File(folder / "clips.h5", "w", libver="latest") as file:
        for clip in range(_CLIPS):
            label = ("wave", "clap")[clip % 2]
            pictures = [_picture(clip * 100 + i, (48, 40)) for i in range(3 + 2 * clip)]
            (folder / f"clip_{clip}").mkdir()
            for number, picture in enumerate(pictures):
                path = f"clip_{clip}/{number}.jpg"
                picture.save(folder / path, quality=90)
                frames.append(
                    {"path": path, "clip": f"c{clip}", "frame": str(number), "label": label}
                )
            folders.append({"path": f"clip_{clip}", "label": label})
            animations.append({"path": f"{clip}.gif", "label": label})
            pictures[0].save(folder / f"{clip}.gif", save_all=True, append_images=pictures[1:])
            arrays.append({"path": f"clips.h5::/jpeg/{clip}", "label": label})
            held = file.create_dataset(f"jpeg/{clip}", len(pictures), h5py.vlen_dtype(np.uint8))
            for number, picture in enumerate(pictures):
                held[number] = np.frombuffer(_jpeg(picture), np.uint8)
            arrays.append({"path": f"clips.h5::/pixels[{clip}]", "label": label})
        pixels = np.random.default_rng(0).integers(0, 256, (_CLIPS, 4, 20, 18, 3), np.uint8)
        file.create_dataset("pixels", data=pixels, chunks=(2, 4, 20, 18, 3), compression="gzip")
    for name, rows in (
        ("frames", frames), ("folders", folders), ("animations", animations), ("arrays", arrays)
    ):  # fmt: skip
        _write_table(folder / f"{name}.csv", rows)
    (folder / "text.jpg").write_bytes(b"no image")
    broken = [{**row, "path": "text.jpg"} if i % 17 == 4 else row for i, row in enumerate(frames)]
    _write_table(folder / "broken.csv", [*broken, broken[5]])


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
