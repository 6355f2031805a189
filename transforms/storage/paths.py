"""Paths, local or of any filesystem that Beam knows: the one place that tells them apart.

Outside ``transforms/storage/`` nobody asks what kind of path it has. What differs is asked here by what it
means: whether a folder is known to be there, whether reading waits for a network, which folder a file really
lies in.
"""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec

from apache_beam.io.filesystem import BeamIOError, FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ...schemas.errors import OptionError
from .s3 import share_s3_client

__all__ = [
    "absolute",
    "beside",
    "check_filesystem",
    "common_folder",
    "filesystems",
    "folder_names",
    "has_folder",
    "is_local",
    "is_there",
    "join_path",
    "lies_in",
    "real_folder",
    "real_parent",
    "real_path",
    "relative_to",
    "resolve_path",
    "use_options",
    "waits_for_network",
]

_EXTRAS = {
    "hdfs": "on the launcher and the workers: pip install 'apache-beam[hadoop]'",
    "gs": "on the launcher and the workers: pip install 'apache-beam[gcp]'",
    "file": "name files by their paths alone, without file://",
    "http": "download the files, and name them by their local paths",
    "https": "download the files, and name them by their local paths",
}
"""What to do where a filesystem is missing, by the scheme."""


@cache
def filesystems() -> type[FileSystems]:
    """Beam's filesystems, made ready when one is first needed in a process."""
    # A worker of a plain worker pool gets no pipeline options, and without any S3 refuses to work; with
    # these it takes credentials and endpoint from the environment. Beam sets its own over them.
    if FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions([]))
    share_s3_client()
    return FileSystems


def use_options(options: PipelineOptions) -> None:
    """Has ``s3://``, ``gs://`` and ``hdfs://`` use a pipeline's options before there is a pipeline."""
    FileSystems.set_options(options)


def is_local(path: str) -> bool:
    """Whether a path is on this machine's own filesystem."""
    # Asked several times for each file, and nearly always told so by this.
    return "://" not in path or FileSystems.get_scheme(path) is None


def waits_for_network(path: str) -> bool:
    """Whether whoever reads there waits most of the time, so that more threads pay."""
    return not is_local(path)


def has_folder(path: str) -> bool | None:
    """Whether there is a folder; ``None`` where only a listing could tell, as on object stores."""
    return os.path.isdir(path) if is_local(path) else None


def is_there(spec: str) -> bool | None:
    """Whether a path, or a glob, leads to anything; ``None`` where it would have to be asked for."""
    if not is_local(spec):
        return None
    return os.path.exists(spec) or bool(glob.glob(spec, recursive=True))


def folder_names(folder: str) -> tuple[str, str]:
    """A folder's full path as it is written, and with links resolved; of a URL itself, and nothing."""
    return (absolute(folder), os.path.realpath(folder)) if is_local(folder) else (folder, "")


def common_folder(paths: Sequence[str]) -> str:
    """The deepest folder that has all files."""
    if is_local(paths[0]):
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    folders = [posixpath.dirname(path).split("/") for path in paths]
    shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared += 1
    return "/".join(folders[0][:shared])


def real_parent(path: str) -> str | None:
    """The folder that a local file really lies in, links resolved; ``None`` of any other."""
    return os.path.dirname(os.path.realpath(path)) if is_local(path) else None


def beside(path: str, name: str) -> str | None:
    """The real path of what a local file names, if it lies in the file's folder or below; else ``None``."""
    folder = real_parent(path)
    if folder is None or not is_local(name):
        return None
    other = os.path.realpath(os.path.join(folder, name))
    return other if other.startswith(folder.rstrip(os.sep) + os.sep) else None


def check_filesystem(path: str) -> None:
    """Checks that what a path's filesystem needs is installed.

    Raises:
        OptionError: with what to install.
    """
    if is_local(path):
        return
    scheme = FileSystems.get_scheme(path)
    if scheme == "s3" and find_spec("boto3") is None:
        raise OptionError(
            f"{path}: S3 needs boto3, which is not installed; on the launcher and the workers: "
            "pip install 'pixelbeam[s3]'"
        )
    try:
        filesystems().get_filesystem(path)
    except (ValueError, BeamIOError) as error:
        known = sorted(filter(None, (fs.scheme() for fs in FileSystem.get_all_subclasses())))
        if scheme in known and not _lacks_package(error):  # but options, as hdfs:// does
            raise OptionError(f"{path}: {error}") from None
        help_ = _EXTRAS.get(
            scheme.lower(), f"expected a local path or one of {'://, '.join(known)}://"
        )
        raise OptionError(f"{path}: no filesystem for {scheme}:// is installed; {help_}") from None


def _lacks_package(error: Exception) -> bool:
    causes = getattr(error, "exception_details", None) or {}  # of Beam's, by path
    return any(isinstance(cause, ImportError) for cause in causes.values())


def absolute(path: str) -> str:
    """A path that means the same in any working directory."""
    return os.path.abspath(path) if is_local(path) else path


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however both are spelled; links are resolved.

    No path lies in the folder ``""``, which stands for none.
    """
    if not folder or is_local(path) != is_local(folder):
        return False
    if not is_local(path):
        return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")
    real = os.path.realpath(folder).rstrip(os.sep) + os.sep
    return f"{real_path(path)}{os.sep}".startswith(real)


def real_path(path: str) -> str:
    """``os.path.realpath`` with the folder's part remembered: thousands of files share it."""
    folder, name = os.path.split(path)
    real = os.path.join(real_folder(folder), name)
    return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(real) else real


@lru_cache(maxsize=4096)
def real_folder(folder: str) -> str:
    """``os.path.realpath`` of a folder, remembered."""
    return os.path.realpath(folder or ".")


def join_path(folder: str, name: str) -> str:
    """A file's path inside a folder; an absolute name or a URL stays what it is."""
    if not is_local(name) or os.path.isabs(name):
        return name
    return os.path.join(folder, name) if is_local(folder) else filesystems().join(folder, name)


def resolve_path(folder: str, name: str) -> str:
    """``join_path`` without ``.`` and ``..``, which only a local filesystem would follow."""
    joined = join_path(folder, name.replace("\\", "/"))
    if is_local(joined):
        return os.path.abspath(joined)
    scheme, mark, rest = joined.partition("://")
    return f"{scheme}{mark}{posixpath.normpath(rest)}"


def relative_to(path: str, folder: str) -> str:
    """A path as it is relative to a folder, with ``/``; one that does not lie below it stays what it is."""
    inside = path.removeprefix(f"{folder.rstrip('/')}/")
    return path if len(inside) == len(path) else inside.replace(os.sep, "/")
