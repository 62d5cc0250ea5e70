"""Contracts with insurers, and the limits that follow from them: credit lines, exposure of pharmacies, cash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from accounts.selectors import platform_id
from core.errors import Problem
from core.ids import uuid7
from core.money import LARGEST_MINOR, Money
from core.row_security import EVERYTHING, seen_by
from ledger.services import BookKey, BookKind, limit_set, rooms_lock
from settlement import contracts
from settlement.models import Contract, CreditLine
from settlement.selectors.contracts import line_minor
from settlement.services.moves import counter_book
from settlement.states import LineKind


class ContractNeedsAnother(Problem):
    code = "contract_needs_another"
    status = 403
    title = "A contract is signed by two"
    detail = "{by} drafted this contract and cannot approve it."
    detail_zh = "该合同由 {by} 起草，本人不能批准。"
    fix = "Ask a colleague to look at it."
    fix_zh = "请由同事审核批准。"


class LineInvalid(Problem):
    code = "credit_line_invalid"
    status = 422
    title = "Not an amount for a limit"
    detail = "{minor} is not a whole number of minor units of at least 0, or the reason is missing."
    detail_zh = "{minor} 不是大于等于零的整数（最小货币单位），或未填写理由。"
    fix = "Correct the amount and say why."
    fix_zh = "请更正金额并填写理由。"


def contract_sign(
    *, organisation_id: int, effective_from: date, body: Mapping[str, Any], drafted_by: str, by: str, now: datetime
) -> Contract:
    """The next contract with this insurer, in force from its day on and fixed; cash of its book may move from now on.

    Raises ContractInvalid, ContractNeedsAnother.
    """
    contracts.parse(body)
    if not drafted_by or drafted_by == by:
        raise ContractNeedsAnother(by=by)
    with seen_by(EVERYTHING):
        rows = Contract.objects.select_for_update().filter(organisation_id=organisation_id)
        last = rows.order_by("-number").first()
        contract = Contract.objects.create(
            id=uuid7(now),
            organisation_id=organisation_id,
            number=(last.number if last else 0) + 1,
            effective_from=effective_from,
            body=dict(body),
            drafted_by=drafted_by,
            approved_by=by,
            approved_at=now,
        )
        if last is None:
            _cash_open(organisation_id, "CNY", by=by, now=now)
    return contract


def credit_line_set(
    *, organisation_id: int, amount_minor: int, currency: str = "CNY", reason: str, by: str, now: datetime
) -> CreditLine:
    """The most that may be held and open with this insurer. Below what is open already nothing new is laid out.

    Raises LineInvalid.
    """
    book = BookKey(platform_id_seen(), organisation_id, BookKind.ADVANCE)
    return _line_set(LineKind.INSURER, organisation_id, book, amount_minor, currency, reason, by, now)


def pharmacy_exposure_set(
    *, organisation_id: int, amount_minor: int, currency: str = "CNY", reason: str, by: str, now: datetime
) -> CreditLine:
    """The most that this chain may hand over before anybody has confirmed it. Raises LineInvalid."""
    with seen_by(EVERYTHING):
        book = counter_book(organisation_id)
    return _line_set(LineKind.PHARMACY, organisation_id, book, amount_minor, currency, reason, by, now)


def platform_id_seen() -> int:
    """The platform's own organisation, whatever the caller sees."""
    with seen_by(EVERYTHING):
        return platform_id()


def lines_restore(*, now: datetime, limit: int) -> int:
    """A chore: limits that gave way to what had to be booked go back to their line as room comes back. How many did."""
    done = 0
    with seen_by(EVERYTHING):
        latest = CreditLine.objects.order_by("organisation_id", "kind", "currency", "-number")
        rows = list(latest.distinct("organisation_id", "kind", "currency")[:limit])
    for row in rows:
        with seen_by(EVERYTHING):
            done += _apply(row, by="clock", now=now)
    return done


def _line_set(
    kind: LineKind,
    organisation_id: int,
    book: BookKey,
    amount_minor: int,
    currency: str,
    reason: str,
    by: str,
    now: datetime,
) -> CreditLine:
    if type(amount_minor) is not int or amount_minor < 0 or not reason.strip():
        raise LineInvalid(minor=amount_minor)
    with seen_by(EVERYTHING):
        # The lock on the account is the queue of those who set it.
        rooms_lock(accounts=[(book, "exposure", currency)], now=now)
        rows = CreditLine.objects.filter(organisation_id=organisation_id, kind=kind, currency=currency)
        last = rows.order_by("-number").first()
        row = CreditLine.objects.create(
            id=uuid7(now),
            organisation_id=organisation_id,
            kind=kind,
            number=(last.number if last else 0) + 1,
            amount_minor=amount_minor,
            currency=currency,
            reason=reason,
            set_by=by,
            set_at=now,
        )
        _apply(row, by=by, now=now)
    return row


def _apply(row: CreditLine, *, by: str, now: datetime) -> bool:
    """Bring the ledger's limit to the line, or as near as what is taken allows. Whether it moved."""
    if row.kind == LineKind.INSURER:
        book = BookKey(platform_id(), row.organisation_id, BookKind.ADVANCE)
    else:
        book = counter_book(row.organisation_id)
    key = (book, "exposure", row.currency)
    room = rooms_lock(accounts=[key], now=now)[key]
    # Read again under the lock: another line may have been set meanwhile.
    amount = line_minor(organisation_id=row.organisation_id, kind=LineKind(row.kind), currency=row.currency)
    wanted = max(amount, room.taken_minor)
    if wanted == room.limit_minor:
        return False
    limit_set(
        book=book,
        account="exposure",
        floor=Money(0, row.currency),
        limit=Money(wanted, row.currency),
        by=by,
        reason=row.reason,
        now=now,
    )
    return True


def _cash_open(organisation_id: int, currency: str, *, by: str, now: datetime) -> None:
    """Cash cannot go below nothing: what is not there is not paid out."""
    limit_set(
        book=BookKey(platform_id(), organisation_id, BookKind.ADVANCE),
        account="cash",
        floor=Money(0, currency),
        limit=Money(LARGEST_MINOR, currency),
        by=by,
        reason="contract signed",
        now=now,
    )
