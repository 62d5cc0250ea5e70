"""From names to ids: books and accounts are made at their first use and remembered by the process.

Only committed ids are remembered. They never change and are never deleted, so the memory never goes stale; a test that
empties the tables calls `forget`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from core.errors import Problem
from ledger.chart import account_kind
from ledger.models import LedgerAccount, LedgerBook
from ledger.services.drafts import BookKey

REMEMBERED_LIMIT = 200_000  # Entries; above it the memory starts anew.


class UnknownOrganisation(Problem):
    code = "unknown_organisation"
    status = 422
    title = "No book can be opened"
    detail = "Organisation {organisation_id} does not exist, so it has no book."
    detail_zh = "机构 {organisation_id} 不存在，无法开立账簿。"
    fix = "Create the organisation first."
    fix_zh = "请先创建该机构。"


@dataclass(frozen=True, slots=True)
class AccountRef:
    """What a service needs to know of an account."""

    id: int
    book_id: int
    normal_side: str
    limited: bool

    @classmethod
    def of(cls, row: LedgerAccount) -> AccountRef:
        return cls(row.pk, row.book_id, row.normal_side, row.limited)


AccountKey = tuple[BookKey, str, str]  # book, code, currency
_books: dict[BookKey, int] = {}
_accounts: dict[AccountKey, AccountRef] = {}


def forget() -> None:
    _books.clear()
    _accounts.clear()


def accounts_resolve(keys: Iterable[AccountKey], *, now: datetime) -> dict[AccountKey, AccountRef]:
    """Each key's account, opened where missing. No statement when all are remembered, at most four otherwise.

    Raises UnknownAccount, UnknownOrganisation.
    """
    wanted = set(keys)
    missing = sorted((key for key in wanted if key not in _accounts), key=str)
    found = {key: _accounts[key] for key in wanted if key in _accounts}
    if missing:
        made = _accounts_open(missing, books_resolve({key[0] for key in missing}, now=now), now=now)
        found |= made
        transaction.on_commit(lambda: _remember(_accounts, made))
    return found


def books_resolve(keys: Iterable[BookKey], *, now: datetime) -> dict[BookKey, int]:
    """Each key's book id, opened where missing. Raises UnknownOrganisation."""
    wanted = set(keys)
    found = {key: _books[key] for key in wanted if key in _books}
    missing = sorted(wanted - found.keys(), key=str)
    if missing:
        made = _books_open(missing, now=now)
        found |= made
        transaction.on_commit(lambda: _remember(_books, made))
    return found


def _books_open(keys: list[BookKey], *, now: datetime) -> dict[BookKey, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_book (organisation_id, insurer_organisation_id, kind, time_zone, created_at) "
            "SELECT o.id, n.insurer, n.kind, o.time_zone, %s "
            "FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS n (organisation, insurer, kind) "
            "JOIN accounts_organisation o ON o.id = n.organisation "
            "ORDER BY o.id, n.insurer, n.kind ON CONFLICT DO NOTHING",
            [
                now,
                [key.organisation_id for key in keys],
                [key.insurer_organisation_id for key in keys],
                [str(key.kind) for key in keys],
            ],
        )
    rows = LedgerBook.objects.filter(organisation_id__in={key.organisation_id for key in keys})
    stored = {BookKey(row.organisation_id, row.insurer_organisation_id, row.kind): row.pk for row in rows}
    for key in keys:
        if key not in stored:
            raise UnknownOrganisation(organisation_id=key.organisation_id)
    return {key: stored[key] for key in keys}


def _accounts_open(keys: list[AccountKey], books: dict[BookKey, int], *, now: datetime) -> dict[AccountKey, AccountRef]:
    rows = []
    for book, code, currency in keys:
        kind = account_kind(book_kind=book.kind, account=code)
        rows.append(
            LedgerAccount(
                book_id=books[book],
                # The trigger writes the book's own organisation over it.
                organisation_id=book.organisation_id,
                code=code,
                currency=currency,
                normal_side=kind.normal_side,
                limited=kind.limited,
                created_at=now,
            )
        )
    LedgerAccount.objects.bulk_create(rows, ignore_conflicts=True)
    accounts = LedgerAccount.objects.filter(book_id__in=books.values(), code__in={code for _, code, _ in keys})
    stored = {(row.book_id, row.code, row.currency): AccountRef.of(row) for row in accounts}
    return {key: stored[books[key[0]], key[1], key[2]] for key in keys}


def _remember[Key, Value](memory: dict[Key, Value], made: dict[Key, Value]) -> None:
    if len(memory) + len(made) > REMEMBERED_LIMIT:
        memory.clear()
    memory.update(made)
