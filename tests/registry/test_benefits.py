"""Deductible and caps: what is left, held, used, released and given back; and two claims for the last of a cap."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from core.ids import uuid7
from core.row_security import EVERYTHING, seen_by
from registry.models import BenefitAccount, BenefitMove, Person, Policy
from registry.selectors.benefits import policy_year_from
from registry.selectors.terms import terms_on, terms_read
from registry.services.benefits import (
    BenefitExhausted,
    BenefitHeldOtherwise,
    BenefitNotHeld,
    Benefits,
    benefits_give_back,
    benefits_hold,
    benefits_import,
    benefits_lock,
    benefits_release,
    benefits_use,
)
from tests.exchange.meetings import meet
from tests.registry.house import DRUG, NOW, OTHER_DRUG, TERMS, Shelf, person_of, policy_of, terms_of
from tests.roles import as_role, refused, rows

ON = date(2026, 6, 1)


def cause() -> UUID:
    return uuid7(NOW)


def lock(
    shelf: Shelf, *, drug: str = DRUG, on: date = ON, policy: Policy | None = None, person: Person | None = None
) -> Benefits:
    terms = terms_on(product_code=shelf.product.pk, on=on)
    assert terms is not None
    read = terms_read(terms=terms)
    listed = read.listed(drug)
    assert listed is not None
    return benefits_lock(
        policy=policy or shelf.policy,
        person_id=(person or shelf.person).pk,
        drug=shelf.drug if drug == DRUG else shelf.other_drug,
        listed=listed,
        terms=read,
        on=on,
        now=NOW,
    )


def hold(shelf: Shelf, cause_id: UUID, payable: int, deductible: int = 0, *, episode: int = 1, **asked: Any) -> None:
    with transaction.atomic():
        benefits_hold(
            benefits=lock(shelf, **asked),
            cause_id=cause_id,
            episode=episode,
            deductible_minor=deductible,
            payable_minor=payable,
            by="claims",
            now=NOW,
        )


def use(cause_id: UUID, payable: int, deductible: int = 0) -> None:
    benefits_use(cause_id=cause_id, deductible_minor=deductible, payable_minor=payable, by="insurer", now=NOW)


def left(shelf: Shelf, **asked: Any) -> tuple[int, int]:
    """(deductible, cap) that a claim would find."""
    with transaction.atomic():
        benefits = lock(shelf, **asked)
        return benefits.deductible_left_minor, benefits.cap_left_minor


def counts(shelf: Shelf) -> dict[str, tuple[int, int]]:
    return {row.kind: (row.held_minor, row.used_minor) for row in BenefitAccount.objects.filter(policy=shelf.policy)}


@pytest.mark.parametrize(
    ("changes", "drug", "least"),
    [
        ({}, DRUG, 30_000_000),
        ({"category_caps_minor": {"breast": 20_000_000}}, DRUG, 20_000_000),
        ({"annual_cap_minor": 10_000_000}, DRUG, 10_000_000),
        ({"annual_cap_minor": 900_000_000, "category_caps_minor": {}}, OTHER_DRUG, 200_000_000),
        ({"annual_cap_minor": None, "category_caps_minor": {}}, OTHER_DRUG, 200_000_000),
        ({"annual_cap_minor": 0}, DRUG, 0),
    ],
)
def test_the_least_of_the_caps_counts(shelf: Shelf, changes: dict[str, Any], drug: str, least: int) -> None:
    terms_of(shelf.product, **changes)
    assert left(shelf, drug=drug)[1] == least


def test_what_is_held_is_not_left_and_what_is_released_is(shelf: Shelf) -> None:
    terms_of(shelf.product, deductible_minor=2_000_000)
    claim = cause()
    hold(shelf, claim, 5_000_000, 2_000_000)
    assert left(shelf) == (0, 25_000_000)
    benefits_release(cause_id=claim, by="claims", now=NOW)
    benefits_release(cause_id=claim, by="claims", now=NOW)
    assert left(shelf) == (2_000_000, 30_000_000)
    assert set(counts(shelf).values()) == {(0, 0)}


def test_a_confirmation_uses_its_part_and_frees_the_rest(shelf: Shelf) -> None:
    terms_of(shelf.product, deductible_minor=2_000_000)
    claim = cause()
    hold(shelf, claim, 5_000_000, 2_000_000)
    use(claim, 3_000_000, 1_000_000)
    use(claim, 3_000_000, 1_000_000)
    assert left(shelf) == (1_000_000, 27_000_000)
    assert counts(shelf)["DEDUCTIBLE"] == (0, 1_000_000)
    assert counts(shelf)["DRUG_CAP"] == counts(shelf)["SUM_INSURED"] == (0, 3_000_000)


def test_an_undone_confirmation_gives_back_and_is_held_again_in_the_next_episode(shelf: Shelf) -> None:
    claim = cause()
    hold(shelf, claim, 5_000_000)
    use(claim, 5_000_000)
    benefits_give_back(cause_id=claim, by="claims", now=NOW)
    benefits_give_back(cause_id=claim, by="claims", now=NOW)
    assert left(shelf)[1] == 30_000_000
    with pytest.raises(BenefitHeldOtherwise):
        hold(shelf, claim, 5_000_000, episode=1)
    hold(shelf, claim, 6_000_000, episode=2)
    use(claim, 6_000_000)
    assert counts(shelf)["ANNUAL_CAP"] == (0, 6_000_000)


def test_the_same_hold_again_changes_nothing_and_another_is_refused(shelf: Shelf) -> None:
    claim = cause()
    hold(shelf, claim, 5_000_000)
    hold(shelf, claim, 5_000_000)
    assert left(shelf)[1] == 25_000_000
    for amount, episode in ((4_000_000, 1), (5_000_000, 2)):
        with pytest.raises(BenefitHeldOtherwise):
            hold(shelf, claim, amount, episode=episode)
    assert left(shelf)[1] == 25_000_000


def test_it_holds_up_to_the_last_fen_and_no_further(shelf: Shelf) -> None:
    hold(shelf, cause(), 29_999_999)
    with pytest.raises(BenefitExhausted):
        hold(shelf, cause(), 2)
    hold(shelf, cause(), 1)
    assert left(shelf)[1] == 0
    with pytest.raises(BenefitExhausted):
        hold(shelf, cause(), 0, deductible=1)


def test_nobody_uses_more_than_he_holds(shelf: Shelf) -> None:
    claim = cause()
    hold(shelf, claim, 5_000_000)
    for payable, deductible in ((5_000_001, 0), (5_000_000, 1)):
        with pytest.raises(BenefitNotHeld):
            use(claim, payable, deductible)
    with pytest.raises(BenefitNotHeld):
        use(cause(), 1)
    use(claim, 5_000_000)
    with pytest.raises(BenefitHeldOtherwise):
        use(claim, 4_000_000)


def test_a_cap_belongs_to_its_drug_category_year_policy_and_person(shelf: Shelf) -> None:
    hold(shelf, cause(), 30_000_000)
    assert left(shelf)[1] == 0
    assert left(shelf, drug=OTHER_DRUG)[1] == 70_000_000, "the annual cap is common to both drugs"
    other = person_of()
    policy = policy_of(shelf.product, other, starts_on=date(2025, 7, 1), ends_on=date(2027, 6, 30))
    hold(shelf, cause(), 30_000_000, policy=policy, person=other)
    assert left(shelf, policy=policy, person=other, on=date(2026, 6, 30))[1] == 0
    assert left(shelf, policy=policy, person=other, on=date(2026, 7, 1))[1] == 30_000_000


def test_the_sum_insured_runs_through_all_years(shelf: Shelf) -> None:
    policy = policy_of(
        shelf.product,
        shelf.person,
        starts_on=date(2025, 7, 1),
        ends_on=date(2027, 6, 30),
        sum_insured_minor=40_000_000,
    )
    hold(shelf, cause(), 30_000_000, policy=policy)
    assert left(shelf, policy=policy, on=date(2026, 7, 1))[1] == 10_000_000


def test_what_was_used_before_we_knew_the_policy_is_not_left(shelf: Shelf) -> None:
    terms_of(shelf.product, deductible_minor=2_000_000)
    row = cause()

    def told(payable: int, deductible: int, cause_id: UUID = row) -> None:
        with transaction.atomic():
            benefits_import(
                benefits=lock(shelf),
                cause_id=cause_id,
                deductible_minor=deductible,
                payable_minor=payable,
                by="import",
                now=NOW,
            )

    told(5_000_000, 2_000_000)
    told(5_000_000, 2_000_000)
    assert left(shelf) == (0, 25_000_000)
    with pytest.raises(BenefitHeldOtherwise):
        told(5_000_001, 2_000_000)
    with pytest.raises(BenefitExhausted):
        told(25_000_001, 0, cause())
    assert counts(shelf)["SUM_INSURED"] == (0, 5_000_000)


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "on", "year_from"),
    [
        (date(2026, 1, 1), date(2026, 12, 31), date(2026, 1, 1), date(2026, 1, 1)),
        (date(2026, 1, 1), date(2026, 12, 31), date(2027, 2, 1), date(2026, 1, 1)),
        (date(2025, 7, 1), date(2027, 6, 30), date(2026, 6, 30), date(2025, 7, 1)),
        (date(2025, 7, 1), date(2027, 6, 30), date(2026, 7, 1), date(2026, 7, 1)),
        (date(2024, 2, 29), date(2027, 2, 28), date(2025, 2, 28), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2027, 2, 28), date(2025, 3, 1), date(2025, 3, 1)),
        (date(2026, 1, 1), date(2026, 12, 31), date(2025, 1, 1), date(2026, 1, 1)),
    ],
)
def test_a_policy_year_begins_on_the_anniversary(starts_on: date, ends_on: date, on: date, year_from: date) -> None:
    assert policy_year_from(policy=Policy(starts_on=starts_on, ends_on=ends_on), on=on) == year_from


def test_a_limit_follows_the_terms_of_the_day_and_never_below_what_was_drawn(shelf: Shelf) -> None:
    claim = cause()
    hold(shelf, claim, 20_000_000)
    drugs = [{**TERMS["drugs"][0], "cap_minor": 10_000_000}]
    terms_of(shelf.product, date(2026, 7, 1), drugs=drugs)
    assert left(shelf, on=date(2026, 7, 1))[1] == 0
    assert left(shelf, on=date(2026, 6, 30))[1] == 10_000_000
    use(claim, 20_000_000)


def test_counts_change_by_their_moves_only(shelf: Shelf) -> None:
    hold(shelf, cause(), 1_000)
    with refused("by their moves only"):
        BenefitAccount.objects.update(held_minor=0)
    with refused("append-only"):
        BenefitMove.objects.update(amount_minor=1)


# Two claims at once ------------------------------------------------------------------------------------


def claimed(shelf: Shelf, amount: int, drug: str = DRUG) -> Any:
    def act() -> str:
        with as_role("app"), seen_by(EVERYTHING):
            hold(shelf, cause(), amount, drug=drug)
        return "held"

    return act


def words(results: tuple[Any, Any]) -> list[str]:
    return [one if isinstance(one, str) else type(one).__name__ for one in results]


@pytest.mark.parametrize("first_ever", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (20_000_000, 20_000_000, ["held", "BenefitExhausted"]),
        (20_000_000, 10_000_000, ["held", "held"]),
        (20_000_000, 10_000_001, ["held", "BenefitExhausted"]),
    ],
)
def test_two_claims_for_the_last_of_a_cap(
    committed_shelf: Shelf, first: int, second: int, expected: list[str], first_ever: bool
) -> None:
    shelf = committed_shelf
    if not first_ever:
        left(shelf)
    results = meet(claimed(shelf, first), claimed(shelf, second), after="FOR UPDATE")
    assert words(results) == expected
    assert counts(shelf)["DRUG_CAP"][0] == first + (second if expected[1] == "held" else 0)


def test_two_drugs_for_the_last_of_the_annual_cap(committed_shelf: Shelf) -> None:
    shelf = committed_shelf
    terms_of(shelf.product, annual_cap_minor=30_000_000)
    results = meet(claimed(shelf, 20_000_000), claimed(shelf, 20_000_000, OTHER_DRUG), after="FOR UPDATE")
    assert words(results) == ["held", "BenefitExhausted"]


def test_a_confirmation_against_a_withdrawal_moves_the_hold_once(committed_shelf: Shelf) -> None:
    shelf = committed_shelf
    claim = cause()
    hold(shelf, claim, 20_000_000)

    def confirm() -> str:
        use(claim, 20_000_000)
        return "used"

    def withdraw() -> str:
        benefits_release(cause_id=claim, by="patient", now=NOW)
        return "released"

    assert words(meet(confirm, withdraw, after="FOR UPDATE")) == ["used", "released"]
    assert counts(shelf)["DRUG_CAP"] == (0, 20_000_000)
    assert rows("SELECT count(*) FROM registry_benefitmove WHERE kind = 'RELEASE'") == [(0,)]
