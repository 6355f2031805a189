"""``--vocabulary_from``: the class names of another dataset, in its order."""

from __future__ import annotations

from ..schemas.dataset.file_names import DATASET_FILE
from ..schemas.dataset.info import DatasetInfo
from ..schemas.errors import DatasetError, OptionError
from ..schemas.schema import Schema
from ..transforms.storage.output_folder import Folder
from ..transforms.storage.paths import check_filesystem

__all__ = ["with_vocabularies_of"]

_PARTS = ("features", "context", "steps")


def with_vocabularies_of(schema: Schema, directory: str) -> Schema:
    """A schema with the class names of a published dataset in place of those of the manifest.

    Every feature whose vocabulary would be collected takes that of the feature of the same name, each
    class with its number. A name that the dataset does not have is then a reject, ``unknown_class``.

    Args:
        schema: the schema.
        directory: the dataset's.

    Raises:
        OptionError: it is no published dataset, has no such class names, or nothing asks for them.
        SchemaError: the names do not fit what is declared, such as ``num_classes``.
    """
    pending = [name for name, feature in schema.features.items() if feature.needs_vocabulary]
    if not pending:
        raise OptionError(
            f"--vocabulary_from: got {directory!r}, expected it only where the schema has a "
            "'vocabulary: from_manifest'"
        )
    known = _class_names(directory)
    declared = schema.to_dict()
    for name in pending:
        if name not in known:
            listed = ", ".join(map(repr, known)) or "none"
            raise OptionError(
                f"--vocabulary_from: {directory!r} has no class names for the feature {name!r}; "
                f"those that have some: {listed}"
            )
        part = next(part for part in _PARTS if name in (declared.get(part) or {}))
        declared[part][name]["vocabulary"] = list(known[name])
    return Schema.from_dict(declared, f"--vocabulary_from {directory}")


def _class_names(directory: str) -> dict[str, tuple[str, ...]]:
    check_filesystem(directory)
    text = Folder(directory).read(DATASET_FILE)
    if text is None:
        raise OptionError(
            f"--vocabulary_from: {directory!r} is not a published dataset: it has no {DATASET_FILE}"
        )
    try:
        schema = DatasetInfo.loads(text, directory).read_schema(directory)
    except DatasetError as error:
        raise OptionError(f"--vocabulary_from: {error}") from None
    domains = ((key, spec.domain) for key, spec in schema.specs_by_key.items())
    return {key: domain.class_names for key, domain in domains if domain and domain.class_names}
