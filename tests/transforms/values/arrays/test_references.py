import pytest
from pixelbeam.transforms.values.arrays.references import (
    ArrayReference,
    parse_reference,
    suggest_reference,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.h5::/b/c", ArrayReference("a.h5::/b/c", "a.h5", "/b/c")),
        ("x/A.HDF5::b[17]", ArrayReference("x/A.HDF5::b[17]", "x/A.HDF5", "b", index=17)),
        ("a.mat::b[-1]", ArrayReference("a.mat::b[-1]", "a.mat", "b", index=-1)),
        ("a.npy::[3]", ArrayReference("a.npy::[3]", "a.npy", "", index=3)),
        ("a.npz::b[2:]", ArrayReference("a.npz::b[2:]", "a.npz", "b", rows=slice(2, None))),
        ("a.h5::b[0:16]", ArrayReference("a.h5::b[0:16]", "a.h5", "b", rows=slice(0, 16))),
        ("a.h5::b[ids=x y]", ArrayReference("a.h5::b[ids=x y]", "a.h5", "b", key=("ids", "x y"))),
        ("a.h5::b[/g/ids=]", ArrayReference("a.h5::b[/g/ids=]", "a.h5", "b", key=("/g/ids", ""))),
        ("a.mat::b[:,17]", ArrayReference("a.mat::b[:,17]", "a.mat", "b", 17, columns=True)),
        ("a.mat::b[:, -1]", ArrayReference("a.mat::b[:, -1]", "a.mat", "b", -1, columns=True)),
        (
            "a.npy::[:,1:]",
            ArrayReference("a.npy::[:,1:]", "a.npy", "", None, slice(1, None), None, True),
        ),
        (
            "a.h5::b[:,ids=,x]",
            ArrayReference("a.h5::b[:,ids=,x]", "a.h5", "b", None, None, ("ids", ",x"), True),
        ),
        ("a.h5::b[:]", ArrayReference("a.h5::b[:]", "a.h5", "b", rows=slice(None))),
        ("a.h5::b[:,]", ArrayReference("a.h5::b[:,]", "a.h5", "b[:,]")),
        ("a.h5::b[x]", ArrayReference("a.h5::b[x]", "a.h5", "b[x]")),  # a name may have brackets
        ("a.h5.b::c.h5::d", ArrayReference("a.h5.b::c.h5::d", "a.h5.b::c.h5", "d")),
        ("a.h5", None),
        ("a.jpg::b", None),
        ("::b", None),
        (".h5::b", None),
        ("gs://b/a.h5::c", ArrayReference("gs://b/a.h5::c", "gs://b/a.h5", "c")),
    ],
)
def test_references(text, expected):
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w.npy", "to read an array write 'w.npy::'"),
        (" x/W.NPY ", "to read an array write 'x/W.NPY::'"),
        *(
            (f"w.{suffix}", f"to read an array write 'w.{suffix}::NAME', with its name in the file")
            for suffix in ("h5", "hdf5", "hdf", "he5", "mat", "npz")
        ),
        ("1 2", ""),
        ("w.npy::", ""),
        ("w.jpg", ""),
    ],
)
def test_suggests_references(text, expected):
    assert suggest_reference(text) == expected
