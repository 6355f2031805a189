"""The folders that names are relative to, where each of several manifests is a split."""

from __future__ import annotations

from dataclasses import dataclass

from .paths import join_path

__all__ = ["SplitRoots"]


@dataclass(frozen=True, slots=True)
class SplitRoots:
    """The folders of several manifests; the first part of a name says which: ``train/a.csv``.

    Attributes:
        folders: by split.
    """

    folders: tuple[tuple[str, str], ...]

    def find(self, name: str) -> tuple[str, str]:
        """The folder that a name is relative to, and the rest of the name."""
        split, _, rest = name.partition("/")
        return dict(self.folders)[split], rest

    def path(self, name: str) -> str:
        """The full path of what a name means."""
        return join_path(*self.find(name))

    def __str__(self) -> str:
        return ", ".join(f"{split}={folder}" for split, folder in self.folders)
