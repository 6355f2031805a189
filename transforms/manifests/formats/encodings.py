"""What a text manifest seems to be when it is not UTF-8 text: said, never guessed into labels."""

from __future__ import annotations

from ....schemas.errors import ManifestError

__all__ = ["check_encoding"]

_MAGIC = {
    b"\x1f\x8b": "gzipped; give it a name that ends in .gz, as in rows.csv.gz",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; unpack it, or save the sheet as 'CSV UTF-8'",
    b"PAR1": "Parquet; give it a name that ends in .parquet",
    b"BZh": "compressed with bzip2; unpack it, or use gzip",
    b"\xfd7zXZ\0": "compressed with xz; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or use gzip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as 'CSV UTF-8'",
}
_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_LOOKED_AT = 1 << 16
_FEW = 2  # lines: one alone is a row's own fault


def check_encoding(head: bytes, path: str) -> None:
    """Refuses a text manifest that as a whole is something else than UTF-8 text.

    Lines that are not UTF-8 among others that are stay rejects of their own.

    Args:
        head: the start of the file, unzipped.
        path: the file, for the message.

    Raises:
        ManifestError: with what the file seems to be, and how to convert it.
    """
    for start, what in _MAGIC.items():
        if head.startswith(start):
            raise ManifestError(f"{path}: seems to be {what}")
    encoding = _guess(head[:_LOOKED_AT])
    if encoding:
        likely = encoding.partition(" ")[0]
        raise ManifestError(
            f"{path}: seems to be {encoding} text, expected UTF-8; convert it: "
            f"iconv -f {likely} -t UTF-8 OLD > NEW"
        )


def _guess(head: bytes) -> str:
    """The encoding that a text seems to have; empty where it is UTF-8 or cannot be told."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    # In UTF-16 every second byte of what is ASCII is zero, in other text none is.
    half = max(1, len(head) // 2)
    for start, encoding in ((1, "UTF-16LE"), (0, "UTF-16BE")):
        if (
            len(head) >= 2
            and head[start::2].count(0) > 0.4 * half
            and not head[1 - start :: 2].count(0)
        ):
            return encoding
    lines = [line for line in head.split(b"\n")[:-1] or [head] if not line.isascii()]
    # GBK's 猫 is UTF-8's è: now and then a line of another encoding reads as UTF-8, too.
    bad = sum(not _decodes(line, "utf-8") for line in lines)
    if bad < _FEW or 2 * bad < len(lines):
        return ""
    return "GB18030 (GBK)" if _is_chinese(lines) else "CP1252 (Windows, or Latin-1)"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(lines: list[bytes]) -> bool:
    """Whether lines read as GB 18030 are Chinese: Latin-1's letters pair up to it by chance alone."""
    if not all(_decodes(line, "gb18030") for line in lines):
        return False
    letters = [c for line in lines for c in line.decode("gb18030") if not c.isascii()]
    common = sum("\u4e00" <= c <= "\u9fff" and c.encode("gb18030")[0] < 0xD8 for c in letters)
    return common > 0.7 * len(letters)
