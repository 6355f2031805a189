"""The one spelling of a path that names a row, wherever its folder lies."""

from __future__ import annotations

import posixpath
import unicodedata
from dataclasses import dataclass

from .storage.paths import folder_names

__all__ = ["PathRoot", "path_key"]


@dataclass(frozen=True, slots=True)
class PathRoot:
    """The folder that paths are relative to, by the names that lead into it.

    Found once, where the build is started: a worker that sees the folder elsewhere has the same keys.

    Attributes:
        prefixes: how full paths into the folder begin, each with a slash at its end.
        real: the folder with its symbolic links resolved, which ``..`` starts from; empty of a URL.
    """

    prefixes: tuple[str, ...]
    real: str = ""

    @classmethod
    def find(cls, root: str) -> PathRoot:
        """The names of a folder on this machine, or of a URL.

        Args:
            root: the folder or URL.
        """
        names = [unicodedata.normalize("NFC", name) for name in folder_names(root)]
        if not names[1]:
            return cls((f"{root.rstrip('/')}/",))
        return cls(
            tuple(dict.fromkeys(f"/{name.strip('/')}/".replace("//", "/") for name in names)),
            names[1],
        )

    def relative(self, path: str) -> str:
        """A path as it is relative to the folder, if it leads into it; else the path itself.

        Args:
            path: in the one spelling that ``path_key`` gives it, or a URL.
        """
        full = path
        if self.real and (path == ".." or path.startswith("../")):
            full = posixpath.normpath(f"{self.real}/{path}").replace("//", "/", 1)
        full += "/"
        for prefix in self.prefixes:
            if full.startswith(prefix):
                return full[len(prefix) : -1] or "."
        return path


def path_key(path: str, root: PathRoot | None = None) -> str:
    r"""The one spelling of all that name the same file: ``./x.jpg``, ``a//../x.jpg``, ``.\x.jpg``.

    Backslashes separate folders, as where files are read; letters with accents are composed (NFC), since
    some filesystems decompose them and others take both for one. Of a path only its letters are looked
    at, not its symbolic links; of a URL outside the root only the backslashes change: object stores have
    no folders.

    Args:
        path: as a manifest has it.
        root: the folder that it is relative to. A path that leads into it, be it absolute or by ``..``, is
            relative to it then, so that no key depends on where the folder lies; others stay what they are.
    """
    # Nearly all paths are in order, and this tells it in a tenth of the time.
    if path.isascii() and not ("//" in path or "./" in path or "\\" in path or path[-1:] in "./"):
        return path if root is None or path[:1] != "/" else root.relative(path)
    text = path.replace("\\", "/")
    if "://" in text:
        inside = text if root is None else root.relative(text)
        key = text if inside == text else path_key(inside)
        return text if key[:1] == "/" or key[:3] == "../" else key
    # POSIX lets two slashes stand at the start.
    normal = posixpath.normpath(unicodedata.normalize("NFC", text)).replace("//", "/", 1)
    return normal if root is None or normal[:1] not in "/." else root.relative(normal)
