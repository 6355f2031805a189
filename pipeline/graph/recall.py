"""The options of a build, taken from the dataset that it published: the way back of ``describe_command``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...schemas.errors import DatasetError, SchemaError
from ...schemas.schema import Schema
from ...transforms.manifests.split_manifests import name_manifests
from ...transforms.shards.plan_shards import ShardSize
from ...transforms.splits import ALL_TRAIN, Splits
from ..options import BuildOptions
from ..twins import TwinOptions

__all__ = ["recall_options"]


def recall_options(
    command: Mapping[str, Any],
    output: str,
    manifest: str,
    labels: str | None = None,
    image_root: str | None = None,
    **settings: Any,
) -> BuildOptions:
    """What has to be asked for to get a dataset again.

    Args:
        command: what it was asked for, as ``describe_command`` has it.
        output: the dataset's directory.
        manifest: where its manifests are now; as ``--manifest`` names them.
        labels: where its label manifest is now, if it has one.
        image_root: what paths are relative to, if not the manifest's folder.
        **settings: options that decide no byte.

    Raises:
        OptionError: a sink of it is not installed.
        DatasetError: the command is not one that this version knows.
    """
    try:
        return BuildOptions(
            manifest=manifest,
            schema=Schema.from_dict(command["schema"]),
            output=output,
            labels=labels,
            join_on=command.get("join_on"),
            image_root=image_root,
            allow_outside=command["allow_outside"],
            sinks=tuple(command["sinks"]),
            index=command.get("index", "none"),
            splits=_recall_splits(command, manifest),
            shard_size=ShardSize(
                command["num_shards"], command["records_per_shard"], command["shard_size"]
            ),
            seed=command["seed"],
            row_timeout=command["row_timeout"],
            twins=TwinOptions.recall(command),
            **settings,
        )
    except (KeyError, TypeError, AttributeError, SchemaError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(
            f"{output}: what it was built from is not a command of this version: {said}; "
            "build it anew with --overwrite"
        ) from None


def _recall_splits(command: Mapping[str, Any], manifest: str) -> Splits:
    # Where each manifest is a split, that is what makes them the splits: nobody asked for the column.
    column = None if name_manifests(manifest)[0][0] else command["split_column"]
    given = tuple((command["splits"] or {}).items())
    # The very tuple where nobody asked: else it would count as asked for.
    fractions = ALL_TRAIN if given in ((), ALL_TRAIN) else given
    return Splits(fractions, column, command["group_by"])
