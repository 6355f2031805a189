import gzip

import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.storage.streams import HEAD_BYTES, read_chunks, read_head


def test_the_head_of_a_file(tmp_path):
    path = tmp_path / "rows"
    for size, whole in ((5, True), (HEAD_BYTES, True), (HEAD_BYTES + 1, False)):
        path.write_bytes(b"x" * size)
        assert read_head(str(path)) == (b"x" * min(size, HEAD_BYTES), whole)


def test_a_gzip_bomb_is_unzipped_in_pieces(tmp_path):
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20), 9))
    assert path.stat().st_size < 100_000
    sizes = [len(chunk) for chunk in read_chunks(str(path))]
    assert (sum(sizes), max(sizes)) == (64 << 20, 1 << 20)


FAULTS = {
    "no gzip": (b"path,label\n", "not a whole gzip file: Not a gzipped file (b'pa')"),
    "truncated": (
        gzip.compress(b"path,label\n")[:-9],
        "truncated: the gzip stream ends before its end mark",
    ),
    "damaged": (
        gzip.compress(b"path,label\n")[:-8] + bytes(8),
        "not a whole gzip file: CRC check failed 0x0 != 0x20169c44",
    ),
    "no deflate": (
        gzip.compress(b"path")[:10] + b"\xff" * 20,
        "not a whole gzip file: Error -3 while decompressing data: invalid block type",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_gzip(case, tmp_path):
    content, message = FAULTS[case]
    path = tmp_path / "rows.gz"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as error:
        read_head(str(path))
    assert str(error.value) == f"{path}: {message}"
    with pytest.raises(BuildError) as failed:
        list(read_chunks(str(path)))
    assert str(failed.value) == f"{path}: {message}"


def test_a_missing_file(tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(BuildError) as error:
        list(read_chunks(str(path)))
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
