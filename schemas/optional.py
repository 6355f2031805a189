"""Features that a dataset may go without: left out where the manifest lacks their column."""

from __future__ import annotations

from collections.abc import Iterable

from .schema import Schema

__all__ = ["without_missing"]


def without_missing(
    schema: Schema, present: Iterable[str], where: str = ""
) -> tuple[Schema, dict[str, str]]:
    """The schema without the ``optional`` features whose column is missing, and without those ``of`` them.

    Args:
        schema: what is asked for.
        present: the columns that there are, labels joined.
        where: the manifest as the user wrote it, for messages.

    Returns:
        The schema, and the column that is missing by the name of each feature that was left out.

    Raises:
        SchemaError: what is left is no schema: nothing is, or a feature that is not optional belongs to one that
            was left out.
    """
    columns = set(present)
    missing: dict[str, str] = {}
    for names in schema.encoding_order.values():
        for name in names:  # each behind the one that it is of
            feature = schema.features[name]
            lacking = [column for column in feature.columns if column not in columns]
            lacking += [missing[feature.owner]] if feature.owner in missing else []
            if feature.optional and lacking:
                missing[name] = lacking[0]
    if not missing:
        return schema, missing
    declared = schema.to_dict()
    for part in schema.encoding_order:
        declared[part] = {n: f for n, f in declared[part].items() if n not in missing}
    return Schema.from_dict(declared, where), missing
