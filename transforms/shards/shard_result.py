"""What a shard's task leaves behind for publishing, and for a later build that finds the shard there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ...schemas.dataset.file_names import STATE_FOLDER
from ..ledger import Ledger
from ..storage.output_folder import PublishedFile

__all__ = ["ShardResult"]

_SHARDS = f"{STATE_FOLDER}/shards"


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What a shard task leaves behind, beside the shard itself.

    Attributes:
        name: the shard, such as ``train-00003-of-00016``.
        fingerprint: hash of all that decides the shard's bytes.
        num_rows: rows that went in; ``num_records`` plus the rejects.
        num_records: records in each file.
        files: the published file by sink.
        rejects: number of rejects by reason.
        summaries: the merged summaries of the records by feature.
        ledger: what was counted beside rows and records, for publishing to add up.
        index: the published files of the index by what ``dataset.json`` calls them.
        num_taken: records of which something was taken over from another dataset.
    """

    name: str
    fingerprint: str
    num_rows: int
    num_records: int
    files: dict[str, PublishedFile]
    rejects: dict[str, int] = field(default_factory=dict)
    summaries: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    index: dict[str, PublishedFile] = field(default_factory=dict)
    num_taken: int = 0

    def to_json(self) -> bytes:
        """The result as its file in the state folder holds it."""
        fields = asdict(self) | {"ledger": self.ledger.to_json()}
        return json.dumps(fields, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ShardResult:
        """The inverse of ``to_json``.

        Raises:
            ValueError: the data are not a whole result, as a power loss may leave behind, or not one of
                this version's.
        """
        if not data.endswith(b"}"):
            raise ValueError("not a whole result")
        fields = json.loads(data)
        try:
            files, index = (
                {name: PublishedFile(**file) for name, file in fields.pop(key).items()}
                for key in ("files", "index")
            )
            ledger = Ledger.from_json(fields.pop("ledger"))
            return cls(**fields, files=files, ledger=ledger, index=index)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a result: {error}") from error

    @staticmethod
    def path(name: str) -> str:
        """Where a shard's result lies in the output folder."""
        return f"{_SHARDS}/{name}.json"

    @staticmethod
    def rejects_path(name: str) -> str:
        """Where a shard's rejects lie until they are published."""
        return f"{_SHARDS}/{name}.rejects.jsonl"

    @staticmethod
    def dropped_path(name: str) -> str:
        """Where the frames lie that were dropped from a shard's clips."""
        return f"{_SHARDS}/{name}.dropped.jsonl"
