"""What happens to a person: death, guardianship, erasure. Recorded by operators, on papers."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from core.crypto import ring
from core.errors import Conflict, NotFound, Problem
from core.ids import uuid7
from registry.models import Guardian, Person
from registry.selectors.persons import needs_guardian
from registry.services.authorisations import authorisations_end_of
from registry.services.persons import PersonInvalid, person_lock, person_scope


class GuardianRefused(Problem):
    code = "guardian_refused"
    status = 422
    title = "Nobody can act for this person like this"
    detail = "{explanation}"
    detail_zh = "监护登记无效：{explanation_zh}"
    fix = "Check the papers; nothing was stored."
    fix_zh = "请核对证明材料；本次未保存任何内容。"


class NotErased(Conflict):
    code = "not_erased"
    title = "The person is not erased"
    detail = "Person {person_id} has not been erased: his key is destroyed only after that."
    detail_zh = "{person_id} 的信息尚未删除，不能销毁其密钥。"
    fix = "Erase the person first; destroy the key when what the law keeps is over."
    fix_zh = "请先删除个人信息；待法定保存期届满后再销毁密钥。"


@transaction.atomic
def person_death_record(
    *, person_id: UUID, died_on: date, evidence: str, by: str, now: datetime, trace_id: str
) -> Person:
    """From that day on there is no cover and no further cycle. Told again with another day, the day is corrected.

    `evidence` names the paper. Raises NotFound, PersonErased, PersonInvalid.
    """
    person = person_lock(person_id)
    if (died_on - now.date()).days > 1 or died_on < person.born_on:
        raise PersonInvalid(
            field="died_on", explanation="it lies ahead or before birth", explanation_zh="晚于今天或早于出生日期"
        )
    _evidence_check(evidence)
    person.died_on = died_on
    person.version += 1
    person.save(update_fields=["died_on", "version"])
    ended = authorisations_end_of(person_id=person_id, reason="person_died", by=by, now=now, trace_id=trace_id)
    _told("person.death_recorded", person_id, by, now, evidence=evidence, authorisations_ended=ended)
    return person


@transaction.atomic
def person_death_undo(*, person_id: UUID, evidence: str, by: str, now: datetime) -> Person:
    """It was recorded of the wrong person. Ended authorisations stay ended: new ones are granted. Raises NotFound."""
    person = person_lock(person_id)
    _evidence_check(evidence)
    person.died_on = None
    person.version += 1
    person.save(update_fields=["died_on", "version"])
    _told("person.death_undone", person_id, by, now, evidence=evidence)
    return person


@transaction.atomic
def guardian_record(
    *,
    person_id: UUID,
    guardian_id: UUID,
    evidence: str,
    since: date,
    until: date | None = None,
    by: str,
    now: datetime,
) -> Guardian:
    """Who acts for a minor or incapable person from that day on. Raises NotFound, PersonErased, GuardianRefused."""
    person, guardian = person_lock(person_id), person_lock(guardian_id)
    _evidence_check(evidence)
    if person_id == guardian_id or needs_guardian(person=guardian, on=since) or guardian.died_on is not None:
        raise GuardianRefused(
            explanation="A guardian is another person, of age, alive and capable.",
            explanation_zh="监护人须为他人，且成年、在世并具有完全民事行为能力。",
        )
    if not needs_guardian(person=person, on=since):
        raise GuardianRefused(
            explanation="On that day the person is of age and capable, and acts for himself.",
            explanation_zh="该人员在该日已成年且具有行为能力，应由本人办理。",
        )
    if until is not None and until < since:
        raise GuardianRefused(explanation="It ends before it begins.", explanation_zh="截止日早于起始日。")
    row = Guardian(
        id=uuid7(now),
        person=person,
        guardian=guardian,
        evidence=evidence,
        since=since,
        until=until,
        recorded_by=by,
        recorded_at=now,
    )
    row.save(force_insert=True)
    _told("guardian.recorded", person_id, by, now, guardian=str(guardian_id))
    return row


@transaction.atomic
def guardian_end(*, guardian_row_id: UUID, until: date, by: str, now: datetime) -> Guardian:
    """`until` is the last day on which the guardian acts. Raises NotFound, GuardianRefused."""
    row = Guardian.objects.select_for_update().filter(pk=guardian_row_id).first()
    if row is None:
        raise NotFound(noun="guardian", noun_zh="监护登记", key=guardian_row_id)
    if until < row.since:
        raise GuardianRefused(explanation="It ends before it begins.", explanation_zh="截止日早于起始日。")
    row.until = until
    row.save(update_fields=["until"])
    _told("guardian.ended", row.person_id, by, now)
    return row


@transaction.atomic
def person_erase(*, person_id: UUID, reason: str, by: str, now: datetime) -> Person:
    """Contact data is destroyed now; what the law keeps (name, number) is locked until its key is destroyed.

    Nobody finds the person by phone any more, and nobody reads him without opening the legal hold. Raises NotFound.
    """
    person = person_lock(person_id)
    person.phone_index = person.sealed_phone = person.sealed_address = None
    person.erased_at = now
    person.version += 1
    person.save(update_fields=["phone_index", "sealed_phone", "sealed_address", "erased_at", "version"])
    _told("person.erased", person_id, by, now, reason=reason)
    return person


@transaction.atomic
def person_key_destroy(*, person_id: UUID, by: str, now: datetime) -> None:
    """Destroy the key under which everything sealed of the person lies, documents too. As role worker: role app may
    not delete keys. Raises NotFound, NotErased.

    A process that has read the key keeps it in memory until it ends; this one forgets it now.
    """
    person = Person.objects.select_for_update().filter(pk=person_id).first()
    if person is None:
        raise NotFound(noun="person", noun_zh="人员", key=person_id)
    if person.erased_at is None:
        raise NotErased(person_id=person_id)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_datakey WHERE scope = %s", [person_scope(person_id)])
    transaction.on_commit(ring.forget)
    _told("person.key_destroyed", person_id, by, now)


def _evidence_check(evidence: str) -> None:
    if not evidence.strip():
        raise GuardianRefused(explanation="No paper is named.", explanation_zh="未注明证明材料。")


def _told(action: str, person_id: UUID, by: str, now: datetime, **details: object) -> None:
    audit_write(actor=by, organisation_id=NOBODY, action=action, subject=str(person_id), details=details, now=now)
