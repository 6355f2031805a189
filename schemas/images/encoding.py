"""Encoding JPEG in several threads at the same time."""

from __future__ import annotations

import io
import os
import threading
from typing import Any

from PIL import Image

__all__ = ["encode_jpeg"]

# The size of the image beyond which a thread's file would keep too much memory.
_MOST_PIXELS = 1 << 24


def encode_jpeg(image: Image.Image, settings: dict[str, Any]) -> bytes:
    """Encodes an image as ``image.save(buffer, "JPEG", **settings)`` does, byte for byte.

    Pillow holds Python's lock all the while that it encodes to a Python object, so that threads wait
    for each other, and lets go of it when it encodes to a descriptor (``ImagingEncoder.encode_to_file``).
    """
    if not hasattr(os, "memfd_create") or image.width * image.height > _MOST_PIXELS:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **settings)
        return buffer.getvalue()
    file: _MemoryFile | None = getattr(_of_thread, "file", None)
    if file is None:
        file = _of_thread.file = _MemoryFile()
    file.rewind()
    image.save(file, "JPEG", **settings)  # type: ignore[arg-type]  # needs no more of a file
    return file.written()


class _MemoryFile:
    """A file in memory that has a descriptor, on Linux; closed when its thread ends."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("image")

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """The descriptor, which Pillow writes to."""
        return self._descriptor

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""

    def rewind(self) -> None:
        """Back to the start; what is there is overwritten."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def written(self) -> bytes:
        """What was written since ``rewind``."""
        return os.pread(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR), 0)


_of_thread = threading.local()


def _forget_file() -> None:
    _of_thread.__dict__.clear()


if hasattr(os, "register_at_fork"):
    # Parent and child would share the file's position, and write over each other's images.
    os.register_at_fork(after_in_child=_forget_file)
