"""Pascal VOC's XML: what one file says of one image.

The format: the VOC development kit, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf. Pixels are
counted from 1 and the last one is inside a box, so a box from 1 to 3 reaches from 0 to 3 where coordinates
are edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from .....schemas.features.base import shorten
from .cells import boxes_cell
from .small_files import FILE_BYTES

__all__ = ["FLAGS", "XmlError", "parse_voc"]

FLAGS = ("difficult", "truncated", "occluded")
"""What is 0 or 1 of an object."""

_SIDES = ("xmin", "ymin", "xmax", "ymax")


class XmlError(ValueError):
    """A file is no annotation; the text says what was got and what was expected."""


def parse_voc(data: bytes) -> dict[str, Any]:
    """The cells of an image: its own by their names in the file, those of its objects as lists.

    What belongs to the parts of an object (``<part>``: a person's head) is in ``parts`` alone.

    Raises:
        XmlError: it is no XML, has a document type, or lacks what every annotation has.
    """
    if len(data) > FILE_BYTES:
        raise XmlError(f"got more than {FILE_BYTES} bytes, expected fewer")
    root = _parse_xml(data)
    if root.tag != "annotation":
        raise XmlError(f"got <{root.tag:.80}>, expected <annotation>")
    name = _text(root, "filename")
    if not name:
        raise XmlError("has no <filename>")
    width, height, depth = (_whole(root, f"size/{side}") for side in ("width", "height", "depth"))
    objects = root.findall("object")
    boxes = [_read(_box, each, number) for number, each in enumerate(objects, 1)]
    parts = [_read(_parts, each, number) for number, each in enumerate(objects, 1)]
    flags = {flag: [_whole(each, flag) for each in objects] for flag in FLAGS}
    return {
        "file_name": name,
        # Tools that do not know the size write zeros.
        "width": width or None,
        "height": height or None,
        "depth": depth or None,
        "segmented": _whole(root, "segmented"),
        "bbox": boxes_cell(boxes, "xyxy", [width, height] if width and height else None),
        "category": [_read(_name, each, number) for number, each in enumerate(objects, 1)],
        "pose": [_text(each, "pose") for each in objects],
        "parts": parts,
        **flags,
    }


def _parse_xml(data: bytes) -> Element:
    """A document without a type: entities, which a few lines can make more of than the memory holds, need one."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: Any) -> NoReturn:
        raise XmlError("got a document type (<!DOCTYPE …>), expected none")

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, XmlError):
            raise
        raise XmlError(f"not readable as XML: {error}") from None
    return builder.close()


def _read(function: Callable[[Element], Any], element: Element, number: int) -> Any:
    try:
        return function(element)
    except XmlError as error:
        raise XmlError(f"object {number}: {error}") from None


def _name(element: Element) -> str:
    name = _text(element, "name")
    if not name:
        raise XmlError("has no <name>")
    return name


def _box(element: Element) -> list[float]:
    """Left, top, right and bottom edge; the element's own, not that of one of its parts."""
    found = element.find("bndbox")
    if found is None:
        raise XmlError("has no <bndbox>")
    left, top, right, bottom = (_number(found, side) for side in _SIDES)
    return [left - 1, top - 1, right, bottom]


def _parts(element: Element) -> list[dict[str, Any]]:
    return [{"name": _name(part), "box": _box(part)} for part in element.findall("part")]


def _number(element: Element, path: str) -> float:
    """A number, whole where it is written so."""
    text = _text(element, path)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise XmlError(f"<{path}>: got {shorten(text)}, expected a number")
    return int(number) if number.is_integer() else number


def _whole(element: Element, path: str) -> int | None:
    """A whole number; ``None`` where it is not there, or is ``Unspecified``."""
    text = _text(element, path)
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def _text(element: Element, path: str) -> str | None:
    text = element.findtext(path)
    return text.strip() or None if text is not None else None
