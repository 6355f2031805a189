import gzip
import io
import zipfile

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats.encodings import check_encoding
from pixelbeam.transforms.manifests.open_manifest import open_manifest

TEXT = "path,label\n" + "".join(f"{n}.jpg,{label}\n" for n, label in enumerate(("a", "b") * 9))
LATIN = "path,label\n" + "".join(
    f"{n}.jpg,p{c}t{e}\n" for n, (c, e) in enumerate(["âé", "êè", "ôü"])
)
CHINESE = "path,label\n1.jpg,猫\n2.jpg,狗\n3.jpg,小鸟\n"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("rows.csv", TEXT)
    return buffer.getvalue()


CONVERT = "text, expected UTF-8; convert it: iconv -f"
CASES = {
    "UTF-16": (TEXT.encode("utf-16"), f"UTF-16 {CONVERT} UTF-16 -t UTF-8 OLD > NEW"),
    "UTF-16BE": (TEXT.encode("utf-16-be"), f"UTF-16BE {CONVERT} UTF-16BE -t UTF-8 OLD > NEW"),
    "UTF-16LE": (TEXT.encode("utf-16-le"), f"UTF-16LE {CONVERT} UTF-16LE -t UTF-8 OLD > NEW"),
    "UTF-32": (TEXT.encode("utf-32"), f"UTF-32 {CONVERT} UTF-32 -t UTF-8 OLD > NEW"),
    "Latin-1": (
        LATIN.encode("latin-1"),
        f"CP1252 (Windows, or Latin-1) {CONVERT} CP1252 -t UTF-8 OLD > NEW",
    ),
    "GBK": (CHINESE.encode("gbk"), f"GB18030 (GBK) {CONVERT} GB18030 -t UTF-8 OLD > NEW"),
    "gzip": (
        gzip.compress(TEXT.encode()),
        "gzipped; give it a name that ends in .gz, as in rows.csv.gz",
    ),
    "zip": (
        _zip(),
        "a ZIP archive or an Excel workbook; unpack it, or save the sheet as 'CSV UTF-8'",
    ),
    "Parquet": (b"PAR1" + bytes(40), "Parquet; give it a name that ends in .parquet"),
}


def seems(head):
    """What a file is refused for, without the advice; empty where it is taken."""
    try:
        check_encoding(head, "rows")
    except ManifestError as error:
        return (
            str(error).removeprefix("rows: seems to be ").partition(" text, ")[0].partition(";")[0]
        )
    return ""


@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
@pytest.mark.parametrize("case", CASES)
def test_files_in_another_encoding_are_refused_with_what_they_seem_to_be(case, ending, tmp_path):
    data, message = CASES[case]
    path = tmp_path / f"rows.{ending}"
    path.write_bytes(data)
    with pytest.raises(ManifestError) as error:
        open_manifest(str(path))
    assert str(error.value) == f"{path}: seems to be {message}"


READ = {
    "a mark": "\ufeffpath,label\n猫.jpg,é\n".encode(),
    "bad lines among good ones": LATIN.encode("latin-1") + "猫.jpg,é\n".encode() * 4,
    "one bad line": b"path,label\n1.jpg,p\xe2t\xe9\n",
}


@pytest.mark.parametrize("case", READ)
def test_text_that_is_utf8_as_a_whole_is_read(case, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(READ[case])
    assert open_manifest(str(path)).columns == ("path", "label")


CHINESE_LIKE, LATIN_LIKE = "GB18030 (GBK)", "CP1252 (Windows, or Latin-1)"
GUESSED = [
    (b"BZh91AY", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\0\0\xfe\xff\0\0\0a", "UTF-32"),
    (b"\xfe\xff\0a", "UTF-16"),
    (b"\0", ""),
    (b"a\0", "UTF-16LE"),
    (b"\0a", "UTF-16BE"),
    (bytes(10), ""),  # zeros in both places
    (bytes(40) + b"a", ""),
    (("猫" * 6 + "abcd").encode("utf-16-le"), ""),  # four zeros in ten are too few
    (("猫" * 5 + "abcde").encode("utf-16-le"), "UTF-16LE"),
    (b"\xe9\n" * 2, LATIN_LIKE),
    (b"\xe9\n" * 2 + "é\n".encode() * 2, LATIN_LIKE),
    (b"\xe9\n" * 2 + "é\n".encode() * 3, ""),
    (b"\xe9\n" + b"a\n" * 9, ""),
    (b"\xe9\n\xe9", ""),  # the last line may have been cut
    (b"a\n" * (1 << 15) + b"\xe9\n" * 9, ""),  # behind what is looked at
    (b"a\n" * ((1 << 15) - 2) + b"\xe9\n" * 9, LATIN_LIKE),
    # 狗 is no UTF-8, as 猫 is.
    ("狗\n狗\n".encode("gbk"), CHINESE_LIKE),
    ("狗狗狗狗\n狗狗狗，，，\n".encode("gbk"), LATIN_LIKE),
    ("狗狗狗狗狗\n狗狗狗，，\n".encode("gbk"), CHINESE_LIKE),
    ("狗\n狗\n".encode("gbk") + b"\xe9\n", LATIN_LIKE),  # a line that is none
    ("狗亍亍亍\n狗亍亍亍\n".encode("gbk"), LATIN_LIKE),  # of the rare half
    ("狗一一一\n座座\n".encode("gbk"), CHINESE_LIKE),
    ("\u9fff\n\u9fff\n".encode("gb18030"), CHINESE_LIKE),
    ("\ua000\n\ua000\n".encode("gb18030"), LATIN_LIKE),
]


@pytest.mark.parametrize(("head", "what"), GUESSED, ids=range(len(GUESSED)))
def test_what_a_head_seems_to_be(head, what):
    assert seems(head) == what
