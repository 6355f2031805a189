"""The fresh machine on a repository of its own, whose documents each test writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fresh_machine import put_samples
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "scripts").mkdir(parents=True)
    for name in ("documents.py", "fresh_machine.py"):
        shutil.copy(SCRIPTS / name, root / "scripts")
    (root / "docs").mkdir()
    (root / "README.md").write_text("```bash\necho first >said\n```\n")
    (root / "CONTRIBUTING.md").write_text("Nothing.\n")
    return root


def run(root: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "documents")):
        subprocess.run([*git, *command], cwd=root, check=True)
    (root / "not_committed").touch()
    done = subprocess.run(
        [sys.executable, root / "scripts" / "fresh_machine.py", *arguments],
        env={**os.environ, **environment},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, [line for line in done.stdout.splitlines() if line]


def test_documents_run_one_after_the_other_and_the_untested_are_listed(repository: Path) -> None:
    untested = "```bash\n# not tested: needs a bucket\nexit 1\n```\n"
    (repository / "docs" / "a.md").write_text("```console\n$ cat said\nx\n```\n" + untested)
    code, lines = run(repository)
    verdict = lines.pop(3)
    assert (code, lines) == (
        0,
        [
            "== README.md:2",
            "== docs/a.md:2",
            "first",
            "left out, 1 blocks:",
            "  docs/a.md:6: needs a bucket",
        ],
    )
    assert verdict.startswith("passed in ")
    assert verdict.endswith(" s: README.md, docs/a.md, CONTRIBUTING.md")


def test_a_command_that_fails_fails_the_job(repository: Path) -> None:
    (repository / "docs" / "a.md").write_text("```bash\nls no_such_file 2>/dev/null\n```\n")
    code, lines = run(repository)
    assert code == 1
    assert lines[:3] == ["== README.md:2", "== docs/a.md:2", "FAILED: docs/a.md:2"]


def test_a_document_that_stands_alone_fails_the_job_too(repository: Path) -> None:
    (repository / "docs" / "distributed.md").write_text("```bash\ncat said\n```\n")
    code, lines = run(repository)
    assert code == 1
    assert "FAILED: docs/distributed.md:2" in lines


def test_nothing_of_the_caller_is_there(repository: Path) -> None:
    """No file that is not committed, no home, no environment, no setting of Python's or ours."""
    block = """```bash
ls -A | tr '\\n' ' '; echo
ls -A "$HOME" | wc -l
echo "${VIRTUAL_ENV-} ${PYTHONPATH-} ${PIXELBEAM_ENGINES-} $PIP_TIMEOUT"
! command -v only_in_the_environment
```
"""
    (repository / "docs" / "a.md").write_text(block)
    environment = repository.parent / "environment"
    (environment / "bin").mkdir(parents=True)
    tool = environment / "bin" / "only_in_the_environment"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    code, lines = run(
        repository,
        "docs/a.md",
        VIRTUAL_ENV=str(environment),
        PATH=f"{environment}/bin{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH="/somewhere",
        PIXELBEAM_ENGINES="/somewhere",
        PIP_TIMEOUT="180",
    )
    files = ".git CONTRIBUTING.md README.md docs frames my.csv photos scripts "
    assert (code, lines[:4]) == (0, ["== docs/a.md:2", files, "0", "   180"])


def test_engines_that_are_new_are_kept(repository: Path, tmp_path: Path) -> None:
    made = "~/.cache/pixelbeam-engines"
    block = f"```bash\nmkdir -p {made}/flink {made}/workers\ntouch {made}/flink/new {made}/workers/new\n```\n"
    (repository / "docs" / "distributed.md").write_text(block)
    assert run(repository, "--keep_engines", str(tmp_path / "engines"))[0] == 0
    kept = [path.relative_to(tmp_path) for path in sorted((tmp_path / "engines").rglob("*"))]
    assert [path.as_posix() for path in kept] == ["engines/flink", "engines/flink/new"]


def test_the_readers_own_files_are_there(tmp_path: Path) -> None:
    put_samples(tmp_path)
    lines = (tmp_path / "photos" / "photos.csv").read_text().splitlines()
    assert lines[:3] == ["path,label", "000.png,red", "001.png,green"]
    assert len(lines) == 41
    frames = (tmp_path / "frames" / "frames.csv").read_text().splitlines()
    assert frames[:2] == ["path,clip,frame,label", "0_0.png,0,0,red"]
    assert len(frames) == 121
    assert (tmp_path / "my.csv").read_text().splitlines()[1] == "photos/000.png,red"
    pixels = np.asarray(Image.open(tmp_path / "photos" / "001.png"))
    assert pixels.shape == (61, 61, 3)
    assert pixels[:2, 0].tolist() == [[30, 200, 30], [31, 201, 31]]
