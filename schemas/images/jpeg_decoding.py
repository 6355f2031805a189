"""Decoding JPEG so that damage is told: Pillow throws away what libjpeg warns of.

libjpeg decodes whatever there is: where the data end too early, or make no sense, it warns and fills
the rest of the image with grey. ``simplejpeg`` stops at such a warning, at the same speed, and of a file
without one it gives the pixels that Pillow gives. What cannot be warned of is a progressive file that
lacks its last scans: it is blurred, but no rule of the format is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import simplejpeg
from PIL import Image, JpegImagePlugin

from ..errors import Reject

__all__ = ["decode_jpeg"]

# Pillow's own names of what it unpacks; it inverts CMYK, which Adobe's programs write inverted.
_RAW_MODES = {"L": ("GRAY", "L"), "RGB": ("RGB", "RGB"), "CMYK": ("CMYK", "CMYK;I")}

# simplejpeg is told a scale, n/8, by the size that it gives; two scales of so few pixels give the same.
_LEAST_SCALED = 8

_WARNING = re.compile(r"^(?:Corrupt JPEG data|Warning|Invalid|Unknown|Inconsistent|Premature)\b")
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|\d+(?:\.\d+)?)\b")

# Inside of a scan 0xff is followed by 0x00, or by the number of a restart marker.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")
_START_OF_SCAN, _END = 0xDA, 0xD9
_SEQUENTIAL_FRAMES, _PROGRESSIVE_FRAMES = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)


def decode_jpeg(image: JpegImagePlugin.JpegImageFile, data: bytes) -> tuple[Image.Image, str]:
    """Decodes a JPEG file as ``image.load()`` does, and looks for damage.

    Args:
        image: Pillow's image of the file, its header read, and ``draft`` called where it is to be scaled.
        data: the file.

    Returns:
        The pixels, and what libjpeg warned of, its numbers as ``N``: empty for a sound file.

    Raises:
        Reject: ``truncated_image``.
        OSError: Pillow's, of what cannot be decoded at all.
    """
    missing = _missing_scans(data)
    if missing:
        message = f"got {len(data)} bytes that {missing}, expected all scans of a JPEG file"
        raise Reject("decode", "truncated_image", message)
    space, raw = _RAW_MODES.get(image.mode, ("", ""))
    scaled = bool(image.decoderconfig) and image.decoderconfig[0] > 1
    if not space or (scaled and max(image.size) < _LEAST_SCALED):
        image.load()
        return image, ""
    width, height = image.size if scaled else (0, 0)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, space, min_width=width, min_height=height, strict=True
        )
    except ValueError as error:
        said = str(error)
    else:
        if pixels.shape[:2] == (image.height, image.width):
            return Image.frombuffer(image.mode, image.size, pixels, "raw", raw, 0, 1), ""
        said = ""
    if "premature end" in said.lower():
        got = f"got {len(data)} bytes that end too early"
        raise Reject("decode", "truncated_image", f"{got}, expected a whole image ({said})")
    # Damaged, or of a rare kind that simplejpeg does not know: Pillow's outcome stands.
    image.load()
    return image, _NUMBER.sub("N", said) if _WARNING.match(said) else ""


def _missing_scans(data: bytes) -> str:
    """What a file says that it has and does not; empty when every coefficient has all of its bits.

    The specification lets an encoder leave coefficients out (libjpeg's ``validate_script``), but none
    is known to do so, and a file that was cut off and then ended is common.
    """
    lacking: dict[int, list[int]] = {}  # bits of each coefficient, by component
    progressive = False
    for marker, segment in _segments(data):
        if marker in _SEQUENTIAL_FRAMES or marker in _PROGRESSIVE_FRAMES:
            progressive = marker in _PROGRESSIVE_FRAMES
            lacking = {number: [-1] * 64 for number in segment[6::3]}
        elif marker == _START_OF_SCAN and segment:
            numbers, (first, last, bits) = segment[1:-3:2], segment[-3:].rjust(3, b"\0")
            if not progressive:
                first, last, bits = 0, 63, 0
            for number in numbers:
                if number in lacking:
                    lacking[number][first : last + 1] = [bits & 15] * max(0, last + 1 - first)
            if not any(map(any, lacking.values())):
                return ""
        elif marker == _END:
            blurred = sum(map(any, lacking.values()))
            return f"lack scans of {blurred} of {len(lacking)} components"
    return ""  # no end: the decoder says so


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a file up to its end marker, and what follows each; scans are passed over."""
    found = _MARKER.search(data, 2)
    while found:
        marker, at = data[found.end() - 1], found.end()
        length = int.from_bytes(data[at : at + 2], "big")
        yield marker, data[at + 2 : at + length]
        if marker == _END:
            return
        found = _MARKER.search(data, at + length)
