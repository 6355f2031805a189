from __future__ import annotations

import pickle

import pytest
from pixelbeam.schemas import errors
from pixelbeam.schemas.errors import PASSING_REASONS, Reject, TooManyRejects


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("PixelbeamError", "Exception"),
        ("UsageError", "PixelbeamError"),
        ("OptionError", "UsageError"),
        ("SchemaError", "UsageError"),
        ("ManifestError", "UsageError"),
        ("OutputError", "UsageError"),
        ("PluginError", "UsageError"),
        ("BuildError", "PixelbeamError"),
        ("TooManyRejects", "BuildError"),
        ("DatasetError", "PixelbeamError"),
        ("Reject", "Exception"),
    ],
)
def test_what_an_error_is_a_kind_of(name, base):
    assert [kind.__name__ for kind in getattr(errors, name).__bases__] == [base]


def test_too_many_rejects_know_their_reasons():
    reasons = {"file_not_found": 2}
    error = TooManyRejects("too many", reasons)
    assert (str(error), error.by_reason) == ("too many", {"file_not_found": 2})
    assert error.by_reason is not reasons
    assert TooManyRejects("all").by_reason == {}


def test_a_reject_is_filled_in_where_it_does_not_know():
    reject = Reject("load", "unreadable", "got x")
    assert str(reject) == "load: unreadable: got x"
    known = reject.of("image", "a.jpg")
    assert vars(reject) == {**vars(known), "feature": "", "path": ""}
    assert vars(known) == {
        "stage": "load",
        "reason": "unreadable",
        "message": "got x",
        "feature": "image",
        "path": "a.jpg",
    }
    assert vars(known.of("label", "b.jpg")) == vars(known)
    assert vars(reject.of(path="b.jpg").of("label", "c.jpg")) == {
        **vars(known), "feature": "label", "path": "b.jpg",
    }  # fmt: skip


def test_reasons_that_may_pass():
    assert sorted(PASSING_REASONS) == [
        "bad_path", "file_not_found", "file_too_large", "no_filesystem", "no_frames", "not_a_file",
        "outside_file", "outside_root", "permission_denied", "time_limit", "unreadable",
    ]  # fmt: skip


def test_a_reject_is_what_it_says_wherever_it_was_made():
    reject = Reject("load", "file_not_found", "no such file", path="a.jpg")
    copy = pickle.loads(pickle.dumps(reject))
    assert copy == reject == Reject("load", "file_not_found", "no such file", "", "a.jpg")
    assert len({copy, reject}) == 1
    assert copy != reject.of(feature="image")


def test_a_copy_of_a_reject_holds_no_traceback():
    try:
        raise Reject("load", "file_not_found", "no such file")
    except Reject as raised:
        assert raised.of() == raised
        assert raised.of().__traceback__ is None
