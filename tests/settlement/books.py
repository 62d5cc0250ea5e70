"""Legs, fees and statements by the hundred: rows as the advance desk writes them, with their postings, and no order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from claims.models import Claim
from claims.services.drafts import claim_draft
from core.ids import new_trace_id, uuid7
from core.money import Money
from core.transitions import write_many
from ledger.services import PostingDraft, credit, debit, postings_write, prove
from ledger.services.proof import CHECKS
from settlement.models import Advance, AdvanceMove, Mandate, SettlementLeg
from settlement.selectors.books import book_with, payable_account
from settlement.selectors.statement_lines import Party
from settlement.services.contracts import contract_sign
from settlement.states import AdvanceMoveKind, CounterpartyRole, LegKind
from tests.claims.house import draft_of, in_confirmation
from tests.registry.house import Shelf, make_shelf
from tests.settlement.house import CONTRACT


def fee(counterparty: str, kind: str, *, amount_minor: int = 0, basis_points: int = 0) -> dict[str, Any]:
    """A line of the agreement, with 6 % VAT."""
    return {
        "counterparty": counterparty,
        "kind": kind,
        "amount_minor": amount_minor,
        "basis_points": basis_points,
        "vat_basis_points": 600,
    }


OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
# 10 in the morning in Shanghai.
IN_OCTOBER = datetime(2026, 10, 12, 2, 0, tzinfo=UTC)
IN_NOVEMBER = datetime(2026, 11, 12, 2, 0, tzinfo=UTC)
IN_DECEMBER = datetime(2026, 12, 3, 2, 0, tzinfo=UTC)
FEES: Sequence[dict[str, Any]] = (
    fee("INSURER", "PER_CLAIM", amount_minor=3_000),
    fee("INSURER", "PER_MONTH", amount_minor=50_000),
    fee("PHARMACY", "PER_CENT", basis_points=150),
)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Trade:
    """The platform, an insurer with a co-insurer, a pharmacy chain, a stranger, and a claim to hang legs on."""

    platform: Organisation
    insurer: Organisation
    co_insurer: Organisation
    chain: Organisation
    stranger: Organisation
    claim: Claim
    shelf: Shelf

    def party(self, role: CounterpartyRole, organisation: Organisation | None = None) -> Party:
        home = self.insurer if role == CounterpartyRole.INSURER else self.chain
        return Party(role, (organisation or home).pk, self.insurer.pk, "CNY")


def make_trade(fees: Sequence[dict[str, Any]] = FEES) -> Trade:
    platform = an_organisation("THE-PLATFORM", OrganisationKind.PLATFORM, "特药直付平台")
    shelf = make_shelf()
    trade = Trade(
        platform=platform,
        insurer=shelf.insurer,
        co_insurer=an_organisation("INS-CO", OrganisationKind.INSURER, "共保人寿保险公司"),
        chain=an_organisation("CHAIN-A", OrganisationKind.PHARMACY_CHAIN, "仁济堂大药房连锁"),
        stranger=an_organisation("CHAIN-B", OrganisationKind.PHARMACY_CHAIN, "百草堂大药房"),
        claim=in_confirmation(shelf),
        shelf=shelf,
    )
    contract_with(trade.insurer, fees)
    return trade


@pytest.fixture
def trade(db: None) -> Trade:
    return make_trade()


def an_organisation(code: str, kind: OrganisationKind, name_zh: str) -> Organisation:
    return organisation_create(
        code=code, kind=kind, name=f"The {code}", name_zh=name_zh, actor="platform", now=IN_OCTOBER
    )


def contract_with(insurer: Organisation, fees: Sequence[dict[str, Any]]) -> None:
    contract_sign(
        organisation_id=insurer.pk,
        effective_from=date(2026, 1, 1),
        body={**CONTRACT, "fees": list(fees)},
        drafted_by="li",
        by="wang",
        now=IN_OCTOBER,
    )


def first_leg(trade: Trade, minor: int, *, at: datetime, of: Organisation | None = None) -> SettlementLeg:
    """The insurer owes for a confirmed claim: Dr receivable, Cr advance unconfirmed."""
    leg = _leg(trade, LegKind.FIRST, of or trade.insurer, minor, at)
    post(trade, leg.pk, "confirm", "receivable", "advance_unconfirmed", minor, at)
    return leg


def second_leg(trade: Trade, minor: int, *, at: datetime) -> SettlementLeg:
    """The pharmacy has handed over: Dr advance unconfirmed, Cr payable, proven by the advance's move."""
    claim = claim_draft(draft=draft_of(trade.shelf), by="patient", now=at, trace_id=new_trace_id())
    advance = _advance(trade, claim, minor, at)
    move = _move(advance, AdvanceMoveKind.DRAW, minor, at)
    leg = _leg(trade, LegKind.SECOND, trade.chain, minor, at, claim=claim, advance=advance)
    payable = payable_account(trade.chain.pk)
    post(trade, advance.pk, "DRAW", "advance_unconfirmed", payable, minor, at, move.pk)
    return leg


def taken_back(trade: Trade, leg: SettlementLeg, *, at: datetime) -> None:
    """It is owed no more, and nothing of it was settled."""
    leg.reverse()
    leg.moved(now=at, by="desk", reason="goods came back")
    write_many([leg], fields=["state"])
    if leg.kind == LegKind.FIRST:
        post(trade, leg.pk, "unconfirm", "advance_unconfirmed", "receivable", leg.amount_minor, at)
        return
    assert leg.advance is not None
    move = _move(leg.advance, AdvanceMoveKind.RETURN, leg.amount_minor, at)
    payable = payable_account(trade.chain.pk)
    post(trade, leg.advance.pk, "RETURN", payable, "advance_unconfirmed", leg.amount_minor, at, move.pk)


def paid_out(trade: Trade, minor: int, *, at: datetime) -> None:
    """The bank has paid the pharmacy; the way of the cash is of no interest here."""
    post(trade, uuid4(), "booked", payable_account(trade.chain.pk), "funding", minor, at)


def _advance(trade: Trade, claim: Claim, minor: int, at: datetime) -> Advance:
    mandate = Mandate.objects.create(
        id=uuid7(at),
        claim=claim,
        person_id=claim.person_id,
        at_most_minor=minor,
        currency="CNY",
        text_version=1,
        signed_by="patient",
        signed_at=at,
    )
    return Advance.objects.create(
        id=uuid7(at),
        organisation=trade.insurer,
        pharmacy=trade.chain,
        claim=claim,
        mandate=mandate,
        currency="CNY",
        held_minor=minor,
        held_until=at + timedelta(days=30),
        created_at=at,
        state_at=at,
        state_by="desk",
        trace_id=new_trace_id(),
    )


def _move(advance: Advance, kind: AdvanceMoveKind, minor: int, at: datetime) -> AdvanceMove:
    return AdvanceMove.objects.create(
        id=uuid7(at),
        advance=advance,
        organisation_id=advance.organisation_id,
        kind=kind,
        episode=1,
        amount_minor=minor,
        cause="handover",
        cause_id=uuid4(),
        at=at,
        by="desk",
    )


def post(
    trade: Trade,
    cause_id: UUID,
    kind: str,
    debited: str,
    credited: str,
    minor: int,
    at: datetime,
    evidence_id: UUID | None = None,
) -> None:
    amount = Money(minor)
    draft = PostingDraft(
        book=book_with(insurer_id=trade.insurer.pk),
        cause_kind="test",
        cause_id=cause_id,
        kind=kind,
        legs=(debit(debited, amount), credit(credited, amount)),
        evidence_id=evidence_id or uuid4(),
        by="desk",
        trace_id=new_trace_id(),
    )
    postings_write(drafts=[draft], now=at)


def _leg(trade: Trade, kind: LegKind, owner: Organisation, minor: int, at: datetime, **changes: Any) -> SettlementLeg:
    values: dict[str, Any] = {
        "id": uuid7(at),
        "leg_no": f"L{kind[0]}{next(_numbers):08d}",
        "kind": kind,
        "organisation": owner,
        "insurer": trade.insurer,
        "claim": trade.claim,
        "cause_id": uuid4(),
        "amount_minor": minor,
        "currency": "CNY",
        "due_on": (at + timedelta(days=30)).date(),
        "created_at": at,
        "state_at": at,
        "state_by": "desk",
        "trace_id": new_trace_id(),
    }
    return SettlementLeg.objects.create(**(values | changes))


def ledger_holds() -> bool:
    """The ledger's own rules. Those of whole advances are no matter of rows that were written one by one."""
    return prove(names=CHECKS).holds
