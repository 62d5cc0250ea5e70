"""Who sees what of a claim, as role app: the fence is PostgreSQL's, the selectors say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import Organisation, User
from accounts.services import user_create
from accounts.states import OrganisationKind, Role
from claims.models import Claim, Document, DocumentPage
from claims.selectors.claims import claim_by_no, claims_of_persons, claims_visible_to, claims_worked_by
from claims.selectors.documents import documents_visible, page_visible
from claims.selectors.timeline import timeline_of
from claims.services.documents import document_read, page_read
from claims.services.drafts import claim_submit
from claims.services.ends import claim_withdraw
from claims.services.leases import lease_take
from claims.services.review import confirmation_decide
from claims.states import Audience, ClaimState, Stage
from core.crypto import SealBroken, ring
from core.errors import NotFound
from core.row_security import EVERYTHING, organisations_see, persons_see
from registry.models import Person
from registry.selectors.persons import person_facts
from registry.states import DocumentKind
from tests.claims.house import (
    PATIENT,
    PAYABLE,
    REVIEWER,
    TRACE,
    approving,
    asked,
    begun,
    drafted,
    filed,
    fresh,
    held_and_used,
    passed,
    uploaded,
)
from tests.registry.house import NOW, Shelf, insurer_of, make_shelf, person_of, policy_of, product_of, terms_of
from tests.roles import as_role


@dataclass(frozen=True)
class Cast:
    shelf: Shelf
    lead: Organisation
    co_insurer: Organisation
    administrator: Organisation
    stranger: Organisation
    platform: Organisation
    claim: Claim


@pytest.fixture
def cast(db: None) -> Cast:
    """A claim of a product that two insurers carry and an administrator works, with the lead insurer for decision."""
    base = make_shelf()
    co_insurer, administrator = insurer_of("INS-CO"), insurer_of("TPA-ONE", OrganisationKind.TPA)
    shares = {base.insurer.pk: 7_000, co_insurer.pk: 3_000}
    product = product_of(base.insurer, "shared-care", shares=shares, administrator_id=administrator.pk)
    terms, person = terms_of(product), person_of()
    shelf = Shelf(
        base.insurer,
        base.stranger,
        product,
        terms,
        base.drug,
        base.other_drug,
        person,
        policy_of(product, person),
    )
    claim = passed(begun(filed(shelf)))
    platform = insurer_of("THE-PLATFORM", OrganisationKind.PLATFORM)
    return Cast(shelf, base.insurer, co_insurer, administrator, base.stranger, platform, claim)


@contextmanager
def organisation_sees(organisation: Organisation | None) -> Iterator[None]:
    """A staff request of the organisation; None: of the platform."""
    with as_role("app"), transaction.atomic():
        ring.forget()
        organisations_see(EVERYTHING if organisation is None else [organisation.pk])
        yield


@contextmanager
def patient_sees(*persons: Person) -> Iterator[None]:
    with as_role("app"), transaction.atomic():
        ring.forget()
        organisations_see([])
        persons_see([person.pk for person in persons])
        yield


def clerk(organisation: Organisation) -> User:
    return user_create(
        username=f"user-{organisation.code.lower()}",
        password="correct horse battery",
        organisation_id=organisation.pk,
        roles=[Role.INSURER_CLERK if organisation.kind == OrganisationKind.INSURER else Role.REVIEWER],
        display_name="Clerk",
        actor="platform",
        now=NOW,
    )


PARTIES: list[Callable[[Cast], Organisation | None]] = [
    lambda cast: cast.lead,
    lambda cast: cast.co_insurer,
    lambda cast: cast.administrator,
    lambda cast: None,
]


@pytest.mark.parametrize("who", PARTIES, ids=["lead", "co-insurer", "administrator", "platform"])
def test_a_party_sees_claim_person_papers_and_history(cast: Cast, who: Callable[[Cast], Organisation | None]) -> None:
    with organisation_sees(who(cast)):
        claim = claim_by_no(claim_no=cast.claim.claim_no)
        assert claim is not None
        assert person_facts(person=claim.person).name == "李雷"
        documents = list(documents_visible(claim=claim, role=Audience.INSURER))
        assert [document.kind for document in documents] == ["ID_CARD", "PRESCRIPTION"]
        assert document_read(document=documents[0]).startswith(b"\xff\xd8")
        page = page_visible(claim=claim, document_id=documents[0].pk, number=1, role=Audience.INSURER)
        assert page is not None
        assert page_read(page=page).startswith(b"\xff\xd8")
        assert timeline_of(claim=claim, audience=Audience.INSURER)


def test_a_stranger_sees_nothing_of_it(cast: Cast) -> None:
    with organisation_sees(cast.stranger):
        assert claim_by_no(claim_no=cast.claim.claim_no) is None
        assert not Claim.objects.exists()
        assert not Document.objects.exists()
        assert not DocumentPage.objects.exists()
        assert not Person.objects.filter(pk=cast.shelf.person.pk).exists()
        assert timeline_of(claim=cast.claim, audience=None) == []
        with pytest.raises(NotFound):
            lease_take(claim_id=cast.claim.pk, stage=Stage.CONFIRMATION, holder="x", holder_name="X", now=NOW)
        with pytest.raises(NotFound):
            confirmation_decide(claim_id=cast.claim.pk, version=None, decision=approving(), now=NOW, trace_id=TRACE)


def test_a_stranger_with_a_document_in_his_hand_cannot_open_it(cast: Cast) -> None:
    document = cast.claim.documents.all()[0]
    with organisation_sees(cast.stranger), pytest.raises(SealBroken):
        document_read(document=document)


def test_another_patient_sees_nothing_of_it(cast: Cast) -> None:
    with patient_sees(person_of()):
        assert not Claim.objects.exists()
        assert not Document.objects.exists()
        with pytest.raises(NotFound):
            claim_withdraw(claim_id=cast.claim.pk, by="patient:x", now=NOW, trace_id=TRACE)


@pytest.mark.parametrize(
    ("who", "visible", "worked"),
    [
        (lambda cast: cast.lead, 1, 1),
        (lambda cast: cast.co_insurer, 1, 0),
        (lambda cast: cast.administrator, 1, 1),
        (lambda cast: cast.platform, 1, 1),
        (lambda cast: cast.stranger, 0, 0),
    ],
    ids=["lead", "co-insurer", "administrator", "platform", "stranger"],
)
def test_the_selectors_say_the_same_without_the_fence(
    cast: Cast, who: Callable[[Cast], Organisation], visible: int, worked: int
) -> None:
    drafted(cast.shelf)
    user = clerk(who(cast))
    assert (claims_visible_to(user=user).count(), claims_worked_by(user=user).count()) == (visible, worked)


def test_a_draft_is_seen_by_its_patient_only(cast: Cast) -> None:
    draft = drafted(cast.shelf)
    for organisation in (cast.lead, cast.co_insurer, cast.administrator):
        with organisation_sees(organisation):
            assert claim_by_no(claim_no=draft.claim_no) is None
    with patient_sees(cast.shelf.person):
        assert draft in claims_of_persons(person_ids=[cast.shelf.person.pk])


def test_a_party_whose_part_is_over_sees_it_no_more(cast: Cast) -> None:
    cast.claim.parties.filter(organisation=cast.co_insurer).update(until=NOW + timedelta(days=1))
    with organisation_sees(cast.co_insurer):
        assert claim_by_no(claim_no=cast.claim.claim_no) is None


def test_the_administrator_decides_and_the_lead_insurers_counts_move(cast: Cast) -> None:
    with organisation_sees(cast.administrator):
        decision = approving(by="user-tpa")
        confirmation_decide(
            claim_id=cast.claim.pk, version=cast.claim.version, decision=decision, now=NOW, trace_id=TRACE
        )
    assert fresh(cast.claim).state == ClaimState.CONFIRMED
    assert held_and_used(cast.shelf.policy, cast.shelf.person)["ANNUAL_CAP"] == (0, PAYABLE)


def test_a_patient_drafts_uploads_and_files_by_himself(shelf: Shelf) -> None:
    with patient_sees(shelf.person):
        claim = drafted(shelf)
        claim_submit(claim_id=claim.pk, by=PATIENT, now=NOW, trace_id=TRACE)
        assert [entry.kind for entry in timeline_of(claim=claim, audience=Audience.PATIENT)][-1] == "claim.submitted"
        begun_by_nobody = list(fresh(claim).parties.all())
        assert begun_by_nobody == []  # Who else sees his claim stands in the product's shares.
    with organisation_sees(shelf.insurer):
        assert claim_by_no(claim_no=claim.claim_no) is not None


def test_a_patient_answers_and_withdraws_by_himself(shelf: Shelf) -> None:
    claim = begun(filed(shelf))
    asked(claim)
    with patient_sees(shelf.person):
        uploaded(claim, DocumentKind.PATHOLOGY)
        claim_withdraw(claim_id=claim.pk, by="patient:x", on_behalf=True, now=NOW, trace_id=TRACE)
    assert held_and_used(shelf.policy, shelf.person)["ANNUAL_CAP"] == (0, 0)


def test_each_lens_shows_its_side(cast: Cast) -> None:
    claim = cast.claim
    asked(claim, by="user-ins")
    lenses = {
        role: {entry.kind: entry.who for entry in timeline_of(claim=claim, audience=role)} for role in [None, *Audience]
    }
    assert lenses[Audience.PHARMACY] == {}
    assert lenses[Audience.PATIENT]["prereview.passed"] == "platform"
    assert lenses[Audience.INSURER]["prereview.passed"] == "platform"
    assert lenses[Audience.PREREVIEW]["prereview.passed"] == REVIEWER
    assert lenses[None]["materials.requested"] == "user-ins"
    assert "claim.drafted" not in lenses[Audience.INSURER]
    assert "claim.drafted" in lenses[Audience.PATIENT]
