"""Whether image files are cut off behind their pixels, where decoders do not look."""

from __future__ import annotations

__all__ = ["missing_end"]

_PNG_END = b"IEND\xaeB`\x82"  # the last chunk's type, and its CRC-32, which is always this one
_EXTENSION, _IMAGE, _TRAILER = b"!,;"


def missing_end(format_: str | None, data: bytes) -> str:
    """What there is to warn of in a file that was decoded although its end is missing; empty for a sound one.

    The pixels of the image, of an animation those of its first frame, are all there; frames behind it may be
    lost.

    Args:
        format_: ``PNG``, ``GIF``, … as Pillow has it; others are not looked at.
        data: the file.
    """
    if format_ == "PNG" and data.rfind(_PNG_END) < 0:
        return "the file ends without IEND"
    if format_ == "GIF" and not _has_trailer(data):
        return "the file ends without a trailer"
    return ""


def _has_trailer(data: bytes) -> bool:
    """Walks the blocks of a GIF; section 12 ff. of https://www.w3.org/Graphics/GIF/spec-gif89a.txt."""
    try:
        at = 13 + _table_bytes(data[10])
        while data[at] != _TRAILER:
            if data[at] == _EXTENSION:
                at = _behind_blocks(data, at + 2)
            elif data[at] == _IMAGE:
                at = _behind_blocks(data, at + 11 + _table_bytes(data[at + 9]))
            else:  # bytes between blocks that mean nothing, which decoders pass over too
                at += 1
    except IndexError:
        return False
    return True


def _table_bytes(flags: int) -> int:
    """The length of the colour table that stands behind these flags."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    """Where sub-blocks end, of which each has its length before it and the last one has none."""
    while data[at]:
        at += data[at] + 1
    return at + 1
