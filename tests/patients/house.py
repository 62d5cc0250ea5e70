"""A patient with a policy, her child, the daughter who helps her, and a stranger who is insured by the same product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from core.crypto import unseal
from core.row_security import persons_see
from notices.models import Delivery
from patients.consent_texts import FOR_FILING, text_current
from patients.selectors.standing import Standing, standing_of
from patients.services.consents import consent_give
from patients.services.helpers import helper_invite, invitation_accept
from patients.services.sign_in import code_request, code_sign_in, identity_bind
from patients.states import HelperScope
from registry.models import Person
from registry.selectors.persons import person_facts
from registry.services.lives import guardian_record
from tests.registry.house import NOW, TODAY, Shelf, make_shelf, person_of, policy_of
from tests.roles import as_role

ADDRESS = "203.0.113.7"
DAUGHTERS_PHONE = "13700000007"
TRACE = "t" * 16
UNTIL = date(2027, 3, 31)


@dataclass(frozen=True)
class Family:
    shelf: Shelf
    patient: Person
    child: Person
    stranger: Person


def make_family() -> Family:
    shelf = make_shelf()
    child = person_of(name="李小雷", born_on=date(2015, 2, 3), phone="")
    stranger = person_of(name="韩梅梅")
    policy_of(shelf.product, stranger)
    guardian_record(
        person_id=child.pk, guardian_id=shelf.person.pk, evidence="register 12", since=TODAY, by="ou", now=NOW
    )
    return Family(shelf, shelf.person, child, stranger)


def phone_of(person: Person) -> str:
    return person_facts(person=person).phone


def code_of(phone: str) -> str:
    """The code that is on its way to the number, read by the database's owner."""
    for delivery in Delivery.objects.filter(sealed_message__isnull=False).order_by("-id"):
        assert delivery.sealed_message is not None
        message = json.loads(unseal(delivery.sealed_message, context=f"delivery:{delivery.pk}"))
        if message["to"] == phone:
            found = re.search(r"\d{6}", message["text"])
            assert found is not None
            return found.group()
    raise AssertionError(f"nothing is on its way to {phone}")


def signed_in(phone: str, *, now: datetime = NOW) -> Standing:
    """By number alone: nobody is known by it yet."""
    with as_role("app"):
        code_request(phone=phone, language="en", address=ADDRESS, now=now, trace_id=TRACE)
    code = code_of(phone)
    with as_role("app"):
        return code_sign_in(phone=phone, code=code, language="en", address=ADDRESS, now=now)


def known(person: Person, *, now: datetime = NOW) -> Standing:
    """Signed in, and bound to the person on record."""
    person.refresh_from_db()
    facts, phone = person_facts(person=person), phone_of(person)
    standing = signed_in(phone, now=now)
    with as_role("app"):
        return identity_bind(
            account_id=standing.account_id, name=facts.name, id_type=facts.id_type, id_no=facts.id_no, now=now
        )


@contextmanager
def request_of(standing: Standing) -> Iterator[None]:
    """As a web process does it: role app, one transaction that sees the persons of this standing."""
    with as_role("app"), transaction.atomic():
        persons_see(standing.sees)
        yield


def agreed(standing: Standing, person_id: UUID | None = None) -> None:
    """All consents of the person (default: his own) in their current versions."""
    whose = person_id or standing.person_id
    assert whose is not None
    with request_of(standing):
        for code in FOR_FILING:
            consent_give(standing=standing, person_id=whose, code=code, version=text_current(code).version, now=NOW)


def helper_of(
    patient: Standing, *scopes: HelperScope, phone: str = DAUGHTERS_PHONE, until: date = UNTIL, **changes: Any
) -> Standing:
    """The daughter: invited by the patient, signed in by number, accepted."""
    assert patient.person_id is not None
    with request_of(patient):
        grant = helper_invite(
            standing=patient,
            person_id=changes.get("person_id", patient.person_id),
            phone=phone,
            name="女儿",
            scopes=scopes,
            until=until,
            now=NOW,
        )
    daughter = signed_in(phone)
    with as_role("app"):
        return invitation_accept(account_id=daughter.account_id, grant_id=grant.pk, now=NOW, trace_id=TRACE)


def again(standing: Standing, *, now: datetime = NOW) -> Standing:
    """The same account's standing as the next request finds it."""
    with as_role("app"):
        found = standing_of(account_id=standing.account_id, now=now)
    assert found is not None
    return found
