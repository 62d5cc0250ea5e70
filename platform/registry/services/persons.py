"""Persons: registered once per identity, their contact data, and what happens to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import batched
from uuid import UUID

from django.db import transaction

from accounts.services import audit_write
from accounts.services.audit import NOBODY
from core.bulk import rows_insert
from core.crypto import Sealing, blind_indexes, seal, seal_many
from core.errors import NotFound, Problem
from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from registry.models import Person
from registry.selectors.persons import (
    PersonErased,
    PersonFacts,
    identity_text,
    person_current,
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
    "person_check",
    "person_contact_set",
    "person_facts",
    "person_incapable_record",
    "person_real_name_set",
    "person_register",
    "persons_register",
]
# A person's key belongs to no organisation: who sees the person may use it (policy `persons_keys`), nobody else.
NO_ORGANISATION = -1
CHARACTERS = 120
# The driver's work for one statement grows with the square of its parameters.
AT_ONCE = 500


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
    """The record of that identity, made when there is none. One that is there stays as it is: whoever tells us an
    identity may not change another's phone. Raises PersonInvalid.

    The search goes over all persons, whomever the caller sees; afterwards he sees again what he saw before.
    """
    return persons_register(drafts=[draft], now=now)[0]


def persons_register(*, drafts: Sequence[PersonDraft], now: datetime) -> list[Person]:
    """As `person_register`, a record for each draft in order; all in a few statements. Raises PersonInvalid."""
    for draft in drafts:
        person_check(draft=draft, now=now)
    texts = [identity_text(id_type=draft.id_type, id_no=draft.id_no) for draft in drafts]
    known: dict[bytes, Person] = {}
    with seen_by(EVERYTHING):
        indexes = blind_indexes(texts, now=now)
        wanted = dict(zip(reversed(indexes), reversed(drafts), strict=True))
        # In the order of the indexes: two who register the same people do not wait for each other in a circle.
        for part in batched(sorted(wanted), AT_ONCE):
            known |= _known(part)
            fresh = {index: wanted[index] for index in part if index not in known}
            if fresh:
                rows_insert(_made(fresh, now), skip_existing=True)
                # Whoever was faster with the same identity has made the record that counts.
                known |= _known(list(fresh))
    return [known[index] for index in indexes]


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


def _known(indexes: Sequence[bytes]) -> dict[bytes, Person]:
    """The record kept of each identity: the living one, else the one into which it was merged."""
    known: dict[bytes, Person] = {}
    for record in Person.objects.select_related("merged_into").filter(id_index__in=indexes).order_by("id"):
        index = bytes(record.id_index)
        if record.merged_into_id is None or index not in known:
            known[index] = person_current(person=record)
    return known


def _made(fresh: Mapping[bytes, PersonDraft], now: datetime) -> list[Person]:
    """New rows for these identities, in their order."""
    phones = {index: phone_normal(draft.phone) for index, draft in fresh.items() if draft.phone}
    phone_indexes = dict(zip(phones, blind_indexes([f"phone:{one}" for one in phones.values()], now=now), strict=True))
    persons: list[Person] = []
    places: list[tuple[Person, str]] = []
    sealings: list[Sealing] = []
    for index, draft in fresh.items():
        person = Person(
            id=uuid7(now),
            id_type=draft.id_type,
            id_index=index,
            phone_index=phone_indexes.get(index),
            born_on=draft.born_on,
            real_name_level=draft.real_name_level,
            created_at=now,
        )
        persons.append(person)
        values = {"name": draft.name.strip(), "id_no": draft.id_no.strip().upper()}
        values |= {"phone": phones.get(index, ""), "address": draft.address.strip()}
        for name, value in values.items():
            if value:
                places.append((person, name))
                sealings.append(_sealing(person.pk, name, value))
    tokens = seal_many(sealings, organisation_id=NO_ORGANISATION, now=now)
    for (person, name), token in zip(places, tokens, strict=True):
        setattr(person, f"sealed_{name}", token)
    return persons


def _sealing(person_id: UUID, name: str, value: str) -> Sealing:
    return Sealing(value.encode(), scope=person_scope(person_id), context=sealed_context(person_id, name))


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
    return seal_many([_sealing(person_id, name, value)], organisation_id=NO_ORGANISATION, now=now)[0]


def person_scope(person_id: UUID) -> str:
    """The data key under which everything of this person lies; destroying it erases him."""
    return f"person:{person_id}"


def person_seal(plain: bytes, *, person_id: UUID, context: str, now: datetime) -> bytes:
    """Encrypt something of the person's under his own key, which belongs to no organisation."""
    return seal(plain, scope=person_scope(person_id), organisation_id=NO_ORGANISATION, context=context, now=now)


def person_seal_many(plain: Mapping[str, bytes], *, person_id: UUID, now: datetime) -> list[bytes]:
    """`plain` by context, each encrypted as `person_seal` does, in their order; his key is read once."""
    sealings = [Sealing(one, person_scope(person_id), context) for context, one in plain.items()]
    return seal_many(sealings, organisation_id=NO_ORGANISATION, now=now)


def person_check(*, draft: PersonDraft, now: datetime) -> None:
    """Whether the draft can be registered. Raises PersonInvalid."""
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
