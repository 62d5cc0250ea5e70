"""The advance desk: a platform with a contract and a credit line, a pharmacy chain, and a claim with its mandate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from accounts.models import Organisation
from accounts.services import organisation_create
from accounts.states import OrganisationKind
from claims.models import Claim
from core.ids import new_trace_id
from core.row_security import EVERYTHING
from ledger.selectors import trial_balance
from settlement.contracts import recourse_by_default
from settlement.models import Advance, Mandate
from settlement.services.advances import advance_draw, advance_hold
from settlement.services.contracts import contract_sign, credit_line_set, pharmacy_exposure_set
from settlement.services.mandates import mandate_sign
from tests.claims.house import PAYABLE, filed
from tests.registry.house import FIRST_DAY, NOW, Shelf, insurer_of, make_shelf

DESK, COLLEAGUE = "desk-1", "desk-2"
TRACE = new_trace_id()
LINE, CHAIN_LINE = 1_000_000, 800_000
LATER = NOW + timedelta(days=3)

CONTRACT: Mapping[str, Any] = {
    "credit_limit_note": "Annex 2: the line is reviewed each quarter.",
    "stop_after_days": 60,
    "held_days": 14,
    "recourse": recourse_by_default(),
    "refusal_classes": {
        "delegated": "WITHIN_AUTHORITY",
        "review_error": "REVIEW_ERROR",
        "wrong_drug": "WRONG_DRUG",
        "wrong_lot": "WRONG_LOT",
        "no_prescription": "PRESCRIPTION_MISSING",
        "false_papers": "FALSE_MATERIALS",
        "policy_void": "POLICY_VOID",
    },
    "funders": ["PREFUND", "OWN"],
    "prefund_warning_minor": 100_000,
    "object_within_days": 15,
    "instalments_most": 12,
    "three_names_above_minor": 5_000_000,
    "payee_rests_hours": 24,
    "collect_within_days": 30,
    "pharmacy_pay_within_days": 7,
    "patient_pay_within_days": 10,
    "cash_advance_limit_minor": 0,
    "fees": [
        {
            "counterparty": "INSURER",
            "kind": "PER_CENT",
            "amount_minor": 0,
            "basis_points": 150,
            "vat_basis_points": 600,
        }
    ],
}


@dataclass(frozen=True)
class Desk:
    """Where advances are made: who lends, to whom, and what is claimed. `chain` holds the account of `shop`."""

    platform: Organisation
    chain: Organisation
    shop: Organisation
    shelf: Shelf

    @property
    def insurer(self) -> Organisation:
        return self.shelf.insurer


def make_desk(contract: Mapping[str, Any] | None = None, **terms_changes: Any) -> Desk:
    """All of it. `contract` replaces parameters of CONTRACT, `terms_changes` those of the product's terms."""
    platform = insurer_of("MEDISETTLE", OrganisationKind.PLATFORM)
    chain = insurer_of("CHAIN-A", OrganisationKind.PHARMACY_CHAIN)
    shop = organisation_create(
        code="SHOP-A1",
        kind=OrganisationKind.PHARMACY_SHOP,
        name="Shop A1",
        name_zh="一号店",
        parent_id=chain.pk,
        actor="platform",
        now=NOW,
    )
    desk = Desk(platform, chain, shop, make_shelf(**terms_changes))
    contract_sign(
        organisation_id=desk.insurer.pk,
        effective_from=FIRST_DAY,
        body={**CONTRACT, **(contract or {})},
        drafted_by=DESK,
        by=COLLEAGUE,
        now=NOW,
    )
    line_of(desk, LINE)
    pharmacy_exposure_set(organisation_id=chain.pk, amount_minor=CHAIN_LINE, reason="agreed", by=DESK, now=NOW)
    return desk


def line_of(desk: Desk, amount_minor: int) -> None:
    credit_line_set(organisation_id=desk.insurer.pk, amount_minor=amount_minor, reason="agreed", by=DESK, now=NOW)


def signed(claim: Claim, at_most_minor: int | None = None, *, now: datetime = NOW) -> Mandate:
    return mandate_sign(
        claim_id=claim.pk,
        at_most_minor=claim.total_minor if at_most_minor is None else at_most_minor,
        text_version=1,
        signed_by="patient",
        on_behalf=False,
        now=now,
        trace_id=TRACE,
    )


def claimed(desk: Desk, **changes: Any) -> Claim:
    """A filed claim of 4,000.00 payable, with its mandate."""
    claim = filed(desk.shelf, **changes)
    signed(claim)
    return claim


def held(desk: Desk, claim: Claim, open_minor: int = PAYABLE, *, now: datetime = NOW, **changes: Any) -> Advance:
    values: dict[str, Any] = {"until": LATER, "pharmacy_id": desk.chain.pk}
    values |= changes
    return advance_hold(claim_id=claim.pk, open_minor=open_minor, by=DESK, now=now, trace_id=TRACE, **values)


def drawn(
    desk: Desk, claim: Claim, amount_minor: int = PAYABLE, *, handover: UUID | None = None, now: datetime = NOW
) -> Advance:
    """Held and handed over whole."""
    advance = held(desk, claim, amount_minor, now=now)
    advance_draw(
        advance_id=advance.pk,
        amount_minor=amount_minor,
        handover_id=handover or uuid4(),
        more_to_come=False,
        against=payable(desk),
        by=DESK,
        now=now,
        trace_id=TRACE,
    )
    return again(advance)


def payable(desk: Desk) -> str:
    return f"payable:p{desk.chain.pk}"


def again(advance: Advance) -> Advance:
    return Advance.objects.get(pk=advance.pk)


def balances(kind: str = "advance") -> dict[str, int]:
    """Balance of each account that is not zero, over all books of the kind, on its normal side."""
    found: dict[str, int] = {}
    for row in trial_balance(organisations=EVERYTHING, kind=kind):
        found[row.account] = found.get(row.account, 0) + row.balance_minor
    return {code: minor for code, minor in found.items() if minor}
