#!/usr/bin/env python3
"""Does on a fresh machine what the documents say: every command, and every program.

    scripts/fresh_machine.py [--keep_engines DIR] [DOCUMENT …]

Clones what is committed into an empty folder, with an empty home and no environment of anybody's on the
path, and puts beside it what the documents take for the reader's own: photos, frames, a manifest. Exits
with 1 where a command fails, and names its place. Needs git and Python.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from documents import HEADER, document_script, documents, read_blocks

__all__ = ["main", "put_samples"]

_ROOT = Path(__file__).resolve().parents[1]
# Its script makes an environment of its own, which has to work where nothing else was installed.
_ALONE = ("docs/distributed.md",)
# How a machine reaches its network and its tools; of the rest, a fresh one knows nothing.
_KEPT = (
    "PATH",
    "LANG",
    "TMPDIR",
    "JAVA_HOME",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_KEPT_STARTS = ("PIP_", "GO", "MAVEN_", "http", "HTTP", "no_proxy", "NO_PROXY")
_PHOTOS, _CLIPS, _FRAMES = 40, 12, 10
_COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the documents and says what was run, what was left out, and why."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="DOCUMENT", help="README.md, … (default: all)")
    parser.add_argument(
        "--keep_engines", type=Path, metavar="DIR", help="move Flink there if it is new"
    )
    options = parser.parse_args(argv)
    names = options.names or documents(_ROOT)
    with tempfile.TemporaryDirectory(prefix="fresh-machine-") as scratch:
        folder = Path(scratch)
        alone = [[name] for name in names if name in _ALONE]
        together = [name for name in names if name not in _ALONE]
        runs = [run for run in (*alone, together) if run]
        with ThreadPoolExecutor(len(runs)) as threads:
            passed = list(threads.map(lambda run: _run(folder / f"{runs.index(run)}", run), runs))
        if options.keep_engines:
            _keep_engines(folder, options.keep_engines)
    print(_describe_untested(names))
    return 0 if all(passed) else 1


def put_samples(folder: Path) -> None:
    """Writes what the documents take for the reader's own: ``photos/``, ``frames/`` and ``my.csv``."""
    names = list(_COLOURS)
    photos = [(f"{i:03d}.png", names[i % 2]) for i in range(_PHOTOS)]
    frames = [
        (f"{clip}_{i}.png", str(clip), str(i), names[clip % 2])
        for clip in range(_CLIPS)
        for i in range(_FRAMES)
    ]
    for kind, header, rows in (
        ("photos", ("path", "label"), photos),
        ("frames", ("path", "clip", "frame", "label"), frames),
    ):
        (folder / kind).mkdir()
        for index, row in enumerate(rows):
            (folder / kind / row[0]).write_bytes(_png(_COLOURS[row[-1]], 60 + index % 40))
        lines = [",".join(row) for row in (header, *rows)]
        (folder / kind / f"{kind}.csv").write_text("\n".join(lines) + "\n")
    mine = ["path,label", *(f"photos/{name},{label}" for name, label in photos)]
    (folder / "my.csv").write_text("\n".join(mine) + "\n")


def _png(colour: tuple[int, int, int], side: int) -> bytes:
    """A square of one colour, which gets brighter downwards."""
    rows = (b"\0" + bytes(min(255, level + y) for level in colour) * side for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _run(folder: Path, names: Sequence[str]) -> bool:
    """Runs documents one after the other in one shell, in a clone and with a home of their own."""
    clone = folder / "pixelbeam"
    (folder / "home").mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
    put_samples(clone)
    steps = [document_script(read_blocks(clone, name), folder) for name in names]
    started = time.monotonic()
    log = folder / "log"
    with log.open("wb") as file:
        done = subprocess.run(
            ["bash", "-c", HEADER + "".join(steps)],
            cwd=clone,
            env=_environment(folder / "home"),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    # Whole, and not while they run, for several runs' lines would be mixed.
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    verdict = "passed" if done.returncode == 0 else "FAILED"
    print(f"\n{verdict} in {time.monotonic() - started:.0f} s: {', '.join(names)}\n", flush=True)
    return done.returncode == 0


def _environment(home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_STARTS)
    }
    activated = [
        os.environ.get("VIRTUAL_ENV"),
        sys.prefix if sys.prefix != sys.base_prefix else None,
    ]
    folders = [f"{environment}/bin" for environment in activated if environment]
    path = [part for part in kept["PATH"].split(os.pathsep) if part not in folders]
    own = {"PATH": os.pathsep.join(path), "HOME": str(home), "PS1": ""}
    maven = (
        f"{kept.get('MAVEN_OPTS', '')} -Dmaven.repo.local={home}/.m2/repository"  # it ignores HOME
    )
    return {**kept, **own, "MAVEN_OPTS": maven.strip()}


def _keep_engines(folder: Path, target: Path) -> None:
    """Moves what was downloaded and built, so that the tests of the engines need not do it again."""
    target.mkdir(parents=True, exist_ok=True)
    for part in ("flink", "flink-job-server.jar"):
        for made in folder.glob(f"*/home/.cache/pixelbeam-engines/{part}"):
            if not (target / part).exists():
                shutil.move(made, target / part)


def _describe_untested(names: Sequence[str]) -> str:
    blocks = [block for name in names for block in read_blocks(_ROOT, name)]
    lines = [f"  {block.place}: {block.untested}" for block in blocks if block.untested]
    return "\n".join([f"left out, {len(lines)} blocks:", *lines])


if __name__ == "__main__":
    sys.exit(main())
