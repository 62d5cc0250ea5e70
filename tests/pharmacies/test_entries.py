"""How a chain and its shops come in, who looks at what, and what suspends them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from accounts.models import Organisation, User
from accounts.services import organisation_create, user_create
from accounts.states import OrganisationKind, Role
from core.errors import Forbidden
from pharmacies.models import Entry, Pharmacist
from pharmacies.services.entries import (
    EntryConditionsOpen,
    EntryConditionUnclear,
    EntryExists,
    entries_review,
    entry_apply,
    entry_check,
    entry_go_live,
    entry_hand_in,
)
from pharmacies.services.pharmacists import PharmacistInvalid, pharmacist_leave, pharmacist_register
from pharmacies.states import EntryState, PharmacistRole
from registry.services.shops import ShopInvalid, shop_price_set
from tests.claims.house import TRACE
from tests.pharmacies.house import Town, stocked
from tests.registry.house import DRUG, NOW, OTHER_DRUG, insurer_of

pytestmark = pytest.mark.django_db
NEXT_YEAR = date(2027, 11, 25)


@pytest.fixture
def operator(town: Town) -> User:
    return staff(Role.OPERATOR)


def staff(*roles: Role) -> User:
    platform = Organisation.objects.filter(kind=OrganisationKind.PLATFORM).first() or insurer_of(
        "MEDISETTLE", OrganisationKind.PLATFORM
    )
    return user_create(
        username=f"staff-{User.objects.count()}",
        display_name="Staff",
        organisation_id=platform.pk,
        roles=list(roles),
        password="a long pass phrase",
        actor="platform",
        now=NOW,
    )


def applied(town: Town, code: str = "SHOP-NEW") -> Entry:
    house = organisation_create(
        code=code,
        kind=OrganisationKind.PHARMACY_SHOP,
        name="New",
        name_zh="新店",
        parent_id=town.chain.pk,
        actor="platform",
        now=NOW,
    )
    return entry_apply(organisation=house, by="chain", now=NOW, trace_id=TRACE)


def licence(entry: Entry, until: date = NEXT_YEAR) -> None:
    entry_hand_in(
        entry_id=entry.pk, kind="LICENCE", evidence="L-9", valid_until=until, by="chain", now=NOW, trace_id=TRACE
    )


def checked(entry: Entry, kind: str, user: User, *, good: bool = True) -> Entry:
    return entry_check(entry_id=entry.pk, kind=kind, good=good, user=user, now=NOW, trace_id=TRACE)


def signing(organisation_id: int, until: date = NEXT_YEAR) -> Pharmacist:
    return pharmacist_register(
        organisation_id=organisation_id,
        username="p-1",
        name="王药师",
        licence_no="P-1",
        licence_until=until,
        roles=list(PharmacistRole),
        by="chain",
        now=NOW,
    )


def test_a_paper_without_its_last_day_or_past_it_is_not_taken(town: Town) -> None:
    entry = applied(town)
    for until in (None, NOW.date() - timedelta(days=1)):
        with pytest.raises(EntryConditionUnclear):
            licence(entry, until)  # type: ignore[arg-type]


def test_nobody_applies_twice_and_nobody_checks_what_is_not_his(town: Town, operator: User) -> None:
    entry = applied(town)
    with pytest.raises(EntryExists):
        entry_apply(organisation=entry.organisation, by="chain", now=NOW, trace_id=TRACE)
    licence(entry)
    with pytest.raises(Forbidden):
        checked(entry, "LICENCE", staff(Role.AUDITOR))
    with pytest.raises(EntryConditionUnclear):
        checked(entry, "PHARMACISTS", operator)
    with pytest.raises(EntryConditionsOpen):
        entry_go_live(entry_id=entry.pk, user=operator, now=NOW, trace_id=TRACE)


def test_a_chain_goes_live_with_contract_and_account_each_found_good_by_another(town: Town, operator: User) -> None:
    chain = insurer_of("CHAIN-B", OrganisationKind.PHARMACY_CHAIN)
    entry = entry_apply(organisation=chain, by="chain", now=NOW, trace_id=TRACE)
    for kind in ("CONTRACT", "ACCOUNT"):
        entry_hand_in(
            entry_id=entry.pk, kind=kind, evidence="N-1", valid_until=NEXT_YEAR, by="chain", now=NOW, trace_id=TRACE
        )
    assert checked(entry, "CONTRACT", operator).state == EntryState.APPLIED
    with pytest.raises(Forbidden):
        checked(entry, "ACCOUNT", operator)
    assert checked(entry, "ACCOUNT", staff(Role.AUDITOR)).state == EntryState.CONDITIONS_CHECKED
    assert entry_go_live(entry_id=entry.pk, user=operator, now=NOW, trace_id=TRACE).state == EntryState.LIVE


def test_a_licence_that_runs_out_suspends_and_its_last_day_does_not(town: Town) -> None:
    live = Entry.objects.get(organisation_id=town.near.organisation_id)
    live.conditions.create(kind="LICENCE", verdict="GOOD", valid_until=NEXT_YEAR)
    at_its_end = NOW.replace(year=2027)
    assert entries_review(now=at_its_end, limit=10) == 0
    assert entries_review(now=at_its_end + timedelta(days=1), limit=10) == 1
    live = Entry.objects.get(pk=live.pk)
    assert (live.state, live.state_reason) == (EntryState.SUSPENDED, "ran_out: LICENCE")


def test_where_nobody_checks_any_more_no_order_comes(town: Town) -> None:
    live = Entry.objects.get(organisation_id=town.near.organisation_id)
    live.conditions.create(kind="PHARMACISTS", verdict="GOOD")
    assert entries_review(now=NOW, limit=10) == 0
    checker = Pharmacist.objects.get(organisation_id=town.near.organisation_id, username="pharmacist-3")
    pharmacist_leave(pharmacist_id=checker.pk, by="chain", now=NOW)
    assert entries_review(now=NOW, limit=10) == 1


def test_a_pharmacist_has_a_licence_that_has_not_ended(town: Town) -> None:
    with pytest.raises(PharmacistInvalid):
        signing(town.near.organisation_id, NOW.date() - timedelta(days=1))
    assert signing(town.near.organisation_id).roles == ["AUDIT", "CHECK", "DISPENSE"]


def test_a_shops_number_names_one_drug_and_its_price_is_above_nothing(town: Town) -> None:
    stocked(town.near)
    for changes in ({"price_minor": 0}, {"drug_code": OTHER_DRUG, "sku": f"SKU-{DRUG}"}, {"price_source": " "}):
        values = {"drug_code": DRUG, "sku": "S", "price_minor": 1, "price_source": "list"}
        with pytest.raises(ShopInvalid):
            shop_price_set(shop_id=town.near.pk, by="chain", now=NOW, **(values | changes))  # type: ignore[arg-type]
