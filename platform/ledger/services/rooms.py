"""How much room limited accounts have, read under their locks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from ledger.chart import account_kind
from ledger.locks import balances_lock
from ledger.services.directory import AccountKey, accounts_resolve
from ledger.services.holds import AccountNotLimited


@dataclass(frozen=True, slots=True)
class Room:
    """Minor units on the account's normal side. `taken_minor` counts open holds; never above `limit_minor`."""

    balance_minor: int
    held_up_minor: int
    held_down_minor: int
    floor_minor: int
    limit_minor: int

    @property
    def taken_minor(self) -> int:
        return self.balance_minor + self.held_up_minor

    @property
    def free_minor(self) -> int:
        return self.limit_minor - self.taken_minor


@transaction.atomic
def rooms_lock(*, accounts: Collection[AccountKey], now: datetime) -> dict[AccountKey, Room]:
    """The room of each (book, account code, currency), all locked in account order until the transaction ends.

    Whoever touches several of them one after the other locks them here first. Accounts are opened at their first use.
    Raises AccountNotLimited, UnknownAccount, UnknownOrganisation.
    """
    for book, code, _ in accounts:
        if not account_kind(book_kind=book.kind, account=code).limited:
            raise AccountNotLimited(account=code)
    refs = accounts_resolve(accounts, now=now)
    rows = balances_lock(ref.id for ref in refs.values())
    return {
        key: Room(
            balance_minor=rows[ref.id].balance_minor,
            held_up_minor=rows[ref.id].held_up_minor,
            held_down_minor=rows[ref.id].held_down_minor,
            floor_minor=rows[ref.id].floor_minor,
            limit_minor=rows[ref.id].limit_minor,
        )
        for key, ref in refs.items()
    }
