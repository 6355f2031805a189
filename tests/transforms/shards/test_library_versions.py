from __future__ import annotations

import pytest
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.library_versions import check_versions, codec_versions


def test_the_same_versions_pass():
    check_versions(codec_versions(), codec_versions())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"pillow": "11.3.0"},
            "this worker has pillow 11.3.0, expected 12.3.0 as the launcher has; ",
        ),
        ({"zlib": "none"}, "this worker has zlib none, expected 1.3 as the launcher has; "),
    ],
)
def test_a_worker_with_other_versions_is_refused(changed, message):
    launcher = {"pillow": "12.3.0", "zlib": "1.3"}
    with pytest.raises(BuildError) as caught:
        check_versions({**launcher, **changed}, launcher)
    assert str(caught.value) == (
        message + "other versions may write other bytes, so install the launcher's on the workers"
    )
