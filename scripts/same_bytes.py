#!/usr/bin/env python3
"""Builds the same datasets with two checkouts and compares every file, so that no change passes unseen.

    .venv/bin/python scripts/same_bytes.py OTHER_CHECKOUT [--only NAME …] [--photos DIR] [--keep DIR]

Each checkout builds with the interpreter of its own ``.venv``: the samples of ``sample_datasets.py``, and the
datasets of the examples. Shards, joined files, rejects and ``feature_description.py`` are compared by SHA-256,
``dataset.json`` key by key, but for what ``MAY_DIFFER`` and ``MAY_BE_NEW`` name. Prints a line a dataset; exits
with 1 when anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from sample_datasets import SAMPLES, write_inputs

__all__ = ["compare_datasets", "main"]

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT.parent / "shared" / "data" / "photos"

MAY_DIFFER = {
    "versions": "names the libraries that decide bytes, and may come to name more",
    "fingerprint": "a hash over those versions",
    "checksum": "of dataset.json itself",
    "files": "lists the dataset's files, and may come to list more; the files are compared themselves",
    "splits.*.files": "the joined files, which may be listed elsewhere; compared themselves",
    "description": "the generated module, which may be listed elsewhere; compared itself",
    "rejects.file": "likewise",
    "duplicates": "counts of twins, which datasets once had not",
    "command.duplicate_distance": "which twins are looked for, of which datasets once knew nothing",
    "command.index": "whether there is an index, of which datasets once knew nothing",
}
"""Keys of ``dataset.json`` that a version may write otherwise, and why; ``*`` is any key."""

MAY_BE_NEW = {
    "statistics.jsonl": "a summary of each shard, which datasets once had not",
    "duplicates.jsonl": "the list of twins, likewise",
    "index/*": "a row for each record, likewise",
}
"""Files that the other checkout need not have written, and why."""

# Beam is imported once for all builds of a checkout; each is the command as a user types it.
_BUILD = """
import contextlib, json, sys
from pixelbeam.pipeline.main import main
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(sys.stderr):
        code = main(arguments)
    if code:
        sys.exit(f"exit code {code}: pixelbeam {' '.join(arguments)}")
"""
_EXPORT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import audio_visual, digits, tokens, video
inputs = Path(sys.argv[2])
digits.export_digits(inputs / "digits")
video.export_clips(inputs / "video", 60)
tokens.export_sentences(inputs / "tokens", 400)
audio_visual.export_pairs(inputs / "audio_visual")
"""
_BUILD_EXAMPLES = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import audio_visual, digits, digits_hdf5, tokens, video
inputs, outputs = map(Path, sys.argv[2:])
digits.build_dataset(inputs / "digits/digits.csv", outputs / "example-digits")
digits_hdf5.build_dataset(inputs / "digits/digits.csv", outputs / "example-digits_hdf5")
video.build_dataset(inputs / "video/clips.csv", outputs / "example-video")
tokens.build_dataset(inputs / "tokens/sentences.csv", outputs / "example-tokens")
audio_visual.build_dataset(inputs / "audio_visual/digits.csv", outputs / "example-audio_visual")
"""


def main() -> int:
    """Builds with both, compares, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", type=Path, help="the checkout to compare with, and its .venv")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="datasets (default: all)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="further JPEG files")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder to build in")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as scratch:
        folder = options.keep or Path(scratch)
        write_inputs(folder / "inputs", options.photos if options.photos.is_dir() else None)
        if not options.only:
            _python(ROOT, _EXPORT, folder, str(ROOT / "examples"), str(folder / "inputs"))
        checkouts = {"before": options.other.resolve(), "after": ROOT}
        for name, checkout in checkouts.items():
            _build_all(checkout, folder / "inputs", folder / name, options.only)
        before, after = folder / "before", folder / "after"
        names = sorted({path.name for side in (before, after) for path in side.iterdir()})
        same = _print_table({n: compare_datasets(before / n, after / n) for n in names}, after)
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if same else 1


def _build_all(checkout: Path, inputs: Path, outputs: Path, only: list[str] | None) -> None:
    outputs.mkdir()
    chosen = [sample for sample in SAMPLES if not only or sample.name in only]
    commands = [sample.arguments(inputs, outputs / sample.name) for sample in chosen]
    _python(checkout, _BUILD, outputs, given=json.dumps(commands))
    if not only:
        examples = str(checkout / "examples")
        _python(checkout, _BUILD_EXAMPLES, outputs, examples, str(inputs), str(outputs))


def _python(checkout: Path, code: str, folder: Path, *arguments: str, given: str = "") -> None:
    """Runs a program in a checkout's environment, away from any checkout's files."""
    interpreter = checkout / ".venv" / "bin" / "python"
    done = subprocess.run(
        [interpreter, "-c", code, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{checkout}:\n{done.stdout}{done.stderr}")


def compare_datasets(before: Path, after: Path) -> list[str]:
    """What differs between two datasets; empty where nothing does.

    Notes on sources, in ``.pixelbeam/``, hold modification times and are no part of a dataset.
    """
    return list(_compare_files(before, after))


def _compare_files(before: Path, after: Path) -> Iterator[str]:
    held, found = _hashes(before), _hashes(after)
    for name in sorted(held.keys() | found.keys()):
        if name not in held and any(fnmatch(name, pattern) for pattern in MAY_BE_NEW):
            continue
        if name not in found or name not in held:
            yield f"{name}: only {'before' if name in held else 'after'}"
        elif name == "dataset.json":
            old, new = (json.loads((side / name).read_bytes()) for side in (before, after))
            yield from _compare_json(old, new, ())
        elif held[name] != found[name]:
            yield f"{name}: {held[name][:12]} before, {found[name][:12]} after"


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
    }


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if path.relative_to(folder).parts[0] != ".pixelbeam"]


def _compare_json(before: Any, after: Any, at: tuple[str, ...]) -> Iterator[str]:
    if _may_differ(at):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _compare_json(before.get(key), after.get(key), (*at, key))
    elif before != after:
        key = ".".join(at)
        yield f"dataset.json: {key}: {json.dumps(before)[:200]} before, {json.dumps(after)[:200]} after"


def _may_differ(at: tuple[str, ...]) -> bool:
    return any(
        len(at) == len(pattern) and all(p in ("*", key) for p, key in zip(pattern, at, strict=True))
        for pattern in (tuple(name.split(".")) for name in MAY_DIFFER)
    )


def _print_table(differences: dict[str, list[str]], after: Path) -> bool:
    """A line a dataset and a total; returns whether all are the same."""
    total = f"{len(differences)} datasets"
    width = max(map(len, [*differences, total]))
    print(f"{'dataset':<{width}}  files       bytes")
    files = size = 0
    for name, differs in differences.items():
        paths = _files(after / name)
        held = sum(path.stat().st_size for path in paths)
        files, size = files + len(paths), size + held
        print(f"{name:<{width}} {len(paths):6,} {held:11,}  {'differs' if differs else 'same'}")
        for difference in differs:
            print(f"  {difference}")
    wrong = sum(map(bool, differences.values()))
    verdict = f"{wrong} of {len(differences)} datasets differ" if wrong else "all the same"
    print(f"{total:<{width}} {files:6,} {size:11,}  {verdict}")
    return not wrong


if __name__ == "__main__":
    sys.exit(main())
