"""A refill in one step: the next cycle of an authorisation, on a new prescription, filed at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_of_cycle
from claims.services.drafts import ClaimDraft, LineDraft
from core.errors import Conflict, NotFound
from patients.selectors.standing import Standing
from patients.services.applications import (
    application_draft,
    application_submit,
    application_upload,
    prescription_add,
)
from registry.selectors.authorisations import authorisation_by_id
from registry.services.prescriptions import PrescriptionDraft
from registry.states import ClaimKind, DocumentKind

if TYPE_CHECKING:
    from claims.models import Claim
    from registry.models import Authorisation


class CycleBeforeOpen(Conflict):
    code = "cycle_before_open"
    title = "The cycle before is not decided yet"
    detail = "Cycle {cycle_no} of this authorisation has no confirmed claim that the next one could follow."
    detail_zh = "该用药授权第 {cycle_no} 周期尚无已确认的理赔申请，暂不能续用。"
    fix = "Wait for the decision on it, or file the next cycle as a claim of its own."
    fix_zh = "请等待其决定，或单独提交下一周期的申请。"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrescription:
    """What a refill brings along: where it is from, until when it is valid, and its photograph."""

    source: str
    number: str
    doctor: str
    issued_on: date
    valid_until: date
    content: bytes
    file_name: str


@transaction.atomic
def application_renew(
    *, standing: Standing, authorisation_id: UUID, brought: NewPrescription, now: datetime, trace_id: str
) -> Claim:
    """File the next cycle with nothing but its prescription: quantity, price and payers are those of the last one.

    What basic insurance really pays turns out at the counter. All or nothing. Raises NotFound, CycleBeforeOpen, and
    what each of the steps raises: NotYours, ConsentMissing, PrescriptionUsed, ClaimNotReady.
    """
    authorisation = authorisation_by_id(authorisation_id=authorisation_id)
    if authorisation is None or authorisation.person_id not in standing.sees:
        raise NotFound(noun="authorisation", noun_zh="用药授权", key=authorisation_id)
    last = claim_of_cycle(authorisation_id=authorisation_id, cycle_no=authorisation.cycles_used)
    if last is None:
        raise CycleBeforeOpen(cycle_no=authorisation.cycles_used)
    stored = prescription_add(standing=standing, draft=_prescription(authorisation, brought), now=now)
    claim = application_draft(standing=standing, draft=_draft(last, stored.pk), now=now, trace_id=trace_id)
    application_upload(
        standing=standing,
        claim_id=claim.pk,
        kind=DocumentKind.PRESCRIPTION,
        content=brought.content,
        file_name=brought.file_name,
        issued_on=brought.issued_on,
        now=now,
        trace_id=trace_id,
    )
    return application_submit(standing=standing, claim_id=claim.pk, now=now, trace_id=trace_id)


def _prescription(authorisation: Authorisation, brought: NewPrescription) -> PrescriptionDraft:
    """It prescribes what was authorised; a reviewer holds the photograph against it."""
    return PrescriptionDraft(
        person_id=authorisation.person_id,
        source=brought.source,
        number=brought.number,
        doctor=brought.doctor,
        drug_code=authorisation.drug_id,
        icd10=authorisation.icd10,
        quantity=authorisation.quantity_per_cycle,
        days_of_supply=authorisation.days_per_cycle,
        issued_on=brought.issued_on,
        valid_until=brought.valid_until,
    )


def _draft(last: Claim, prescription_id: UUID) -> ClaimDraft:
    return ClaimDraft(
        person_id=last.person_id,
        policy_id=last.policy_id,
        drug_code=last.drug_id,
        kind=ClaimKind.RENEWAL,
        lines=tuple(
            LineDraft(
                quantity=line.quantity,
                unit_price_minor=line.unit_price_minor,
                basic_minor=line.basic_minor,
                other_minor=line.other_minor,
                charity_minor=line.charity_minor,
            )
            for line in last.lines.order_by("line_no")
        ),
        icd10=last.icd10,
        diagnosed_on=last.diagnosed_on,
        days_of_supply=last.days_of_supply,
        authorisation_id=last.authorisation_id,
        prescription_id=prescription_id,
        cycle_no=last.cycle_no + 1,
    )
