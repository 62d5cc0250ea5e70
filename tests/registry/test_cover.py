"""What a policy covers on a day: first and last days, waiting, grace, in the product's time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from registry.models import Person
from registry.selectors.policies import Cover, cover_on, policies_of
from registry.selectors.terms import terms_read
from registry.services.policies import MemberDraft
from registry.states import PolicyState
from tests.registry.house import FIRST_DAY, LAST_DAY, Shelf, person_of, policy_of, product_of

COVERED, WAITING, GRACE, NONE = "covered", "waiting", "grace", "none"


def word(cover: Cover) -> str:
    if cover.waiting_until is not None and (cover.in_force or cover.in_grace):
        return WAITING
    if cover.in_grace:
        return GRACE
    return COVERED if cover.in_force else NONE


def asked(shelf: Shelf, on: date | datetime, *, waiting_days: int = 30, grace_days: int = 60, **changes: Any) -> str:
    terms = replace(terms_read(terms=shelf.terms), waiting_days=waiting_days, grace_days=grace_days)
    policy = policy_of(shelf.product, shelf.person, **changes)
    cover = cover_on(policy=policy, person_id=shelf.person.pk, on=on, terms=terms)
    assert cover.covers == (word(cover) in (COVERED, GRACE))
    return word(cover)


@pytest.mark.parametrize(
    ("waiting_days", "on", "expected"),
    [
        (0, FIRST_DAY - timedelta(days=1), NONE),
        (0, FIRST_DAY, COVERED),
        (1, FIRST_DAY, WAITING),
        (1, date(2026, 1, 2), COVERED),
        (30, date(2026, 1, 30), WAITING),
        (30, date(2026, 1, 31), COVERED),
        (60, date(2026, 3, 1), WAITING),
        (60, date(2026, 3, 2), COVERED),
        (90, date(2026, 3, 31), WAITING),
        (90, date(2026, 4, 1), COVERED),
    ],
)
def test_waiting_days_end_on_their_last_day(shelf: Shelf, waiting_days: int, on: date, expected: str) -> None:
    assert asked(shelf, on, waiting_days=waiting_days) == expected


@pytest.mark.parametrize(
    ("grace_days", "on", "expected"),
    [
        (0, LAST_DAY, COVERED),
        (0, LAST_DAY + timedelta(days=1), NONE),
        (60, LAST_DAY, COVERED),
        (60, LAST_DAY + timedelta(days=1), GRACE),
        (60, LAST_DAY + timedelta(days=60), GRACE),
        (60, LAST_DAY + timedelta(days=61), NONE),
    ],
)
def test_grace_follows_the_last_day(shelf: Shelf, grace_days: int, on: date, expected: str) -> None:
    assert asked(shelf, on, grace_days=grace_days) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 30, 15, 59, 59, tzinfo=UTC), WAITING),
        (datetime(2026, 1, 30, 16, 0, tzinfo=UTC), COVERED),
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), NONE),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), WAITING),
        (datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC), COVERED),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), GRACE),
        (datetime(2027, 3, 1, 15, 59, 59, tzinfo=UTC), GRACE),
        (datetime(2027, 3, 1, 16, 0, tzinfo=UTC), NONE),
    ],
)
def test_a_moment_is_its_day_in_the_products_time_zone(shelf: Shelf, moment: datetime, expected: str) -> None:
    assert asked(shelf, moment) == expected


def test_the_same_moment_is_another_day_for_a_product_elsewhere(shelf: Shelf) -> None:
    product = product_of(shelf.insurer, "west-coast", time_zone="America/Los_Angeles")
    policy = policy_of(product, shelf.person)
    terms = replace(terms_read(terms=shelf.terms), waiting_days=0)
    moment = datetime(2026, 1, 1, 7, 59, tzinfo=UTC)
    before = cover_on(policy=policy, person_id=shelf.person.pk, on=moment, terms=terms)
    after = cover_on(policy=policy, person_id=shelf.person.pk, on=moment + timedelta(minutes=1), terms=terms)
    assert (word(before), word(after)) == (NONE, COVERED)


def test_a_renewal_waits_for_nothing(shelf: Shelf) -> None:
    assert asked(shelf, FIRST_DAY, first_started_on=date(2025, 1, 1)) == COVERED
    assert asked(shelf, FIRST_DAY, first_started_on=date(2025, 12, 2), waiting_days=30) == COVERED
    assert asked(shelf, FIRST_DAY, first_started_on=date(2025, 12, 3), waiting_days=30) == WAITING


def test_a_member_who_joins_later_waits_from_his_own_day(shelf: Shelf) -> None:
    joined = date(2026, 6, 1)
    members = [MemberDraft(person_id=shelf.person.pk, starts_on=joined, ends_on=date(2026, 9, 30))]
    expected = {
        date(2026, 5, 31): NONE,
        joined: WAITING,
        date(2026, 6, 30): WAITING,
        date(2026, 7, 1): COVERED,
        date(2026, 9, 30): COVERED,
        date(2026, 10, 1): NONE,
    }
    told = {on: asked(shelf, on, members=members, first_started_on=date(2020, 1, 1)) for on in expected}
    assert told == expected


@pytest.mark.parametrize(
    ("state", "in_year", "in_grace"),
    [
        (PolicyState.IN_FORCE, COVERED, GRACE),
        (PolicyState.LAPSED, COVERED, GRACE),
        (PolicyState.CANCELLED, NONE, NONE),
    ],
)
def test_a_cancelled_policy_covers_nothing_by_itself(
    shelf: Shelf, state: PolicyState, in_year: str, in_grace: str
) -> None:
    assert asked(shelf, date(2026, 6, 1), state=state) == in_year
    assert asked(shelf, date(2027, 1, 1), state=state) == in_grace


def test_cover_ends_with_a_life(shelf: Shelf) -> None:
    Person.objects.filter(pk=shelf.person.pk).update(died_on=date(2026, 6, 1))
    assert asked(shelf, date(2026, 6, 1)) == COVERED
    assert asked(shelf, date(2026, 6, 2)) == NONE


def test_a_stranger_is_not_covered(shelf: Shelf) -> None:
    stranger = person_of()
    cover = cover_on(
        policy=shelf.policy, person_id=stranger.pk, on=date(2026, 6, 1), terms=terms_read(terms=shelf.terms)
    )
    assert (cover.member, cover.covers) == (None, False)
    assert policies_of(person_id=stranger.pk) == []
    assert policies_of(person_id=shelf.person.pk) == [shelf.policy]
