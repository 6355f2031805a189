from __future__ import annotations

import hashlib

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats.base import (
    RANGE_BYTES,
    ManifestFormat,
    Part,
    Projection,
    check_names,
)


class Plain(ManifestFormat):
    def columns(self, path):
        return ("a",)

    def parts(self, part, size, range_bytes):
        return [part]

    def records(self, part, projection):
        return iter(())


def test_a_part_is_a_whole_file_unless_something_is_said():
    assert Part("a", "/a") == Part(name="a", path="/a", row=1, start=0, stop=-1)
    assert RANGE_BYTES == 67108864


def test_where_the_columns_of_a_build_stand():
    assert Projection(("c", "a")).indices(("a", "b", "c"), "m.csv") == (2, 0)
    assert Projection(()).indices(("a",), "m.csv") == ()
    with pytest.raises(ManifestError, match=r"^m\.csv: .*'d'"):
        Projection(("c", "d")).indices(("a", "b", "c"), "m.csv")


def test_what_a_format_is_unless_it_says_so(tmp_path):
    plain = Plain()
    settings = (plain.endings, plain.compressible, plain.optional_columns, plain.unit)
    assert settings == ((), False, False, "file")
    assert (plain.names_itself, plain.recognizes(b"x")) == (False, True)
    assert plain.inline_columns("m") == ()
    (tmp_path / "m").write_bytes(b"abc")
    assert plain.identity(str(tmp_path / "m")) == {
        "bytes": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


@pytest.mark.parametrize("missing", ["columns", "parts", "records"])
def test_a_format_has_to_say_how_it_is_read(missing):
    methods = {name: getattr(Plain, name) for name in ("columns", "parts", "records")}
    del methods[missing]
    with pytest.raises(TypeError, match=missing):
        type("Part", (ManifestFormat,), methods)()


def test_names_of_columns():
    assert check_names(["b", "a", " "], "m.csv") == ("b", "a", " ")
    assert check_names([], "m.csv") == ()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["", "a"], "column 1 of the header has no name, expected one "),
        (["a", "b", ""], "column 3 of the header has no name, expected one "),
        (["a", "c", "b", "c", "b"], "the header has the column 'c' more than once"),
    ],
)
def test_names_that_cannot_be(names, said):
    advice = "(pandas writes such a column for the index: to_csv(…, index=False))"
    with pytest.raises(ManifestError) as caught:
        check_names(names, "m.csv")
    assert str(caught.value) == f"m.csv: {said}{advice if 'no name' in said else ''}"
