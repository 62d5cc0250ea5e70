"""Prescriptions: the same paper is stored once and filled as often as the doctor allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from registry.models import Drug, Prescription
from registry.selectors.prescriptions import prescription_fault
from registry.states import DocumentKind

__all__ = [
    "PrescriptionDraft",
    "PrescriptionInvalid",
    "PrescriptionKnown",
    "PrescriptionSpent",
    "prescription_fault",
    "prescription_filled",
    "prescription_given_back",
    "prescription_store",
]

ROOM = {"source": 80, "number": 60, "doctor": 80, "icd10": 10}


class PrescriptionInvalid(Problem):
    code = "prescription_invalid"
    status = 422
    title = "The prescription cannot be taken like this"
    detail = "{field}: {explanation}"
    detail_zh = "处方信息无效，{field}：{explanation_zh}"
    fix = "Correct that field as the paper has it; nothing was stored."
    fix_zh = "请按处方原件更正该项；本次未保存任何内容。"


class PrescriptionKnown(Conflict):
    code = "prescription_known"
    title = "This prescription was handed in before"
    detail = "Prescription {number} of {source} is stored already."
    detail_zh = "{source} 的处方 {number} 已提交过。"
    fix = "Check the number. A further cycle on the same paper uses the stored prescription."
    fix_zh = "请核对处方号。同一处方的后续周期请使用已保存的处方。"


class PrescriptionSpent(Conflict):
    code = "prescription_spent"
    title = "The prescription cannot be filled"
    detail = "Prescription {number}: {fault}."
    detail_zh = "处方 {number} 不能配药：{fault}。"
    fix = "Ask the doctor for a new prescription."
    fix_zh = "请由医生另开处方。"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrescriptionDraft:
    person_id: UUID
    source: str
    number: str
    doctor: str
    drug_code: str
    icd10: str
    quantity: int
    days_of_supply: int
    issued_on: date
    valid_until: date
    specialist: bool = False
    repeats: int = 0
    minimum_interval_days: int = 0
    document_kind: DocumentKind = DocumentKind.PRESCRIPTION


def prescription_store(*, draft: PrescriptionDraft, now: datetime) -> Prescription:
    """Raises PrescriptionInvalid, PrescriptionKnown. Source and number are compared in capitals and without blanks."""
    _check(draft, now)
    row = Prescription(
        id=uuid7(now),
        person_id=draft.person_id,
        source=_normal(draft.source),
        number=_normal(draft.number),
        doctor=draft.doctor.strip(),
        specialist=draft.specialist,
        drug_id=draft.drug_code,
        icd10=draft.icd10.strip().upper(),
        quantity=draft.quantity,
        days_of_supply=draft.days_of_supply,
        issued_on=draft.issued_on,
        valid_until=draft.valid_until,
        repeats=draft.repeats,
        minimum_interval_days=draft.minimum_interval_days,
        document_kind=draft.document_kind,
        created_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "one_prescription_per_source_and_number" not in str(error):
            raise
        raise PrescriptionKnown(number=row.number, source=row.source) from None
    return row


@transaction.atomic
def prescription_filled(*, prescription_id: UUID, on: date, now: datetime) -> Prescription:
    """One filling more. Raises NotFound, PrescriptionSpent when it may not be filled on that day."""
    row = Prescription.objects.select_for_update(of=("self",)).select_related("drug").filter(pk=prescription_id).first()
    if row is None:
        raise NotFound(noun="prescription", noun_zh="处方", key=prescription_id)
    fault = prescription_fault(prescription=row, drug=row.drug, on=on)
    if fault is not None:
        raise PrescriptionSpent(number=row.number, fault=fault)
    row.filled, row.last_filled_on = row.filled + 1, on
    row.save(update_fields=["filled", "last_filled_on"])
    return row


@transaction.atomic
def prescription_given_back(*, prescription_id: UUID, last_filled_on: date | None, now: datetime) -> Prescription:
    """A filling was undone: one less, the last one was on `last_filled_on`. Raises NotFound."""
    row = Prescription.objects.select_for_update().filter(pk=prescription_id).first()
    if row is None:
        raise NotFound(noun="prescription", noun_zh="处方", key=prescription_id)
    row.filled, row.last_filled_on = max(0, row.filled - 1), last_filled_on
    row.save(update_fields=["filled", "last_filled_on"])
    return row


def _normal(value: str) -> str:
    return "".join(value.split()).upper()


def _check(draft: PrescriptionDraft, now: datetime) -> None:
    for field, room in ROOM.items():
        value = getattr(draft, field)
        if not value.strip() or len(value) > room:
            raise PrescriptionInvalid(
                field=field, explanation=f"empty or longer than {room}", explanation_zh=f"为空或超过 {room} 个字符"
            )
    for field, least in (("quantity", 1), ("days_of_supply", 1), ("repeats", 0), ("minimum_interval_days", 0)):
        if not least <= getattr(draft, field) <= 1000:
            raise PrescriptionInvalid(
                field=field, explanation=f"not from {least} to 1000", explanation_zh=f"须在 {least} 至 1000 之间"
            )
    # A day of tolerance: somewhere the day is further on than in UTC.
    if (draft.issued_on - now.date()).days > 1:
        raise PrescriptionInvalid(field="issued_on", explanation="it lies ahead", explanation_zh="日期晚于今天")
    if draft.valid_until < draft.issued_on:
        raise PrescriptionInvalid(
            field="valid_until", explanation="it ends before it was issued", explanation_zh="有效期早于开具日期"
        )
    if not Drug.objects.filter(pk=draft.drug_code).exists():
        raise PrescriptionInvalid(
            field="drug", explanation="it is not in the catalogue", explanation_zh="药品目录中没有该药品"
        )
