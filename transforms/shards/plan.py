"""The plan: all that a shard's task needs to know of the whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from ...schemas.dataset.file_names import STATE_FOLDER
from ...schemas.schema import Schema
from ..ledger import Ledger

__all__ = ["PLAN_FILE", "Plan", "SplitPlan"]

PLAN_FILE = f"{STATE_FOLDER}/plan.json"


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A split's rows and the number of its shards."""

    num_rows: int
    num_shards: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What every shard task needs to know of the whole.

    Attributes:
        schema: the schema, its vocabularies filled in.
        splits: the splits by name, sorted.
        rows_seen: manifest rows that the readers counted, rejected ones included; of clips, the clips
            and the rows that were rejected before they could be in one.
        ledger: what was counted before the shards, for publishing to add up.
        warnings: what is seldom meant, of all rows together; a sentence each.
    """

    schema: Schema
    splits: dict[str, SplitPlan]
    rows_seen: int
    ledger: Ledger = field(default_factory=Ledger)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The plan as its file in the state folder holds it."""
        splits = {name: asdict(split) for name, split in self.splits.items()}
        fields = {
            "schema": self.schema.to_dict(),
            "splits": splits,
            "rows_seen": self.rows_seen,
            "ledger": self.ledger.to_json(),
            "warnings": self.warnings,
        }
        return json.dumps(fields).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """The inverse of ``to_json``."""
        fields = json.loads(data)
        return cls(
            Schema.from_dict(fields["schema"]),
            {name: SplitPlan(**split) for name, split in fields["splits"].items()},
            fields["rows_seen"],
            Ledger.from_json(fields["ledger"]),
            tuple(fields["warnings"]),
        )
