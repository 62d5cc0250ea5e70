"""An application from draft to appeal as a patient's own requests make it, and what others are told."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from claims.models import Claim, ClaimEvent
from claims.services.drafts import ClaimNotReady
from claims.services.materials import MaterialsMissing
from claims.states import ClaimState
from core.errors import NotFound
from journal import drain
from journal.selectors import lanes_of_group
from notices.models import Notice
from patients.models import Conversation
from patients.selectors.consents import ConsentMissing
from patients.selectors.conversations import message_text
from patients.selectors.standing import NotYours, Standing
from patients.services.applications import (
    AppealUnreasoned,
    application_answer,
    application_appeal,
    application_change,
    application_draft,
    application_submit,
    application_take_back,
    application_upload,
    application_withdraw,
    prescription_add,
)
from patients.services.consents import consent_withdraw
from patients.states import ConsentCode, HelperScope
from registry.services.prescriptions import PrescriptionDraft
from registry.states import DocumentKind
from tests.claims import papers
from tests.claims.house import asked, begun, declined_in_prereview, draft_of, fresh
from tests.patients.house import TRACE, Family, agreed, helper_of, known, request_of
from tests.registry.house import NOW, TODAY, policy_of
from tests.roles import as_role, rows

pytestmark = pytest.mark.django_db
COMMON: dict[str, Any] = {"now": NOW, "trace_id": TRACE}
REASON = "我的病理报告在附件里，请再看一次。"


@pytest.fixture
def patient(family: Family) -> Standing:
    standing = known(family.patient)
    agreed(standing)
    return standing


def draft(standing: Standing, family: Family, **changes: Any) -> Claim:
    with request_of(standing):
        return application_draft(standing=standing, draft=draft_of(family.shelf, **changes), **COMMON)


def upload(standing: Standing, claim: Claim, kind: DocumentKind, issued_on: date | None = None) -> UUID:
    with request_of(standing):
        document = application_upload(
            standing=standing,
            claim_id=claim.pk,
            kind=kind,
            content=papers.photo(papers.picture(40, 30, f"#{len(kind):02x}{claim.documents.count():02x}77")),
            file_name="照片.jpg",
            issued_on=issued_on,
            **COMMON,
        )
    return document.pk


def filed(standing: Standing, family: Family) -> Claim:
    claim = draft(standing, family)
    upload(standing, claim, DocumentKind.ID_CARD)
    upload(standing, claim, DocumentKind.PRESCRIPTION, TODAY)
    with request_of(standing):
        return application_submit(standing=standing, claim_id=claim.pk, **COMMON)


def tell() -> None:
    """A worker tells whom it concerns; the jobs of other rooms stay."""
    rows("DELETE FROM journal_job WHERE kind <> 'notices.tell'")
    lane = lanes_of_group(group_code="platform").get()
    with as_role("worker"):
        turn = drain.jobs_take(free_slots={lane.pk: 50}, overdue=NOW - NOW)
    assert turn.works == []


def told(person_id: UUID) -> list[str]:
    return list(Notice.objects.filter(person_id=person_id).order_by("created_at", "id").values_list("kind", flat=True))


def test_a_patient_files_an_application_by_his_own_requests(patient: Standing, family: Family) -> None:
    claim = filed(patient, family)
    assert claim.state == ClaimState.SUBMITTED
    assert claim.state_by == f"patient:{family.patient.pk}"
    tell()
    assert told(family.patient.pk) == ["claim.submitted"]
    tell()
    assert told(family.patient.pk) == ["claim.submitted"]


def test_everything_that_is_missing_is_told_at_once_and_the_draft_stays(patient: Standing, family: Family) -> None:
    claim = draft(patient, family, icd10="")
    with request_of(patient), pytest.raises(ClaimNotReady) as failure:
        application_submit(standing=patient, claim_id=claim.pk, **COMMON)
    fields = {fault["field"] for fault in failure.value.extra["faults"]}
    assert {"icd10", "ID_CARD", "PRESCRIPTION"} <= fields
    assert fresh(claim).state == ClaimState.DRAFT


def test_a_draft_is_changed_at_the_version_that_was_read(patient: Standing, family: Family) -> None:
    claim = draft(patient, family)
    with request_of(patient):
        changed = application_change(
            standing=patient,
            claim_id=claim.pk,
            draft=draft_of(family.shelf, icd10="C50.1"),
            version=claim.version,
            **COMMON,
        )
    assert changed.icd10 == "C50.1"


def test_nothing_is_taken_in_without_consent(family: Family) -> None:
    standing = known(family.patient)
    with pytest.raises(ConsentMissing, match="PRIVACY, HEALTH_DATA"):
        draft(standing, family)
    agreed(standing)
    claim = draft(standing, family)
    with request_of(standing):
        consent_withdraw(
            standing=standing, person_id=family.patient.pk, code=ConsentCode.HEALTH_DATA, now=NOW.replace(hour=3)
        )
    with pytest.raises(ConsentMissing, match="HEALTH_DATA"):
        upload(standing, claim, DocumentKind.ID_CARD)


def test_a_helper_uploads_and_does_not_file(patient: Standing, family: Family) -> None:
    daughter = helper_of(patient, HelperScope.UPLOAD)
    claim = draft(daughter, family)
    upload(daughter, claim, DocumentKind.ID_CARD)
    events = ClaimEvent.objects.filter(claim=claim).values_list("kind", "by", "on_behalf")
    assert list(events) == [("claim.drafted", daughter.by, True), ("document.added", daughter.by, True)]
    with request_of(daughter), pytest.raises(NotYours):
        application_submit(standing=daughter, claim_id=claim.pk, **COMMON)
    with request_of(daughter), pytest.raises(NotYours):
        application_withdraw(standing=daughter, claim_id=claim.pk, **COMMON)


def test_a_file_is_taken_back_while_it_is_a_draft(patient: Standing, family: Family) -> None:
    claim = draft(patient, family)
    document_id = upload(patient, claim, DocumentKind.ID_CARD)
    with request_of(patient):
        application_take_back(standing=patient, claim_id=claim.pk, document_id=document_id, **COMMON)
        with pytest.raises(NotFound):
            application_take_back(standing=patient, claim_id=claim.pk, document_id=document_id, **COMMON)


def test_what_was_asked_for_is_answered_and_what_cannot_be_had_is_said_to_the_seat(
    patient: Standing, family: Family
) -> None:
    claim = filed(patient, family)
    asked(begun(claim))
    tell()
    assert "materials.requested" in told(family.patient.pk)
    notice = Notice.objects.get(kind="materials.requested")
    assert notice.values["answer_by"] == "2026-12-09"
    with request_of(patient), pytest.raises(MaterialsMissing):
        application_answer(standing=patient, claim_id=claim.pk, missing_because="", **COMMON)
    assert not Conversation.objects.exists()
    with request_of(patient):
        application_answer(standing=patient, claim_id=claim.pk, missing_because="医院不再保存该报告。", **COMMON)
    assert fresh(claim).state == ClaimState.IN_PREREVIEW
    conversation = Conversation.objects.get()
    assert conversation.claim_id == claim.pk
    assert message_text(message=conversation.messages.get()) == "医院不再保存该报告。"


def test_an_appeal_keeps_its_reasons_out_of_the_history(patient: Standing, family: Family) -> None:
    claim = declined_in_prereview(begun(filed(patient, family)))
    with request_of(patient), pytest.raises(AppealUnreasoned):
        application_appeal(standing=patient, claim_id=claim.pk, reason="no", **COMMON)
    with request_of(patient):
        application_appeal(standing=patient, claim_id=claim.pk, reason=REASON, **COMMON)
    conversation = Conversation.objects.get()
    assert fresh(claim).state == ClaimState.APPEALED
    moves = rows("SELECT reason FROM core_transition WHERE to_state = 'APPEALED'")
    assert moves == [(f"conversation:{conversation.pk}",)]
    assert rows("SELECT count(*) FROM core_transition WHERE reason LIKE %s", ["%病理%"]) == [(0,)]
    tell()
    assert {"prereview.declined", "appeal.filed"} <= set(told(family.patient.pk))


def test_an_application_is_withdrawn_before_a_decision(patient: Standing, family: Family) -> None:
    claim = filed(patient, family)
    with request_of(patient):
        withdrawn = application_withdraw(standing=patient, claim_id=claim.pk, **COMMON)
    assert withdrawn.state == ClaimState.WITHDRAWN


def test_a_guardian_files_for_the_child_and_is_told(patient: Standing, family: Family) -> None:
    agreed(patient, family.child.pk)
    with pytest.raises(NotFound, match="policy"):
        draft(patient, family, person_id=family.child.pk)
    policy = policy_of(family.shelf.product, family.child)
    claim = draft(patient, family, person_id=family.child.pk, policy_id=policy.pk)
    upload(patient, claim, DocumentKind.ID_CARD)
    upload(patient, claim, DocumentKind.PRESCRIPTION, TODAY)
    with request_of(patient):
        application_submit(standing=patient, claim_id=claim.pk, **COMMON)
    assert ClaimEvent.objects.get(kind="claim.submitted").on_behalf
    tell()
    assert told(family.patient.pk) == ["claim.submitted"]
    assert told(family.child.pk) == []


def test_a_strangers_request_finds_nothing_to_act_on(patient: Standing, family: Family) -> None:
    claim = filed(patient, family)
    stranger = known(family.stranger)
    agreed(stranger)
    acts: list[Any] = [
        lambda: application_draft(standing=stranger, draft=draft_of(family.shelf), **COMMON),
        lambda: application_draft(
            standing=stranger, draft=draft_of(family.shelf, person_id=family.stranger.pk), **COMMON
        ),
        lambda: application_change(
            standing=stranger, claim_id=claim.pk, draft=draft_of(family.shelf), version=0, **COMMON
        ),
        lambda: application_submit(standing=stranger, claim_id=claim.pk, **COMMON),
        lambda: application_withdraw(standing=stranger, claim_id=claim.pk, **COMMON),
        lambda: application_appeal(standing=stranger, claim_id=claim.pk, reason=REASON, **COMMON),
        lambda: application_answer(standing=stranger, claim_id=claim.pk, missing_because=REASON, **COMMON),
        lambda: application_take_back(standing=stranger, claim_id=claim.pk, document_id=claim.pk, **COMMON),
        lambda: application_upload(
            standing=stranger,
            claim_id=claim.pk,
            kind=DocumentKind.OTHER,
            content=b"x",
            file_name="x",
            issued_on=None,
            **COMMON,
        ),
    ]
    for act in acts:
        with request_of(stranger), pytest.raises(NotFound):
            act()
    # Not even where the database would show the claim: a worker's connection sees them all.
    for act in acts[2:]:
        with pytest.raises(NotFound):
            act()
    assert fresh(claim).state == ClaimState.SUBMITTED


def test_a_prescription_is_the_patients_own(patient: Standing, family: Family) -> None:
    values: dict[str, Any] = {
        "source": "HOSP-A",
        "number": "RX-1",
        "doctor": "Dr Wang",
        "drug_code": family.shelf.drug.pk,
        "icd10": "C50.9",
        "quantity": 1,
        "days_of_supply": 21,
        "issued_on": TODAY,
        "valid_until": date(2026, 12, 25),
    }
    with request_of(patient):
        stored = prescription_add(
            standing=patient, draft=PrescriptionDraft(person_id=family.patient.pk, **values), now=NOW
        )
        assert stored.person_id == family.patient.pk
        with pytest.raises(NotFound):
            prescription_add(standing=patient, draft=PrescriptionDraft(person_id=family.stranger.pk, **values), now=NOW)
