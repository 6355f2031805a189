"""The checksum that a text file holds of itself, so that a flipped bit in it is found."""

from __future__ import annotations

import hashlib
import re

__all__ = ["BLANK", "fill_checksum", "has_right_checksum"]

BLANK = "0" * 64
"""What stands in the place of the checksum while it is taken."""

_FIELD = re.compile(rb'"checksum": "([0-9a-f]{64})"')


def fill_checksum(text: bytes) -> bytes:
    """Replaces the blank in ``"checksum": "000…"`` by the SHA-256 of the text as it is."""
    digest = hashlib.sha256(text).hexdigest()
    return text.replace(f'"checksum": "{BLANK}"'.encode(), f'"checksum": "{digest}"'.encode(), 1)


def has_right_checksum(text: bytes) -> bool:
    """Whether the text is, bit for bit, what ``fill_checksum`` made."""
    matches = _FIELD.findall(text)
    if len(matches) != 1:
        return False
    blank = text.replace(matches[0], BLANK.encode(), 1)
    return bool(hashlib.sha256(blank).hexdigest().encode() == matches[0])
