"""Persons: one record per identity, read with their key only; merged by two names; death, guardians, erasure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction

from core.crypto import SealBroken, ring
from core.errors import NotFound
from core.ids import new_trace_id
from core.row_security import EVERYTHING, persons_see, seen_by
from exchange.persons import person_index_of
from registry.models import Authorisation, Person, PersonMerge
from registry.selectors.persons import (
    PersonErased,
    merges_open,
    needs_guardian,
    person_by_identity,
    person_current,
    person_facts,
    persons_by_phone,
    records_of,
    wards_of,
)
from registry.services.lives import (
    GuardianRefused,
    NotErased,
    guardian_end,
    guardian_record,
    person_death_record,
    person_death_undo,
    person_erase,
    person_key_destroy,
)
from registry.services.merges import (
    MergeNeedsAnother,
    MergeRefused,
    person_merge_approve,
    person_merge_propose,
    person_merge_undo_approve,
    person_merge_undo_propose,
)
from registry.services.persons import PersonDraft as Draft
from registry.services.persons import (
    PersonInvalid,
    person_contact_set,
    person_incapable_record,
    person_real_name_set,
    person_register,
    persons_register,
)
from tests.exchange.meetings import at_once
from tests.registry.house import NOW, TODAY, Shelf, authorisation_of, id_no, person_of
from tests.roles import as_role, refused, rows

pytestmark = pytest.mark.django_db
BORN = date(1980, 5, 17)


def draft(**changes: Any) -> Draft:
    values: dict[str, Any] = {
        "name": " 韩梅梅 ",
        "id_no": "11010119800517123x",
        "born_on": BORN,
        "phone": "+86 139-0000-0001",
        "address": "上海市黄浦区",
    }
    return Draft(**(values | changes))


# One record per identity -------------------------------------------------------------------------------


def test_an_identity_has_one_record_and_the_first_facts_stay() -> None:
    first = person_register(draft=draft(), now=NOW)
    again = person_register(draft=draft(id_no=" 11010119800517123X", phone="13800000000", name="别人"), now=NOW)
    assert again.pk == first.pk
    facts = person_facts(person=Person.objects.get())
    assert (facts.name, facts.id_no, facts.phone, facts.address, facts.born_on) == (
        "韩梅梅",
        "11010119800517123X",
        "13900000001",
        "上海市黄浦区",
        BORN,
    )


def test_exchange_and_registry_find_the_same_person() -> None:
    person = person_register(draft=draft(), now=NOW)
    told = {"id_type": "01", "id_no": "11010119800517123X"}
    assert bytes(Person.objects.get().id_index) == person_index_of(told, now=NOW)
    found = person_by_identity(id_type="01", id_no="11010119800517123x ", now=NOW)
    assert found is not None
    assert found.pk == person.pk


def test_nothing_of_a_person_is_stored_in_the_clear() -> None:
    person_register(draft=draft(), now=NOW)
    (line,) = rows("SELECT encode(convert_to(registry_person::text, 'UTF8'), 'escape') FROM registry_person")
    for word in ("11010119800517123X", "13900000001", "韩梅梅"):
        assert word not in line[0]
        assert word.encode().hex() not in line[0]


def test_two_insurers_that_register_one_person_at_once_get_one_record(transactional_db: None) -> None:
    def act() -> Any:
        with as_role("app"), seen_by([]):
            return person_register(draft=draft(), now=NOW).pk

    first, second = at_once(act, act)
    assert first == second
    assert Person.objects.count() == 1


def test_many_are_registered_at_once_each_identity_once_in_the_order_told() -> None:
    numbers = [id_no(BORN, serial) for serial in range(300, 310)]
    known = person_of(id_no=numbers[3])
    told = [*numbers, numbers[0].lower(), numbers[3]]
    persons = persons_register(drafts=[draft(id_no=number, phone="") for number in told], now=NOW)
    assert [person_facts(person=one).id_no for one in persons] == [number.upper() for number in told]
    assert (persons[3].pk, persons[11].pk, persons[10].pk) == (known.pk, known.pk, persons[0].pk)
    assert Person.objects.count() == 10
    with pytest.raises(PersonInvalid):
        persons_register(drafts=[draft(id_no=id_no(BORN, 999)), draft(name="")], now=NOW)
    assert Person.objects.count() == 10


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"id_no": ""}, "id_no"),
        ({"id_type": ""}, "id_type"),
        ({"phone": "12"}, "phone"),
        ({"phone": "1" * 16}, "phone"),
        ({"born_on": TODAY + timedelta(days=2)}, "born_on"),
        ({"real_name_level": 3}, "real_name_level"),
    ],
)
def test_a_person_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(PersonInvalid) as caught:
        person_register(draft=draft(**changes), now=NOW)
    assert caught.value.fields["field"] == field
    assert not Person.objects.exists()


def test_contact_data_is_changed_by_a_service_of_its_own() -> None:
    person = person_register(draft=draft(), now=NOW)
    person_contact_set(person_id=person.pk, phone="13811112222", by="patient", now=NOW)
    facts = person_facts(person=Person.objects.get())
    assert (facts.phone, facts.address) == ("13811112222", "上海市黄浦区")
    assert persons_by_phone(phone="139 0000 0001", now=NOW) == []
    assert [one.pk for one in persons_by_phone(phone="0086 138 1111 2222"[2:], now=NOW)] == [person.pk]
    person_contact_set(person_id=person.pk, address="", by="patient", now=NOW)
    assert person_facts(person=Person.objects.get()).address == ""
    with pytest.raises(PersonInvalid):
        person_contact_set(person_id=person.pk, phone="12", by="patient", now=NOW)


def test_a_real_name_level_is_one_of_three() -> None:
    person = person_register(draft=draft(), now=NOW)
    assert person_real_name_set(person_id=person.pk, level=2, by="face", now=NOW).real_name_level == 2
    with pytest.raises(PersonInvalid):
        person_real_name_set(person_id=person.pk, level=3, by="face", now=NOW)


# Who reads a person ------------------------------------------------------------------------------------


def read(*, persons: list[Any] | None = None, organisations: list[int] | None = None) -> list[str]:
    """The names that role app reads, each with a key ring that remembers nothing."""
    ring.forget()
    with as_role("app"), seen_by(organisations or []):
        persons_see(persons or [])
        names = []
        for person in Person.objects.order_by("id"):
            names.append(person_facts(person=person).name)
        persons_see([])
        return names


def test_a_person_is_read_by_himself_and_the_insurers_he_is_with(shelf: Shelf) -> None:
    other = person_of(name="陌生人")
    assert read() == []
    assert read(persons=[shelf.person.pk]) == ["李雷"]
    assert read(persons=[other.pk]) == ["陌生人"]
    assert read(organisations=[shelf.insurer.pk]) == ["李雷"]
    assert read(organisations=[shelf.stranger.pk]) == []


def test_a_key_that_is_not_ones_own_opens_nothing(shelf: Shelf) -> None:
    ring.forget()
    with as_role("app"), seen_by([shelf.stranger.pk]), pytest.raises(SealBroken):
        person_facts(person=shelf.person)


# Merge -------------------------------------------------------------------------------------------------


def two() -> tuple[Person, Person]:
    return person_of(name="王芳"), person_of(name="王芳", id_type="03", id_no="E12345678")


def proposed() -> PersonMerge:
    kept, merged = two()
    return person_merge_propose(
        kept_id=kept.pk, merged_id=merged.pk, evidence="passport copy, ticket 7", by="anna", now=NOW
    )


def test_a_merge_takes_two_names_and_so_does_its_undoing() -> None:
    merge = proposed()
    assert merges_open() == [merge]
    with pytest.raises(MergeNeedsAnother):
        person_merge_approve(merge_id=merge.pk, by="anna", now=NOW)
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    merged = Person.objects.get(pk=merge.merged_id)
    assert person_current(person=merged).pk == merge.kept_id
    assert records_of(person_id=merge.kept_id) == [merge.kept_id, merge.merged_id]
    person_merge_undo_propose(merge_id=merge.pk, by="carl", now=NOW)
    with pytest.raises(MergeNeedsAnother):
        person_merge_undo_approve(merge_id=merge.pk, by="carl", now=NOW)
    person_merge_undo_approve(merge_id=merge.pk, by="dora", now=NOW)
    assert records_of(person_id=merge.kept_id) == [merge.kept_id]
    assert person_current(person=Person.objects.get(pk=merge.merged_id)).pk == merge.merged_id


def test_the_database_wants_two_names_as_well() -> None:
    merge = proposed()
    with refused("a_merge_has_two_names"):
        PersonMerge.objects.update(approved_by="anna")
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    with refused("a_merge_is_undone_by_two_names"):
        PersonMerge.objects.update(undo_proposed_by="carl", undone_by="carl")


def test_a_merge_that_nobody_approved_is_given_up_by_one() -> None:
    merge = proposed()
    person_merge_undo_propose(merge_id=merge.pk, by="anna", now=NOW)
    assert merges_open() == []
    with pytest.raises(MergeRefused):
        person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    person_merge_propose(kept_id=merge.kept_id, merged_id=merge.merged_id, evidence="again", by="anna", now=NOW)


def test_a_merge_moves_no_row_of_the_merged_record(shelf: Shelf) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    kept = person_of()
    merge = person_merge_propose(kept_id=kept.pk, merged_id=shelf.person.pk, evidence="x", by="anna", now=NOW)
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    assert Authorisation.objects.get(pk=authorisation.pk).person_id == shelf.person.pk


def test_a_merged_identity_is_the_record_that_is_kept() -> None:
    merge = proposed()
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    assert person_of(id_type="03", id_no="e12345678").pk == merge.kept_id
    found = person_by_identity(id_type="03", id_no="E12345678", now=NOW)
    assert found is not None
    assert found.pk == merge.kept_id
    assert Person.objects.count() == 2


def test_what_cannot_be_merged() -> None:
    merge = proposed()
    other = person_of(born_on=date(1990, 1, 1))
    pairs = [
        (merge.kept_id, merge.kept_id),
        (merge.kept_id, other.pk),
        (person_of().pk, merge.merged_id),
    ]
    for kept_id, merged_id in pairs:
        with pytest.raises(MergeRefused):
            person_merge_propose(kept_id=kept_id, merged_id=merged_id, evidence="x", by="anna", now=NOW)
    with pytest.raises(MergeRefused):
        person_merge_propose(kept_id=person_of().pk, merged_id=person_of().pk, evidence=" ", by="anna", now=NOW)
    person_merge_approve(merge_id=merge.pk, by="bert", now=NOW)
    with pytest.raises(MergeRefused):
        person_merge_propose(
            kept_id=person_of().pk, merged_id=merge.merged_id, evidence="twice merged", by="anna", now=NOW
        )


# Death, guardians, erasure -----------------------------------------------------------------------------


def test_a_death_ends_what_runs(shelf: Shelf) -> None:
    authorisation = authorisation_of(shelf.policy, shelf.person, shelf.drug)
    person_death_record(
        person_id=shelf.person.pk, died_on=TODAY, evidence="paper 9", by="desk", now=NOW, trace_id=new_trace_id()
    )
    row = Authorisation.objects.get(pk=authorisation.pk)
    assert (row.state, row.state_reason) == ("ENDED", "person_died")
    person_death_undo(person_id=shelf.person.pk, evidence="wrong person", by="desk", now=NOW)
    assert Person.objects.get(pk=shelf.person.pk).died_on is None
    for day in (TODAY + timedelta(days=2), date(1980, 5, 16)):
        with pytest.raises(PersonInvalid):
            person_death_record(
                person_id=shelf.person.pk, died_on=day, evidence="x", by="desk", now=NOW, trace_id=new_trace_id()
            )


@pytest.mark.parametrize(
    ("born_on", "on", "needs"),
    [
        (date(2008, 11, 25), date(2026, 11, 24), True),
        (date(2008, 11, 25), date(2026, 11, 25), False),
        (date(2008, 2, 29), date(2026, 2, 28), True),
        (date(2008, 2, 29), date(2026, 3, 1), False),
    ],
)
def test_a_minor_is_of_age_on_the_eighteenth_birthday(born_on: date, on: date, needs: bool) -> None:
    assert needs_guardian(person=Person(born_on=born_on), on=on) is needs


def test_a_guardian_acts_from_the_first_to_the_last_day() -> None:
    parent, child = person_of(), person_of(born_on=date(2020, 1, 1))
    guardian = guardian_record(
        person_id=child.pk, guardian_id=parent.pk, evidence="birth paper", since=TODAY, by="desk", now=NOW
    )
    guardian_end(guardian_row_id=guardian.pk, until=TODAY + timedelta(days=9), by="desk", now=NOW)
    days = [TODAY + timedelta(days=offset) for offset in (-1, 0, 9, 10)]
    assert [wards_of(person_id=parent.pk, on=day) for day in days] == [[], [child.pk], [child.pk], []]


def test_who_cannot_have_or_be_a_guardian() -> None:
    adult, parent, child = person_of(), person_of(), person_of(born_on=date(2020, 1, 1))
    for person, guardian in ((adult, parent), (child, child), (child, person_of(born_on=date(2019, 1, 1)))):
        with pytest.raises(GuardianRefused):
            guardian_record(person_id=person.pk, guardian_id=guardian.pk, evidence="x", since=TODAY, by="desk", now=NOW)
    with pytest.raises(GuardianRefused):
        guardian_record(person_id=child.pk, guardian_id=parent.pk, evidence=" ", since=TODAY, by="desk", now=NOW)
    person_incapable_record(person_id=adult.pk, since=TODAY, by="desk", now=NOW)
    guardian_record(person_id=adult.pk, guardian_id=parent.pk, evidence="court", since=TODAY, by="desk", now=NOW)
    assert wards_of(person_id=parent.pk, on=TODAY) == [adult.pk]


def test_an_erased_person_is_locked_and_then_destroyed_by_key(transactional_db: None) -> None:
    phone = "13912345678"
    person = person_of(phone=phone, id_no=id_no(BORN, 1))
    with pytest.raises(NotErased):
        person_key_destroy(person_id=person.pk, by="desk", now=NOW)
    person_erase(person_id=person.pk, reason="asked for", by="desk", now=NOW)
    erased = Person.objects.get(pk=person.pk)
    assert persons_by_phone(phone=phone, now=NOW) == []
    with pytest.raises(PersonErased):
        person_facts(person=erased)
    held = person_facts(person=erased, legal_hold=True)
    assert (held.name, held.phone, held.address) == ("李雷", "", "")
    with pytest.raises(PersonErased):
        person_contact_set(person_id=person.pk, phone=phone, by="patient", now=NOW)
    with as_role("app"), seen_by(EVERYTHING), refused("permission denied"):
        person_key_destroy(person_id=person.pk, by="desk", now=NOW)
    with as_role("worker"), transaction.atomic():
        person_key_destroy(person_id=person.pk, by="desk", now=NOW)
    with pytest.raises(SealBroken):
        person_facts(person=erased, legal_hold=True)
    with refused("never deleted"):
        rows("DELETE FROM registry_person WHERE id = %s", [person.pk])


def test_nobody_is_nobody() -> None:
    from core.ids import uuid7

    with pytest.raises(NotFound):
        person_erase(person_id=uuid7(NOW), reason="x", by="desk", now=NOW)
