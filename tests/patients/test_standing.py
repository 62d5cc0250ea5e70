"""For whom somebody acts: wards at their birthdays, merged records, helpers within scope and time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from core.errors import NotFound
from patients.models import ConsentRecord, HelperGrant
from patients.selectors.consents import ConsentMissing, consents_require
from patients.selectors.helpers import helper_name, helpers_of, invitations_of
from patients.selectors.standing import NotYours, OwnersOnly, readers_of
from patients.services.consents import ConsentTextMoved, consent_give, consent_withdraw
from patients.services.helpers import (
    MOST,
    HelperInvalid,
    HelpersFull,
    helper_end,
    helper_invite,
    invitation_accept,
)
from patients.states import Capacity, ConsentCode, HelperScope
from registry.selectors.persons import needs_guardian
from registry.services.merges import person_merge_approve, person_merge_propose
from registry.services.persons import person_incapable_record
from tests.patients.house import (
    DAUGHTERS_PHONE,
    TRACE,
    UNTIL,
    Family,
    again,
    agreed,
    helper_of,
    known,
    phone_of,
    request_of,
    signed_in,
)
from tests.registry.house import NOW, TODAY, person_of
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db
SHANGHAI_NOON = timedelta(hours=4)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=NOW.tzinfo) + SHANGHAI_NOON


@pytest.mark.parametrize(
    ("born_on", "on"),
    [
        (date(2008, 11, 25), TODAY),
        (date(2008, 11, 26), TODAY),
        (date(2008, 2, 29), date(2026, 2, 28)),
        (date(2008, 2, 29), date(2026, 3, 1)),
        (date(1980, 1, 1), TODAY),
    ],
)
def test_the_database_and_the_registry_agree_who_is_a_ward(db: None, born_on: date, on: date) -> None:
    person = person_of(born_on=born_on)
    sql = "SELECT patients_needs_guardian(person, %s) FROM registry_person person WHERE id = %s"
    assert rows(sql, [on, person.pk]) == [(needs_guardian(person=person, on=on),)]


def test_a_guardian_acts_until_the_eighteenth_birthday(family: Family) -> None:
    standing = known(family.patient)
    eve, birthday = date(2033, 2, 2), date(2033, 2, 3)
    assert family.child.pk in again(standing, now=at(eve)).sees
    assert family.child.pk not in again(standing, now=at(birthday)).sees


def test_an_incapable_person_sees_and_does_nothing_himself(family: Family) -> None:
    standing = known(family.patient)
    person_incapable_record(person_id=family.patient.pk, since=TODAY, by="ou", now=NOW)
    now = again(standing)
    assert [(act.capacity, act.scopes) for act in now.acts] == [(Capacity.SELF, (HelperScope.SEE,))]
    with pytest.raises(OwnersOnly):
        now.owner_of(person_id=family.patient.pk)


def test_records_that_were_merged_are_his_too(family: Family) -> None:
    double = person_of(phone=phone_of(family.patient))
    merge = person_merge_propose(kept_id=double.pk, merged_id=family.patient.pk, evidence="same", by="a", now=NOW)
    standing = known(family.patient)
    person_merge_approve(merge_id=merge.pk, by="b", now=NOW)
    now = again(standing)
    assert now.person_id == double.pk
    assert {double.pk, family.patient.pk} <= set(now.sees)
    assert now.act_for(person_id=family.patient.pk).person_id == double.pk


def test_a_stranger_stands_for_nobody_else(family: Family) -> None:
    stranger = known(family.stranger)
    with pytest.raises(NotFound):
        stranger.act_for(person_id=family.patient.pk)
    with pytest.raises(NotFound):
        stranger.owner_of(person_id=family.child.pk)


def test_a_helper_acts_within_her_scopes_under_her_own_name(family: Family) -> None:
    patient = known(family.patient)
    daughter = helper_of(patient, HelperScope.UPLOAD)
    act = daughter.act_for(person_id=family.patient.pk, scope=HelperScope.UPLOAD)
    assert (act.capacity, act.scopes) == (Capacity.HELPER, (HelperScope.SEE, HelperScope.UPLOAD))
    assert daughter.by == f"patient:account-{daughter.account_id}"
    with pytest.raises(NotYours):
        daughter.act_for(person_id=family.patient.pk, scope=HelperScope.SUBMIT)
    with pytest.raises(OwnersOnly):
        daughter.owner_of(person_id=family.patient.pk)
    with pytest.raises(NotFound):
        daughter.act_for(person_id=family.child.pk)


def test_a_helpers_time_ends_after_its_last_day(family: Family) -> None:
    daughter = helper_of(known(family.patient))
    assert again(daughter, now=at(UNTIL)).acts
    assert not again(daughter, now=at(UNTIL + timedelta(days=1))).acts


def test_the_patient_ends_it_at_once(family: Family) -> None:
    patient = known(family.patient)
    daughter = helper_of(patient)
    with request_of(patient):
        grant = helpers_of(person_id=family.patient.pk).get()
        assert helper_name(grant=grant) == "女儿"
        helper_end(standing=patient, grant_id=grant.pk, now=NOW, trace_id=TRACE)
        helper_end(standing=patient, grant_id=grant.pk, now=NOW, trace_id=TRACE)
    assert not again(daughter).acts


def test_the_helper_may_lay_it_down_herself_and_cannot_end_anothers(family: Family) -> None:
    patient = known(family.patient)
    daughter = helper_of(patient)
    son = helper_of(patient, phone="13700000008")
    by_phone = {grant.helper_id: grant for grant in HelperGrant.objects.all()}
    with request_of(daughter), pytest.raises(OwnersOnly):
        helper_end(standing=daughter, grant_id=by_phone[son.account_id].pk, now=NOW, trace_id=TRACE)
    with request_of(daughter):
        helper_end(standing=daughter, grant_id=by_phone[daughter.account_id].pk, now=NOW, trace_id=TRACE)
    assert not again(daughter).acts
    assert again(son).acts


def test_a_helper_cannot_widen_what_she_was_given(family: Family) -> None:
    daughter = helper_of(known(family.patient))
    with request_of(daughter):
        with refused("nothing else of it changes"):
            HelperGrant.objects.update(until=date(2099, 1, 1))
        with refused("nothing else of it changes"):
            HelperGrant.objects.update(scopes=["SEE", "SUBMIT"])
    with refused("never deleted"):
        rows("DELETE FROM patients_helpergrant")


def test_an_invitation_is_for_its_number_alone(family: Family) -> None:
    patient, stranger = known(family.patient), known(family.stranger)
    with request_of(patient):
        grant = helper_invite(
            standing=patient,
            person_id=family.patient.pk,
            phone=DAUGHTERS_PHONE,
            name="女儿",
            scopes=[],
            until=UNTIL,
            now=NOW,
        )
    with as_role("app"):
        assert invitations_of(account_id=stranger.account_id, now=NOW) == []
        for offer in (grant.pk, uuid4()):
            with pytest.raises(NotFound):
                invitation_accept(account_id=stranger.account_id, grant_id=offer, now=NOW, trace_id=TRACE)
    daughter = signed_in(DAUGHTERS_PHONE)
    with as_role("app"):
        (invitation,) = invitations_of(account_id=daughter.account_id, now=NOW)
        assert (invitation.grant_id, invitation.scopes) == (grant.pk, ("SEE",))
        invitation_accept(account_id=daughter.account_id, grant_id=grant.pk, now=NOW, trace_id=TRACE)
        assert invitations_of(account_id=daughter.account_id, now=NOW) == []
        with pytest.raises(NotFound):
            invitation_accept(account_id=daughter.account_id, grant_id=grant.pk, now=NOW, trace_id=TRACE)


@pytest.mark.parametrize(
    ("phone", "name", "until"),
    [
        ("12", "女儿", UNTIL),
        (DAUGHTERS_PHONE, " ", UNTIL),
        (DAUGHTERS_PHONE, "x" * 61, UNTIL),
        (DAUGHTERS_PHONE, "女儿", TODAY - timedelta(days=1)),
        (DAUGHTERS_PHONE, "女儿", TODAY + timedelta(days=367)),
        ("own", "myself", UNTIL),
    ],
)
def test_a_senseless_invitation_is_refused(family: Family, phone: str, name: str, until: date) -> None:
    patient = known(family.patient)
    number = phone_of(family.patient) if phone == "own" else phone
    with request_of(patient), pytest.raises(HelperInvalid):
        helper_invite(
            standing=patient, person_id=family.patient.pk, phone=number, name=name, scopes=[], until=until, now=NOW
        )


def test_helpers_are_few_and_each_is_invited_once(family: Family) -> None:
    patient = known(family.patient)

    def invite(phone: str) -> None:
        helper_invite(
            standing=patient, person_id=family.patient.pk, phone=phone, name="x", scopes=[], until=UNTIL, now=NOW
        )

    with request_of(patient):
        invite("13700000001")
        with pytest.raises(HelpersFull):
            invite("13700000001")
        for number in range(2, MOST + 1):
            invite(f"1370000000{number}")
        with pytest.raises(HelpersFull):
            invite("13700000009")


def test_consents_are_records_and_the_latest_counts(family: Family) -> None:
    patient = known(family.patient)
    whose, code = family.patient.pk, ConsentCode.PRIVACY

    def give(version: int, minutes: int) -> ConsentRecord:
        now = NOW + timedelta(minutes=minutes)
        return consent_give(standing=patient, person_id=whose, code=code, version=version, now=now)

    with request_of(patient):
        with pytest.raises(ConsentMissing, match="PRIVACY"):
            consents_require(person_id=whose, codes=[code])
        with pytest.raises(ConsentTextMoved):
            give(0, 0)
        assert give(1, 1).pk == give(1, 2).pk
        consents_require(person_id=whose, codes=[code])
        consent_withdraw(standing=patient, person_id=whose, code=code, now=NOW + timedelta(minutes=3))
        with pytest.raises(ConsentMissing):
            consents_require(person_id=whose, codes=[code])
        give(1, 4)
        consents_require(person_id=whose, codes=[code])
    assert rows("SELECT given FROM patients_consentrecord ORDER BY id") == [(True,), (False,), (True,)]
    with refused("append-only"):
        rows("UPDATE patients_consentrecord SET given = true")


def test_a_guardian_agrees_for_a_ward_and_a_helper_for_nobody(family: Family) -> None:
    patient = known(family.patient)
    agreed(patient, family.child.pk)
    assert rows("SELECT DISTINCT on_behalf FROM patients_consentrecord") == [(True,)]
    daughter = helper_of(patient, *HelperScope)
    with pytest.raises(OwnersOnly):
        agreed(daughter, family.patient.pk)


def test_a_stranger_sees_neither_helpers_nor_consents(family: Family) -> None:
    patient, stranger = known(family.patient), known(family.stranger)
    agreed(patient)
    helper_of(patient)
    with request_of(stranger):
        assert not helpers_of(person_id=family.patient.pk).exists()
        assert rows("SELECT count(*) FROM patients_consentrecord") == [(0,)]
        grant = uuid4()
        with pytest.raises(NotFound):
            helper_end(standing=stranger, grant_id=grant, now=NOW, trace_id=TRACE)
    with request_of(stranger), refused("row-level security"), transaction.atomic():
        rows(
            "INSERT INTO patients_consentrecord (id, person_id, code, version, digest, given, by, on_behalf, at) "
            "VALUES (%s, %s, 'PRIVACY', 1, '', true, 'x', false, now())",
            [uuid4(), family.patient.pk],
        )


def test_who_is_told_of_what_concerns_a_person(family: Family) -> None:
    patient = known(family.patient)
    assert readers_of(person_id=family.patient.pk, now=NOW) == [family.patient.pk]
    assert readers_of(person_id=family.child.pk, now=NOW) == [family.patient.pk]
    helper_of(patient, phone=phone_of(family.stranger))
    assert readers_of(person_id=family.patient.pk, now=NOW) == [family.patient.pk]
    known(family.stranger, now=NOW + timedelta(seconds=61))
    assert readers_of(person_id=family.patient.pk, now=NOW) == [family.patient.pk, family.stranger.pk]
