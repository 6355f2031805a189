"""What is kept of a published dataset for its repair: a copy of ``dataset.json``, and how it was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ...schemas.dataset.checksum import has_right_checksum
from ...schemas.dataset.file_names import DATASET_FILE
from ...transforms.manifests.split_manifests import name_manifests
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import absolute
from ..options import BuildOptions
from .own_files import KEPT_FOLDER

__all__ = ["Call", "keep_call", "keep_dataset", "kept_call", "kept_dataset"]

_DATASET = f"{KEPT_FOLDER}/{DATASET_FILE}"
_CALL = f"{KEPT_FOLDER}/call.json"


@dataclass(frozen=True, slots=True)
class Call:
    """What a build was asked for that no dataset says, since it is of the machine: where its inputs are.

    Attributes:
        manifest: ``--manifest``, its paths absolute.
        labels: ``--labels``, absolute.
        image_root: ``--image_root``, absolute.
        max_rejects: ``--max_rejects``, which decides no byte.
    """

    manifest: str | None = None
    labels: str | None = None
    image_root: str | None = None
    max_rejects: str | None = None

    @classmethod
    def of(cls, options: BuildOptions) -> Call:
        """The call that options are."""
        named = (
            f"{split}={absolute(path)}" if split else absolute(path)
            for split, path in name_manifests(options.manifest)
        )
        return cls(
            ",".join(named),
            absolute(options.labels) if options.labels else None,
            absolute(options.image_root) if options.image_root else None,
            str(options.max_rejects),
        )


def keep_call(output: Folder, options: BuildOptions) -> None:
    """Notes where the inputs of a build are, before it is published."""
    output.write(_CALL, json.dumps(asdict(Call.of(options)), indent=1).encode())


def kept_call(output: Folder) -> Call:
    """How a dataset was asked for; what is not known of it is ``None``."""
    try:
        said = json.loads(output.read(_CALL) or b"{}")
    except ValueError:  # damaged itself
        said = {}
    known = said if isinstance(said, Mapping) else {}
    values = {name: known.get(name) for name in Call.__dataclass_fields__}
    return Call(**{name: text for name, text in values.items() if isinstance(text, str)})


def keep_dataset(output: Folder, text: bytes) -> None:
    """Copies what is, or is about to be, a folder's ``dataset.json``."""
    output.write(_DATASET, text)


def kept_dataset(output: Folder) -> bytes | None:
    """The copy; ``None`` if there is none that is whole."""
    text = output.read(_DATASET)
    return text if text is not None and has_right_checksum(text) else None
