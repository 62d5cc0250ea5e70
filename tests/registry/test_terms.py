"""Terms: drafted by one, approved by another, in force from their day on; and what an approval would change."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from core.ids import new_trace_id
from core.models import Transition
from registry.models import Terms
from registry.selectors.terms import listed_on, terms_on, terms_read
from registry.services.terms import (
    TermsMoved,
    TermsNeedAnother,
    TermsOfAnother,
    terms_approve,
    terms_change,
    terms_draft,
    terms_impact,
    terms_propose,
    terms_send_back,
    terms_withdraw,
)
from registry.states import ClaimKind
from registry.terms import TermsInvalid, parse
from tests.registry.house import (
    DRUG,
    NOW,
    OTHER_DRUG,
    TERMS,
    Shelf,
    authorisation_of,
    drug_of,
    person_of,
    policy_of,
    terms_body,
    terms_of,
)
from tests.roles import refused, rows

JULY = date(2026, 7, 1)


def drafted(shelf: Shelf, effective_from: date = JULY, **changes: Any) -> Terms:
    return terms_draft(
        product_code=shelf.product.pk,
        effective_from=effective_from,
        body=terms_body(**changes),
        by="anna",
        now=NOW,
        trace_id=new_trace_id(),
    )


def move(act: Any, terms: Terms, by: str = "anna", **more: Any) -> Terms:
    version = more.pop("version", Terms.objects.get(pk=terms.pk).version)
    moved: Terms = act(terms_id=terms.pk, version=version, by=by, now=NOW, trace_id=new_trace_id(), **more)
    return moved


def in_force(shelf: Shelf, on: date) -> int:
    terms = terms_on(product_code=shelf.product.pk, on=on)
    return terms.number if terms is not None else 0


# A life of terms ---------------------------------------------------------------------------------------


def test_a_draft_is_proposed_by_one_and_approved_by_another(shelf: Shelf) -> None:
    terms = drafted(shelf)
    assert in_force(shelf, JULY) == 1
    move(terms_propose, terms)
    assert in_force(shelf, JULY) == 1
    approved = move(terms_approve, terms, by="bert")
    assert (approved.state, approved.approved_by, in_force(shelf, JULY)) == ("APPROVED", "bert", 2)
    history = Transition.objects.filter(entity_id=str(terms.pk)).order_by("id")
    assert [(one.to_state, one.by) for one in history] == [("PROPOSED", "anna"), ("APPROVED", "bert")]


def test_nobody_approves_his_own(shelf: Shelf) -> None:
    terms = move(terms_propose, drafted(shelf))
    with pytest.raises(TermsNeedAnother):
        move(terms_approve, terms, by="anna")
    with refused("terms_are_approved_by_another_person"):
        rows(
            "UPDATE registry_terms SET state = 'APPROVED', approved_by = 'anna', version = version + 1 WHERE id = %s",
            [terms.pk],
        )
    assert in_force(shelf, JULY) == 1


def test_what_is_sent_back_is_changed_by_its_drafter_only(shelf: Shelf) -> None:
    terms = move(terms_propose, drafted(shelf))
    move(terms_send_back, terms, by="bert", reason="the cap is too high")
    change: dict[str, Any] = {"terms_id": terms.pk, "version": 2, "now": NOW, "body": terms_body(waiting_days=90)}
    with pytest.raises(TermsOfAnother):
        terms_change(by="bert", **change)
    terms_change(by="anna", **change)
    move(terms_approve, move(terms_propose, terms), by="bert")
    latest = terms_on(product_code=shelf.product.pk, on=JULY)
    assert latest is not None
    assert terms_read(terms=latest).waiting_days == 90


def test_what_somebody_changed_meanwhile_is_not_approved(shelf: Shelf) -> None:
    terms = drafted(shelf)
    with pytest.raises(TermsMoved):
        terms_change(terms_id=terms.pk, version=5, by="anna", now=NOW, note="x")
    move(terms_propose, terms)
    move(terms_send_back, terms, by="bert", reason="again")
    terms_change(terms_id=terms.pk, version=2, by="anna", now=NOW, body=terms_body(waiting_days=0))
    move(terms_propose, terms)
    with pytest.raises(TermsMoved):
        move(terms_approve, terms, by="bert", version=1)


STATES = ("DRAFT", "PROPOSED", "APPROVED", "WITHDRAWN")
ALLOWED = {
    "DRAFT": {"propose", "withdraw"},
    "PROPOSED": {"send_back", "approve", "withdraw"},
    "APPROVED": set(),
    "WITHDRAWN": set(),
}
ACTS: dict[str, tuple[Any, dict[str, str]]] = {
    "propose": (terms_propose, {}),
    "send_back": (terms_send_back, {"reason": "x"}),
    "approve": (terms_approve, {"by": "bert"}),
    "withdraw": (terms_withdraw, {"reason": "x"}),
}


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("state", STATES)
def test_each_move_is_allowed_or_refused(shelf: Shelf, state: str, act: str) -> None:
    terms = drafted(shelf)
    if state in ("PROPOSED", "APPROVED"):
        move(terms_propose, terms)
    if state == "APPROVED":
        move(terms_approve, terms, by="bert")
    if state == "WITHDRAWN":
        move(terms_withdraw, terms, reason="never")
    service, more = ACTS[act]
    if act in ALLOWED[state]:
        move(service, terms, **more)
        return
    with pytest.raises(TermsMoved):
        move(service, terms, **more)


def test_terms_in_force_are_fixed_and_never_deleted(shelf: Shelf) -> None:
    with refused("approved terms do not change"):
        rows("UPDATE registry_terms SET body = '{}', version = version + 1 WHERE id = %s", [shelf.terms.pk])
    with refused("never deleted"):
        rows("DELETE FROM registry_terms WHERE id = %s", [shelf.terms.pk])


def test_of_two_versions_from_one_day_the_later_one_counts(shelf: Shelf) -> None:
    terms_of(shelf.product, JULY, waiting_days=60)
    terms_of(shelf.product, JULY, waiting_days=90)
    assert [in_force(shelf, day) for day in (date(2019, 12, 31), date(2026, 6, 30), JULY)] == [0, 1, 3]


# The list on a day -------------------------------------------------------------------------------------


def without(drug: str) -> list[Any]:
    return [one for one in TERMS["drugs"] if one["drug"] != drug]


@pytest.mark.parametrize(
    ("on", "authorised_on", "rule", "number"),
    [
        (date(2026, 6, 30), None, "continue", 1),
        (JULY, None, "continue", None),
        (JULY, date(2026, 6, 30), "continue", 1),
        (JULY, JULY, "continue", None),
        (JULY, date(2026, 6, 30), "end", None),
        (date(2026, 6, 30), date(2026, 6, 1), "end", 1),
        (date(2026, 6, 30), JULY, "continue", 1),
    ],
)
def test_a_drug_leaves_the_list_on_its_day(
    shelf: Shelf, on: date, authorised_on: date | None, rule: str, number: int | None
) -> None:
    terms_of(shelf.product, JULY, drugs=without(OTHER_DRUG), running_on_delisting=rule)
    found = listed_on(product_code=shelf.product.pk, drug_code=OTHER_DRUG, on=on, authorised_on=authorised_on)
    assert (found.terms.number if found else None) == number
    kept = listed_on(product_code=shelf.product.pk, drug_code=DRUG, on=JULY)
    assert kept is not None
    assert kept.terms.number == 2


def test_the_checklist_is_of_drug_and_kind(shelf: Shelf) -> None:
    read = terms_read(terms=shelf.terms)
    kinds = {
        (drug, kind): [one.kind.value for one in read.checklist(drug=drug, kind=kind)]
        for drug in (DRUG, OTHER_DRUG)
        for kind in ClaimKind
    }
    assert kinds == {
        (DRUG, ClaimKind.FIRST): ["ID_CARD", "PRESCRIPTION"],
        (DRUG, ClaimKind.RENEWAL): ["PRESCRIPTION"],
        (OTHER_DRUG, ClaimKind.FIRST): ["ID_CARD", "PRESCRIPTION", "GENE_TEST"],
        (OTHER_DRUG, ClaimKind.RENEWAL): ["PRESCRIPTION"],
    }


@pytest.mark.parametrize(
    ("drug", "icd10", "indicated"),
    [
        (DRUG, "C50", True),
        (DRUG, "c50.912", True),
        (DRUG, "C5", False),
        (DRUG, "C34.1", False),
        (OTHER_DRUG, "C34.1", True),
        (OTHER_DRUG, "C34.10", True),
        (OTHER_DRUG, "C34", False),
        (OTHER_DRUG, "C34.2", False),
        ("NEVER-LISTED", "C50", False),
    ],
)
def test_a_drug_is_indicated_by_the_beginning_of_a_code(shelf: Shelf, drug: str, icd10: str, indicated: bool) -> None:
    assert terms_read(terms=shelf.terms).indicated(drug=drug, icd10=icd10) is indicated


@pytest.mark.parametrize(
    ("pre_existing", "basic_settled", "basis_points"),
    [(False, True, 8_000), (False, False, 6_000), (True, True, 4_000), (True, False, 0)],
)
def test_the_ratio_goes_by_illness_before_cover_and_basic_insurance(
    shelf: Shelf, pre_existing: bool, basic_settled: bool, basis_points: int
) -> None:
    read = terms_read(terms=shelf.terms)
    assert read.ratio_basis_points(pre_existing=pre_existing, basic_settled=basic_settled) == basis_points


# Impact ------------------------------------------------------------------------------------------------


def test_the_impact_names_what_leaves_and_who_is_in_treatment(shelf: Shelf) -> None:
    drug_of("PEMBRO-100")
    added = {**TERMS["drugs"][0], "drug": "PEMBRO-100"}
    kept = {**TERMS["drugs"][0], "cap_minor": 1}
    authorisation_of(shelf.policy, shelf.person, shelf.other_drug)
    authorisation_of(shelf.policy, shelf.person, shelf.drug)
    other = person_of()
    ended = policy_of(shelf.product, other, starts_on=date(2025, 1, 1), ends_on=date(2026, 6, 30))
    authorisation_of(ended, other, shelf.other_drug, valid_until=date(2026, 6, 30))
    impact = terms_impact(
        terms=drafted(shelf, drugs=[kept, added], waiting_days=90, materials=[], running_on_delisting="end")
    )
    assert (impact.compared_with, impact.listed, impact.delisted) == (1, ("PEMBRO-100",), (OTHER_DRUG,))
    assert impact.authorisations_of_delisted == {OTHER_DRUG: 1}
    assert (impact.authorisations_end, impact.policies) == (True, 1)
    names = {one.name for one in impact.changes}
    assert names == {"waiting_days", "materials", "running_on_delisting", f"{DRUG}.cap_minor"}
    assert ("waiting_days", "30", "90") in {(one.name, one.before, one.after) for one in impact.changes}


def test_equal_terms_change_nothing_and_first_terms_are_compared_with_none(shelf: Shelf) -> None:
    assert terms_impact(terms=drafted(shelf)).nothing
    first = terms_impact(terms=drafted(shelf, date(2019, 1, 1)))
    assert (first.compared_with, first.nothing, first.listed) == (None, False, (OTHER_DRUG, DRUG))


# Bad input ---------------------------------------------------------------------------------------------


def ratios(**changes: Any) -> list[Any]:
    return [{**TERMS["ratios"][0], **changes}, *TERMS["ratios"][1:]]


def listed(**changes: Any) -> list[Any]:
    return [{**TERMS["drugs"][0], **changes}]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"waiting_days": -1}, "waiting_days"),
        ({"waiting_days": "30"}, "waiting_days"),
        ({"waiting_days": True}, "waiting_days"),
        ({"annual_cap_minor": 1.5}, "annual_cap_minor"),
        ({"deductible_minor": None}, "deductible_minor"),
        ({"confirmation_mode": "NEVER"}, "confirmation_mode"),
        ({"surprise": 1}, "surprise"),
        ({"payers": ["basic", "basic", "commercial", "charity", "patient"]}, "payers"),
        ({"payers": "basic"}, "payers"),
        ({"deductible_offsets": ["commercial"]}, "deductible_offsets"),
        ({"category_caps_minor": []}, "category_caps_minor"),
        ({"category_caps_minor": {"breast": "1"}}, "category_caps_minor.breast"),
        ({"drugs": {}}, "drugs"),
        ({"drugs": [1]}, "drugs"),
        ({"drugs": listed(indications="C50")}, "drugs[0].indications"),
        ({"drugs": listed(clause="")}, "drugs[0]"),
        ({"drugs": listed(cap_minor=-1)}, "drugs[0].cap_minor"),
        ({"drugs": listed(drug=7)}, "drugs[0].drug"),
        ({"drugs": [*TERMS["drugs"], TERMS["drugs"][0]]}, "drugs"),
        ({"drugs": listed(drug="NEVER-HEARD-OF")}, "drugs"),
        ({"ratios": TERMS["ratios"][:3]}, "ratios"),
        ({"ratios": ratios(basis_points=10_001)}, "ratios"),
        ({"ratios": ratios(pre_existing="no")}, "ratios[0].pre_existing"),
        ({"ratios": ratios(pre_existing=True)}, "ratios"),
        ({"materials": [{"kind": "PASSPORT"}]}, "materials[0].kind"),
        ({"materials": [{"kind": "ID_CARD", "needed_for": ["NEVER"]}]}, "materials[0].needed_for"),
        ({"materials": [{"kind": "ID_CARD", "needed": []}]}, "materials[0].needed"),
        ({"materials": [{"kind": "ID_CARD", "maximum_age_days": "old"}]}, "materials[0].maximum_age_days"),
        ({"running_on_delisting": "perhaps"}, "running_on_delisting"),
        ({"list_date": "yesterday"}, "list_date"),
    ],
)
def test_terms_that_cannot_be_read_are_refused_with_their_place(
    shelf: Shelf, changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(TermsInvalid) as caught:
        drafted(shelf, **changes)
    assert caught.value.fields["place"] == place
    assert Terms.objects.count() == 1


@pytest.mark.parametrize("name", sorted(TERMS))
def test_no_parameter_has_a_default(name: str) -> None:
    body = terms_body()
    del body[name]
    with pytest.raises(TermsInvalid, match=f"{name}: missing"):
        parse(body)
