from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The files of the store behind ``memory://``, by their addresses; empty before a test."""
    from object_store import MemoryFileSystem

    monkeypatch.chdir(tmp_path)  # code that takes an address for a path writes there
    MemoryFileSystem.folders.clear()
    MemoryFileSystem.files.clear()
    yield MemoryFileSystem.files
    MemoryFileSystem.files.clear()
