"""Confirmed claims that insurers owe for, and transfers as they stand on the bank's statement."""

from __future__ import annotations

import hashlib
import itertools
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import Organisation
from core.ids import uuid7
from ledger.selectors import trial_balance
from ledger.services import prove
from settlement.models import BankAccount, BankEntry, BankStatement, RemittanceAdvice, SettlementLeg
from settlement.services.contracts import pharmacy_exposure_set
from settlement.services.legs import leg_write
from settlement.services.matching import entry_match
from settlement.services.moves import MoveDraft, advance_lock, move_write
from settlement.services.remittances import AdviceDraft, AdvisedLine, advice_take
from settlement.states import AdvanceMoveKind, LegKind
from tests.ledger.cast import constraints_now
from tests.registry.house import NOW
from tests.settlement.house import DESK, LINE, TRACE, Desk, claimed, drawn, line_of

_numbers = itertools.count(1)


def owed(desk: Desk, minor: int = 400_000, *, shares: dict[int, int] | None = None) -> list[SettlementLeg]:
    """Handed over and confirmed: one leg per insurer, the amounts of `shares` by organisation id."""
    claim = claimed(desk)
    advance = drawn(desk, claim, minor)
    decision = uuid4()
    confirm = MoveDraft(kind=AdvanceMoveKind.CONFIRM, amount_minor=minor, cause="decision", cause_id=decision)
    locked = advance_lock(advance.pk)
    move_write(advance=locked, draft=confirm, by=DESK, now=NOW, trace_id=TRACE)
    return [
        leg_write(
            kind=LegKind.FIRST,
            organisation_id=organisation_id,
            insurer_id=desk.insurer.pk,
            claim_id=claim.pk,
            cause_id=decision,
            amount_minor=part,
            currency="CNY",
            due_on=date(2026, 12, 24),
            by=DESK,
            now=NOW,
            trace_id=TRACE,
            advance=locked,
        )
        for organisation_id, part in (shares or {desk.insurer.pk: minor}).items()
    ]


def account_of(desk: Desk, currency: str = "CNY") -> BankAccount:
    known = BankAccount.objects.filter(currency=currency).first()
    return known or BankAccount.objects.create(
        id=uuid4(),
        code=f"MAIN-{currency}",
        organisation=desk.platform,
        holder="MediSettle",
        account_no=f"62{currency}",
        bank_code="BANK",
        currency=currency,
        rail="files",
        opened_at=NOW,
    )


def transfer(desk: Desk, minor: int, text: str, **changes: Any) -> BankEntry:
    """A credit on a statement of its own, not looked at yet."""
    number = next(_numbers)
    account = account_of(desk, changes.get("currency", "CNY"))
    before = BankStatement.objects.filter(account=account).order_by("-taken_at", "-statement_no").first()
    opening = before.closing_minor if before else 0
    statement = BankStatement.objects.create(
        id=uuid4(),
        account=account,
        follows=before,
        statement_no=f"S-{number:06d}",
        format="CAMT053",
        file_sha256=hashlib.sha256(str(number).encode()).digest(),
        sealed_file=b"",
        currency=account.currency,
        opening_minor=opening,
        closing_minor=opening - minor if changes.get("direction") == "DEBIT" else opening + minor,
        first_day=NOW.date(),
        last_day=NOW.date(),
        taken_at=NOW,
        taken_by="bank",
    )
    values: dict[str, Any] = {
        "id": uuid7(NOW),
        "statement": statement,
        "account": account,
        "line_no": 1,
        "bank_reference": f"BR-{number:06d}",
        "direction": "CREDIT",
        "amount_minor": minor,
        "currency": account.currency,
        "value_date": NOW.date(),
        "remittance": text,
    }
    return BankEntry.objects.create(**(values | changes))


def matched(entry: BankEntry, *, now: datetime = NOW) -> BankEntry:
    """Looked at by the chore."""
    assert entry_match(entry_id=entry.pk, now=now)
    return BankEntry.objects.select_related("suspense").get(pk=entry.pk)


def sums(insurer: Organisation) -> dict[str, int]:
    """Debits minus credits by account of the platform's book with the insurer; what is at nothing left out."""
    rows = trial_balance(organisations="*", insurer_organisation_id=insurer.pk, kind="advance")
    return {row.account: row.debit_minor - row.credit_minor for row in rows if row.debit_minor != row.credit_minor}


def fresh(leg: SettlementLeg) -> SettlementLeg:
    return SettlementLeg.objects.select_related("advance").get(pk=leg.pk)


def state_of(leg: SettlementLeg) -> tuple[str, int, str]:
    row = fresh(leg)
    assert row.advance is not None
    return row.state, row.settled_minor, row.advance.state


def unknown() -> UUID:
    return uuid4()


@pytest.fixture
def room(desk: Desk) -> None:
    line_of(desk, 10 * LINE)
    pharmacy_exposure_set(organisation_id=desk.chain.pk, amount_minor=10 * LINE, reason="room", by=DESK, now=NOW)


def advice(desk: Desk, *lines: tuple[str, int], number: str = "A-1", **changes: Any) -> RemittanceAdvice:
    values: dict[str, Any] = {
        "advice_no": number,
        "reference": "",
        "currency": "CNY",
        "total_minor": sum(minor for _, minor in lines),
        "lines": [AdvisedLine(*line) for line in lines],
    }
    draft = AdviceDraft(**(values | changes))
    return advice_take(organisation_id=desk.insurer.pk, draft=draft, by="clerk", now=NOW)


def proven(desk: Desk) -> None:
    """Everything that is checked at a commit, and the ledger's own rules."""
    constraints_now()
    assert prove().holds
