"""Counts by account that tasks keep apart and publishing adds up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Ledger"]


@dataclass(slots=True)
class Ledger:
    """Counts by the name of their account; two ledgers can be merged, in any order.

    What the accounts are, and which of them have to balance, is known where they are kept
    (``clips/frame_accounting.py``); what carries a ledger from there to publishing need not know.

    Attributes:
        accounts: the counts; an account that nothing was ever added to is not there.
    """

    accounts: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, account: str) -> int:
        """An account's count, 0 where nothing was added to it."""
        return self.accounts.get(account, 0)

    def __bool__(self) -> bool:
        """Whether anything was added at all."""
        return bool(self.accounts)

    def add(self, account: str, count: int = 1) -> None:
        """Adds to an account; nothing opens none."""
        if count:
            self.accounts[account] = self[account] + count

    def merge(self, other: Ledger) -> None:
        """Adds all accounts of another ledger, which stays as it is."""
        for account, count in other.accounts.items():
            self.add(account, count)

    @classmethod
    def total(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """The sum of any number of ledgers, in a new one."""
        whole = cls()
        for ledger in ledgers:
            whole.merge(ledger)
        return whole

    def under(self, prefix: str) -> dict[str, int]:
        """The accounts ``prefix/…`` by the rest of their names, sorted."""
        return {
            account.removeprefix(f"{prefix}/"): count
            for account, count in sorted(self.accounts.items())
            if account.startswith(f"{prefix}/")
        }

    def to_json(self) -> dict[str, int]:
        """The counts as JSON holds them."""
        return dict(sorted(self.accounts.items()))

    @classmethod
    def from_json(cls, found: object) -> Ledger:
        """The inverse of ``to_json``.

        Raises:
            ValueError: it is not a ledger's JSON.
        """
        if not isinstance(found, dict) or not all(type(n) is int for n in found.values()):
            raise ValueError(f"got {found!r}, expected counts by account")
        return cls(dict(found))
