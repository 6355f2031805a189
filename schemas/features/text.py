"""``string`` and ``bytes``: text and binary values that are kept as they are."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from ..dataset.statistics import Max, Statistic, Sum
from ..errors import Reject
from .base import Encoded, Feature, ValueSpec, shorten

__all__ = ["Bytes", "String"]

_SIZES: Mapping[str, Statistic] = {"count": Sum(), "bytes": Sum(), "max_bytes": Max()}


class String(Feature):
    """``type: string``: text, stored as UTF-8.

    Numbers and booleans become their JSON text, dates their ISO text, ``bytes`` have to be UTF-8.

    Attributes:
        default: the text of a row whose cell is empty; without it the row is rejected.
    """

    describes: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = _SIZES

    type: Literal["string"] = "string"
    default: str | None = None

    @field_validator("default")
    @classmethod
    def _check_default(cls, default: str | None) -> str | None:
        return _check_unicode(default)

    def encode(self, name: str, value: Any) -> Encoded:
        """The text as UTF-8 bytes; see ``Feature.encode``.

        Raises:
            Reject: ``missing_value``, ``not_text`` or ``not_utf8``.
        """
        if value is None and self.default is None:
            raise Reject("encode", "missing_value", "got an empty cell, expected text")
        data = _to_utf8(self.default if value is None else value)
        return Encoded({name: data}, _count(data))

    def decode_value(self, name: str, values: Mapping[str, Any]) -> str:
        """The text."""
        return bytes(values[name]).decode()

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """Text of any length."""
        return {name: ValueSpec("text")}


class Bytes(Feature):
    """``type: bytes``: binary values from Parquet as they are, or text that spells them.

    Attributes:
        encoding: how text spells the bytes; what is binary in the manifest is never decoded.
        default: the text, in ``encoding``, of a row whose cell is empty; without it the row is
            rejected.
    """

    describes: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = _SIZES

    type: Literal["bytes"] = "bytes"
    encoding: Literal["utf8", "base64", "hex"] = "utf8"
    default: str | None = None

    @field_validator("default")
    @classmethod
    def _check_default(cls, default: str | None, info: Any) -> str | None:
        try:
            if default is not None and "encoding" in info.data:
                _to_bytes(default, info.data["encoding"])
        except Reject as reject:
            raise ValueError(reject.message) from None
        return default

    def encode(self, name: str, value: Any) -> Encoded:
        """The bytes; see ``Feature.encode``.

        Raises:
            Reject: ``missing_value``, ``not_bytes``, ``not_utf8``, or ``bad_encoding`` when text is not
                base64 or hex as declared.
        """
        if value is None and self.default is None:
            raise Reject("encode", "missing_value", "got an empty cell, expected bytes")
        data = _to_bytes(self.default if value is None else value, self.encoding)
        return Encoded({name: data}, _count(data))

    def decode_value(self, name: str, values: Mapping[str, Any]) -> bytes:
        """The bytes."""
        return bytes(values[name])

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """Bytes of any length."""
        return {name: ValueSpec("bytes")}


def _to_utf8(value: Any) -> bytes:
    try:
        match value:
            case bytes():
                value.decode()
                return value
            case bool():
                return str(value).lower().encode()
            case str() | int() | float():
                return str(value).encode()
            case datetime.date():  # datetimes are dates
                return value.isoformat().encode()
    except UnicodeError:
        raise Reject("encode", "not_utf8", f"got {shorten(value)}, expected UTF-8 text") from None
    raise Reject("encode", "not_text", f"got {shorten(value)}, expected text")


def _to_bytes(value: Any, encoding: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise Reject("encode", "not_bytes", f"got {shorten(value)}, expected bytes or text")
    if encoding == "utf8":
        return _to_utf8(value)
    try:
        return bytes.fromhex(value) if encoding == "hex" else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise Reject(
            "encode", "bad_encoding", f"got {shorten(value)}, expected {encoding}"
        ) from None


def _check_unicode(text: str | None) -> str | None:
    try:
        return text if text is None else text.encode().decode()
    except UnicodeError:
        raise ValueError(f"got {shorten(text)}, expected text that UTF-8 can hold") from None


def _count(data: bytes) -> dict[str, Any]:
    return {"count": 1, "bytes": len(data), "max_bytes": len(data)}
