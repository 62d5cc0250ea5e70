"""Who sees what of master data, and who writes it: two insurers, two patients, nobody and the platform, as role app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.services import organisation_create
from accounts.states import OrganisationKind
from core.errors import NotFound, Problem
from core.ids import new_trace_id, uuid7
from core.row_security import EVERYTHING, persons_see, seen_by
from registry.models import Person, Policy, Terms
from registry.selectors.persons import person_facts
from registry.selectors.terms import terms_read
from registry.services.authorisations import authorisation_end
from registry.services.benefits import benefits_hold, benefits_lock
from registry.services.lives import guardian_record
from registry.services.merges import person_merge_propose
from registry.services.persons import person_contact_set
from registry.services.policies import policies_import
from registry.services.shops import ShopDraft, shop_define, shop_price_set
from registry.services.terms import terms_approve, terms_draft, terms_propose
from tests.registry.house import (
    DRUG,
    NOW,
    TODAY,
    Shelf,
    authorisation_of,
    drug_of,
    insurer_of,
    make_shelf,
    person_of,
    policy_of,
    prescription_of,
    product_of,
    terms_body,
    terms_of,
)
from tests.registry.test_policies_import import LINE, csv_of
from tests.roles import as_role, rows


@dataclass(frozen=True)
class World:
    """A's person has all that can be had; B has a product, a policy and a person of its own."""

    a: Shelf
    b_person: Person
    b_policy: Policy
    draft: Terms


@pytest.fixture
def world(db: None) -> World:
    a = make_shelf()
    product = product_of(a.stranger, "their-care")
    terms_of(product)
    b_person = person_of(name="白特")
    b_policy = policy_of(product, b_person)
    draft = terms_draft(
        product_code=a.product.pk, effective_from=TODAY, body=terms_body(), by="anna", now=NOW, trace_id="t" * 8
    )
    child = person_of(born_on=date(2020, 1, 1))
    guardian_record(
        person_id=child.pk, guardian_id=a.person.pk, evidence="birth paper", since=TODAY, by="desk", now=NOW
    )
    double = person_of(id_type="03", id_no="E1")
    person_merge_propose(kept_id=a.person.pk, merged_id=double.pk, evidence="ticket", by="desk", now=NOW)
    policies_import(
        organisation=a.insurer,
        file_name="list.csv",
        content=csv_of(["P-7", *LINE[1:]]),
        dry_run=True,
        expected_totals=None,
        by="clerk",
        now=NOW,
    )
    authorisation_of(a.policy, a.person, a.drug)
    prescription_of(a.person, a.drug)
    hold(a)
    shop_at("SHOP-1")
    return World(a, b_person, b_policy, draft)


def shop_at(code: str) -> None:
    """A shop that sells a drug."""
    chain = insurer_of(f"CHAIN-{code}", OrganisationKind.PHARMACY_CHAIN)
    organisation_create(
        code=code,
        kind=OrganisationKind.PHARMACY_SHOP,
        name="Shop",
        name_zh="门店",
        parent_id=chain.pk,
        actor="platform",
        now=NOW,
    )
    shop = shop_define(
        draft=ShopDraft(
            organisation_code=code,
            name="Shop",
            name_zh="门店",
            address="1 Demo Road",
            latitude_micro=0,
            longitude_micro=0,
            licence_no="L-1",
            licence_until=date(2030, 1, 1),
        ),
        by="platform",
        now=NOW,
    )
    shop_price_set(
        shop_id=shop.pk, drug_code=DRUG, sku="S-1", price_minor=1, price_source="list", by="platform", now=NOW
    )


def hold(shelf: Shelf, amount: int = 1_000) -> None:
    read = terms_read(terms=shelf.terms)
    listed = read.listed(DRUG)
    assert listed is not None
    with transaction.atomic():
        benefits = benefits_lock(
            policy=shelf.policy,
            person_id=shelf.person.pk,
            drug=shelf.drug,
            listed=listed,
            terms=read,
            on=TODAY,
            now=NOW,
        )
        benefits_hold(
            benefits=benefits,
            cause_id=uuid7(NOW),
            episode=1,
            deductible_minor=0,
            payable_minor=amount,
            by="claims",
            now=NOW,
        )


@contextmanager
def acting(world: World, who: str) -> Iterator[None]:
    """As role app, seeing what `who` sees."""
    organisations: dict[str, Any] = {
        "insurer A": [world.a.insurer.pk],
        "insurer B": [world.a.stranger.pk],
        "platform": EVERYTHING,
    }
    persons = {"patient A": [world.a.person.pk], "patient B": [world.b_person.pk]}
    with as_role("app"), seen_by(organisations.get(who, [])):
        persons_see(persons.get(who, []))
        try:
            yield
        finally:
            if not transaction.get_connection().needs_rollback:
                persons_see([])


WHO = ("insurer A", "insurer B", "patient A", "patient B", "nobody", "platform")
SEEN = {
    "registry_drug": (2, 2, 2, 2, 2, 2),
    "registry_product": (2, 2, 2, 2, 2, 2),
    "registry_productshare": (2, 2, 2, 2, 2, 2),
    "registry_terms": (3, 2, 2, 2, 2, 3),
    "registry_policy": (1, 1, 1, 1, 0, 2),
    "registry_policymember": (1, 1, 1, 1, 0, 2),
    "registry_person": (1, 1, 1, 1, 0, 4),
    "registry_personmerge": (0, 0, 0, 0, 0, 1),
    "registry_guardian": (0, 0, 1, 0, 0, 1),
    "registry_policyimport": (1, 0, 0, 0, 0, 1),
    "registry_authorisation": (1, 0, 1, 0, 0, 1),
    "registry_prescription": (1, 0, 1, 0, 0, 1),
    "registry_benefitaccount": (5, 0, 5, 0, 0, 5),
    "registry_benefitmove": (4, 0, 4, 0, 0, 4),
    "registry_shop": (1, 1, 1, 1, 1, 1),
    "registry_shopdrug": (1, 1, 1, 1, 1, 1),
}


@pytest.mark.parametrize("table", sorted(SEEN))
def test_each_sees_his_own(world: World, table: str) -> None:
    seen = []
    for who in WHO:
        with acting(world, who):
            seen.append(rows(f"SELECT count(*) FROM {table}")[0][0])
    assert tuple(seen) == SEEN[table]


def test_no_table_of_master_data_is_left_out(db: None) -> None:
    tables = rows("SELECT tablename FROM pg_tables WHERE tablename LIKE 'registry\\_%'")
    assert {name for (name,) in tables} == set(SEEN)
    unfenced = "SELECT relname FROM pg_class WHERE relname LIKE 'registry\\_%' AND relkind = 'r' AND NOT relrowsecurity"
    assert rows(unfenced) == []


# Writing -----------------------------------------------------------------------------------------------


def approve(world: World) -> None:
    told: dict[str, Any] = {"terms_id": world.draft.pk, "now": NOW, "trace_id": new_trace_id()}
    terms_propose(version=0, by="anna", **told)
    terms_approve(version=1, by="bert", **told)


def end(world: World) -> None:
    (authorisation_id,) = rows("SELECT id FROM registry_authorisation") or [(uuid7(NOW),)]
    authorisation_end(authorisation_id=authorisation_id[0], reason="x", by="r", now=NOW, trace_id=new_trace_id())


def changed(sql: str) -> None:
    """Where no row may be changed none is found."""
    if not rows(sql):
        raise NotFound(noun="row", key="of the shop")


ACTS: dict[str, tuple[Callable[[World], Any], set[str]]] = {
    "a drug": (lambda world: drug_of("NEW-1"), {"platform"}),
    "a product of A": (lambda world: product_of(world.a.insurer, "new-care"), {"insurer A", "platform"}),
    "a draft of A": (
        lambda world: terms_draft(
            product_code=world.a.product.pk, effective_from=TODAY, body=terms_body(), by="x", now=NOW, trace_id="t" * 8
        ),
        {"insurer A", "platform"},
    ),
    "an approval of A": (approve, {"insurer A", "platform"}),
    "a policy of A": (lambda world: policy_of(world.a.product, world.a.person), {"insurer A", "platform"}),
    "a change of A's policy": (
        lambda world: policy_of(world.a.product, policy_no=world.a.policy.policy_no, sum_insured_minor=1),
        {"insurer A", "platform"},
    ),
    "an authorisation of A": (
        lambda world: authorisation_of(world.a.policy, world.a.person, world.a.other_drug),
        {"insurer A", "platform"},
    ),
    "a prescription of patient A": (
        lambda world: prescription_of(world.a.person, world.a.other_drug),
        {"insurer A", "patient A", "platform"},
    ),
    "a hold of patient A": (lambda world: hold(world.a), {"insurer A", "patient A", "platform"}),
    "another phone of patient A": (
        lambda world: person_contact_set(person_id=world.a.person.pk, phone="13800000000", by="x", now=NOW),
        {"patient A", "platform"},
    ),
    "an end of A's authorisation": (end, {"insurer A", "platform"}),
    "another price of a shop": (
        lambda world: changed("UPDATE registry_shopdrug SET price_minor = 2 RETURNING 1"),
        {"platform"},
    ),
    "another licence of a shop": (
        lambda world: changed("UPDATE registry_shop SET licence_until = '2031-01-01' RETURNING 1"),
        {"platform"},
    ),
    "a guardian for patient B": (
        lambda world: rows(
            "INSERT INTO registry_guardian (id, person_id, guardian_id, evidence, since, recorded_by, recorded_at) "
            "VALUES (gen_random_uuid(), %s, %s, 'x', '2026-01-01', 'x', now())",
            [world.b_person.pk, world.a.person.pk],
        ),
        {"platform"},
    ),
    "a place on B's policy": (
        lambda world: rows(
            "INSERT INTO registry_policymember (id, policy_id, organisation_id, person_id, relation, pre_existing, "
            "basic_insurance, starts_on) VALUES (gen_random_uuid(), %s, %s, %s, 'SELF', false, true, '2026-01-01')",
            [world.b_policy.pk, world.a.stranger.pk, world.a.person.pk],
        ),
        {"insurer B", "platform"},
    ),
    "a merge": (
        lambda world: person_merge_propose(
            kept_id=world.a.person.pk, merged_id=world.b_person.pk, evidence="x", by="x", now=NOW
        ),
        {"platform"},
    ),
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("act", sorted(ACTS))
def test_each_writes_his_own(world: World, act: str, who: str) -> None:
    service, allowed = ACTS[act]
    if who in allowed:
        with acting(world, who):
            service(world)
        return
    with pytest.raises((DatabaseError, NotFound, Problem)), transaction.atomic(), acting(world, who):
        service(world)
    rows("RESET ROLE")


def test_registering_a_person_shows_nobody_more_than_before(world: World) -> None:
    with acting(world, "insurer B"):
        found = person_of(id_no=person_facts_of(world.a.person), name="别名")
        assert found.pk == world.a.person.pk, "the same human being is one record for all insurers"
        assert not Person.objects.filter(pk=found.pk).exists(), "and B does not see it before it is on B's policy"
        assert rows("SELECT core_organisations(), core_everything()") == [([world.a.stranger.pk], False)]


def person_facts_of(person: Person) -> str:
    with as_role("worker"):
        number = person_facts(person=person).id_no
    rows("SET ROLE medisettle_app")
    return number
