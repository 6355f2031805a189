from __future__ import annotations

from pathlib import Path

import google.protobuf
import h5py
import pytest
from installed import install, plugin_caches
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.sink import CorruptShard
from pixelbeam.schemas.errors import OptionError, PluginError, Reject, SchemaError
from pixelbeam.schemas.plugins import PluginFailure
from pixelbeam.transforms.sinks.registry import (
    addressed_sink,
    check_sinks,
    find_sink,
    installed_sinks,
    naming_sink,
    sink_versions,
)

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
LINES = """
from pixelbeam.schemas.dataset.sink import Sink

class Lines(Sink):
    name, suffix = {name!r}, {suffix!r}
    def open(self, path, schema): raise NotImplementedError
    def read(self, path, schema): return iter(())
    def versions(self, schema): return {{"liblines": "7"}}
    has_addresses = True
"""


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Installs a package with a sink of this name and suffix."""

    def install_sink(name="lines", suffix="txt", entry="lines"):
        code = LINES.format(name=name, suffix=suffix)
        points = {"pixelbeam.sinks": {entry: "lines_sink:Lines"}}
        install(tmp_path, "pixelbeam-lines", "1.2", {"lines_sink.py": code}, points)
        monkeypatch.syspath_prepend(tmp_path)

    with plugin_caches():
        yield install_sink


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("zarr",),
            "--sinks: got 'zarr', expected one of tfrecord, hdf5; or install the package that offers it",
        ),
        (("tfrecord", "tfrecord"), "--sinks: got 'tfrecord,tfrecord', expected each sink once"),
        ((), "--sinks: got '', expected one of tfrecord"),
    ],
)
def test_bad_sinks(names, message):
    with pytest.raises(OptionError) as error:
        check_sinks(names, SCHEMA)
    assert str(error.value).startswith(message)


def test_a_schema_that_a_sink_cannot_hold():
    schema = Schema.from_dict({"features": {"a//b": {"type": "int64", "source": "n"}}})
    check_sinks(("tfrecord",), schema)
    with pytest.raises(SchemaError, match=r"^features\.a//b: "):
        check_sinks(("tfrecord", "hdf5"), schema)


def test_ours_are_known_by_their_names_and_come_first(offer):
    offer()
    assert [*installed_sinks()] == ["tfrecord", "hdf5", "lines"]
    assert {name: sink.name for name, sink in installed_sinks().items()} == {
        name: name for name in installed_sinks()
    }


def test_the_sink_of_a_package_and_what_decides_its_bytes(offer):
    offer()
    check_sinks(("lines", "hdf5"), SCHEMA)
    assert find_sink("lines").suffix == "txt"
    versions = {"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
    protobuf = {"protobuf": google.protobuf.__version__}
    assert sink_versions(("tfrecord", "hdf5"), SCHEMA) == versions | protobuf
    own = {"liblines": "7", "pixelbeam-lines": "1.2"}
    assert sink_versions(("hdf5", "lines"), SCHEMA) == versions | own


def test_a_sink_that_is_not_installed():
    for ask in (lambda: find_sink("lines"), lambda: sink_versions(("lines",), SCHEMA)):
        with pytest.raises(PluginError) as caught:
            ask()
        assert str(caught.value) == (
            "sink 'lines' is not installed here; install the package that offers it, on workers too"
        )


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        (
            {"suffix": "h5"},
            "pixelbeam-lines 1.2: sink 'lines': got the suffix 'h5', which sink 'hdf5' has; uninstall one of "
            "them",
        ),
        (
            {"name": "rows"},
            "pixelbeam-lines 1.2: got a sink with the name 'rows', expected 'lines', that of its entry point",
        ),
        *(
            (
                {"suffix": suffix},
                f"pixelbeam-lines 1.2: sink 'lines': got the suffix {suffix!r}, expected letters, digits, _ and "
                "-, in lower case and without a dot",
            )
            for suffix in ("", ".txt", "a/b", "a.b", "TXT", None, 3)
        ),
        (
            {"name": "hdf5", "entry": "hdf5"},
            "pixelbeam-lines 1.2: pixelbeam.sinks: hdf5: got a name that is taken by pixelbeam, expected "
            "another; uninstall one of them",
        ),
    ],
)
def test_a_sink_that_cannot_stand_beside_the_others(offer, offered, message):
    offer(**offered)
    with pytest.raises(PluginError) as caught:
        installed_sinks()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["hdf5", "tfrecord"], "tfrecord"),
        (["lines", "hdf5", "tfrecord"], "tfrecord"),
        (["hdf5", "lines"], "lines"),
        (["hdf5"], None),
        (["gone", "tfrecord"], "tfrecord"),
        (["gone", "lines"], None),
        ([], None),
    ],
)
def test_the_index_has_the_addresses_of_our_format_first(offer, names, expected):
    offer()
    found = addressed_sink(names)
    assert (found.name if found else None) == expected


def test_what_breaks_in_a_sink_of_a_package_is_named(offer):
    offer()
    with pytest.raises(PluginFailure) as caught, naming_sink("lines"):
        find_sink("lines").open(Path("x"), SCHEMA)
    assert str(caught.value) == "sink 'lines' of pixelbeam-lines 1.2: NotImplementedError: "
    for error in (CorruptShard(3, "no"), Reject("encode", "no", "no"), OptionError("no")):
        with pytest.raises(type(error)), naming_sink("lines"):
            raise error
    with pytest.raises(ValueError, match=r"^ours$"), naming_sink("hdf5"):
        raise ValueError("ours")
