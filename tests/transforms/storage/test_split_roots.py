from __future__ import annotations

from pixelbeam.transforms.storage.split_roots import SplitRoots


def test_the_first_part_of_a_name_says_which_folder():
    roots = SplitRoots((("train", "/data/x"), ("test", "s3://b/y")))
    assert roots.find("train/cat/1.png") == ("/data/x", "cat/1.png")
    assert roots.path("train/cat/1.png") == "/data/x/cat/1.png"
    assert roots.path("train//elsewhere/1.png") == "/elsewhere/1.png"
    assert str(roots) == "train=/data/x, test=s3://b/y"
