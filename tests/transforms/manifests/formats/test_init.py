from __future__ import annotations

import gzip
import sys

import pytest
from apache_beam.internal import pickler
from installed import install, plugin_caches
from pixelbeam.schemas.errors import ManifestError, PluginError
from pixelbeam.schemas.plugins import PluginFailure
from pixelbeam.transforms.manifests.formats import (
    formats_of,
    manifest_formats,
    naming_format,
    recognize_format,
)
from pixelbeam.transforms.manifests.formats.annotations.coco import Coco
from pixelbeam.transforms.manifests.formats.annotations.open_images import OpenImages
from pixelbeam.transforms.manifests.formats.base import Projection
from pixelbeam.transforms.manifests.formats.delimited import Delimited
from pixelbeam.transforms.manifests.formats.hdf5_table import HDF5Table
from pixelbeam.transforms.manifests.formats.json_lines import JsonLines
from pixelbeam.transforms.manifests.formats.parquet import Parquet
from pixelbeam.transforms.manifests.formats.path_list import PathList
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.read_manifest import split_file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tsv", Delimited("\t")),
        ("a.jsonl", JsonLines()),
        ("a.ndjson.gz", JsonLines()),
        ("a.parquet", Parquet()),
        ("a.txt", PathList()),
        ("a.lst.gz", PathList()),
    ],
)
def test_formats_by_name(name, expected):
    assert list(formats_of(name).values()) == [expected]
    assert recognize_format(name) == expected  # which no file has to be there for


def test_files_of_one_ending_are_told_apart_by_their_heads(tmp_path):
    assert list(formats_of("a.json").values()) == [Coco(), JsonLines()]
    assert list(formats_of("a.CSV.gz").values()) == [OpenImages(), Delimited(",")]
    path = tmp_path / "a.csv"
    for text, expected in (
        ("ImageID,LabelName,XMin,XMax,YMin,YMax", OpenImages()),
        ("path,label", Delimited(",")),
    ):
        path.write_text(text)
        assert recognize_format(str(path)) == expected
    path = tmp_path / "a.json"
    for text, expected in (
        ('{"images": [{"id": 1}]}', Coco()),
        ('{"image": 1}', JsonLines()),
        ("[{}]", JsonLines()),
    ):
        path.write_text(text)
        assert recognize_format(str(path)) == expected


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet.gz", "csv", "a.csv.bz2"])
def test_names_of_no_format(name):
    with pytest.raises(ManifestError) as error:
        recognize_format(name)
    assert str(error.value) == (
        f"{name}: not a kind of manifest, expected a name that ends in .csv, .tsv, .json, "
        ".jsonl, .ndjson, .parquet, .h5, .hdf5, .hdf, .he5, .xml, .txt, .lst, "
        ".yaml, .yml "
        "(the text ones also gzipped, .csv.gz), or a directory of images"
    )


@pytest.mark.parametrize(
    ("recognizes", "heads", "others"),
    [
        (
            JsonLines().recognizes,
            [b'{"a": 1}', b"\n [{}]", b"\xef\xbb\xbf{}"],
            [b"a,b", b'"a"', b" "],
        ),
        (Parquet().recognizes, [b"PAR1\x15"], [b"par1", b" PAR1"]),
        (
            HDF5Table().recognizes,
            [b"\x89HDF\r\n\x1a\n", bytes(512) + b"\x89HDF\r\n\x1a\n"],
            [b"HDF", bytes(100) + b"\x89HDF\r\n\x1a\n"],
        ),
    ],
)
def test_heads(recognizes, heads, others):
    assert [recognizes(head) for head in heads] == [True] * len(heads)
    assert [recognizes(head) for head in others] == [False] * len(others)


SHOTS = """
import json
from pixelbeam.transforms.manifests.formats.base import ManifestFormat
from pixelbeam.transforms.storage.streams import open_file

class Shots(ManifestFormat):
    endings = (".json",)
    compressible = True

    def recognizes(self, head):
        return head.startswith(b'{"images"')

    def columns(self, path):
        return ("path",)

    def parts(self, part, size, range_bytes):
        return [part]

    def records(self, part, projection):
        with open_file(part.path) as file:
            for row, image in enumerate(json.load(file)["images"], 1):
                yield row, tuple(image[column] for column in projection.columns)
"""


@pytest.fixture
def shots(tmp_path, monkeypatch):
    """A format of another package, installed for the test; the class."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    points = {"pixelbeam.formats": {"shots": "shots_format:Shots"}}
    install(site, "shots-format", "1.0", {"shots_format.py": SHOTS}, points)
    with plugin_caches():
        yield type(manifest_formats()["shots"])


def test_of_one_ending_the_first_format_that_recognizes_a_file_reads_it(tmp_path, shots):
    (tmp_path / "shots.json").write_text('{"images": [{"path": "a.jpg"}, {"path": "b.jpg"}]}')
    (tmp_path / "lines.json").write_text('{"path": "c.jpg", "images": 1}\n')
    (tmp_path / "zipped.json.gz").write_bytes(gzip.compress(b'{"images": []}'))
    assert list(formats_of("x.json")) == ["shots", "coco", "json_lines"]
    assert list(formats_of("x.jsonl")) == ["json_lines"]
    assert type(recognize_format(str(tmp_path / "shots.json"))) is shots
    assert type(recognize_format(str(tmp_path / "zipped.json.gz"))) is shots
    assert recognize_format(str(tmp_path / "lines.json")) == JsonLines()
    manifest = open_manifest(str(tmp_path / "shots.json"))
    (part,) = split_file(manifest.format, manifest.files[0])
    records = list(manifest.format.records(part, Projection(("path",))))
    assert records == [(1, ("a.jpg",)), (2, ("b.jpg",))]


def test_a_worker_without_the_package_says_so(tmp_path, monkeypatch, shots):
    sent = pickler.dumps({"format": manifest_formats()["shots"]})
    assert type(pickler.loads(sent)["format"]) is shots
    monkeypatch.setattr("sys.path", [p for p in sys.path if p != str(tmp_path / "site")])
    with plugin_caches(), pytest.raises(PluginError) as caught:
        pickler.loads(sent)
    assert str(caught.value) == (
        "manifest format 'shots' is not installed here; install the package that offers it, on workers too"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\n",
            "{path}: not a manifest as far as its start tells, expected one of those that end in .json: "
            "shots, coco, json_lines",
        ),
        ("", "{path}: an empty file, expected a manifest"),
    ],
)
@pytest.mark.usefixtures("shots")
def test_what_none_of_an_ending_recognizes(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        recognize_format(str(path))
    assert str(caught.value) == message.format(path=path)


def test_the_last_of_ours_says_itself_what_is_wrong(tmp_path):
    for name in ("a.jsonl", "a.json"):
        path = tmp_path / name
        path.write_text("path,label\n")
        with pytest.raises(ManifestError, match="line 1: not JSON"):
            open_manifest(str(path))


def test_names_of_formats_are_taken_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    points = {"pixelbeam.formats": {"parquet": "shots_format:Shots"}}
    install(tmp_path, "other-parquet", "1.0", {"shots_format.py": SHOTS}, points)
    with plugin_caches(), pytest.raises(PluginError, match="got a name that is taken by pixelbeam"):
        manifest_formats()


@pytest.mark.parametrize("endings", [(), ("",), ("xyz",), (".x/y",), (".XYZ",), ".xyz", (3,), None])
def test_endings_that_no_name_can_have_are_refused(tmp_path, monkeypatch, endings):
    code = SHOTS + f"\n    endings = {endings!r}\n"
    points = {"pixelbeam.formats": {"shots": "shots_format:Shots"}}
    install(tmp_path, "shots-format", "1.0", {"shots_format.py": code}, points)
    monkeypatch.syspath_prepend(tmp_path)
    with plugin_caches(), pytest.raises(PluginError) as caught:
        manifest_formats()
    assert str(caught.value) == (
        f"shots-format 1.0: manifest format 'shots': got the endings {endings!r}, expected a tuple of at least "
        "one like '.csv', in lower case"
    )


def test_what_breaks_in_a_format_of_a_package_is_named(shots):
    with pytest.raises(PluginFailure) as caught, naming_format(shots()):
        raise KeyError("images")
    assert str(caught.value) == "manifest format 'shots' of shots-format 1.0: KeyError: 'images'"
    with pytest.raises(ManifestError), naming_format(shots()):
        raise ManifestError("no rows")
    with pytest.raises(KeyError), naming_format(Parquet()):
        raise KeyError("ours")
