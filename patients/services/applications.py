"""A person's applications: who may do what for him, and with which consents; the acts are the claim's own."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

from claims.selectors.claims import claim_by_id
from claims.selectors.documents import documents_visible
from claims.services.documents import document_add, document_withdraw
from claims.services.drafts import ClaimDraft, claim_change, claim_draft, claim_submit
from claims.services.ends import claim_appeal, claim_withdraw
from claims.services.materials import materials_answered
from claims.services.originals import paper_send
from claims.states import Audience
from core.errors import NotFound, Problem
from patients.consent_texts import FOR_FILING, FOR_UPLOAD
from patients.selectors.consents import consents_require
from patients.selectors.standing import Act, Standing
from patients.services.conversations import conversation_open
from patients.states import Capacity, HelperScope, Topic
from registry.services.prescriptions import PrescriptionDraft, prescription_store
from registry.states import DocumentKind

if TYPE_CHECKING:
    from claims.models import Claim, Document
    from registry.models import Prescription

WORDS_LEAST: Final = 10


class AppealUnreasoned(Problem):
    code = "appeal_unreasoned"
    status = 422
    title = "An appeal says why"
    detail = "Say in at least {least} characters what the decision overlooks."
    detail_zh = "请用不少于 {least} 个字说明对决定的异议。"
    fix = "Add your reasons and send the appeal again."
    fix_zh = "请补充理由后重新提交申诉。"


def application_draft(*, standing: Standing, draft: ClaimDraft, now: datetime, trace_id: str) -> Claim:
    """Begin an application for a person. Raises NotFound, NotYours, ConsentMissing, and what `claim_draft` raises."""
    act = standing.act_for(person_id=draft.person_id, scope=HelperScope.UPLOAD)
    consents_require(person_id=act.person_id, codes=FOR_UPLOAD)
    return claim_draft(draft=draft, by=standing.by, on_behalf=_on_behalf(act), now=now, trace_id=trace_id)


def application_change(
    *, standing: Standing, claim_id: UUID, draft: ClaimDraft, version: int, now: datetime, trace_id: str
) -> Claim:
    """Another content for the draft that was read at `version`. Raises as `application_draft`, and ClaimMoved."""
    act, _ = _claim(standing, claim_id, HelperScope.UPLOAD)
    consents_require(person_id=act.person_id, codes=FOR_UPLOAD)
    return claim_change(claim_id=claim_id, draft=draft, version=version, by=standing.by, now=now, trace_id=trace_id)


def application_upload(
    *,
    standing: Standing,
    claim_id: UUID,
    kind: DocumentKind,
    content: bytes,
    file_name: str,
    issued_on: date | None,
    now: datetime,
    trace_id: str,
) -> Document:
    """One file for an application. Raises NotFound, NotYours, ConsentMissing, and what `document_add` raises."""
    act, _ = _claim(standing, claim_id, HelperScope.UPLOAD)
    consents_require(person_id=act.person_id, codes=FOR_UPLOAD)
    return document_add(
        claim_id=claim_id,
        kind=kind,
        content=content,
        file_name=file_name,
        issued_on=issued_on,
        by=standing.by,
        on_behalf=_on_behalf(act),
        now=now,
        trace_id=trace_id,
    )


def application_take_back(
    *, standing: Standing, claim_id: UUID, document_id: UUID, now: datetime, trace_id: str
) -> Document:
    """Take a file back. Raises NotFound, NotYours, DocumentIsEvidence."""
    act, claim = _claim(standing, claim_id, HelperScope.UPLOAD)
    if not documents_visible(claim=claim, role=Audience.PATIENT).filter(pk=document_id).exists():
        raise NotFound(noun="document", noun_zh="材料", key=document_id)
    return document_withdraw(
        document_id=document_id, by=standing.by, on_behalf=_on_behalf(act), now=now, trace_id=trace_id
    )


def application_submit(*, standing: Standing, claim_id: UUID, now: datetime, trace_id: str) -> Claim:
    """File it. Raises NotFound, NotYours, ConsentMissing, ClaimNotReady with everything that is missing."""
    act, _ = _claim(standing, claim_id, HelperScope.SUBMIT)
    consents_require(person_id=act.person_id, codes=FOR_FILING)
    return claim_submit(claim_id=claim_id, by=standing.by, on_behalf=_on_behalf(act), now=now, trace_id=trace_id)


@transaction.atomic
def application_answer(
    *, standing: Standing, claim_id: UUID, missing_because: str, now: datetime, trace_id: str
) -> Claim:
    """What was asked for is there, or `missing_because` says why something cannot be had: that goes to the seat too.

    Raises NotFound, NotYours, ConsentMissing, MaterialsMissing, ClaimStateRefuses.
    """
    act, _ = _claim(standing, claim_id, HelperScope.UPLOAD)
    consents_require(person_id=act.person_id, codes=FOR_FILING)
    claim = materials_answered(
        claim_id=claim_id,
        by=standing.by,
        on_behalf=_on_behalf(act),
        missing_because=missing_because,
        now=now,
        trace_id=trace_id,
    )
    if missing_because.strip():
        conversation_open(
            standing=standing,
            person_id=act.person_id,
            topic=Topic.MATERIALS,
            text=missing_because,
            claim_id=claim_id,
            now=now,
        )
    return claim


def application_paper(*, standing: Standing, claim_id: UUID, courier_no: str, now: datetime, trace_id: str) -> Claim:
    """The paper originals are on their way. Raises NotFound, NotYours, PaperNotDue, CourierNumberInvalid."""
    act, _ = _claim(standing, claim_id, HelperScope.UPLOAD)
    return paper_send(
        claim_id=claim_id,
        courier_no=courier_no,
        by=standing.by,
        on_behalf=_on_behalf(act),
        now=now,
        trace_id=trace_id,
    )


def application_withdraw(*, standing: Standing, claim_id: UUID, now: datetime, trace_id: str) -> Claim:
    """The person does not want it any more. Raises NotFound, NotYours, ClaimStateRefuses, ClaimWithdrawn."""
    act, _ = _claim(standing, claim_id, HelperScope.SUBMIT)
    return claim_withdraw(claim_id=claim_id, by=standing.by, on_behalf=_on_behalf(act), now=now, trace_id=trace_id)


@transaction.atomic
def application_appeal(*, standing: Standing, claim_id: UUID, reason: str, now: datetime, trace_id: str) -> Claim:
    """Another person shall look. The reasons are sealed in a conversation; the claim's history names that alone.

    Raises NotFound, NotYours, ConsentMissing, AppealUnreasoned, AppealOver, ClaimStateRefuses.
    """
    act, _ = _claim(standing, claim_id, HelperScope.SUBMIT)
    consents_require(person_id=act.person_id, codes=FOR_FILING)
    if len(reason.strip()) < WORDS_LEAST:
        raise AppealUnreasoned(least=WORDS_LEAST)
    conversation = conversation_open(
        standing=standing, person_id=act.person_id, topic=Topic.APPEAL, text=reason, claim_id=claim_id, now=now
    )
    return claim_appeal(
        claim_id=claim_id,
        by=standing.by,
        on_behalf=_on_behalf(act),
        reason=f"conversation:{conversation.pk}",
        now=now,
        trace_id=trace_id,
    )


def prescription_add(*, standing: Standing, draft: PrescriptionDraft, now: datetime) -> Prescription:
    """What a doctor prescribed to the person. Raises NotFound, NotYours, ConsentMissing, PrescriptionKnown and more."""
    act = standing.act_for(person_id=draft.person_id, scope=HelperScope.UPLOAD)
    consents_require(person_id=act.person_id, codes=FOR_UPLOAD)
    return prescription_store(draft=draft, now=now)


def _claim(standing: Standing, claim_id: UUID, scope: HelperScope) -> tuple[Act, Claim]:
    """The claim and the standing towards its person. A stranger's claim is not found, whatever the database shows."""
    claim = claim_by_id(claim_id=claim_id)
    if claim is None or claim.person_id not in standing.sees:
        raise NotFound(noun="claim", noun_zh="理赔申请", key=claim_id)
    return standing.act_for(person_id=claim.person_id, scope=scope), claim


def _on_behalf(act: Act) -> bool:
    return act.capacity != Capacity.SELF
