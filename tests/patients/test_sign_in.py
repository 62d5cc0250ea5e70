"""Sign-in by code, and the proof of whose number it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from notices.models import Delivery
from patients.models import PatientAccount, SignInCode
from patients.selectors.standing import Standing, standing_of
from patients.services.sign_in import (
    CODE_TRIES,
    AccountBlocked,
    CodeWrong,
    IdentityNotMatched,
    PhoneInvalid,
    TooManyTries,
    code_request,
    code_sign_in,
    identity_bind,
)
from patients.states import Capacity
from registry.models import Person
from registry.selectors.persons import person_facts
from registry.services.lives import person_death_record
from registry.services.persons import person_contact_set
from tests.patients.house import ADDRESS, TRACE, Family, again, code_of, known, phone_of, signed_in
from tests.registry.house import NOW, TODAY, person_of
from tests.roles import as_role

pytestmark = pytest.mark.django_db
PHONE = "13900009999"


def ask(phone: str = PHONE, *, seconds: float = 0, address: str = ADDRESS) -> None:
    with as_role("app"):
        code_request(phone=phone, language="en", address=address, now=NOW + timedelta(seconds=seconds), trace_id=TRACE)


def enter(code: str, phone: str = PHONE, *, seconds: float = 0, address: str = ADDRESS) -> Standing:
    with as_role("app"):
        return code_sign_in(
            phone=phone, code=code, language="en", address=address, now=NOW + timedelta(seconds=seconds)
        )


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def prove(standing: Standing, person: Person, **changes: Any) -> Standing:
    facts = person_facts(person=person)
    values = {"name": facts.name, "id_type": facts.id_type, "id_no": facts.id_no} | changes
    with as_role("app"):
        return identity_bind(account_id=standing.account_id, now=NOW, **values)


def test_the_right_code_signs_in_and_makes_the_account_once(db: None) -> None:
    ask()
    first = enter(code_of(PHONE))
    ask(seconds=61)
    second = enter(code_of(PHONE), seconds=61)
    assert first.account_id == second.account_id
    assert (first.person_id, first.acts) == (None, ())
    assert PatientAccount.objects.count() == 1


def test_a_number_is_the_same_number_however_it_is_written(db: None) -> None:
    ask("+86 139-0000-9999")
    assert enter(code_of(PHONE), "139 0000 9999").account_id


def test_a_code_works_once(db: None) -> None:
    ask()
    code = code_of(PHONE)
    enter(code)
    with pytest.raises(CodeWrong):
        enter(code)


def test_a_code_works_for_five_minutes(db: None) -> None:
    ask()
    code = code_of(PHONE)
    with pytest.raises(CodeWrong):
        enter(code, seconds=300)
    assert enter(code, seconds=299)


def test_a_code_works_for_its_own_number_only(db: None) -> None:
    ask()
    ask("13900008888")
    with pytest.raises(CodeWrong):
        enter(code_of(PHONE), "13900008888")


def test_a_new_code_makes_the_old_one_void(db: None) -> None:
    ask()
    old = code_of(PHONE)
    ask(seconds=61)
    new = code_of(PHONE)
    if old != new:
        with pytest.raises(CodeWrong):
            enter(old, seconds=61)
    assert enter(new, seconds=61)


def test_after_too_many_guesses_the_right_code_does_not_help_either(db: None) -> None:
    ask()
    code = code_of(PHONE)
    for _ in range(CODE_TRIES):
        with pytest.raises(CodeWrong):
            enter(wrong(code))
    with pytest.raises(CodeWrong):
        enter(code)


def test_guessing_over_many_codes_ends_too(db: None) -> None:
    for number in range(20):
        with pytest.raises(CodeWrong):
            enter("000000", address=f"203.0.113.{number}")
    with pytest.raises(TooManyTries):
        enter("000000", address="198.51.100.1")


def test_a_second_code_within_a_minute_is_refused_and_so_is_a_flood(db: None) -> None:
    ask()
    with pytest.raises(TooManyTries, match="next try"):
        ask(seconds=30)
    for turn in range(1, 6):
        ask(seconds=61 * turn)
    with pytest.raises(TooManyTries):
        ask(seconds=61 * 7)


def test_one_address_cannot_send_codes_to_the_whole_town(db: None) -> None:
    for number in range(60):
        ask(f"1370000{number:04d}")
    with pytest.raises(TooManyTries):
        ask("13700009999")
    ask("13700009999", address="198.51.100.9")


@pytest.mark.parametrize("phone", ["", "12", "call me", "1" * 16])
def test_what_is_no_number_is_refused(db: None, phone: str) -> None:
    with pytest.raises(PhoneInvalid):
        ask(phone)
    assert not Delivery.objects.exists()


def test_whether_somebody_is_known_by_a_number_is_not_told(family: Family) -> None:
    ask(phone_of(family.patient))
    ask("13900009999")
    assert Delivery.objects.filter(notice__isnull=True).count() == 2


def test_a_blocked_account_neither_signs_in_nor_goes_on(db: None) -> None:
    standing = signed_in(PHONE)
    PatientAccount.objects.update(blocked_at=NOW)
    assert standing_of(account_id=standing.account_id, now=NOW) is None
    ask(seconds=61)
    with pytest.raises(AccountBlocked):
        enter(code_of(PHONE), seconds=61)


def test_web_processes_read_neither_codes_nor_accounts(db: None) -> None:
    signed_in(PHONE)
    ask(seconds=61)
    with as_role("app"), transaction.atomic():
        assert not PatientAccount.objects.exists()
        with pytest.raises(Exception, match="permission denied"), transaction.atomic():
            SignInCode.objects.exists()
    assert bytes(SignInCode.objects.get().digest) != code_of(PHONE).encode()


def test_name_document_and_number_together_bind_the_account(family: Family) -> None:
    standing = known(family.patient)
    assert standing.person_id == family.patient.pk
    assert standing.by == f"patient:{family.patient.pk}"
    family.patient.refresh_from_db()
    assert family.patient.real_name_level == 1


def test_width_case_and_spaces_of_a_name_do_not_matter(db: None) -> None:
    person = person_of(name="Ana María O'Neil")
    assert prove(signed_in(phone_of(person)), person, name="ANA  maría Ｏ'Neil").person_id == person.pk


@pytest.mark.parametrize("changes", [{"name": "李四"}, {"id_no": "110101199001011237"}, {"id_type": "03"}])
def test_one_of_the_three_that_does_not_fit_binds_nothing(family: Family, changes: dict[str, Any]) -> None:
    standing = signed_in(phone_of(family.patient))
    with pytest.raises(IdentityNotMatched):
        prove(standing, family.patient, **changes)
    assert again(standing).acts == ()


def test_a_stranger_with_anothers_papers_but_his_own_phone_gets_nothing(family: Family) -> None:
    thief = signed_in(phone_of(family.stranger))
    with pytest.raises(IdentityNotMatched):
        prove(thief, family.patient)
    assert again(thief).acts == ()


def test_trying_identities_ends(family: Family) -> None:
    standing = signed_in(phone_of(family.patient))
    for _ in range(5):
        with pytest.raises(IdentityNotMatched):
            prove(standing, family.patient, name="王五")
    with pytest.raises(TooManyTries):
        prove(standing, family.patient)


def test_a_number_that_was_given_up_opens_nothing_any_more(family: Family) -> None:
    old = known(family.patient)
    person_contact_set(person_id=family.patient.pk, phone="13500001111", by="ou", now=NOW)
    assert again(old).acts == ()
    new = known(family.patient, now=NOW + timedelta(seconds=61))
    assert new.person_id == family.patient.pk
    assert PatientAccount.objects.get(pk=old.account_id).person_id is None


def test_nobody_acts_as_the_dead(family: Family) -> None:
    standing = known(family.patient)
    person_death_record(
        person_id=family.patient.pk, died_on=TODAY, evidence="register 7", by="ou", now=NOW, trace_id=TRACE
    )
    assert again(standing).acts == ()


def test_a_person_stands_for_himself_and_his_wards(family: Family) -> None:
    standing = known(family.patient)
    assert {(act.person_id, act.capacity) for act in standing.acts} == {
        (family.patient.pk, Capacity.SELF),
        (family.child.pk, Capacity.GUARDIAN),
    }
