"""A claim before it is filed, and the filing itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from claims.models import Claim, ClaimLine, ClaimParty
from claims.payable import AmountsContradict
from claims.services.benefits import claim_benefits_hold
from claims.services.clocks import clock_start
from claims.services.desk import ClaimStateRefuses, claim_lock, cycle_free_check, event_write, move, write
from claims.services.jobs import TAKE
from claims.services.readiness import Fault, faults_of
from claims.states import Audience, ClaimState, ClockKind, PaperState, PartyRole
from core.bulk import rows_insert
from core.errors import NotFound, Problem
from core.ids import uuid7
from registry.selectors.authorisations import authorisation_by_id
from registry.selectors.policies import policies_of
from registry.selectors.prescriptions import prescription_by_id
from registry.selectors.products import drug_by_code, product_day, shares_of
from registry.selectors.terms import terms_on, terms_read
from registry.states import ClaimKind
from registry.terms import WHOLE_BASIS_POINTS

LINES = 50
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # Nothing that is misread on the telephone.


class ClaimNotReady(Problem):
    code = "claim_not_ready"
    status = 422
    title = "The claim is not complete"
    detail = "{explanation}"
    detail_zh = "理赔申请尚不完整：{explanation_zh}"
    fix = "Mend everything that is listed under `faults`; there is nothing else."
    fix_zh = "请按 faults 所列逐项补正；除此之外没有其他问题。"

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(
            extra={"faults": [fault.body() for fault in faults]},
            explanation=" ".join(fault.text for fault in faults),
            explanation_zh="".join(fault.text_zh for fault in faults),
        )


class DraftInvalid(Problem):
    code = "draft_invalid"
    status = 422
    title = "The draft cannot be stored like this"
    detail = "{explanation}"
    detail_zh = "草稿无法保存：{explanation_zh}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraft:
    """Prices and parts in minor units of the product's currency; the line's price is unit price by quantity."""

    quantity: int
    unit_price_minor: int
    basic_minor: int = 0
    other_minor: int = 0
    charity_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDraft:
    """What the patient says. `service_on` is the day whose terms and cover count; None: the day of filing."""

    person_id: UUID
    policy_id: UUID
    drug_code: str
    kind: ClaimKind = ClaimKind.FIRST
    lines: tuple[LineDraft, ...] = ()
    icd10: str = ""
    diagnosed_on: date | None = None
    service_on: date | None = None
    days_of_supply: int = 0
    authorisation_id: UUID | None = None
    prescription_id: UUID | None = None
    cycle_no: int = 1
    invoice_no: str = ""
    discount_minor: int = 0
    urgent: bool = False


@transaction.atomic
def claim_draft(*, draft: ClaimDraft, by: str, now: datetime, trace_id: str, on_behalf: bool = False) -> Claim:
    """Store a draft; only the person and who acts for him see it. Nothing is checked but what could never be filed.

    Raises NotFound for a policy that is not the person's or an unknown drug, DraftInvalid, AmountsContradict,
    CycleClaimed.
    """
    values = _values(draft, now)
    _cycle_free(draft)
    claim = Claim(
        id=uuid7(now),
        claim_no=_number(now),
        person_id=draft.person_id,
        created_at=now,
        state_at=now,
        state_by=by,
        trace_id=trace_id,
        **values,
    )
    claim.save(force_insert=True)
    _lines_write(claim, draft)
    event_write(
        claim, "claim.drafted", audience=(Audience.PATIENT,), by=by, on_behalf=on_behalf, now=now, trace_id=trace_id
    )
    return claim


@transaction.atomic
def claim_change(
    *, claim_id: UUID, draft: ClaimDraft, version: int | None = None, by: str, now: datetime, trace_id: str
) -> Claim:
    """Another content for the draft. Whose claim it is does not change.

    Raises NotFound, ClaimMoved, ClaimStateRefuses once it was filed, and what `claim_draft` raises.
    """
    claim = claim_lock(claim_id=claim_id, version=version)
    if claim.state != ClaimState.DRAFT:
        raise ClaimStateRefuses(claim_no=claim.claim_no, state=claim.state, act="claim.change")
    if draft.person_id != claim.person_id:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    values = _values(draft, now)
    _cycle_free(draft, but=claim)
    for name, value in values.items():
        setattr(claim, name, value)
    write(claim, list(values), by=by, now=now, trace_id=trace_id)
    claim.lines.all().delete()
    _lines_write(claim, draft)
    return claim


@transaction.atomic
def claim_submit(*, claim_id: UUID, by: str, on_behalf: bool = False, now: datetime, trace_id: str) -> Claim:
    """File the draft: everything checked at once, terms fixed, payable computed, benefits held, parties, clocks, job.

    Raises NotFound, ClaimStateRefuses, ClaimWithdrawn, ClaimNotReady with all faults, AmountsContradict.
    """
    claim = claim_lock(claim_id=claim_id)
    if claim.state != ClaimState.DRAFT:
        move(claim, claim.submit, act="claim.submit", by=by, now=now, trace_id=trace_id)
    if claim.service_on is None:
        claim.service_on = product_day(product=claim.product, now=now)
    terms = terms_on(product_code=claim.product_id, on=claim.service_on)
    faults = faults_of(claim=claim, now=now, terms=terms)
    if faults or terms is None:
        raise ClaimNotReady(faults)
    read = terms_read(terms=terms)
    claim.terms, claim.submitted_at, claim.confirmation_mode = terms, now, read.confirmation_mode
    claim_benefits_hold(claim=claim, by=by, now=now)
    if read.paper_above_minor is not None and claim.payable_minor > read.paper_above_minor:
        claim.paper = PaperState.DUE
    move(claim, claim.submit, act="claim.submit", by=by, now=now, trace_id=trace_id)
    rows_insert(_parties(claim, now))
    clock_start(claim=claim, kind=ClockKind.DECIDE, days=read.decide_within_days, now=now)
    event_write(claim, "claim.submitted", by=by, on_behalf=on_behalf, now=now, trace_id=trace_id, hand_on=TAKE)
    if claim.paper == PaperState.DUE:
        event_write(claim, "paper.due", by=by, now=now, trace_id=trace_id)
    return claim


def _values(draft: ClaimDraft, now: datetime) -> dict[str, Any]:
    policy = next((one for one in policies_of(person_id=draft.person_id) if one.pk == draft.policy_id), None)
    if policy is None:
        raise NotFound(noun="policy of this person", noun_zh="该申请人的保单", key=draft.policy_id)
    drug = drug_by_code(code=draft.drug_code)
    if drug is None:
        raise NotFound(noun="drug", noun_zh="药品", key=draft.drug_code[:40])
    _check(draft)
    if draft.prescription_id and prescription_by_id(prescription_id=draft.prescription_id) is None:
        raise NotFound(noun="prescription", noun_zh="处方", key=draft.prescription_id)
    if draft.authorisation_id and authorisation_by_id(authorisation_id=draft.authorisation_id) is None:
        raise NotFound(noun="authorisation", noun_zh="用药授权", key=draft.authorisation_id)
    return {
        "organisation_id": policy.product.organisation_id,
        "kind": ClaimKind(draft.kind),
        "product": policy.product,
        "policy": policy,
        "drug": drug,
        "authorisation_id": draft.authorisation_id,
        "prescription_id": draft.prescription_id,
        "cycle_no": draft.cycle_no,
        "icd10": draft.icd10.strip().upper(),
        "diagnosed_on": draft.diagnosed_on,
        "service_on": draft.service_on,
        "quantity": sum(line.quantity for line in draft.lines),
        "days_of_supply": draft.days_of_supply,
        "invoice_no": draft.invoice_no.strip(),
        "currency": policy.product.currency,
        "total_minor": sum(line.quantity * line.unit_price_minor for line in draft.lines),
        "basic_minor": sum(line.basic_minor for line in draft.lines),
        "other_minor": sum(line.other_minor for line in draft.lines),
        "charity_minor": sum(line.charity_minor for line in draft.lines),
        "discount_minor": draft.discount_minor,
        "urgent": draft.urgent,
    }


def _cycle_free(draft: ClaimDraft, *, but: Claim | None = None) -> None:
    cycle_free_check(authorisation_id=draft.authorisation_id, cycle_no=draft.cycle_no, but=but)


def _check(draft: ClaimDraft) -> None:
    if len(draft.lines) > LINES:
        raise DraftInvalid(explanation=f"More than {LINES} lines.", explanation_zh=f"明细行超过 {LINES} 行。")
    if len(draft.icd10) > 10 or len(draft.invoice_no) > 60:
        raise DraftInvalid(explanation="A code is too long.", explanation_zh="编码过长。")
    counts = (draft.days_of_supply, draft.cycle_no, *(line.quantity for line in draft.lines))
    if any(type(count) is not int or not 0 <= count <= 9_999 for count in counts) or any(
        not line.quantity for line in draft.lines
    ):
        raise DraftInvalid(
            explanation="Quantities, days and cycles are whole numbers up to 9,999.",
            explanation_zh="数量、天数和周期须为不超过 9999 的整数。",
        )
    for number, line in enumerate(draft.lines, start=1):
        amount = line.quantity * line.unit_price_minor
        parts = (line.basic_minor, line.other_minor, line.charity_minor)
        if any(type(part) is not int or part < 0 for part in (*parts, line.unit_price_minor)) or sum(parts) > amount:
            raise AmountsContradict(
                place=f"line {number}", fault="others pay more than its price", fault_zh="其他支付超过价格"
            )
    rest = sum(
        line.quantity * line.unit_price_minor - line.basic_minor - line.other_minor - line.charity_minor
        for line in draft.lines
    )
    if type(draft.discount_minor) is not int or not 0 <= draft.discount_minor <= rest:
        raise AmountsContradict(place="discount", fault="outside of what is left to pay", fault_zh="超出剩余应付金额")


def _lines_write(claim: Claim, draft: ClaimDraft) -> None:
    for number, line in enumerate(draft.lines, start=1):
        ClaimLine.objects.create(
            claim=claim,
            line_no=number,
            drug_id=claim.drug_id,
            quantity=line.quantity,
            unit_price_minor=line.unit_price_minor,
            amount_minor=line.quantity * line.unit_price_minor,
            basic_minor=line.basic_minor,
            other_minor=line.other_minor,
            charity_minor=line.charity_minor,
        )


def _parties(claim: Claim, now: datetime) -> list[ClaimParty]:
    """Who sees the claim from its filing on: insurers by their shares of the product, its administrator."""
    parties = [
        ClaimParty(
            claim=claim,
            organisation_id=share.organisation_id,
            role=PartyRole.LEAD_INSURER if share.leads else PartyRole.CO_INSURER,
            basis_points=share.basis_points,
            since=now,
        )
        for share in shares_of(product=claim.product)
    ]
    if not any(party.role == PartyRole.LEAD_INSURER for party in parties):
        lead = {
            "role": PartyRole.LEAD_INSURER,
            "basis_points": WHOLE_BASIS_POINTS - sum(p.basis_points for p in parties),
        }
        parties.append(ClaimParty(claim=claim, organisation_id=claim.organisation_id, since=now, **lead))
    if claim.product.administrator_id is not None:
        administrator = claim.product.administrator_id
        parties.append(ClaimParty(claim=claim, organisation_id=administrator, role=PartyRole.ADMINISTRATOR, since=now))
    return parties


def _number(now: datetime) -> str:
    return f"C{now:%y%m%d}-" + "".join(secrets.choice(ALPHABET) for _ in range(7))
