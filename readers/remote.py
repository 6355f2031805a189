"""What to do about a dataset on a filesystem that a reader cannot read from."""

from __future__ import annotations

__all__ = ["explain_remote", "is_remote"]


def is_remote(place: str) -> bool:
    """Whether a path is a URL, such as ``s3://bucket/out``."""
    return "://" in place


def explain_remote(place: str, who: str) -> str:
    """A message for who cannot read from there: how to get a copy, which is a dataset too.

    Args:
        place: the dataset's directory, or a file in it.
        who: such as ``TensorFlow 2.21``.
    """
    scheme = place.partition("://")[0]
    how = ""
    if scheme == "s3":
        how = f", for instance with `aws s3 sync {place} DIR` (pip install awscli)"
    return f"{place}: {who} cannot read {scheme}://; copy the dataset to a local directory{how}, and read that"
