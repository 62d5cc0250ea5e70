"""Persons: found without being read, and read by whoever may use their key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q

from core.crypto import blind_index, unseal
from core.errors import Problem
from registry.models import Guardian, Person, PersonMerge

ADULT_YEARS = 18
CHAIN = 5  # A merged record points at one that is kept; more links than this are a fault.


class PersonErased(Problem):
    code = "person_erased"
    status = 410
    title = "This person's data is erased"
    detail = "Person {person_id} was erased on {on}; what the law keeps is locked."
    detail_zh = "个人信息主体 {person_id} 的信息已于 {on} 删除；依法须保存的部分已封存。"
    fix = "Nothing is to be done; ask the operators where a legal hold has to be opened."
    fix_zh = "无需处理；如需依法启封，请联系平台运营人员。"


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A person, read. Never to be logged."""

    name: str
    id_type: str
    id_no: str
    phone: str
    address: str
    born_on: date


def identity_index(*, id_type: str, id_no: str, now: datetime) -> bytes:
    """The blind index of an identity: the same as exchange finds him by."""
    return blind_index(identity_text(id_type=id_type, id_no=id_no), now=now)


def identity_text(*, id_type: str, id_no: str) -> str:
    """What the blind index is made of."""
    return f"id:{id_type or '01'}:{id_no.strip().upper()}"


def phone_index(*, phone: str, now: datetime) -> bytes:
    return blind_index(f"phone:{phone_normal(phone)}", now=now)


def phone_normal(phone: str) -> str:
    """Digits only, without the prefix of mainland China."""
    digits = "".join(character for character in phone if character.isdigit())
    return digits[2:] if digits.startswith("86") and len(digits) == 13 else digits


def person_facts(*, person: Person, legal_hold: bool = False) -> PersonFacts:
    """The person's data. Raises PersonErased, also for what the law still keeps, unless the caller opens the hold."""
    if person.erased_at is not None and not legal_hold:
        raise PersonErased(person_id=person.pk, on=person.erased_at.date())
    return PersonFacts(
        name=_read(person, "name"),
        id_type=person.id_type,
        id_no=_read(person, "id_no"),
        phone=_read(person, "phone"),
        address=_read(person, "address"),
        born_on=person.born_on,
    )


def sealed_context(person_id: UUID, name: str) -> str:
    return f"person:{person_id}:{name}"


def _read(person: Person, name: str) -> str:
    token = getattr(person, f"sealed_{name}")
    return unseal(token, context=sealed_context(person.pk, name)).decode() if token is not None else ""


def person_by_id(*, person_id: UUID) -> Person | None:
    return Person.objects.filter(pk=person_id).first()


def person_by_identity(*, id_type: str, id_no: str, now: datetime) -> Person | None:
    """The record that is kept of that identity, if this database transaction sees it."""
    index = identity_index(id_type=id_type, id_no=id_no, now=now)
    found = Person.objects.select_related("merged_into").filter(id_index=index).order_by("id")
    record = next((one for one in found if one.merged_into_id is None), found.first())
    return person_current(person=record) if record is not None else None


def persons_by_phone(*, phone: str, now: datetime) -> list[Person]:
    """Whoever has that number, without merged and erased records: a family may share one."""
    found = Person.objects.filter(phone_index=phone_index(phone=phone, now=now))
    return list(found.filter(merged_into__isnull=True, erased_at__isnull=True).order_by("id"))


def person_current(*, person: Person) -> Person:
    """The record that is kept of this human being: itself, or where it was merged into."""
    for _ in range(CHAIN):
        if person.merged_into is None:
            return person
        person = person.merged_into
    raise RuntimeError(f"person {person.pk} is merged over more than {CHAIN} records")


def records_of(*, person_id: UUID) -> list[UUID]:
    """The record and all that were merged into it: whose rows are that human being's."""
    found = [person_id]
    for _ in range(CHAIN):
        more = Person.objects.filter(merged_into__in=found).exclude(pk__in=found).values_list("pk", flat=True)
        if not more:
            break
        found += list(more)
    return found


def wards_of(*, person_id: UUID, on: date) -> list[UUID]:
    """For whom this person acts as a guardian on that day."""
    still = Q(until__isnull=True) | Q(until__gte=on)
    return list(
        Guardian.objects.filter(still, guardian_id=person_id, since__lte=on)
        .order_by("person_id")
        .values_list("person_id", flat=True)
    )


def guardians_of(*, person_id: UUID, on: date) -> list[Guardian]:
    still = Q(until__isnull=True) | Q(until__gte=on)
    return list(Guardian.objects.filter(still, person_id=person_id, since__lte=on).order_by("since"))


def needs_guardian(*, person: Person, on: date) -> bool:
    """Whether the person is under 18 or incapable on that day. Born on 29 February: of age on 1 March."""
    if person.incapable_since is not None and person.incapable_since <= on:
        return True
    born = person.born_on
    return (on.year - born.year - ((on.month, on.day) < (born.month, born.day))) < ADULT_YEARS


def merges_open() -> list[PersonMerge]:
    """Proposed, and waiting for the second name; the oldest first."""
    return list(PersonMerge.objects.filter(approved_at__isnull=True, undone_at__isnull=True).order_by("proposed_at"))
