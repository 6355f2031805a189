import gzip
import io
import zipfile

import pytest
from pixelbeam.schemas.errors import ManifestError
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
