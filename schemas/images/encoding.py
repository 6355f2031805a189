"""Encoding images, without metadata; JPEG in several threads at the same time."""

from __future__ import annotations

import io
import os
import threading
from typing import Any, Literal

from PIL import Image

from ..errors import Reject
from .resizing import size_text

__all__ = ["LARGEST_SIDE", "encode", "encode_jpeg"]

LARGEST_SIDE = {"jpeg": 65500, "webp": 16383}
"""Pixels a side that an encoding can hold at most (libjpeg's and libwebp's own limits)."""

# The size of the image beyond which a thread's file would keep too much memory.
_MOST_PIXELS = 1 << 24


def encode(
    image: Image.Image,
    encoding: Literal["jpeg", "png", "webp"],
    *,
    quality: int | None = None,
    subsampling: str | None = None,
    lossless: bool = False,
) -> bytes:
    """Encodes an image without any metadata: no EXIF, colour profile or comment.

    The same pixels and settings give the same bytes with the same Pillow.

    Args:
        image: ``L``, ``RGB``, ``RGBA`` (PNG, WebP) or ``I;16`` (PNG).
        encoding: the format.
        quality: of JPEG and lossy WebP.
        subsampling: of JPEG in colour, such as ``4:2:0``.
        lossless: WebP without loss, the colours under full transparency included.

    Raises:
        Reject: ``image_too_large`` (stage ``encode``) for a side that the format cannot hold.
    """
    largest = LARGEST_SIDE.get(encoding)
    if largest is not None and max(image.size) > largest:
        got = f"got {size_text(image.size)} pixels, expected at most {largest} a side"
        raise Reject("encode", "image_too_large", f"{got} with encoding {encoding}")
    image.info = {}  # comments, profiles and colour keys would be written from here
    if encoding == "jpeg":
        chroma = {} if subsampling is None else {"subsampling": subsampling}
        return encode_jpeg(image, {"quality": quality, **chroma})
    buffer = io.BytesIO()
    if encoding == "png":
        # On photos level 4 is as small as zlib's usual 6, in less than half of the time.
        image.save(buffer, "PNG", compress_level=4)
    elif lossless:
        image.save(buffer, "WEBP", lossless=True, exact=True)
    else:
        image.save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


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
