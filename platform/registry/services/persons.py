"""Persons: registered once per identity, their contact data, and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from core.bulk import rows_insert_new
from core.crypto import seal
from core.errors import NotFound, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from registry.models import Person
from registry.selectors.persons import (
    PersonErased,
    PersonFacts,
    identity_index,
    person_facts,
    phone_index,
    phone_normal,
    sealed_context,
)

__all__ = [
    "PersonDraft",
    "PersonErased",
    "PersonFacts",
    "PersonInvalid",
    "person_contact_set",
    "person_facts",
    "person_incapable_record",
    "person_real_name_set",
    "person_register",
]
# A person's key belongs to no organisation: who sees the person may use it (policy `persons_keys`), nobody else.
NO_ORGANISATION = -1
CHARACTERS = 120


class PersonInvalid(Problem):
    code = "person_invalid"
    status = 422
    title = "The person cannot be registered like this"
    detail = "{field}: {explanation}"
    detail_zh = "人员信息无效，{field}：{explanation_zh}"
    fix = "Correct that field; nothing was stored."
    fix_zh = "请更正该项；本次未保存任何内容。"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDraft:
    """`id_type` by the NHSA's code list, 01 the resident's identity card."""

    name: str
    id_no: str
    born_on: date
    id_type: str = "01"
    phone: str = ""
    address: str = ""
    real_name_level: int = 0


def person_register(*, draft: PersonDraft, now: datetime) -> Person:
    """The living record of that identity, made when there is none. One that is there stays as it is: whoever tells us
    an identity may not change another's phone. Raises PersonInvalid.

    The search goes over all persons, whomever the caller sees; afterwards he sees again what he saw before.
    """
    _check(draft, now)
    with seen_by(EVERYTHING):
        index = identity_index(id_type=draft.id_type, id_no=draft.id_no, now=now)
        found = Person.objects.filter(id_index=index, merged_into__isnull=True).first()
        if found is not None:
            return found
        person = Person(
            id=uuid7(now),
            id_type=draft.id_type,
            id_index=index,
            born_on=draft.born_on,
            real_name_level=draft.real_name_level,
            created_at=now,
        )
        person.sealed_name = _sealed(person.pk, "name", draft.name.strip(), now)
        person.sealed_id_no = _sealed(person.pk, "id_no", draft.id_no.strip().upper(), now)
        _contact(person, phone=draft.phone, address=draft.address, now=now)
        if rows_insert_new([person], returning="id"):
            return person
        return Person.objects.get(id_index=index, merged_into__isnull=True)


@transaction.atomic
def person_contact_set(
    *, person_id: UUID, phone: str | None = None, address: str | None = None, by: str, now: datetime
) -> Person:
    """A new phone or home address, None for what stays; empty text takes it away. The caller has proven who asks.

    Raises NotFound, PersonErased, PersonInvalid.
    """
    person = person_lock(person_id)
    if phone:
        _phone_check(phone)
    facts = person_facts(person=person)
    _contact(
        person,
        phone=facts.phone if phone is None else phone,
        address=facts.address if address is None else address,
        now=now,
    )
    _written(person, "phone_index", "sealed_phone", "sealed_address")
    _told("person.contact_changed", person_id, by, now)
    return person


@transaction.atomic
def person_real_name_set(*, person_id: UUID, level: int, by: str, now: datetime) -> Person:
    """How well we know that he is who he says: 0 declared, 1 own match, 2 authoritative provider. Raises NotFound."""
    person = person_lock(person_id)
    if level not in (0, 1, 2):
        raise PersonInvalid(field="real_name_level", explanation="not 0, 1 or 2", explanation_zh="须为 0、1 或 2")
    person.real_name_level = level
    _written(person, "real_name_level")
    _told("person.real_name_set", person_id, by, now)
    return person


@transaction.atomic
def person_incapable_record(*, person_id: UUID, since: date | None, by: str, now: datetime) -> Person:
    """From that day a guardian acts for him; None: he acts for himself again. Raises NotFound."""
    person = person_lock(person_id)
    person.incapable_since = since
    _written(person, "incapable_since")
    _told("person.incapable_recorded", person_id, by, now)
    return person


def person_lock(person_id: UUID) -> Person:
    """The record, locked until the commit. Raises NotFound, PersonErased."""
    person = Person.objects.select_for_update().filter(pk=person_id).first()
    if person is None:
        raise NotFound(noun="person", noun_zh="人员", key=person_id)
    if person.erased_at is not None:
        raise PersonErased(person_id=person_id, on=person.erased_at.date())
    return person


def _written(person: Person, *fields: str) -> None:
    person.version += 1
    person.save(update_fields=[*fields, "version"])


def _told(action: str, person_id: UUID, by: str, now: datetime) -> None:
    audit_write(actor=by, organisation_id=NOBODY, action=action, subject=str(person_id), now=now)


def _contact(person: Person, *, phone: str, address: str, now: datetime) -> None:
    person.phone_index = phone_index(phone=phone, now=now) if phone else None
    person.sealed_phone = _sealed(person.pk, "phone", phone_normal(phone), now) if phone else None
    person.sealed_address = _sealed(person.pk, "address", address.strip(), now) if address else None


def _sealed(person_id: UUID, name: str, value: str, now: datetime) -> bytes:
    return seal(
        value.encode(),
        scope=f"person:{person_id}",
        organisation_id=NO_ORGANISATION,
        context=sealed_context(person_id, name),
        now=now,
    )


def _check(draft: PersonDraft, now: datetime) -> None:
    for field, value in (("name", draft.name), ("id_no", draft.id_no), ("id_type", draft.id_type)):
        if not value.strip() or len(value) > CHARACTERS:
            raise PersonInvalid(field=field, explanation="empty or too long", explanation_zh="为空或过长")
    if draft.phone:
        _phone_check(draft.phone)
    # A day of tolerance: somewhere the day is further on than in UTC.
    if (draft.born_on - now.date()).days > 1:
        raise PersonInvalid(field="born_on", explanation="it lies ahead", explanation_zh="日期晚于今天")
    if draft.real_name_level not in (0, 1, 2):
        raise PersonInvalid(field="real_name_level", explanation="not 0, 1 or 2", explanation_zh="须为 0、1 或 2")


def _phone_check(phone: str) -> None:
    if not 5 <= len(phone_normal(phone)) <= 15:
        raise PersonInvalid(
            field="phone", explanation="it has not 5 to 15 digits", explanation_zh="须为 5 至 15 位数字"
        )
